//! Flushing: what was written reaches stable storage, on `Ok`, or has been started on its way.
//!
//! Whether there is anything to do is the mapping's business and not the view's: bytes written before a `freeze` are
//! flushed through the frozen view.

#![forbid(unsafe_code)]

use crate::fault::Fault;
use crate::mapping::Mapping;
use crate::range;
use crate::view::{Access, View};
use std::io;

impl<A: Access> View<A> {
    /// Writes the bytes of the view to stable storage, and returns when they are there.
    ///
    /// Covered is what this process wrote through any view of the mapping before the call and what others wrote to the same
    /// pages; the file's length and whatever else is needed to find the bytes again is covered too, other metadata (times)
    /// only by [`sync_all`](Self::sync_all). Flushing works on whole pages, so neighbouring bytes may be written along. A
    /// mapping that writes to no file (private, anonymous, never writable) has nothing to flush, and the answer is `Ok`
    /// without a system call.
    ///
    /// # Platform-specific behaviour
    ///
    /// | system | calls |
    /// |---|---|
    /// | Linux, Android | `msync(MS_SYNC)`, which runs the file system's `fsync` over the range |
    /// | macOS, iOS | `msync(MS_SYNC)`, then `fcntl(F_FULLFSYNC)`, or `fsync` where the file system refuses that |
    /// | BSD, illumos | `msync(MS_SYNC)`, then `fsync` of the kept file; on NetBSD `fsync_range`, which has the drive write too |
    /// | Windows | `FlushViewOfFile`, again for up to half a second if others are writing the same pages, then `FlushFileBuffers` of the kept file, which writes its other bytes and its metadata too |
    /// | WebAssembly, `--cfg folio_heap` | those bytes of the view that have changed are written to the file, then `File::sync_data` |
    ///
    /// # Errors
    ///
    /// The error of those calls, such as [`StorageFull`](io::ErrorKind::StorageFull) for a hole on a full disk. The system reports a
    /// page that it failed to write once only, to whoever asks first. So the first failure is kept: every later flush of every mapping
    /// that this process had of the file at that moment, through whichever handle it was made, gives the same error. A mapping made
    /// afterwards starts clean. A flush that went well waits for those of the same file that are under way, which may have been told
    /// of its pages. (A failure that the program's own `File::sync_all` on the handle that was mapped has received is not reported
    /// again here.) Where the standard library is all there is to tell files apart by (WebAssembly), and on file systems of Windows
    /// without numbers for files, the failure is kept for the mapping that met it, and its pieces.
    ///
    /// An error that carries a [`Fault`] if a page of the view stands in zeros ([`fault`](Self::fault)), or, where
    /// mappings are copies, if bytes have changed that lie behind the end that the file has now: what was written there is in no
    /// file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("log");
    /// let log = folio::MmapViewSync::create_new(&path, 1 << 16)?;
    /// log.write_all_at(b"first entry", 0)?;
    /// log.flush()?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "msync", alias = "FlushViewOfFile", alias = "fsync")]
    pub fn flush(&self) -> io::Result<()> {
        self.flush_range(0, self.len())
    }

    /// [`flush`](Self::flush) of the bytes `offset .. offset + len` of the view.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the end of the
    /// view.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let log = folio::MmapViewSync::create_new(&path, 1 << 20)?;
    /// log.write_all_at(b"second entry", 4000)?;
    /// log.flush_range(4000, 12)?; // two pages, and not the whole file
    /// # std::io::Result::Ok(())
    /// ```
    pub fn flush_range(&self, offset: usize, len: usize) -> io::Result<()> {
        range::check(offset, len, self.len())?;
        self.mapping().flush(self.start() + offset, len).map_err(|error| in_view(error, offset))?;
        self.nothing_lost(offset, len)
    }

    /// Starts to write the bytes of the view to storage, and does not wait for it.
    ///
    /// The write has started when this returns, or starts soon after. That goes for pages that an earlier call is still writing and
    /// that have changed since, too. Nothing tells when it is done: only [`flush`](Self::flush) says that the bytes are durable, and
    /// has less left to do after this. (It is not an `async fn`:
    /// in asynchronous code, run `flush` where blocking is allowed.)
    ///
    /// # Platform-specific behaviour
    ///
    /// | system | the mapping keeps its file | it does not |
    /// |---|---|---|
    /// | Linux, Android | `sync_file_range(SYNC_FILE_RANGE_WRITE)`: in write-back on return; and what that had to pass over, because it was being written already, by the thread | a thread of the process calls `msync(MS_SYNC)` |
    /// | macOS, iOS, BSD, illumos | `msync(MS_ASYNC)` | (it always does) |
    /// | Windows | `FlushViewOfFile`: handed to the drive on return, which takes as long as that takes | (it always does) |
    /// | WebAssembly, `--cfg folio_heap` | all that `flush` does, before this returns | (it always does) |
    ///
    /// On Linux `msync(MS_ASYNC)` has done nothing since 2.6.19 (msync(2)), which is why it is not used there. If very many ranges
    /// wait for the thread (256 of a mapping), it writes what lies between them, too. The thread is used
    /// too on file systems that are not known to keep their pages where `sync_file_range` looks (overlayfs, FUSE, network file
    /// systems); kernels before 6.5 do not tell what it passed over.
    /// [`open_path`](View::open_path), [`create_new`](View::create_new) and
    /// [`keep_file`](crate::MmapOptions::keep_file) give a mapping that keeps its file. With a device that is saturated
    /// `sync_file_range` may wait for room in its queue.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush) for what can be known at once, and the error of making a thread. A later failure is reported by
    /// the next flush of the mapping.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let view = folio::MmapViewSync::create_new(&path, 1 << 20)?;
    /// let (head, tail) = view.split_at(1 << 19)?;
    /// head.write_all_at(&[1; 1 << 19], 0)?;
    /// head.flush_async()?; // on its way to the disk while the other half is made
    /// tail.write_all_at(&[2; 1 << 19], 0)?;
    /// tail.flush()?;
    /// head.flush()?; // little is left to do
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "sync_file_range", alias = "MS_ASYNC")]
    pub fn flush_async(&self) -> io::Result<()> {
        self.flush_async_range(0, self.len())
    }

    /// [`flush_async`](Self::flush_async) of the bytes `offset .. offset + len` of the view.
    ///
    /// # Errors
    ///
    /// As [`flush_async`](Self::flush_async), and [`InvalidInput`](io::ErrorKind::InvalidInput) if the range reaches past the
    /// end of the view.
    pub fn flush_async_range(&self, offset: usize, len: usize) -> io::Result<()> {
        range::check(offset, len, self.len())?;
        Mapping::start_flush(self.mapping(), self.start() + offset, len).map_err(|error| in_view(error, offset))?;
        self.nothing_lost(offset, len)
    }

    /// Writes the entire mapping and all metadata of its file to stable storage, and returns when they are there. As for
    /// [`flush`](Self::flush), a mapping that writes to no file has nothing to write.
    ///
    /// # Platform-specific behaviour
    ///
    /// The calls of [`flush`](Self::flush), then `fsync` on Linux, Android, the BSDs (`fsync_range` on NetBSD) and illumos,
    /// `fcntl(F_FULLFSYNC)` on macOS and iOS, `FlushFileBuffers` on Windows.
    ///
    /// Where mappings are copies (WebAssembly, `--cfg folio_heap`), of the mapping the bytes of this view are written: another may be
    /// somebody's `&mut [u8]`.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), and [`Unsupported`](io::ErrorKind::Unsupported) if the mapping writes to a file and does not
    /// keep it: the metadata belongs to the file, whose own `sync_all` does the same. [`open_path`](View::open_path),
    /// [`create_new`](View::create_new) and [`keep_file`](crate::MmapOptions::keep_file) give one that does.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapOptions, Protection};
    /// use std::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
    /// file.set_len(4096)?;
    /// let view = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite)?;
    /// view.store(0, 7u64)?;
    /// view.sync_all()?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "fsync", alias = "FlushFileBuffers")]
    pub fn sync_all(&self) -> io::Result<()> {
        self.mapping().sync_all(self.start(), self.len())?;
        self.nothing_lost(0, self.len())
    }

    /// What was written to a page that stands in zeros now is in no file: a flush of it is no success.
    fn nothing_lost(&self, offset: usize, len: usize) -> io::Result<()> {
        match self.fault_in(offset, len) {
            Some(fault) if self.mapping().writes_file() => Err(io::Error::other(fault)),
            _ => Ok(()),
        }
    }
}

/// The error of a flush that began at byte `offset` of the view: what is lost is counted from there on.
fn in_view(error: io::Error, offset: usize) -> io::Error {
    match Fault::of(&error) {
        Some(fault) => io::Error::other(Fault { offset: offset + fault.offset }),
        None => error,
    }
}
