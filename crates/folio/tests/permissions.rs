//! Who may map what, as an ordinary user: root is let through by checks that everybody else meets. Each test runs in a
//! child process that gives up root first, if it has it.
#![cfg(unix)]

use folio::{Mmap, MmapMut, MmapOptions, MmapViewSync, Protection};
use std::env;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/respawn.rs"]
mod respawn;

const BYTES: &[u8] = b"some bytes in a file";

/// Makes a folder with files of several modes, owned by whoever runs the tests, and runs the test again inside of it as
/// somebody who is not root.
fn as_ordinary_user(test: &str, body: fn()) {
    if respawn::case().is_some() {
        become_ordinary();
        return body();
    }
    let dir = tempfile::tempdir().unwrap();
    // Others may enter and read the folder, but not write it.
    let modes = [("readable", 0o444), ("writable", 0o666), ("write-only", 0o222), ("forbidden", 0o000)];
    for (name, mode) in modes {
        let path = dir.path().join(name);
        fs::write(&path, BYTES).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
    // As the working folder: the ordinary user may not be allowed to walk the path to it.
    let end = respawn::run(respawn::command(&[], test, "ordinary").current_dir(dir.path()));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(end, respawn::End::Passed);
    for (name, _) in modes {
        assert!(dir.path().join(name).exists());
    }
}

/// Takes on the user and group that own nothing, for all threads, if this process is root.
fn become_ordinary() {
    const NOBODY: u32 = 65534;
    // SAFETY: the call has no obligations.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: a list of no groups needs no memory.
        assert_eq!(unsafe { libc::setgroups(0, std::ptr::null()) }, 0);
        // SAFETY: the call takes a number; after it the process can do less than before.
        assert_eq!(unsafe { libc::setgid(NOBODY) }, 0);
        // SAFETY: as in the call above.
        assert_eq!(unsafe { libc::setuid(NOBODY) }, 0);
    }
    // SAFETY: the call has no obligations.
    assert_ne!(unsafe { libc::geteuid() }, 0);
    assert!(env::current_dir().is_ok());
    // The test of the tests: root would get through here.
    assert_eq!(File::open("forbidden").unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[track_caller]
fn assert_denied<T: std::fmt::Debug>(what: &str, result: std::io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied, "{what}");
}

/// Root may open every file for everything, so a test by root says nothing about modes.
#[test]
fn open_path_obeys_the_mode_of_the_file() {
    as_ordinary_user("open_path_obeys_the_mode_of_the_file", || {
        for protection in [Protection::Read, Protection::ReadCopy] {
            assert_eq!(MmapViewSync::open_path("readable", protection).unwrap().len(), BYTES.len());
            assert_eq!(MmapViewSync::open_path("writable", protection).unwrap().len(), BYTES.len());
            assert_denied("write-only", MmapViewSync::open_path("write-only", protection));
            assert_denied("forbidden", MmapViewSync::open_path("forbidden", protection));
        }
        assert_denied("readable", MmapViewSync::open_path("readable", Protection::ReadWrite));
        assert_denied("write-only", MmapViewSync::open_path("write-only", Protection::ReadWrite));
        let view = MmapViewSync::open_path("writable", Protection::ReadWrite).unwrap();
        view.write_all_at(b"SOME", 0).unwrap();
        view.flush().unwrap();
        view.flush_async().unwrap();
        view.sync_all().unwrap();
        assert_eq!(&fs::read("writable").unwrap()[..4], b"SOME");
    });
}

/// The access that counts is the one that the file was opened with, not what the mode would allow.
#[test]
fn a_handle_gives_no_more_than_it_was_opened_for() {
    as_ordinary_user("a_handle_gives_no_more_than_it_was_opened_for", || {
        for path in ["readable", "writable"] {
            let file = File::open(path).unwrap();
            for (kind, outcome) in kinds::writing(&MmapOptions::new(), &file) {
                assert_denied(kind, outcome);
            }
            for (kind, outcome) in kinds::reading(&MmapOptions::new(), &file) {
                assert_eq!(outcome.unwrap_or_else(|error| panic!("{kind}: {error}")).1, BYTES.len(), "{kind}");
            }
        }
        for path in ["write-only", "writable"] {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            for (kind, outcome) in kinds::outcomes(&MmapOptions::new(), &file) {
                assert_denied(kind, outcome);
            }
        }
    });
}

/// `make_mut` asked `mprotect` alone, which says yes to whoever holds a descriptor that can write.
#[test]
fn make_mut_of_a_read_only_file_is_denied_and_the_map_comes_back() {
    as_ordinary_user("make_mut_of_a_read_only_file_is_denied_and_the_map_comes_back", || {
        let file = File::open("readable").unwrap();
        // SAFETY: nobody writes the file while the map lives.
        let failed = unsafe { Mmap::map(&file) }.unwrap().make_mut().unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
        let map = failed.into_view();
        assert_eq!(&map[..], BYTES);
        drop(map);

        // SAFETY: as in the call above.
        let mut copy = unsafe { MmapOptions::new().map_copy_read_only(&file) }.unwrap().make_mut().unwrap();
        copy.fill(b'x');
        assert_eq!(fs::read("readable").unwrap(), BYTES);

        // And a map that was writable comes back from being read-only.
        let file = OpenOptions::new().read(true).write(true).open("writable").unwrap();
        // SAFETY: nobody else uses the file.
        let map = unsafe { MmapMut::map_mut(&file) }.unwrap().make_read_only().unwrap();
        assert_eq!(map.protection(), Protection::Read);
        map.make_mut().unwrap()[0] = b'S';
        assert_eq!(fs::read("writable").unwrap()[0], b'S');
    });
}

/// A failed creation must not leave, or take away, a file of that name.
#[test]
fn create_new_in_a_folder_of_somebody_else_is_denied() {
    as_ordinary_user("create_new_in_a_folder_of_somebody_else_is_denied", || {
        assert_denied("a new file", MmapViewSync::create_new("new", 100));
        assert!(!Path::new("new").exists());
        let error = MmapViewSync::create_new("readable", 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read("readable").unwrap(), BYTES);
    });
}

/// Blocks can only be given to a file that may be written.
#[test]
fn allocate_on_a_read_only_handle_is_denied_and_changes_nothing() {
    as_ordinary_user("allocate_on_a_read_only_handle_is_denied_and_changes_nothing", || {
        let file = File::open("writable").unwrap();
        let result = MmapOptions::new().len(1 << 20).allocate().map_view(&file, Protection::ReadWrite);
        assert_denied("allocate", result);
        assert_eq!(fs::read("writable").unwrap(), BYTES);
    });
}

/// The kernel's copies between processes ask for rights over the process: one that has changed its user keeps those over
/// itself.
#[test]
fn checked_access_works_after_a_change_of_user() {
    as_ordinary_user("checked_access_works_after_a_change_of_user", || {
        let view = MmapViewSync::open_path("writable", Protection::ReadWrite).unwrap();
        let mut seen = [0; BYTES.len()];
        view.read_exact_at(&mut seen, 0).unwrap();
        assert_eq!(seen, BYTES);
        view.store(0, 7_u8).unwrap();
        assert_eq!(view.load::<u8>(0).unwrap(), 7);
        // SAFETY: the process has one thread that uses the file.
        let result = unsafe { MmapMut::map_mut(OpenOptions::new().read(true).write(true).open("writable").unwrap()) };
        result.unwrap().flush().unwrap();
    });
}
