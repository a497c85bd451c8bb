//! Claims: who else may touch the bytes, and every way from one kind of view to another.
//!
//! A claim may be weakened freely and strengthened never without proof. The table of conversions stands here cell by cell,
//! with the kind of the error where a cell refuses and the view that comes back, as it was.

use folio::{Access, Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, View, ViewError};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const LEN: usize = 100;

/// A file of `LEN` bytes of 7, in a folder that goes with the test.
fn file() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, [7; LEN]).unwrap();
    (dir, path)
}

fn open(path: &Path) -> File {
    fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Anonymous memory with the same bytes.
fn anonymous() -> MmapMut {
    let mut map = MmapMut::map_anon(LEN).unwrap();
    map.fill(7);
    map
}

fn map(path: &Path) -> Mmap {
    // SAFETY: nobody writes the file of a test through anything else while the map is used.
    unsafe { Mmap::map(open(path)) }.unwrap()
}

fn map_mut(path: &Path) -> MmapMut {
    // SAFETY: nobody touches the file of a test through anything else while the map is used.
    unsafe { MmapMut::map_mut(open(path)) }.unwrap()
}

/// Of bytes that cannot be executed on the heap.
fn map_exec(path: &Path) -> Mmap {
    // SAFETY: nobody writes the file of a test while the map lives.
    let result = unsafe { MmapOptions::new().map_exec(open(path)) };
    if cfg!(folio_heap) {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
        return map(path);
    }
    result.unwrap()
}

fn map_copy(path: &Path) -> MmapMut {
    // SAFETY: nobody writes the file of a test while the map lives.
    unsafe { MmapOptions::new().map_copy(File::open(path).unwrap()) }.unwrap()
}

fn map_copy_read_only(path: &Path) -> Mmap {
    // SAFETY: nobody writes the file of a test while the map lives.
    unsafe { MmapOptions::new().map_copy_read_only(File::open(path).unwrap()) }.unwrap()
}

fn view(path: &Path, protection: Protection) -> MmapViewSync {
    MmapViewSync::open_path(path, protection).unwrap()
}

/// `make_exec`, where memory can be executed. On the heap it cannot, which has to be the answer; another change of what the
/// pages allow takes its place.
fn make_exec(map: MmapMut) -> Result<Mmap, ViewError<MmapMut>> {
    match map.make_exec() {
        Err(failed) if cfg!(folio_heap) && failed.error().kind() != ErrorKind::ResourceBusy => {
            assert_eq!(failed.error().kind(), ErrorKind::Unsupported);
            failed.into_view().make_read_only()
        }
        result => result,
    }
}

/// What may be done with what [`make_exec`] gives.
const EXECUTABLE: Protection = if cfg!(folio_heap) { Protection::Read } else { Protection::ReadExecute };

/// What is the file's at once where maps are those of a system, and after a flush where they are copies.
fn bytes_in_file<A: Access>(view: &View<A>, path: &Path) -> Vec<u8> {
    if cfg!(folio_heap) {
        view.flush().unwrap();
    }
    fs::read(path).unwrap()
}

/// By `assume_immutable`.
fn assumed_immutable(view: MmapViewSync) -> Mmap {
    // SAFETY: the view is the test's alone, and the test writes nothing while what comes of it lives.
    unsafe { view.assume_immutable() }
}

/// By `assume_exclusive`.
fn assumed_exclusive<A: Access>(view: View<A>) -> MmapMut {
    // SAFETY: the view is the test's alone, and the test touches its bytes through nothing else.
    unsafe { view.assume_exclusive() }.unwrap()
}

/// What a view is known by: its address, length, protection and bytes.
fn identity<A: Access>(view: &View<A>) -> (*const u8, usize, Protection, Vec<u8>) {
    let mut bytes = vec![0; view.len()];
    view.read_exact_at(&mut bytes, 0).unwrap();
    (view.as_ptr(), view.len(), view.protection(), bytes)
}

mod from_exclusive {
    use super::*;

    /// Giving up is free, other pieces or not, and moves nothing; `From` says the same.
    #[test]
    fn to_immutable_and_to_shared_has_no_condition() {
        let (_dir, path) = file();
        let makers: [fn(&Path) -> MmapMut; 4] =
            [|_| anonymous(), map_mut, map_copy, |path| assumed_exclusive(view(path, Protection::ReadWrite))];
        for make in makers {
            let mut map = make(&path);
            let ptr = map.as_ptr();
            let (a, b, c) = (map.split_to(10).unwrap(), map.split_to(10).unwrap(), map.split_to(10).unwrap());
            let (a, b): (Mmap, MmapViewSync) = (a.freeze(), b.into_view_sync());
            let (c, d): (Mmap, MmapViewSync) = (c.into(), map.into());
            for (at, place) in [(0, a.as_ptr()), (10, b.as_ptr()), (20, c.as_ptr()), (30, d.as_ptr())] {
                assert_eq!(place, ptr.wrapping_add(at));
            }
            assert_eq!((a.len(), b.len(), c.len(), d.len()), (10, 10, 10, 70));
            assert_eq!((&a[..], &c[..]), (&[7; 10][..], &[7; 10][..]));
            b.store(0, 8_u8).unwrap();
            assert_eq!((a[9], b.load::<u8>(0).unwrap(), c[0]), (7, 8, 7));
            b.store(0, 7_u8).unwrap();
        }
    }

    /// Frozen, the pages stay writable, and still nothing that safe code has writes them.
    #[test]
    fn frozen_bytes_are_shared_and_keep_the_protection() {
        let map = anonymous().freeze();
        assert_eq!(map.protection(), Protection::ReadWrite);
        assert_eq!(identity(&map.clone()), identity(&map));
    }

    /// Protection is of whole pages, which two pieces may share: so the only view may change it, and no other.
    #[test]
    fn to_read_only_or_executable_needs_the_only_view() {
        for make in [MmapMut::make_read_only, make_exec] {
            let mut head = anonymous();
            let tail = head.split_off(60).unwrap();
            let before = identity(&head);
            let failed = make(head).unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy);
            let mut head = failed.into_view();
            assert_eq!(identity(&head), before);
            head[0] = 1;
            drop(tail);
            let map = make(head).unwrap();
            assert!(!map.protection().write());
            assert_eq!((map[0], map[1], map.len()), (1, 7, 60));
        }
    }

    /// There and back: what was written stays, and where changes go stays too.
    #[test]
    fn to_read_only_and_back_keeps_the_kind_of_mapping() {
        let (_dir, path) = file();
        for (map, protection) in [
            (anonymous(), Protection::ReadWrite),
            (map_copy(&path), Protection::ReadCopy),
            (map_mut(&path), Protection::ReadWrite),
        ] {
            assert_eq!(map.protection(), protection);
            let map = map.make_read_only().unwrap();
            assert_eq!(map.protection(), Protection::Read);
            let map = map.make_mut().unwrap();
            assert_eq!(map.protection(), protection);
            let mut map = executable_and_back(map);
            map[0] = 9;
            let in_file = bytes_in_file(&map, &path)[0];
            let shared = protection == Protection::ReadWrite && map.flush_range(0, 1).is_ok() && in_file == 9;
            assert!(shared || in_file == 7);
        }
        // The last of them was the file's own.
        assert_eq!(fs::read(&path).unwrap()[0], 9);
    }

    fn executable_and_back(map: MmapMut) -> MmapMut {
        let protection = map.protection();
        let map = if cfg!(all(windows, not(folio_heap))) {
            match map.make_exec() {
                Ok(map) => map.make_mut().unwrap(),
                // A view of a file can be no more there than what it was mapped for.
                Err(failed) => {
                    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
                    failed.into_view()
                }
            }
        } else {
            let map = make_exec(map).unwrap();
            assert_eq!(map.protection(), EXECUTABLE);
            map.make_mut().unwrap()
        };
        assert_eq!(map.protection(), protection);
        map
    }

    /// Empty maps change their protection like any other, without a page to protect.
    #[test]
    fn empty_maps_convert_like_others() {
        let map = MmapMut::map_anon(0).unwrap().make_read_only().unwrap();
        assert_eq!(map.protection(), Protection::Read);
        let map = make_exec(map.make_mut().unwrap()).unwrap().make_mut().unwrap();
        assert_eq!(map.protection(), Protection::ReadWrite);
        let view = map.freeze().into_view_sync().unwrap();
        assert!(assumed_exclusive(view).is_empty());
    }
}

mod from_immutable {
    use super::*;

    /// Where the recorded claim says that nobody else has the bytes, the only view gets them back, as they are.
    #[test]
    fn to_exclusive_goes_by_the_recorded_claim() {
        let (_dir, path) = file();
        let makers: [fn(&Path) -> Mmap; 8] = [
            |_| anonymous().freeze(),
            |_| anonymous().make_read_only().unwrap(),
            |_| make_exec(anonymous()).unwrap(),
            |_| assumed_immutable(anonymous().into_view_sync()),
            |path| map_mut(path).freeze(),
            |path| map_mut(path).make_read_only().unwrap(),
            |path| map_copy(path).make_read_only().unwrap(),
            map_copy_read_only,
        ];
        for (index, make) in makers.iter().enumerate() {
            let mut map = make(&path).make_mut().unwrap_or_else(|failed| panic!("{index}: {failed}"));
            assert!(map.protection().write(), "{index}");
            assert_eq!(map[..], [7; LEN], "{index}");
            map[0] = 8;
            map[0] = 7;
        }
    }

    /// Uniqueness of the owner count proves nothing about other mappings: without the claim `make_mut` is refused.
    #[test]
    fn to_exclusive_is_refused_where_nobody_vouched_for_it() {
        let (_dir, path) = file();
        let makers: [fn(&Path) -> Mmap; 6] = [
            map,
            map_exec,
            |path| assumed_immutable(view(path, Protection::Read)),
            |path| assumed_immutable(view(path, Protection::ReadWrite)),
            // A private copy that was opened safely: pages not written yet still show what others write.
            |path| assumed_immutable(view(path, Protection::ReadCopy)),
            |path| assumed_exclusive(view(path, Protection::ReadWrite)).freeze(),
        ];
        for (index, make) in makers.iter().enumerate() {
            let map = make(&path);
            assert!(map.is_unique());
            let before = identity(&map);
            let failed = map.make_mut().unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied, "{index}");
            let map = failed.into_view();
            assert_eq!(identity(&map), before, "{index}");
            assert!(map.is_unique(), "{index}");
        }
    }

    /// In `memmap2` two maps of one file, both vouched for as read-only, were enough: a safe `make_mut` of one wrote under
    /// the `&[u8]` of the other.
    #[test]
    fn a_second_map_of_the_file_is_not_written_under() {
        let (_dir, path) = file();
        let (first, second) = (map(&path), map(&path));
        let bytes: &[u8] = &second;
        assert!(first.is_unique());
        let failed = first.make_mut().unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
        assert_eq!((bytes, &failed.into_view()[..]), (&[7; LEN][..], &[7; LEN][..]));
    }

    /// A clone, a part, an empty part and a piece are all somebody who could hold a slice.
    #[test]
    fn to_exclusive_and_to_shared_need_the_only_view() {
        let others: [fn(&mut Mmap) -> Mmap; 5] = [
            |map| map.clone(),
            |map| map.slice(10..20),
            |map| map.slice(10..10),
            |map| map.slice_ref(&map[99..]).unwrap(),
            |map| map.split_off(50).unwrap(),
        ];
        for (index, other) in others.iter().enumerate() {
            let mut map = anonymous().freeze();
            let other = other(&mut map);
            let before = (identity(&map), identity(&other));
            let failed = map.make_mut().unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy, "{index}");
            let failed = failed.into_view().into_view_sync().unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy, "{index}");
            let map = failed.into_view();
            assert_eq!((identity(&map), identity(&other)), before, "{index}");
            drop(other);
            let view = map.into_view_sync().unwrap();
            assert_eq!(view.as_ptr(), before.0.0);
        }
    }

    /// Also where the mapping is read-only and a write through the shared view could not happen: the shared view may be taken
    /// for exclusive bytes, and joined to others.
    #[test]
    fn to_shared_needs_the_only_view_of_a_read_only_mapping_too() {
        let (_dir, path) = file();
        let map = map(&path);
        let clone = map.clone();
        let map = map.into_view_sync().unwrap_err().into_view();
        drop(clone);
        let view = map.into_view_sync().unwrap();
        assert_eq!(view.protection(), Protection::Read);
        assert_eq!(view.store(0, 1_u8).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&path).unwrap(), [7; LEN]);
    }

    /// Refused after a clone of a part of a thread is gone on another one, granted: the count is what counts, at the moment
    /// of the call.
    #[test]
    fn to_exclusive_works_once_the_other_threads_are_done() {
        let map = anonymous().freeze();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let part = map.slice(1..);
                scope.spawn(move || assert_eq!(part.clone()[..], [7; LEN - 1]));
            }
        });
        map.make_mut().unwrap()[0] = 1;
    }
}

mod by_assumption {
    use super::*;

    /// The caller's word replaces the proof, but not the right to write the file.
    #[test]
    fn to_exclusive_is_refused_where_the_file_cannot_be_written() {
        fn refused<A: Access>(view: View<A>) {
            let before = identity(&view);
            // SAFETY: nobody else touches the bytes.
            let failed = unsafe { view.assume_exclusive() }.unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
            assert_eq!(identity(&failed.into_view()), before);
        }
        let (_dir, path) = file();
        refused(view(&path, Protection::Read));
        // On the heap there is no such view, and a file that is not kept is what is wrong first.
        if !cfg!(folio_heap) {
            refused(view(&path, Protection::ReadExecute));
        }
        // SAFETY: nobody writes the file of a test while the map is used.
        refused(unsafe { MmapOptions::new().keep_file().map(File::open(&path).unwrap()) }.unwrap());
    }

    /// Pages that cannot be written are made so, by the only view.
    #[test]
    fn to_exclusive_makes_the_pages_writable() {
        fn written<A: Access>(view: View<A>) {
            let mut map = assumed_exclusive(view);
            assert!(map.protection().write());
            map[0] = 8;
        }
        let (_dir, path) = file();
        written(map_copy_read_only(&path));
        written(anonymous().make_read_only().unwrap());
        written(make_exec(anonymous()).unwrap());
        assert_eq!(fs::read(&path).unwrap()[0], 7);
        // Where flushing takes the file, it has to be kept.
        // SAFETY: nobody writes the file of a test through anything else while the map is used.
        let map = unsafe { MmapOptions::new().keep_file().map(open(&path)) }.unwrap();
        // SAFETY: nobody else touches the bytes of the one that this gives, which is none.
        let failed = unsafe { map.clone().assume_exclusive() }.unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy);
        drop(failed);
        if cfg!(windows) {
            // Views of files allow there what they were mapped for, and no more.
            // SAFETY: nobody else touches the bytes.
            let failed = unsafe { map.assume_exclusive() }.unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
            assert_eq!(failed.into_view()[0], 7);
            return;
        }
        written(map);
        assert_eq!(fs::read(&path).unwrap()[0], 8);
    }

    /// Shared to immutable and to exclusive, without a condition, for the bytes of the view.
    #[test]
    fn to_immutable_and_to_exclusive_take_the_callers_word() {
        let (_dir, path) = file();
        let (head, tail) = view(&path, Protection::ReadWrite).split_at(60).unwrap();
        let head = assumed_immutable(head);
        let mut tail = assumed_exclusive(tail);
        assert_eq!((head.len(), tail.len(), head[59], tail[0]), (60, 40, 7, 7));
        tail[0] = 8;
        assert_eq!(bytes_in_file(&tail, &path)[59..62], [7, 8, 7]);
        // A private copy too: what is written there stays there.
        let mut copy = assumed_exclusive(view(&path, Protection::ReadCopy));
        copy[0] = 9;
        assert_eq!(fs::read(&path).unwrap()[0], 7);
    }

    /// The word was given for the bytes of one view: `whole` must not stretch it over bytes that others write.
    #[test]
    fn whole_does_not_stretch_an_assumption() {
        fn refused<A: Access>(view: View<A>) -> View<A> {
            assert!(view.is_unique());
            let before = identity(&view);
            let failed = view.whole().unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
            let view = failed.into_view();
            assert_eq!(identity(&view), before);
            view
        }
        let (_dir, path) = file();
        let piece = |protection| view(&path, protection).split_at(60).unwrap().0;
        let immutable = refused(assumed_immutable(piece(Protection::ReadWrite)));
        refused(assumed_immutable(piece(Protection::ReadCopy)));
        refused(assumed_exclusive(piece(Protection::ReadWrite)));
        refused(assumed_exclusive(piece(Protection::ReadCopy)).freeze());
        // A map that was vouched for as immutable is so as a whole, but not as exclusive.
        let mut vouched = map(&path);
        vouched.restrict(10, 10).unwrap();
        assert_eq!(vouched.whole().unwrap().len(), LEN);
        // Weakened to what the mapping was made as, the view may be the whole of it again.
        assert_eq!(immutable.into_view_sync().unwrap().whole().unwrap().len(), LEN);
    }

    /// Anonymous memory is nobody else's, so an assumption for a part of it changes nothing.
    #[test]
    fn whole_goes_by_the_recorded_claim() {
        let (_, tail) = anonymous().into_view_sync().split_at(60).unwrap();
        let map = assumed_exclusive(tail).whole().unwrap();
        assert_eq!(map[..], [7; LEN]);
        let mut map = map.freeze();
        drop(map.split_to(99).unwrap());
        assert_eq!(map.whole().unwrap().len(), LEN);
    }

    /// A private copy of a file shows what others write to the file, in the pages that have not been written here. Who has let
    /// them in (`into_view_sync`) vouches for a part afterwards, and `whole` gave a `&[u8]` of all of it.
    #[test]
    fn whole_does_not_stretch_an_assumption_over_a_private_copy_that_others_were_let_into() {
        let (_dir, path) = file();
        let (head, tail) = map_copy(&path).into_view_sync().split_at(60).unwrap();
        drop(head);
        let map = assumed_immutable(tail);
        let failed = map.whole().unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
        // With the assumption given up again, what others write shows.
        let view = failed.into_view().into_view_sync().unwrap().whole().unwrap();
        // Not by `fs::write`, which cuts the file short first; Windows refuses that while it is mapped.
        open(&path).write_all(&[8; LEN]).unwrap();
        // POSIX leaves open whether it does.
        assert!(cfg!(any(not(target_os = "linux"), folio_heap)) || view.load::<u8>(0).unwrap() == 8);
    }
}

/// `make_read_only` and the like ask for the only view; a flush of the program's own that still runs in the background must
/// be waited for, not reported as somebody else.
#[test]
fn conversions_wait_for_a_flush_in_the_background() {
    let (_dir, path) = file();
    for round in 0..32_u8 {
        let view = MmapViewSync::open(open(&path), Protection::ReadWrite).unwrap();
        view.store(0, round).unwrap();
        view.flush_async().unwrap();
        let view = view.whole().unwrap();
        view.flush_async().unwrap();
        let map = assumed_exclusive(view);
        map.flush_async().unwrap();
        let map = map.make_read_only().unwrap();
        map.flush_async().unwrap();
        let view = map.into_view_sync().unwrap();
        view.flush_async().unwrap();
        view.unmap().unwrap();
    }
}

#[cfg(feature = "bytes")]
mod with_bytes {
    use super::*;
    use bytes::Bytes;

    /// The mapping is handed over, not copied, and lives as long as any part of the `Bytes`.
    #[test]
    fn bytes_take_over_the_mapping_without_a_copy() {
        let map = anonymous().freeze();
        let kept = map.clone();
        let ptr = map.as_ptr();
        let bytes = Bytes::from(map.slice(10..));
        drop(map);
        assert_eq!((bytes.as_ptr(), bytes.len()), (ptr.wrapping_add(10), 90));
        let part = bytes.slice(5..7);
        drop(bytes);
        assert_eq!((part.as_ptr(), &part[..]), (ptr.wrapping_add(15), &[7, 7][..]));
        assert!(!kept.is_unique());
        drop(part);
        kept.make_mut().expect("the bytes are gone and still own the mapping");
    }

    /// No bytes are `Bytes` too.
    #[test]
    fn an_empty_map_becomes_empty_bytes() {
        assert!(Bytes::from(MmapMut::map_anon(0).unwrap().freeze()).is_empty());
    }
}

#[cfg(feature = "stable_deref_trait")]
mod with_stable_deref {
    use super::*;
    use stable_deref_trait::StableDeref;

    /// What `StableDeref` promises: moving the owner moves none of the bytes.
    #[test]
    fn moving_a_map_moves_no_byte() {
        fn address<T: StableDeref<Target = [u8]>>(owner: T) -> (*const u8, Box<T>) {
            (owner.as_ptr(), Box::new(owner))
        }
        let (before, map) = address(anonymous());
        assert_eq!(map.as_ptr(), before);
        let (before, map) = address(map.freeze());
        assert_eq!(map.as_ptr(), before);
    }
}

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/skip.rs"]
mod skip;

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;

// Seals, the kernel's count of pages, code that runs: nothing that the heap has.
#[cfg(all(target_os = "linux", not(folio_heap)))]
mod linux {
    use super::skip::skip;
    use super::*;
    use std::ffi::{CStr, c_int, c_long};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    /// A memory file of one page of 7, and these seals.
    fn sealed(seals: c_int) -> File {
        const NAME: &CStr = c"folio-test";
        // SAFETY: the name is a C string.
        let descriptor = unsafe { libc::memfd_create(NAME.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        assert!(descriptor >= 0);
        // SAFETY: just made, and nobody else's.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
        std::io::Write::write_all(&mut &file, &vec![7; folio::page_size()]).unwrap();
        seal(&file, seals).unwrap();
        file
    }

    fn seal(file: &File, seals: c_int) -> std::io::Result<()> {
        // SAFETY: the descriptor is open; the command takes a number.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
        if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }

    /// `F_SEAL_FUTURE_WRITE` leaves the mapping that was made before it writable, and a file that can shrink ends the reader by
    /// a signal: only both seals are proof.
    #[test]
    fn map_if_safe_takes_no_half_proof() {
        let (_dir, path) = file();
        for file in [
            sealed(0),
            sealed(libc::F_SEAL_WRITE),
            sealed(libc::F_SEAL_SHRINK),
            sealed(libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW),
            open(&path),
            File::open(&path).unwrap(),
        ] {
            assert_eq!(MmapOptions::new().map_if_safe(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        // What it is about: the seal of future writes is on, and the bytes change.
        let file = sealed(0);
        let earlier = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        seal(&file, libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SHRINK).unwrap();
        let reader = MmapViewSync::open(&file, Protection::Read).unwrap();
        earlier.store(0, 8_u8).unwrap();
        assert_eq!(reader.load::<u8>(0).unwrap(), 8);
        assert_eq!(MmapOptions::new().map_if_safe(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    /// With the proof no `unsafe` is needed; the claim is that nobody writes, not that nobody else reads.
    #[test]
    fn map_if_safe_gives_a_map_that_nobody_can_write() {
        let file = sealed(libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
        let map = MmapOptions::new().map_if_safe(&file).unwrap();
        assert_eq!(map[..], vec![7; folio::page_size()]);
        let map = map.make_mut().unwrap_err().into_view();
        let part = MmapOptions::new().offset(5).len(10).map_if_safe(&file).unwrap();
        assert_eq!(part[..], [7; 10]);
        assert_eq!(part.whole().unwrap().len(), 10);
        let view = map.into_view_sync().unwrap();
        assert_eq!(view.store(0, 1_u8).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(MmapViewSync::open(&file, Protection::ReadWrite).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    /// One's own writable mapping keeps the seal off: `EBUSY`, and the view goes on as it was.
    #[test]
    fn a_writable_view_keeps_its_memory_file_from_being_sealed() {
        let file = sealed(0);
        let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        assert_eq!(seal(&file, libc::F_SEAL_WRITE).unwrap_err().raw_os_error(), Some(libc::EBUSY));
        view.store(0, 8_u8).unwrap();
        view.unmap().unwrap();
        seal(&file, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK).unwrap();
        assert_eq!(MmapOptions::new().map_if_safe(&file).unwrap()[0], 8);
    }

    /// The pages of a file that wait to be written, by the kernel's count; `None` where the kernel has no such call.
    fn dirty_pages(file: &File) -> Option<u64> {
        /// The number of `cachestat`, the same on all architectures but alpha (Linux 6.5).
        const SYS_CACHESTAT: c_long = 451;
        let range = [0_u64; 2];
        let mut counts = [0_u64; 5];
        // SAFETY: `cachestat` reads two words and writes five; a kernel that does not know it answers ENOSYS.
        let result =
            unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0_u32) };
        (result == 0).then_some(counts[1])
    }

    /// "A read-only view has nothing to flush" lost the page: what was written before `freeze` or `make_read_only`, or through
    /// the piece that has been frozen, is still to be written.
    #[test]
    fn what_was_written_before_freezing_is_flushed_through_the_frozen_view() {
        let (_dir, path) = file();
        let file = open(&path);
        file.sync_all().unwrap();
        let freezers: [fn(MmapMut) -> Mmap; 4] = [
            MmapMut::freeze,
            |map| map.make_read_only().unwrap(),
            |map| map.make_exec().unwrap(),
            |map| map.freeze().slice(10..20),
        ];
        for (index, freeze) in freezers.iter().enumerate() {
            let mut map = map_mut(&path);
            map[15] = u8::try_from(index).unwrap() + 100;
            let map = freeze(map);
            // Without the call, or on a file system that writes nothing, there is nothing to see here.
            if dirty_pages(&file).is_some_and(|pages| pages > 0) {
                map.clone().flush().unwrap();
                assert_eq!(dirty_pages(&file), Some(0), "{index}");
            } else {
                skip(
                    "linux::what_was_written_before_freezing_is_flushed_through_the_frozen_view",
                    "the kernel shows no dirty page of the file",
                );
            }
        }
    }

    /// Code that is written and then made executable runs, cannot be written then, and can again.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn made_executable_memory_runs() {
        // In a process of its own, which a wrong protection ends.
        maps::in_child("linux::made_executable_memory_runs", || {
            // mov eax, imm32; ret
            let code = |value: u32| {
                let [a, b, c, d] = value.to_le_bytes();
                [0xB8, a, b, c, d, 0xC3]
            };
            let run = |map: &Mmap| {
                // SAFETY: the bytes of the map are a whole function of this type.
                let function = unsafe { std::mem::transmute::<*const u8, extern "C" fn() -> u32>(map.as_ptr()) };
                function()
            };
            let mut map = MmapMut::map_anon(folio::page_size()).unwrap();
            map[..6].copy_from_slice(&code(42));
            let map = map.make_exec().unwrap();
            assert_eq!(maps::at(map.as_ptr()).unwrap().permissions, "r-xp");
            assert_eq!(run(&map), 42);
            let mut map = map.make_mut().unwrap();
            assert_eq!(maps::at(map.as_ptr()).unwrap().permissions, "rw-p");
            map[..6].copy_from_slice(&code(43));
            assert_eq!(run(&map.make_exec().unwrap()), 43);

            // And from a file.
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("code"), code(44)).unwrap();
            let file = File::open(dir.path().join("code")).unwrap();
            // SAFETY: nobody writes the file of this test.
            let map = unsafe { MmapOptions::new().map_exec(&file) }.unwrap();
            assert_eq!(map.protection(), Protection::ReadExecute);
            assert_eq!(run(&map), 44);
        });
    }
}
