//! What only `MmapViewSync` has: the methods of the view that `memmap` 0.5 had under this name, and the short ways in.

use super::{Shared, View};
use crate::error::ViewError;
use crate::options::MmapOptions;
use crate::range;
use crate::sys::AsFile;
use crate::{MmapMut, Protection};
use std::io;
use std::path::Path;
use std::slice;

/// A thread-safe view of a memory map that can be split into disjoint owned pieces.
///
/// Each piece keeps the mapping alive, can be sent to any thread, split again, narrowed, rejoined and flushed by itself.
/// The bytes may be changed by anybody at any time, by other processes too, so reading and writing go by checked copies,
/// all of them by `&self`; those never die of a page that is lost, they give an error. A plain slice is an `unsafe`
/// promise that nobody else writes.
///
/// # Methods
///
/// | to | call |
/// |---|---|
/// | make one | [`open`](View::open), [`open_path`](View::open_path), [`create_new`](View::create_new), [`anonymous`](View::anonymous), [`MmapOptions::map_view`], [`MmapOptions::map_anon_shared`], [`shm::memfd`](crate::shm::memfd) |
/// | take apart | [`split_at`](View::split_at), [`split_off`](View::split_off), [`split_to`](View::split_to), [`into_chunks`](View::into_chunks), [`split_ranges`](View::split_ranges), [`restrict`](View::restrict) |
/// | put together | [`unsplit`](View::unsplit), [`whole`](View::whole) |
/// | read | [`read_exact_at`](View::read_exact_at), [`load`](View::load), [`reader`](View::reader) |
/// | write | [`write_all_at`](View::write_all_at), [`store`](View::store), [`writer`](View::writer) |
/// | talk to other processes | [`load_acquire`](View::load_acquire), [`store_release`](View::store_release), [`compare_exchange`](View::compare_exchange), [`fetch_add`](View::fetch_add) |
/// | make durable | [`flush`](View::flush), [`flush_async`](View::flush_async), [`flush_range`](View::flush_range), [`flush_async_range`](View::flush_async_range), [`sync_all`](View::sync_all) |
/// | hint at what will be used | [`advise`](View::advise), [`advise_range`](View::advise_range) |
/// | bring into memory | [`populate_read`](View::populate_read), [`populate_read_range`](View::populate_read_range), [`populate_read_steps`](View::populate_read_steps), [`populate_write`](View::populate_write), [`populate_write_range`](View::populate_write_range), [`populate_write_steps`](View::populate_write_steps) |
/// | keep there | [`lock`](View::lock), [`unlock`](View::unlock), [`lock_guard`](View::lock_guard) |
/// | lend a slice to a closure (`unsafe`, survives) | [`with_slice`](View::with_slice), [`with_slice_mut`](View::with_slice_mut), [`fault`](View::fault) |
/// | change the mapping, through its only view | [`remap`](View::remap), [`remap_in_place`](View::remap_in_place), [`set_protection`](View::set_protection) |
/// | make final | [`seal`](View::seal), [`mseal`](View::mseal) |
/// | go unchecked (`unsafe`) | [`as_slice`](View::as_slice), [`as_mut_slice`](View::as_mut_slice), [`clone`](View::clone), [`assume_immutable`](View::assume_immutable), [`assume_exclusive`](View::assume_exclusive), [`unchecked_advise`](View::unchecked_advise), [`unchecked_advise_range`](View::unchecked_advise_range) |
/// | ask | [`len`](View::len), [`is_empty`](View::is_empty), [`as_ptr`](View::as_ptr), [`ptr`](View::ptr), [`mut_ptr`](View::mut_ptr), [`protection`](View::protection), [`is_unique`](View::is_unique) |
/// | ask what is there | [`residency`](View::residency), [`residency_with`](View::residency_with), [`resident_ranges`](View::resident_ranges), [`page_size`](View::page_size) |
/// | let go | `drop`, or [`unmap`](View::unmap) to hear of a failure |
///
/// # Examples
///
/// Two threads write the two halves of a file, each flushes its own.
///
/// ```
/// use folio::{MmapViewSync, Protection};
/// use std::thread;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # std::fs::write(&path, [0; 8192])?;
/// let view = MmapViewSync::open_path(&path, Protection::ReadWrite)?;
/// let (head, tail) = view.split_at(4096)?;
/// let writer = thread::spawn(move || {
///     tail.write_all_at(b"tail", 0)?;
///     tail.flush()
/// });
/// head.write_all_at(b"head", 0)?;
/// head.flush()?;
/// writer.join().unwrap()?;
///
/// let bytes = std::fs::read(&path)?;
/// assert_eq!((&bytes[..4], &bytes[4096..4100]), (&b"head"[..], &b"tail"[..]));
/// # std::io::Result::Ok(())
/// ```
///
/// It is not `Clone`: a second view of the same bytes is an `unsafe` [`clone`](View::clone).
///
/// ```compile_fail,E0277
/// fn second<T: Clone>(view: &T) -> T { view.clone() }
/// second(&folio::MmapViewSync::anonymous(10).unwrap());
/// ```
///
/// A slice cannot outlive its view, and a shared reference to a view gives no `&mut [u8]`.
///
/// ```compile_fail,E0505
/// let view = folio::MmapViewSync::anonymous(10).unwrap();
/// let slice = unsafe { view.as_slice() };
/// drop(view);
/// println!("{}", slice[0]);
/// ```
///
/// ```compile_fail,E0596
/// fn through_shared(view: &folio::MmapViewSync) -> &mut [u8] {
///     unsafe { view.as_mut_slice() }
/// }
/// ```
#[doc(alias = "mmap", alias = "MmapRaw", alias = "MappedFile", alias = "CreateFileMapping")]
pub type MmapViewSync = View<Shared>;

impl View<Shared> {
    /// Maps an entire file.
    ///
    /// The file may be closed afterwards: the mapping does not need it. No handle of it is kept, unless
    /// [`MmapOptions::keep_file`] asks for it (or the system needs one to flush: see there, also for what that means for file
    /// locks).
    /// An empty file gives an empty view.
    ///
    /// # Errors
    ///
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file is not open for reading, or, for
    ///   [`Protection::ReadWrite`], not for writing.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the file is nothing that can be mapped (a pipe, a socket, a device,
    ///   a file of `/proc`) or longer than `isize::MAX` bytes; [`IsADirectory`](io::ErrorKind::IsADirectory) for a directory.
    /// - The error of the system's mapping call.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapViewSync, Protection};
    /// use std::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # std::fs::write(&path, b"bytes")?;
    /// let view = MmapViewSync::open(File::open(&path)?, Protection::Read)?;
    /// assert_eq!(view.load::<u8>(4)?, b's');
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "mmap")]
    pub fn open<F: AsFile>(file: F, protection: Protection) -> io::Result<MmapViewSync> {
        MmapOptions::new().map_view(file, protection)
    }

    /// Opens a file and maps all of it. The mapping keeps the file that it opened, one descriptor, which makes
    /// [`flush_async`](View::flush_async) and [`sync_all`](View::sync_all) as good as they get. When the last view goes that
    /// descriptor is closed, and with it all `fcntl` locks of the process on that file are gone (fcntl(2)).
    ///
    /// The file is opened for reading, and for writing too for [`Protection::ReadWrite`]; it is neither created nor cut.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Windows the file is opened so that others may read, write, rename and delete it. As long as any view of a file lives,
    /// [`open`](View::open)'s too, the system refuses to cut it short (`ERROR_USER_MAPPED_FILE`), and, depending on its version
    /// and the file system, to delete it or to put another one in its place. All of that succeeds as soon as the last
    /// view is gone.
    ///
    /// # Errors
    ///
    /// Those of opening the file, and those of [`open`](View::open).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapViewSync, Protection};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # std::fs::write(&path, [0; 100])?;
    /// let view = MmapViewSync::open_path(&path, Protection::ReadWrite)?;
    /// view.write_all_at(b"header", 0)?;
    /// view.flush()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn open_path<P: AsRef<Path>>(path: P, protection: Protection) -> io::Result<MmapViewSync> {
        MmapOptions::new().open_path(path, protection)
    }

    /// Creates a file of `len` zeros with real blocks on the disk, and maps it for reading and writing. The mapping
    /// keeps the file.
    ///
    /// Because the blocks are there, a disk that is full is an error of this call, not of a later write. A flush makes the bytes
    /// and the length durable; the *name* of a new file is durable when its directory has been synchronised too
    /// (`File::open(directory)?.sync_all()` on Unix; fsync(2)).
    ///
    /// # Errors
    ///
    /// A file that this call has made is taken away again.
    ///
    /// - [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is a file of this name already; it is left alone.
    /// - [`StorageFull`](io::ErrorKind::StorageFull) if the disk has no room for `len` bytes, and the error of the system for a
    ///   quota or a limit on the length of files.
    /// - Those of creating a file, and those of [`open`](View::open).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let view = folio::MmapViewSync::create_new(&path, 1 << 16)?;
    /// assert_eq!(std::fs::metadata(&path)?.len(), 1 << 16);
    /// assert_eq!(view.load::<u64>(100)?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn create_new<P: AsRef<Path>>(path: P, len: usize) -> io::Result<MmapViewSync> {
        MmapOptions::new().len(len).create_new(path)
    }

    /// Maps `len` bytes of zeros that belong to no file. They are private to this process: a child made by `fork` has its own
    /// copy. [`MmapOptions::map_anon_shared`] maps such that children share.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `len` is above `isize::MAX`, and the error of the system's mapping call
    /// ([`OutOfMemory`](io::ErrorKind::OutOfMemory)).
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(1 << 20)?;
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| view.store(0, 1u32));
    ///     threads.spawn(|| view.store(4, 2u32));
    /// });
    /// assert_eq!((view.load::<u32>(0)?, view.load::<u32>(4)?), (1, 2));
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MAP_ANONYMOUS")]
    pub fn anonymous(len: usize) -> io::Result<MmapViewSync> {
        Ok(MmapMut::map_anon(len)?.into_view_sync())
    }

    /// Splits the view into its bytes `0..offset` and its bytes `offset..len`. Both keep the mapping alive.
    ///
    /// O(1), one increment of the owner count; no address moves.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput), with the view in it, if `offset > self.len()`.
    ///
    /// # Examples
    ///
    /// ```
    /// let (head, tail) = folio::MmapViewSync::anonymous(100)?.split_at(60)?;
    /// assert_eq!((head.len(), tail.len()), (60, 40));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn split_at(mut self, offset: usize) -> Result<(MmapViewSync, MmapViewSync), ViewError<MmapViewSync>> {
        match range::check(offset, 0, self.len()) {
            Ok(()) => {
                let tail = self.cut(offset);
                Ok((self, tail))
            }
            Err(error) => Err(ViewError::new(error, self)),
        }
    }

    /// Changes what may be done with the pages of the whole mapping, through its only view. Waits for a background flush of the
    /// mapping to end.
    ///
    /// What was written before can be flushed whatever they allow now.
    ///
    /// # Errors
    ///
    /// The view is unchanged.
    ///
    /// - [`ResourceBusy`](io::ErrorKind::ResourceBusy) if other views of the mapping live.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) for [`ReadCopy`](Protection::ReadCopy) of a mapping that is not a private one of
    ///   a file, and [`ReadWrite`](Protection::ReadWrite) of one that is: where changes go is decided when it is made.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file was not open for writing, for a mapping after
    ///   [`mseal`](View::mseal), and what else the system's call says (`mprotect`, `VirtualProtect` on Windows; see
    ///   [`make_exec`](View::make_exec)).
    /// - [`Unsupported`](io::ErrorKind::Unsupported) where flushing needs a file (all but Linux and Android) and a mapping that was
    ///   made for reading and keeps none is to be written.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapViewSync, Protection};
    ///
    /// let mut view = MmapViewSync::anonymous(100)?;
    /// view.set_protection(Protection::Read)?;
    /// assert_eq!(view.store(0, 1_u8).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    /// view.set_protection(Protection::ReadWrite)?;
    /// view.store(0, 1_u8)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "mprotect", alias = "VirtualProtect")]
    pub fn set_protection(&mut self, protection: Protection) -> io::Result<()> {
        self.only_owner()?.change_protection(protection)
    }

    /// The address of the first byte. The same as [`as_ptr`](View::as_ptr), under the name that it had in `memmap` 0.5.
    #[must_use]
    pub fn ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    /// The address of the first byte, for writing, or for atomic accesses of other kinds than folio has.
    ///
    /// Plain writes through it obey the rules of [`as_mut_slice`](View::as_mut_slice). Atomic ones may meet atomic ones of others, and
    /// folio's own on the same number where those are single accesses of the machine: by routines, not on the heap and not by kernel copies
    /// ([`fault`](crate::fault)). Nothing may be written if [`protection`](View::protection) does not allow it, or to a page that is lost, and the
    /// address is good for as long as that of [`as_ptr`](View::as_ptr).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU16, Ordering};
    ///
    /// let view = folio::MmapViewSync::anonymous(64)?;
    /// // SAFETY: the memory belongs to no file, so no page is ever lost; it is aligned, and lives as long as the view.
    /// let flags = unsafe { AtomicU16::from_ptr(view.mut_ptr().cast()) };
    /// assert_eq!(flags.fetch_or(1, Ordering::Relaxed), 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    #[doc(alias = "as_mut_ptr")]
    pub fn mut_ptr(&self) -> *mut u8 {
        self.start_ptr()
    }

    /// The bytes as a slice.
    ///
    /// Touching a page that has been lost (the file was cut short, the medium failed) ends the process by a signal;
    /// [`read_exact_at`](View::read_exact_at) gives an error instead. On a network file system that is mounted hard and has
    /// gone away, either waits in the kernel.
    ///
    /// # Safety
    ///
    /// As long as the slice lives, nobody writes these bytes: not through this view's
    /// [`write_all_at`](View::write_all_at) or [`store`](View::store), not through a [`clone`](View::clone) of it, not through
    /// another mapping or handle of the file, in this process or any other.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the range is mapped as long as the view lives [V0][V1], readable in every protection there is, and not
        // longer than `isize::MAX` [M3]. The caller vouches that nobody writes it.
        unsafe { slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// The bytes as a mutable slice.
    ///
    /// Touching a page that has been lost ends the process by a signal, as with [`as_slice`](View::as_slice).
    ///
    /// # Safety
    ///
    /// As long as the slice lives, nobody else reads or writes these bytes: not through a [`clone`](View::clone) of this view,
    /// not through another mapping or handle of the file, in this process or any other. The pages can be written:
    /// [`protection`](View::protection) says [`ReadWrite`](Protection::ReadWrite) or [`ReadCopy`](Protection::ReadCopy);
    /// writing to others ends the process by a signal.
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as for `as_slice`; the caller vouches that nobody else touches the bytes, and other views do not share
        // any [V2].
        unsafe { slice::from_raw_parts_mut(self.start_ptr(), self.len()) }
    }

    /// A second view of the same bytes.
    ///
    /// The checked calls may race on the two without harm. What else relies on views being disjoint is from now on the
    /// caller's to keep.
    ///
    /// # Safety
    ///
    /// As long as both views, or pieces of both, share bytes, no slice of one is used while the other writes those bytes,
    /// and neither is turned into a [`Mmap`](crate::Mmap) or [`MmapMut`] while the other could break what that promises.
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(10)?;
    /// // SAFETY: only checked copies are made of both views.
    /// let twin = unsafe { view.clone() };
    /// view.store(0, 7u8)?;
    /// assert_eq!(twin.load::<u8>(0)?, 7);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub unsafe fn clone(&self) -> MmapViewSync {
        // SAFETY: the caller takes over that the two views share bytes [V2].
        unsafe { self.alias(0, self.len()) }
    }
}
