//! What somebody vouched for, and for how long: conversions that a claim is needed for, and handles that change.

#![cfg(any(unix, windows))]

use folio::{MmapMut, MmapOptions, MmapViewSync, Protection};
use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Write};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd as Handle};
#[cfg(windows)]
use std::os::windows::io::{AsHandle, BorrowedHandle as Handle};

#[cfg(unix)]
#[path = "support/respawn.rs"]
mod respawn;

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A handle that is a file once and another one the next time. It is safe to write one, so the proof and the mapping must be
/// of the same answer.
struct TwoFaced<'a> {
    faces: [Handle<'a>; 2],
    asked: Cell<usize>,
}

impl<'a> TwoFaced<'a> {
    fn new(first: &'a File, second: &'a File) -> Self {
        #[cfg(unix)]
        let faces = [first.as_fd(), second.as_fd()];
        #[cfg(windows)]
        let faces = [first.as_handle(), second.as_handle()];
        TwoFaced { faces, asked: Cell::new(0) }
    }

    fn answer(&self) -> Handle<'_> {
        let asked = self.asked.replace(self.asked.get() + 1);
        self.faces[asked.min(1)]
    }
}

#[cfg(unix)]
impl AsFd for TwoFaced<'_> {
    fn as_fd(&self) -> Handle<'_> {
        self.answer()
    }
}

#[cfg(windows)]
impl AsHandle for TwoFaced<'_> {
    fn as_handle(&self) -> Handle<'_> {
        self.answer()
    }
}

#[test]
fn a_file_is_asked_for_its_handle_once() {
    let (first, second) = (file(&[1; 100]), file(&[2; 100]));
    let two_faced = TwoFaced::new(&first, &second);
    let view = MmapOptions::new().keep_file().map_view(&two_faced, Protection::ReadWrite).unwrap();
    assert_eq!((view.load::<u8>(0).unwrap(), two_faced.asked.get()), (1, 1));
    let two_faced = TwoFaced::new(&first, &second);
    assert!(MmapOptions::new().map_if_safe(&two_faced).is_err());
    assert_eq!(two_faced.asked.get(), 1);
}

/// A file mapped for reading can be written after all, if the caller vouches for it and the file is open for writing.
#[test]
fn assume_exclusive_makes_the_pages_writable() {
    let file = file(&[0; 100]);
    // Where flushing takes the file, it has to be kept.
    // SAFETY: nobody else has the file.
    let map = unsafe { MmapOptions::new().keep_file().map(&file) }.unwrap();
    assert_eq!(map.clone().make_mut().unwrap_err().error().kind(), ErrorKind::ResourceBusy);
    let failed = map.make_mut().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    // SAFETY: nobody else has the file.
    let assumed = unsafe { failed.into_view().assume_exclusive() };
    if cfg!(windows) {
        // Views of files allow there what they were mapped for, and no more.
        let failed = assumed.unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied, "{failed:?}");
        assert_eq!(failed.into_view()[..], [0; 100]);
        return;
    }
    let mut map = assumed.unwrap();
    map[0] = 7;
    map.flush().unwrap();
    // SAFETY: nobody else has the file.
    let mut map = unsafe { map.make_read_only().unwrap().assume_exclusive() }.unwrap();
    map[1] = 8;
    drop(map);
    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    assert_eq!(view.load::<u16>(0).unwrap().to_ne_bytes(), [7, 8]);
}

/// Every operation on an empty view is a no-op, and so is writing nothing.
#[test]
fn nothing_can_be_written_to_a_read_only_view() {
    let view = MmapViewSync::open(file(&[0; 10]), Protection::Read).unwrap();
    view.write_all_at(&[], 10).unwrap();
    assert_eq!(view.write_all_at(&[], 11).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(view.write_all_at(&[1], 0).unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn assume_exclusive_of_a_file_that_is_open_for_reading_only_gives_the_view_back() {
    let mut named = tempfile::NamedTempFile::new().unwrap();
    named.write_all(&[3; 100]).unwrap();
    let view = MmapViewSync::open_path(named.path(), Protection::Read).unwrap();
    // SAFETY: nobody else has the file.
    let failed = unsafe { view.assume_exclusive() }.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(failed.into_view().load::<u8>(99).unwrap(), 3);
}

/// Whoever lets others in cannot go on as if nobody were there: the claim is gone with the first `Shared` view of a file.
#[test]
fn letting_others_in_ends_the_claim_on_the_file() {
    let file = file(&[0; 100]);
    // SAFETY: nobody else has the file.
    let mut head = unsafe { MmapMut::map_mut(&file) }.unwrap();
    let tail = head.split_off(50).unwrap().into_view_sync();
    let head = head.freeze();
    drop(tail);
    assert_eq!(head.clone().whole().unwrap_err().error().kind(), ErrorKind::ResourceBusy);
    let failed = head.whole().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(failed.into_view().make_mut().unwrap_err().error().kind(), ErrorKind::PermissionDenied);
    // A private copy of a file shows what others write to the file, until it has been written itself.
    // SAFETY: nobody writes the file as long as the map, or an exclusive or immutable piece of it, lives.
    let mut head = unsafe { MmapOptions::new().map_copy(&file) }.unwrap();
    let tail = head.split_off(50).unwrap();
    drop(head.into_view_sync());
    let failed = tail.freeze().whole().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(failed.into_view().make_mut().unwrap_err().error().kind(), ErrorKind::PermissionDenied);
    // Private memory has no others.
    let mut head = MmapMut::map_anon(100).unwrap();
    drop(head.split_off(50).unwrap().into_view_sync());
    assert_eq!(head.freeze().whole().unwrap().make_mut().unwrap().len(), 100);
}

/// What was vouched for was the view, not what lies around it.
#[test]
fn an_assumption_does_not_widen() {
    let view = MmapViewSync::open(file(&[0; 100]), Protection::ReadWrite).unwrap();
    let (head, tail) = view.split_at(50).unwrap();
    drop(tail);
    // SAFETY: nobody else has the file.
    let failed = unsafe { head.assume_immutable() }.whole().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(failed.into_view().len(), 50);
}

/// A descriptor without access to the bytes is no file to map, and nothing is done to a file that cannot be mapped.
#[test]
fn allocate_changes_nothing_when_the_mapping_fails() {
    let mut named = tempfile::NamedTempFile::new().unwrap();
    named.write_all(b"abc").unwrap();
    for write in [false, true] {
        let half = std::fs::OpenOptions::new().read(!write).write(write).open(named.path()).unwrap();
        let error = MmapOptions::new().len(8192).allocate().map_view(&half, Protection::ReadWrite).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(std::fs::metadata(named.path()).unwrap().len(), 3);
    }
}

/// The file is made longer first and kept last: with no descriptor left for the duplicate it had stayed longer.
#[cfg(unix)]
#[test]
fn allocate_changes_nothing_when_the_file_cannot_be_kept() {
    const TEST: &str = "allocate_changes_nothing_when_the_file_cannot_be_kept";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "no descriptor left")), respawn::End::Passed);
        return;
    }
    let file = file(b"abc");
    let mut options = MmapOptions::new();
    options.len(1 << 20).allocate().keep_file();
    // The lowest number that is free is the first that may not be had.
    let next = std::os::fd::AsRawFd::as_raw_fd(&file.try_clone().unwrap());
    #[allow(clippy::unnecessary_fallible_conversions, reason = "signs and widths differ by system")]
    let limit = libc::rlim_t::try_from(next).unwrap();
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the call reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let error = options.map_view(&file, Protection::ReadWrite).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    assert_eq!(file.metadata().unwrap().len(), 3);
}

/// Opening a pipe waits for its other end: a path is looked at first.
#[cfg(unix)]
#[test]
fn open_path_of_a_pipe_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    for protection in [Protection::Read, Protection::ReadWrite] {
        assert_eq!(MmapViewSync::open_path(&path, protection).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(MmapViewSync::open_path(dir.path(), Protection::Read).unwrap_err().kind(), ErrorKind::IsADirectory);
}

/// `fcntl` locks are the process's and go when any descriptor of the file is closed: a failed call must not have one.
#[cfg(target_os = "linux")]
#[test]
fn a_failed_mapping_leaves_the_locks_of_the_process_alone() {
    let file = file(&[0; 10]);
    // SAFETY: a C structure of integers, for which zeros are valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(libc::F_WRLCK).unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: the descriptor is open and the structure is the one that the command reads.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETLK, &raw const lock) }, 0);
    assert!(MmapOptions::new().keep_file().offset(11).map_view(&file, Protection::ReadWrite).is_err());
    // SAFETY: a child that only makes system calls and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // A child has none of its parent's locks, so it sees them.
        // SAFETY: as in the call above.
        let result = unsafe { libc::fcntl(fd, libc::F_GETLK, &raw mut lock) };
        let held = result == 0 && i32::from(lock.l_type) != libc::F_UNLCK;
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(held)) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and there is room for its status.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(libc::WEXITSTATUS(status), 1, "the lock is still there");
}
