//! What a map does to the locks that the program holds on its file.
#![cfg(target_os = "linux")]

use folio::{MmapOptions, MmapViewSync, Protection};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

#[path = "support/stacked.rs"]
mod stacked;

/// A file to lock.
fn file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"bytes").unwrap();
    (dir, path)
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// A lock of the whole file for writing, as `fcntl` takes it.
fn whole_file() -> libc::flock {
    // SAFETY: zeros are a value of every one of its fields, all of which are numbers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK.try_into().unwrap();
    lock.l_whence = libc::SEEK_SET.try_into().unwrap();
    lock
}

/// Takes an `fcntl` lock, which belongs to the process.
fn lock_for_the_process(file: &File) {
    let lock = whole_file();
    // SAFETY: the command reads the structure, which lives until after the call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Whether somebody holds an `fcntl` lock of the file. It asks as an open file would, to which the locks of this process
/// are somebody else's; and by a descriptor that was there before, for to close one is to let the locks go.
fn locked_by_a_process(probe: &File) -> bool {
    let mut lock = whole_file();
    // SAFETY: the command reads and writes the structure, which lives until after the call.
    let result = unsafe { libc::fcntl(probe.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    i32::from(lock.l_type) != libc::F_UNLCK
}

/// Tries to take a `flock`, which belongs to the open file.
fn flock(file: &File) -> bool {
    // SAFETY: the call takes two numbers.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

fn unlock(file: &File) {
    // SAFETY: the call takes two numbers.
    assert_eq!(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) }, 0);
}

/// A kept duplicate that was closed took the locks of the whole process along, of which its user knew nothing.
#[cfg(not(folio_heap))] // where every map that writes keeps its file
#[test]
fn fcntl_locks_outlive_a_map_that_keeps_no_file() {
    let (_dir, path) = file();
    let (file, probe) = (open(&path), open(&path));
    lock_for_the_process(&file);
    for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
        let view = MmapViewSync::open(&file, protection).unwrap();
        view.flush().unwrap();
        view.flush_async().unwrap();
        assert!(locked_by_a_process(&probe));
        let (head, tail) = view.whole().unwrap().split_at(2).unwrap();
        drop(head);
        tail.unmap().unwrap();
        assert!(locked_by_a_process(&probe), "{protection:?}");
    }
    // Nor does a call that fails half-way.
    MmapOptions::new().len(100).map_view(&file, Protection::ReadWrite).unwrap_err();
    assert!(locked_by_a_process(&probe));
}

/// The price of a kept file, as its documentation says: it is why nobody pays it without asking.
#[test]
fn fcntl_locks_go_with_a_map_that_keeps_its_file() {
    let (_dir, path) = file();
    let (file, probe) = (open(&path), open(&path));
    lock_for_the_process(&file);
    let view = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite).unwrap();
    let (head, tail) = view.split_at(2).unwrap();
    drop(head);
    assert!(locked_by_a_process(&probe), "as long as a view lives");
    drop(tail);
    assert!(!locked_by_a_process(&probe), "closing any descriptor of a file lets them go (fcntl(2))");

    lock_for_the_process(&file);
    let view = MmapViewSync::open_path(&path, Protection::Read).unwrap();
    assert!(locked_by_a_process(&probe));
    drop(view);
    assert!(!locked_by_a_process(&probe));
}

/// A `flock` belongs to the open file, which Linux itself keeps open as long as it is mapped: by whom and how, and whether
/// folio keeps a duplicate, makes no difference; but on overlayfs, which has another file mapped. It can be let go by hand.
#[test]
fn a_flock_lasts_as_long_as_any_map_of_the_open_file() {
    let (_dir, path) = file();
    let other = open(&path);
    for keep in [false, true] {
        let file = open(&path);
        assert!(flock(&file));
        assert!(!flock(&other));
        let mut options = MmapOptions::new();
        if keep {
            options.keep_file();
        }
        let view = options.map_view(&file, Protection::ReadWrite).unwrap();
        drop(file);
        assert_eq!(!flock(&other), keep || !stacked::is_stacked(&path), "keep_file: {keep}");
        drop(view);
        assert!(flock(&other), "keep_file: {keep}");
        unlock(&other);
    }
    let file = open(&path);
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    assert!(flock(&file));
    unlock(&file);
    assert!(flock(&other));
    assert_eq!(view.load::<u8>(0).unwrap(), b'b');
}

/// The file that `open_path` opens is its own: the locks of other handles are not its to hold or to drop.
#[test]
fn a_flock_of_another_handle_is_not_touched_by_open_path() {
    let (_dir, path) = file();
    let (file, other) = (open(&path), open(&path));
    assert!(flock(&file));
    drop(MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap());
    assert!(!flock(&other));
    let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
    drop(file);
    assert!(flock(&other));
    view.sync_all().unwrap();
}
