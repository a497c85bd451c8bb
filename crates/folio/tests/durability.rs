//! Flushes by what they bring about: pages that leave memory, and failures that nobody may miss.
// The pages of the system are counted, and the heap has none.
#![cfg(all(target_os = "linux", not(folio_heap)))]

use folio::{MmapOptions, MmapViewSync, Protection, page_size};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

#[path = "support/disk.rs"]
mod disk;
#[path = "support/fill.rs"]
mod fill;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/mounts.rs"]
mod mounts;
#[path = "support/seccomp.rs"]
mod seccomp;
#[path = "support/skip.rs"]
mod skip;

use disk::Disk;
use fill::fill;
use mounts::Mount;
use skip::skip;

const LEN: usize = 64 << 20;

/// How many pages of a part of the file are in memory, dirty, in write-back, evicted and recently evicted, by the kernel's
/// own count (cachestat(2), Linux 6.5).
fn counts(file: &File, offset: usize, len: usize) -> io::Result<[u64; 5]> {
    const CACHESTAT: libc::c_long = 451;
    let range = [offset as u64, len as u64];
    let mut counts = [0_u64; 5];
    let (fd, flags) = (file.as_raw_fd(), 0 as libc::c_uint);
    // SAFETY: the call reads two numbers of 64 bits and writes five.
    let result = unsafe { libc::syscall(CACHESTAT, fd, range.as_ptr(), counts.as_mut_ptr(), flags) };
    if result == 0 { Ok(counts) } else { Err(io::Error::last_os_error()) }
}

/// How many pages of a part of the file wait in memory to be written.
fn dirty(file: &File, offset: usize, len: usize) -> io::Result<usize> {
    counts(file, offset, len).map(|counts| usize::try_from(counts[1]).unwrap())
}

/// A file of [`LEN`] bytes on a real disk, or at least on a file system that has pages to write back.
struct OnDisk {
    file: File,
    path: PathBuf,
    _dir: Option<tempfile::TempDir>,
    _disk: Option<Disk>,
}

impl OnDisk {
    fn new(test: &str) -> Option<OnDisk> {
        let dir = tempfile::tempdir().unwrap();
        // A file system in memory never writes its pages, and says so by none of them being dirty.
        let probe = dir.path().join("probe");
        fs::write(&probe, vec![1; 1 << 20]).unwrap();
        let writes_back = match dirty(&File::open(&probe).unwrap(), 0, 1 << 20) {
            Ok(dirty) => dirty > 0,
            Err(error) => {
                skip(test, format_args!("cachestat: {error}"));
                return None;
            }
        };
        let (dir, disk) = if writes_back {
            (Some(dir), None)
        } else {
            match Disk::new(2 * LEN as u64) {
                Ok(disk) => (None, Some(disk)),
                Err(reason) => {
                    skip(test, format_args!("the temporary folder is in memory, and {reason}"));
                    return None;
                }
            }
        };
        let path = disk.as_ref().map_or_else(|| dir.as_ref().unwrap().path(), Disk::path).join("file");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        file.set_len(LEN as u64).unwrap();
        Some(OnDisk { file, path, _dir: dir, _disk: disk })
    }

    /// How many of 100 pages in memory of this part wait to be written. Under an emulator the kernel's pages may be smaller than
    /// the program's.
    fn dirty_percent(&self, offset: usize, len: usize) -> u64 {
        let [cached, dirty, ..] = counts(&self.file, offset, len).unwrap();
        100 * dirty / cached.max(1)
    }
}

/// Writes to every page of the view by plain stores.
fn store(view: &mut MmapViewSync, value: u8) {
    // SAFETY: the test has no other view of the file, and no other process knows it.
    unsafe { view.as_mut_slice() }.fill(value);
}

/// `msync(MS_ASYNC)` has done nothing since Linux 2.6.19: a flush that "has been started" began half a minute later.
#[test]
fn flush_async_with_a_kept_file_has_started_when_it_returns() {
    let Some(disk) = OnDisk::new("flush_async_with_a_kept_file_has_started_when_it_returns") else {
        return;
    };
    // The control, and the reason for this test. The kernel may begin to write by itself now and then.
    let left = (0..5).map(|round| {
        // SAFETY: nobody else uses the file.
        let mut map = unsafe { memmap2::MmapMut::map_mut(&disk.file) }.unwrap();
        map.fill(round);
        map.flush_async().unwrap();
        disk.dirty_percent(0, LEN)
    });
    let left = left.max().unwrap();
    assert!(left > 90, "MS_ASYNC leaves only {left} % dirty: this test cannot tell who wrote the rest");
    disk.file.sync_all().unwrap();

    let mut kept = MmapOptions::new().keep_file().map_view(&disk.file, Protection::ReadWrite).unwrap();
    store(&mut kept, 10);
    kept.flush_async().unwrap();
    assert_eq!(disk.dirty_percent(0, LEN), 0);
    kept.flush().unwrap();
    drop(kept);

    // Views that open their file themselves keep it, and a piece of one flushes its own part.
    let mut opened = MmapViewSync::open_path(&disk.path, Protection::ReadWrite).unwrap();
    store(&mut opened, 11);
    let (head, tail) = opened.split_at(LEN / 2).unwrap();
    tail.flush_async().unwrap();
    assert_eq!(disk.dirty_percent(LEN / 2, LEN / 2), 0);
    head.flush_async_range(LEN / 4, LEN / 4).unwrap();
    assert_eq!(disk.dirty_percent(LEN / 4, LEN / 4), 0);
    head.flush().unwrap();
    assert_eq!(disk.dirty_percent(0, LEN), 0);
}

/// What a piece starts to write is its own pages: a program that flushes its records must not write the whole file.
#[test]
fn flush_async_of_a_piece_leaves_its_neighbours() {
    let Some(disk) = OnDisk::new("flush_async_of_a_piece_leaves_its_neighbours") else {
        return;
    };
    let mut view = MmapOptions::new().keep_file().map_view(&disk.file, Protection::ReadWrite).unwrap();
    // The kernel may begin to write by itself now and then, but hardly every time.
    let left = (0..5).map(|round| {
        store(&mut view, round);
        assert!(disk.dirty_percent(0, LEN) > 0);
        view.flush_async_range(LEN / 2, LEN / 2).unwrap();
        assert_eq!(disk.dirty_percent(LEN / 2, LEN / 2), 0);
        let left = disk.dirty_percent(0, LEN / 2);
        view.flush().unwrap();
        left
    });
    assert!(left.max().unwrap() > 90);
}

/// The kernel passes over pages that it is writing at that moment: what is stored meanwhile waits half a minute.
#[test]
fn flush_async_of_pages_that_are_being_written_starts_soon() {
    const TEST: &str = "flush_async_of_pages_that_are_being_written_starts_soon";
    const PART: usize = 1 << 20;
    let Some(disk) = OnDisk::new(TEST) else {
        return;
    };
    let view = MmapOptions::new().keep_file().map_view(&disk.file, Protection::ReadWrite).unwrap();
    for round in 0..20 {
        view.write_all_at(&vec![round; LEN], 0).unwrap();
        view.flush_async().unwrap();
        // The last part is written last. It is stored to, and flushed, while that goes on, if the disk is not too fast.
        view.write_all_at(&[round + 100; PART], LEN - PART).unwrap();
        let [cached, _, writing, ..] = counts(&disk.file, LEN - PART, PART).unwrap();
        view.flush_async_range(LEN - PART, PART).unwrap();
        let started = starts_soon(&disk, LEN - PART, PART);
        assert!(started, "{} % of the pages are dirty still", disk.dirty_percent(LEN - PART, PART));
        if writing == cached {
            return;
        }
    }
    skip(TEST, "the disk writes faster than the test");
}

/// Whether all pages are on their way before the kernel itself would begin, which is after 30 seconds.
fn starts_soon(disk: &OnDisk, offset: usize, len: usize) -> bool {
    (0..100).any(|_| {
        thread::sleep(Duration::from_millis(10));
        disk.dirty_percent(offset, len) == 0
    })
}

/// Without a file to ask, somebody else has to wait for `msync`: it starts all the same, and without the caller.
#[test]
fn flush_async_without_a_file_starts_soon() {
    let Some(disk) = OnDisk::new("flush_async_without_a_file_starts_soon") else {
        return;
    };
    let mut view = MmapViewSync::open(&disk.file, Protection::ReadWrite).unwrap();
    store(&mut view, 1);
    view.flush_async().unwrap();
    assert!(starts_soon(&disk, 0, LEN), "{} % of the pages are dirty still", disk.dirty_percent(0, LEN));
    // The mapping is the caller's again when the thread has done its work.
    view.unmap().unwrap();
}

/// What `Ok` of a flush means, by the kernel's count, for each way to have written the bytes.
#[test]
fn a_flush_leaves_no_page_to_write() {
    let Some(disk) = OnDisk::new("a_flush_leaves_no_page_to_write") else {
        return;
    };
    let mut view = MmapViewSync::open(&disk.file, Protection::ReadWrite).unwrap();
    store(&mut view, 1);
    view.flush().unwrap();
    assert_eq!(dirty(&disk.file, 0, LEN).unwrap(), 0);

    view.write_all_at(&vec![2; LEN / 4], 10).unwrap();
    view.flush_range(10, LEN / 4).unwrap();
    assert_eq!(dirty(&disk.file, 0, LEN).unwrap(), 0);
    drop(view);

    // SAFETY: nobody else uses the file.
    let mut map = unsafe { MmapOptions::new().map_mut(&disk.file) }.unwrap();
    map[..LEN / 4].fill(3);
    let frozen = map.make_read_only().unwrap();
    frozen.slice(LEN / 8..).clone().flush().unwrap();
    assert_eq!(dirty(&disk.file, LEN / 8, LEN / 8).unwrap(), 0);
    frozen.flush().unwrap();
    assert_eq!(dirty(&disk.file, 0, LEN).unwrap(), 0);
}

/// A disk that loses what is written to it: its image lies in memory that is full.
struct FailingDisk {
    disk: Disk,
    memory: Mount,
}

impl FailingDisk {
    /// A disk that works, with a file of this many bytes.
    fn new(len: usize) -> Result<FailingDisk, String> {
        const MARK: u8 = 0x77;
        let memory = Mount::new("tmpfs", "size=40m", Path::new("folio-test"))?;
        let image = memory.path().join("image");
        // Without a journal: its failure would take the whole file system along. In blocks of one page, because a loop
        // device calls it a success when it gets rid of the first part of what it has to write.
        let block = machine::page_size();
        let make = ["-O", "^has_journal", "-b", &block.to_string()];
        let mut disk = Disk::at(image.clone(), 32 << 20, &make, "loop")?;
        let path = disk.path().join("file");
        fs::write(&path, vec![MARK; len]).unwrap();
        File::open(path).unwrap().sync_all().unwrap();
        disk.remount();
        // The memory behind the file's bytes is given back: whoever writes them needs it anew. In pieces as long as
        // possible, because the kernel keeps what is less than one of its own pieces.
        let (bytes, marked) = (fs::read(&image).unwrap(), vec![MARK; block]);
        let image = OpenOptions::new().write(true).open(image).unwrap();
        let of_the_file: Vec<bool> = bytes.chunks(block).map(|bytes| bytes == marked).collect();
        let mut start = 0;
        for run in of_the_file.chunk_by(|one, next| one == next) {
            if run[0] {
                let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                let (from, len) = ((start * block).try_into().unwrap(), (run.len() * block).try_into().unwrap());
                // SAFETY: the descriptor is open; the call takes no pointer.
                assert_eq!(unsafe { libc::fallocate(image.as_raw_fd(), mode, from, len) }, 0);
            }
            start += run.len();
        }
        Ok(FailingDisk { disk, memory })
    }

    fn open(&self) -> File {
        OpenOptions::new().read(true).write(true).open(self.disk.path().join("file")).unwrap()
    }

    /// From now on all that is written to the file is lost.
    fn fail(&self) {
        fill(&self.memory.path().join("filler"));
    }

    /// It works again.
    fn repair(&self) {
        fs::remove_file(self.memory.path().join("filler")).unwrap();
    }
}

/// The kernel reports a lost page to whoever asks first, and says `Ok` to everybody after that.
#[test]
fn a_failed_flush_fails_for_all_views_until_the_file_is_mapped_anew() {
    const PART: usize = 1 << 20;
    let mut failing = match FailingDisk::new(2 * PART) {
        Ok(failing) => failing,
        Err(reason) => return skip("a_failed_flush_fails_for_all_views_until_the_file_is_mapped_anew", reason),
    };
    let file = failing.open();
    let view = MmapOptions::new().len(PART).keep_file().map_view(&file, Protection::ReadWrite).unwrap();
    // SAFETY: nobody else uses this part of the file.
    let mut peer =
        unsafe { memmap2::MmapOptions::new().offset(PART as u64).len(PART).map_mut(&failing.open()) }.unwrap();
    failing.fail();
    peer.fill(2);
    view.write_all_at(&vec![2; PART], 0).unwrap();
    let (head, tail) = view.split_at(PART / 2).unwrap();
    let code = head.flush().unwrap_err().raw_os_error();
    assert!(code.is_some());
    peer.flush().unwrap_err();
    failing.repair();

    // The control: the kernel has forgotten, and so has who keeps nothing in mind. The bytes are lost.
    peer.flush().unwrap();
    drop(peer);
    for result in [
        tail.flush(),
        tail.flush_range(0, 1),
        tail.flush_async(),
        tail.flush_async_range(0, 1),
        tail.sync_all(),
        head.flush(),
        head.sync_all(),
    ] {
        assert_eq!(result.unwrap_err().raw_os_error(), code);
    }
    // Also for views that come to be later, of any kind; only what needs no flush at all has none that could fail.
    tail.flush_range(5, 0).unwrap();
    drop(head);
    // SAFETY: nobody writes the file while the map lives.
    let frozen = unsafe { tail.whole().unwrap().assume_immutable() };
    assert_eq!(frozen.clone().flush().unwrap_err().raw_os_error(), code);
    assert_eq!(frozen.slice(10..20).flush_async().unwrap_err().raw_os_error(), code);
    frozen.unmap().unwrap();

    // Mapped anew, and written anew, the bytes get there.
    drop(file);
    let view = MmapOptions::new().keep_file().map_view(failing.open(), Protection::ReadWrite).unwrap();
    view.write_all_at(&vec![3; 2 * PART], 0).unwrap();
    view.flush().unwrap();
    view.sync_all().unwrap();
    drop(view);
    failing.disk.remount();
    assert!(fs::read(failing.disk.path().join("file")).unwrap() == vec![3; 2 * PART]);
}

/// A program that maps a large file window by window does it by one handle, and the kernel counts its reports by handle: the
/// window that flushed first heard of the lost pages, and the others were told that theirs were on the disk.
#[test]
fn a_failure_is_known_to_all_mappings_of_the_file() {
    const TEST: &str = "a_failure_is_known_to_all_mappings_of_the_file";
    let piece = 64 * page_size();
    let failing = match FailingDisk::new(4 * piece) {
        Ok(failing) => failing,
        Err(reason) => return skip(TEST, reason),
    };
    let file = failing.open();
    let window = |index: usize| {
        let mut options = MmapOptions::new();
        options.offset((index * piece) as u64).len(piece).map_view(&file, Protection::ReadWrite).unwrap()
    };
    // One of them is for reading at first.
    let mut windows = [window(0), window(1), window(2)];
    windows[2] = MmapOptions::new().offset(2 * piece as u64).len(piece).map_view(&file, Protection::Read).unwrap();
    windows[2].set_protection(Protection::ReadWrite).unwrap();
    failing.fail();
    for window in &windows {
        window.write_all_at(&vec![2; piece], 0).unwrap();
    }
    // Somebody else has the pages written, so that all of them fail before the first of us asks.
    failing.open().sync_all().unwrap_err();
    let code = windows[1].flush().unwrap_err().raw_os_error();
    assert!(code.is_some());
    failing.repair();
    for window in &windows {
        assert_eq!(window.flush().unwrap_err().raw_os_error(), code);
        assert_eq!(window.flush_async().unwrap_err().raw_os_error(), code);
    }
    // What is mapped from then on has lost nothing yet, and hears of nothing.
    let later = [window(1), window(3)];
    for window in &later {
        window.write_all_at(&vec![3; piece], 0).unwrap();
        window.flush().unwrap();
    }
    assert_eq!(windows[0].flush().unwrap_err().raw_os_error(), code);
    drop(windows);
    later[0].flush().unwrap();
    // Nor does another file, or the same one when nobody has it mapped any more.
    drop(later);
    window(0).flush().unwrap();
}

/// Which code a lost page has is the driver's choice, and its file system's. Some were taken for "nothing was tried", and the next
/// flush said `Ok`.
#[test]
fn a_failed_flush_fails_from_then_on_whatever_its_code() {
    use libc::{EAGAIN, EBUSY, EDQUOT, EINVAL, EIO, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM, ETIMEDOUT};
    if !seccomp::is_there() {
        return skip("a_failed_flush_fails_from_then_on_whatever_its_code", "system calls cannot be made to fail here");
    }
    let file = tempfile::tempfile().unwrap();
    file.set_len(100).unwrap();
    let open = || MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite).unwrap();
    for code in [EAGAIN, EBUSY, EDQUOT, EINVAL, EIO, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM, ETIMEDOUT] {
        // A thread for each, whose calls fail and nobody else's.
        let (flushed, synced) = (open(), open());
        thread::scope(|scope| {
            let failing = scope.spawn(|| {
                seccomp::fail(&[libc::SYS_msync], code);
                assert_eq!(flushed.flush().unwrap_err().raw_os_error(), Some(code));
            });
            failing.join().unwrap();
            let failing = scope.spawn(|| {
                seccomp::fail(&[libc::SYS_fsync], code);
                assert_eq!(synced.sync_all().unwrap_err().raw_os_error(), Some(code));
            });
            failing.join().unwrap();
        });
        for view in [flushed, synced] {
            assert_eq!(view.flush().unwrap_err().raw_os_error(), Some(code));
            assert_eq!(view.flush_async().unwrap_err().raw_os_error(), Some(code));
            assert_eq!(view.sync_all().unwrap_err().raw_os_error(), Some(code));
        }
        open().sync_all().unwrap();
    }
}

/// A flush in the background has nobody to fail to: the next one has to say it.
#[test]
fn a_failure_in_the_background_is_reported_by_the_next_flush() {
    let failing = match FailingDisk::new(1 << 20) {
        Ok(failing) => failing,
        Err(reason) => return skip("a_failure_in_the_background_is_reported_by_the_next_flush", reason),
    };
    let view = MmapViewSync::open(failing.open(), Protection::ReadWrite).unwrap();
    failing.fail();
    view.write_all_at(&vec![2; 1 << 20], 0).unwrap();
    view.flush_async().unwrap();
    // Waits for the thread.
    let view = view.whole().unwrap();
    failing.repair();
    view.flush().unwrap_err();
    view.flush_async().unwrap_err();
    // It is the write-back that failed, not the memory.
    assert_eq!(view.load::<u8>(5).unwrap(), 2);
}

/// The kernel gives the error of a page to one of the flushes that run at that time, not to the one whose page it was.
#[test]
fn every_one_of_two_threads_hears_of_the_bytes_that_it_lost() {
    let piece = 64 * page_size();
    let failing = match FailingDisk::new(2 * piece) {
        Ok(failing) => failing,
        Err(reason) => return skip("every_one_of_two_threads_hears_of_the_bytes_that_it_lost", reason),
    };
    failing.fail();
    for round in 0..50 {
        let view = MmapViewSync::open(failing.open(), Protection::ReadWrite).unwrap();
        view.write_all_at(&vec![2; 2 * piece], 0).unwrap();
        let (head, tail) = view.split_at(piece).unwrap();
        let start = Barrier::new(2);
        let flush = |piece: &MmapViewSync| {
            start.wait();
            piece.flush()
        };
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| flush(&head));
            (flush(&tail), first.join().unwrap())
        });
        assert!(first.is_err() && second.is_err(), "round {round}: {first:?}, {second:?}, and both lost their bytes");
    }
}
