//! What may be done with the pages changes through the only view, and where changes go does not.
#![cfg(unix)]

use folio::{MmapOptions, MmapViewSync, Protection};
use std::fs::File;
use std::io::ErrorKind;

/// memmap 0.5 made a mapping that writes to its file of one that was asked to keep changes to itself.
#[test]
fn where_changes_go_is_decided_when_a_file_is_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, [1; 100]).unwrap();
    for (made, refused) in
        [(Protection::ReadWrite, Protection::ReadCopy), (Protection::ReadCopy, Protection::ReadWrite)]
    {
        let mut view = MmapViewSync::open_path(&path, made).unwrap();
        view.set_protection(Protection::Read).unwrap();
        assert_eq!(view.set_protection(refused).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.protection(), Protection::Read);
        view.set_protection(made).unwrap();
        view.store(0, 7_u8).unwrap();
        view.set_protection(Protection::Read).unwrap();
        view.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[0], if made == Protection::ReadWrite { 7 } else { 1 });
        std::fs::write(&path, [1; 100]).unwrap();
    }
}

#[test]
fn the_file_must_have_been_open_for_it_and_the_view_the_only_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, [1; 100]).unwrap();
    let mut view = MmapOptions::new().keep_file().map_view(File::open(&path).unwrap(), Protection::Read).unwrap();
    assert_eq!(view.set_protection(Protection::ReadWrite).unwrap_err().kind(), ErrorKind::PermissionDenied);
    let tail = view.split_off(50).unwrap();
    assert_eq!(view.set_protection(Protection::Read).unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(tail);
    assert_eq!((view.load::<u8>(0).unwrap(), view.protection()), (1, Protection::Read));
}

/// What a child writes shows here, and what the parent writes there.
#[test]
#[cfg(all(target_os = "linux", not(folio_heap)))] // whose children get a copy
fn children_share_what_is_made_for_it_and_nothing_else() {
    let shared = MmapOptions::new().len(100).map_anon_shared().unwrap();
    let private = MmapViewSync::anonymous(100).unwrap();
    // The first checked access does what a child of many threads must not (allocate).
    shared.store(0, 1_u8).unwrap();
    private.store(0, 1_u8).unwrap();
    // SAFETY: the child only makes checked accesses, which are made by assembly or system calls, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let done = shared.store(0, 2_u8).is_ok() && private.store(0, 2_u8).is_ok();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if done { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the status has a place.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!((shared.load::<u8>(0).unwrap(), private.load::<u8>(0).unwrap()), (2, 1));
}
