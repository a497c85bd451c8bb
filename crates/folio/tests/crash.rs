//! What is on the disk after a crash: a disk that is shut off in the middle of everything, and mounted anew.
// The heap shows nobody what is written before it is flushed.
#![cfg(all(target_os = "linux", not(folio_heap)))]

use folio::{MmapMut, MmapOptions, MmapViewSync, Protection, page_size};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

#[path = "support/disk.rs"]
mod disk;
#[path = "support/mounts.rs"]
mod mounts;
#[path = "support/skip.rs"]
mod skip;

use disk::Disk;

const LEN: usize = 1 << 20;

/// Writes to a disk by `write`, which gives what it wants to stay alive until the crash; crashes; gives what is there
/// afterwards to `check`.
fn crash<T>(test: &str, prepare: fn(&Path), write: fn(&Path) -> T, check: fn(&Path)) {
    let mut disk = match Disk::new(32 << 20) {
        Ok(disk) => disk,
        Err(reason) => return skip::skip(test, reason),
    };
    prepare(disk.path());
    disk.remount();
    let alive = write(disk.path());
    shut_off(disk.path()).unwrap();
    drop(alive);
    disk.remount();
    check(disk.path());
}

/// Stops the file system as it is: neither its journal nor a page gets to the disk from now on. What `xfs_io -x -c shutdown` does.
fn shut_off(dir: &Path) -> io::Result<()> {
    /// `EXT4_IOC_SHUTDOWN`, which XFS had first: `_IOR('X', 125, __u32)` (fs/ext4/ext4.h), as most architectures number it.
    const SHUTDOWN: u32 = 0x8004_587d;
    /// `EXT4_GOING_FLAGS_NOLOGFLUSH`: without writing what the journal holds in memory.
    const NO_JOURNAL: u32 = 2;
    let root = File::open(dir)?;
    let flags = NO_JOURNAL;
    // The width of the number differs by C library.
    let request = SHUTDOWN as _;
    // SAFETY: the descriptor is open; the request reads one number of 32 bits.
    if unsafe { libc::ioctl(root.as_raw_fd(), request, &raw const flags) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A file with one byte all over, on the disk.
fn old_file(dir: &Path) {
    let file = dir.join("file");
    fs::write(&file, vec![1; LEN]).unwrap();
    File::open(&file).unwrap().sync_all().unwrap();
    File::open(dir).unwrap().sync_all().unwrap();
}

fn open(dir: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(dir.join("file")).unwrap()
}

/// Makes the entry of a new file in its folder durable, which is the business of the folder.
fn sync_folder(dir: &Path) {
    File::open(dir).unwrap().sync_all().unwrap();
}

/// Checks that the file holds 2 in these pages, and 1 as before in all others.
#[track_caller]
fn assert_written(dir: &Path, pages: std::ops::Range<usize>) {
    let bytes = fs::read(dir.join("file")).unwrap();
    assert_eq!(bytes.len(), LEN);
    for (page, bytes) in bytes.chunks(page_size()).enumerate() {
        let expected = if pages.contains(&page) { 2 } else { 1 };
        assert!(bytes.iter().all(|&byte| byte == expected), "page {page}: {} instead of {expected}", bytes[0]);
    }
}

const ALL: std::ops::Range<usize> = 0..usize::MAX;
const NONE: std::ops::Range<usize> = 0..0;

/// The control: without a flush the bytes are lost, so that the other tests are known to test something.
#[test]
fn without_a_flush_the_bytes_are_lost() {
    crash(
        "without_a_flush_the_bytes_are_lost",
        old_file,
        |dir| {
            let view = MmapViewSync::open(open(dir), Protection::ReadWrite).unwrap();
            view.write_all_at(&[2; LEN], 0).unwrap();
            assert!(fs::read(dir.join("file")).unwrap() == [2; LEN], "everybody sees them before the crash");
            view
        },
        |dir| assert_written(dir, NONE),
    );
}

/// The second control: a file that was created and not flushed is gone, or has nothing in it.
#[test]
fn without_a_flush_a_new_file_has_nothing_in_it() {
    crash(
        "without_a_flush_a_new_file_has_nothing_in_it",
        |_| {},
        |dir| {
            let view = MmapViewSync::create_new(dir.join("file"), LEN).unwrap();
            view.write_all_at(&[2; LEN], 0).unwrap();
            view
        },
        |dir| assert!(!fs::read(dir.join("file")).is_ok_and(|bytes| bytes.contains(&2))),
    );
}

/// What `Ok` of a flush means.
#[test]
fn flushed_bytes_are_there() {
    crash(
        "flushed_bytes_are_there",
        old_file,
        |dir| {
            let view = MmapViewSync::open(open(dir), Protection::ReadWrite).unwrap();
            view.write_all_at(&[2; LEN], 0).unwrap();
            view.flush().unwrap();
            view
        },
        |dir| assert_written(dir, ALL),
    );
}

/// A piece flushes its own pages, wherever in the mapping and the file they are, and no others.
#[test]
fn a_flushed_piece_is_there_and_its_neighbours_are_not() {
    crash(
        "a_flushed_piece_is_there_and_its_neighbours_are_not",
        old_file,
        |dir| {
            let page = page_size();
            let view = MmapOptions::new().offset(page as u64).map_view(open(dir), Protection::ReadWrite).unwrap();
            view.write_all_at(&vec![2; view.len()], 0).unwrap();
            let (head, tail) = view.split_at(2 * page).unwrap();
            tail.flush_range(1, page).unwrap();
            (head, tail)
        },
        // The range begins in the fourth page of the file and ends in the fifth.
        |dir| assert_written(dir, 3..5),
    );
}

/// A rule "a read-only view has nothing to flush" lost what was written before it became one.
#[test]
fn bytes_written_before_a_freeze_are_flushed_by_a_clone() {
    crash(
        "bytes_written_before_a_freeze_are_flushed_by_a_clone",
        old_file,
        |dir| {
            // SAFETY: nobody else uses the file.
            let mut map = unsafe { MmapMut::map_mut(open(dir)) }.unwrap();
            map.fill(2);
            let frozen = map.freeze();
            frozen.clone().flush().unwrap();
            frozen
        },
        |dir| assert_written(dir, ALL),
    );
}

/// The same after the pages themselves have become read-only.
#[test]
fn bytes_written_before_make_read_only_are_flushed_after_it() {
    crash(
        "bytes_written_before_make_read_only_are_flushed_after_it",
        old_file,
        |dir| {
            // SAFETY: nobody else uses the file.
            let mut map = unsafe { MmapMut::map_mut(open(dir)) }.unwrap();
            map.fill(2);
            let read_only = map.make_read_only().unwrap();
            read_only.slice(..).flush().unwrap();
            read_only
        },
        |dir| assert_written(dir, ALL),
    );
}

#[track_caller]
fn assert_new_file(dir: &Path) {
    let bytes = fs::read(dir.join("file")).unwrap();
    assert_eq!(bytes.len(), LEN);
    assert!(bytes == [2; LEN]);
}

/// The bytes are on the disk and the length that leads to them is not: `fdatasync` semantics include the length.
#[test]
fn the_length_of_a_new_file_is_there_after_a_flush() {
    crash(
        "the_length_of_a_new_file_is_there_after_a_flush",
        |_| {},
        |dir| {
            let view = MmapViewSync::create_new(dir.join("file"), LEN).unwrap();
            view.write_all_at(&[2; LEN], 0).unwrap();
            view.flush().unwrap();
            sync_folder(dir);
            view
        },
        assert_new_file,
    );
}

/// The same by `sync_all`, for a file that was made longer by hand.
#[test]
fn the_length_of_an_extended_file_is_there_after_sync_all() {
    crash(
        "the_length_of_an_extended_file_is_there_after_sync_all",
        |dir| {
            fs::write(dir.join("file"), b"").unwrap();
            sync_folder(dir);
        },
        |dir| {
            let file = open(dir);
            file.set_len(LEN as u64).unwrap();
            let view = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite).unwrap();
            view.write_all_at(&[2; LEN], 0).unwrap();
            view.sync_all().unwrap();
            (file, view)
        },
        assert_new_file,
    );
}

/// Blocks that were given in advance are marked as unwritten: the mark has to go, or they read as zeros after the crash.
#[test]
fn bytes_in_blocks_that_were_allocated_are_there_after_a_flush() {
    crash(
        "bytes_in_blocks_that_were_allocated_are_there_after_a_flush",
        |dir| {
            fs::write(dir.join("file"), b"").unwrap();
            sync_folder(dir);
        },
        |dir| {
            let mut options = MmapOptions::new();
            let view = options.len(LEN).allocate().map_view(open(dir), Protection::ReadWrite).unwrap();
            let (head, tail) = view.split_at(LEN / 2).unwrap();
            for half in [&head, &tail] {
                half.write_all_at(&[2; LEN / 2], 0).unwrap();
                half.flush().unwrap();
            }
            (head, tail)
        },
        assert_new_file,
    );
}

/// ext4 answers EIO to a mapping when it has been shut off, as `/proc` does for files that cannot be mapped at all; so a disk that
/// had failed was reported as a mistake of the caller.
#[test]
fn mapping_a_file_of_a_disk_that_is_gone_is_the_disks_error() {
    crash(
        "mapping_a_file_of_a_disk_that_is_gone_is_the_disks_error",
        old_file,
        |dir| {
            let file = open(dir);
            shut_off(dir).unwrap();
            for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
                let error = MmapViewSync::open(&file, protection).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EIO), "{protection:?}: {error}");
            }
        },
        |dir| assert_written(dir, NONE),
    );
}
