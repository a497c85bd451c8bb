//! Where ours does better than memmap 0.5.2: one test for each line of `compat/DIFFERENCES.md`, which names it.
#![cfg(target_os = "linux")]

use memmap::{Mmap, Protection};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::panic::UnwindSafe;

#[path = "../../../crates/folio/tests/support/seccomp.rs"]
mod seccomp;
#[path = "../../../crates/folio/tests/support/skip.rs"]
mod skip;

/// In release builds memmap answers `Ok`, with a pointer before the map or a length of nearly `usize::MAX`.
#[test]
fn ranges_that_wrap_are_refused() {
    let mut view = Mmap::anonymous(100, Protection::ReadWrite).unwrap().into_view_sync();
    for (offset, len) in [(usize::MAX, 2), (1, usize::MAX), (usize::MAX, usize::MAX)] {
        assert_eq!(view.restrict(offset, len).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.len(), 100);
    }
    let map = Mmap::anonymous(100, Protection::ReadWrite).unwrap();
    assert_eq!(map.flush_range(1, usize::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(map.flush_range(60, 41).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// memmap gives `EINVAL` for a view that does not begin with a page.
#[test]
fn flush_async_works_wherever_a_view_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, vec![7; 20_000]).unwrap();
    let (_, ours) = Mmap::open_path(&path, Protection::ReadWrite).unwrap().into_view_sync().split_at(5).unwrap();
    ours.flush_async().unwrap();
    // What fails behind the back of the call is told here.
    ours.flush().unwrap();
    let map = published::Mmap::open_path(&path, published::Protection::ReadWrite).unwrap();
    let (_, theirs) = map.into_view_sync().split_at(4096 + 5).unwrap();
    theirs.flush_async().unwrap();
    let map =
        published::Mmap::open_with_offset(&File::open(&path).unwrap(), published::Protection::Read, 5, 100).unwrap();
    assert!(map.flush_async_range(1, 1).is_err());
}

/// memmap goes on writing to the file.
#[test]
fn a_map_that_writes_to_its_file_does_not_become_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, b"abc").unwrap();
    let mut ours = Mmap::open_path(&path, Protection::ReadWrite).unwrap();
    assert_eq!(ours.set_protection(Protection::ReadCopy).unwrap_err().kind(), ErrorKind::InvalidInput);
    let mut theirs = published::Mmap::open_path(&path, published::Protection::ReadWrite).unwrap();
    theirs.set_protection(published::Protection::ReadCopy).unwrap();
    // SAFETY: nobody else touches the file.
    unsafe { theirs.as_mut_slice()[0] = b'X' };
    assert_eq!(fs::read(&path).unwrap(), b"Xbc");
}

/// memmap opens the file for writing for a copy, which never writes to it.
#[test]
fn a_copy_of_a_read_only_file_can_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, b"abc").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let open = || {
        // Permissions do not stop root, so the thread becomes somebody without rights; it alone, as the system's own call does.
        // SAFETY: the call takes numbers.
        let became = unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) };
        // SAFETY: asks who the thread is.
        assert!(became == 0 || unsafe { libc::geteuid() } != 0);
        let theirs = published::Mmap::open_path(&path, published::Protection::ReadCopy).map(drop);
        (Mmap::open_path(&path, Protection::ReadCopy), theirs)
    };
    let (ours, theirs) = std::thread::scope(|threads| threads.spawn(open).join().unwrap());
    assert_eq!(theirs.unwrap_err().kind(), ErrorKind::PermissionDenied);
    let mut map = ours.unwrap();
    // SAFETY: nobody writes the file.
    unsafe { map.as_mut_slice()[0] = b'X' };
    assert_eq!(fs::read(&path).unwrap(), b"abc");
}

/// In memmap each view makes a `&mut [u8]` of the whole map and takes its part of that: two such, of two threads, alias. Here a part is
/// made of its own address. No run shows that by itself, short of one by an interpreter that keeps track of borrows; what this
/// shows is that both parts are right at the same time.
#[test]
fn parts_are_written_at_the_same_time() {
    let (mut head, mut tail) =
        Mmap::anonymous(100, Protection::ReadWrite).unwrap().into_view_sync().split_at(50).unwrap();
    // SAFETY: the two have no byte in common, and nobody else has either.
    let first = unsafe { head.as_mut_slice() };
    // SAFETY: as for the call above.
    let second = unsafe { tail.as_mut_slice() };
    std::thread::scope(|threads| {
        threads.spawn(|| first.fill(1));
        threads.spawn(|| second.fill(2));
    });
    assert_eq!((first[49], second[0]), (1, 2));
    assert_eq!(first.as_ptr().wrapping_add(50), second.as_ptr());
}

/// The system reports a failure once, and memmap hands on what the system says: the next flush is fine.
#[test]
fn a_flush_that_fails_is_reported_by_every_later_one() {
    if !seccomp::is_there() {
        return skip::skip("a_flush_that_fails_is_reported_by_every_later_one", "no filters of system calls");
    }
    let dir = tempfile::tempdir().unwrap();
    let paths = ["ours", "theirs"].map(|name| dir.path().join(name));
    paths.iter().for_each(|path| fs::write(path, b"abc").unwrap());
    let ours = Mmap::open_path(&paths[0], Protection::ReadWrite).unwrap();
    let theirs = published::Mmap::open_path(&paths[1], published::Protection::ReadWrite).unwrap();
    // One thread whose calls fail, as if the disk did: that of the filter.
    let failed = std::thread::scope(|threads| {
        let flush = || {
            seccomp::fail(&[libc::SYS_msync], libc::EIO);
            [ours.flush(), theirs.flush()].map(|result| result.unwrap_err().raw_os_error())
        };
        threads.spawn(flush).join().unwrap()
    });
    assert_eq!(failed, [Some(libc::EIO); 2]);
    theirs.flush().unwrap();
    assert_eq!(ours.flush().unwrap_err().raw_os_error(), Some(libc::EIO));
    let (head, tail) = ours.into_view_sync().split_at(1).unwrap();
    assert_eq!(head.flush().unwrap_err().raw_os_error(), Some(libc::EIO));
    assert_eq!(tail.flush().unwrap_err().raw_os_error(), Some(libc::EIO));
}

/// What cannot be mapped is said in words; memmap gives the number of an error without a kind.
#[test]
fn what_cannot_be_mapped_has_an_error_with_a_kind() {
    for (path, kind) in [
        ("/proc/self", ErrorKind::IsADirectory),
        ("/proc/cpuinfo", ErrorKind::InvalidInput),
        ("/dev/null", ErrorKind::InvalidInput),
    ] {
        let file = File::open(path).unwrap();
        let ours = Mmap::open_with_offset(&file, Protection::Read, 0, 10).unwrap_err();
        assert_eq!((ours.kind(), ours.raw_os_error()), (kind, None), "{path}");
        let theirs = published::Mmap::open_with_offset(&file, published::Protection::Read, 0, 10).unwrap_err();
        assert!(matches!(theirs.raw_os_error(), Some(libc::ENODEV | libc::EIO)), "{path}: {theirs}");
    }
}

/// memmap has cells in its views, which hide that nothing in them can be left half done.
#[test]
fn views_may_be_seen_after_a_panic() {
    fn unwind_safe<T: UnwindSafe>(_: &T) {}
    let views = || Mmap::anonymous(10, Protection::ReadWrite).unwrap();
    unwind_safe(&views().into_view());
    unwind_safe(&views().into_view_sync());
}
