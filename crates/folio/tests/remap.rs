//! Another length for a mapping, through its only view: what was there stays, nothing is left behind.
#![cfg(all(target_os = "linux", not(folio_heap)))] // what is written stays the copy's, and ranges are seen in /proc

use folio::{Fault, Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, View, page_size};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;

#[path = "support/hugepages.rs"]
mod hugepages;
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "the canaries are for others")]
mod maps;
#[path = "support/skip.rs"]
mod skip;

use hugepages::Pool;
use skip::skip;

/// A file of `len` bytes, each of which tells its place.
fn file(len: usize) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&pattern(0, len)).unwrap();
    file
}

fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn bytes(view: &MmapViewSync, offset: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    view.read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

/// How many of the addresses `start .. start + len` are mapped.
fn mapped(start: usize, len: usize) -> usize {
    let overlap = |range: std::ops::Range<usize>| range.end.min(start + len).saturating_sub(range.start.max(start));
    maps::all().into_iter().map(|region| overlap(region.range)).sum()
}

/// Whatever the offset in the page, the same bytes of the file are seen, and more of them.
#[test]
fn a_view_of_a_file_grows_and_shrinks_and_shows_the_same_bytes() {
    let page = page_size();
    let (file, whole) = (file(40 * page), pattern(0, 40 * page));
    for offset in [0, 1, page - 1, page, page + 77] {
        for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
            let mut view = MmapOptions::new().offset(offset as u64).len(3 * page).map_view(&file, protection).unwrap();
            for len in [1, page, 3 * page, 3 * page + 1, 30 * page, 2 * page, 0, 5, 20 * page] {
                view.remap(len).unwrap_or_else(|error| panic!("{offset} {protection:?} {len}: {error}"));
                assert_eq!(view.len(), len);
                assert!(bytes(&view, 0, len) == whole[offset..offset + len], "{offset} {protection:?} {len}");
                assert_eq!(view.as_ptr().addr() % page, offset % page);
                assert_eq!(view.protection(), protection);
            }
        }
    }
}

/// A mapping that moves leaves nothing where it was, and goes whole when it is dropped.
#[test]
fn nothing_stays_mapped_where_it_was() {
    let page = page_size();
    maps::in_child("nothing_stays_mapped_where_it_was", || {
        for kept in [false, true] {
            let file = file(64 * page);
            let mut options = MmapOptions::new();
            if kept {
                options.keep_file();
            }
            let mut view = options.len(2 * page).map_view(&file, Protection::ReadWrite).unwrap();
            let old = view.as_ptr().addr();
            // Something right behind it, so that it must move.
            let _wall = wall(old + 2 * page, page);
            assert_eq!(view.remap_in_place(64 * page).unwrap_err().kind(), ErrorKind::OutOfMemory);
            assert_eq!((view.len(), view.as_ptr().addr()), (2 * page, old));
            view.remap(64 * page).unwrap();
            assert_ne!(view.as_ptr().addr(), old);
            assert_eq!(mapped(old, 2 * page), 0);
            let new = view.as_ptr().addr();
            assert_eq!(mapped(new, 64 * page), 64 * page);
            view.remap(page + 1).unwrap();
            assert_eq!(view.as_ptr().addr(), new);
            assert_eq!(mapped(new, 64 * page), 2 * page);
            view.remap(0).unwrap();
            drop(view);
            assert_eq!(mapped(new, 64 * page), 0);
        }
    });
}

/// Sees to it that something is mapped at an address: a page that cannot be reached, if nothing is there yet.
fn wall(address: usize, len: usize) -> usize {
    let at = std::ptr::without_provenance_mut(address);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: with MAP_FIXED_NOREPLACE nothing is replaced.
    let result = unsafe { libc::mmap(at, len, libc::PROT_NONE, flags, -1, 0) };
    if result == libc::MAP_FAILED {
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EEXIST));
    } else if result != at {
        // Who does not know the flag takes the address for a hint: kernels before 4.17, mmap(2), and older QEMU.
        // SAFETY: this function has mapped the range, nobody else knows of it.
        assert_eq!(unsafe { libc::munmap(result, len) }, 0);
    }
    address
}

/// Both sides of the change can be empty: pages that are there are kept for it, memory is made, a kept file is mapped.
#[test]
fn a_view_grows_from_nothing() {
    let page = page_size();
    let mut map = MmapMut::map_anon(0).unwrap();
    // SAFETY: the memory belongs to no file.
    unsafe { map.remap(100).unwrap() };
    assert_eq!(&map[..], [0; 100]);
    map.fill(7);
    // SAFETY: as for the call above.
    unsafe { map.remap(0).unwrap() };
    assert!(map.is_empty());
    // SAFETY: as for the call above.
    unsafe { map.remap(2 * page).unwrap() };
    assert_eq!(map.len(), 2 * page);

    let file = tempfile::tempfile().unwrap();
    let mut empty = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite).unwrap();
    let mut without = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    empty.remap(0).unwrap();
    file.set_len(page as u64).unwrap();
    empty.remap(page).unwrap();
    empty.write_all_at(b"end", page - 3).unwrap();
    empty.flush().unwrap();
    without.remap(0).unwrap();
    assert_eq!(without.remap(page).unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(without.is_empty());

    // The offset of an empty view is not forgotten.
    let file = self::file(page + 9);
    let mut tail = MmapOptions::new().offset(page as u64 + 9).keep_file().map_view(&file, Protection::Read).unwrap();
    file.write_all_at(&pattern(page + 9, page), page as u64 + 9).unwrap();
    tail.remap(page).unwrap();
    assert_eq!(bytes(&tail, 0, page), pattern(page + 9, page));
}

/// memmap2's `remap` runs over other views because it has none.
#[test]
fn only_the_only_view_and_only_the_whole() {
    let mut view = MmapViewSync::anonymous(100).unwrap();
    let mut tail = view.split_off(60).unwrap();
    for piece in [&mut view, &mut tail] {
        assert_eq!(piece.remap(1000).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    view.unsplit(tail).unwrap();
    // SAFETY: no slice is made of either view.
    let twin = unsafe { view.clone() };
    assert_eq!(view.remap(1000).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(view.remap_in_place(10).unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(twin);
    view.restrict(0, 99).unwrap();
    assert_eq!(view.remap(1000).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(view.len(), 99);
    let mut view = view.whole().unwrap();
    view.remap(1000).unwrap();
    assert_eq!(view.len(), 1000);
    for len in [usize::MAX, isize::MAX as usize + 1, isize::MAX as usize - 1] {
        let error = view.remap(len).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::OutOfMemory), "{len}: {error}");
        assert_eq!(view.len(), 1000);
    }
}

/// What is recorded of a mapping goes on to hold: its claim, what it may do, where changes go.
#[test]
fn what_is_known_of_the_mapping_stays_known() {
    let page = page_size();
    let file = file(8 * page);
    // SAFETY: nobody else touches the file.
    let mut map = unsafe { MmapOptions::new().len(page).map_mut(&file) }.unwrap();
    // SAFETY: as for the call above.
    unsafe { map.remap(8 * page).unwrap() };
    map[8 * page - 1] = 0xff;
    map.flush().unwrap();
    let mut map = map.make_read_only().unwrap();
    // SAFETY: as for the call above.
    unsafe { map.remap(7 * page).unwrap() };
    assert_eq!(map.protection(), Protection::Read);
    let map = map.make_mut().unwrap();
    drop(map);
    let mut last = [0];
    file.read_exact_at(&mut last, 8 * page as u64 - 1).unwrap();
    assert_eq!(last, [0xff]);

    // SAFETY: nobody writes the file.
    let mut map = unsafe { Mmap::map(&file) }.unwrap();
    // SAFETY: as for the call above.
    unsafe { map.remap(page).unwrap() };
    assert_eq!(map.make_mut().unwrap_err().error().kind(), ErrorKind::PermissionDenied);

    // SAFETY: nobody writes the file.
    let mut copy = unsafe { MmapOptions::new().len(page).map_copy(&file) }.unwrap();
    copy[0] = 0xee;
    // SAFETY: as for the call above.
    unsafe { copy.remap(8 * page).unwrap() };
    copy[page] = 0xee;
    assert_eq!((copy[0], copy[1]), (0xee, 1));
    let mut first = [0];
    file.read_exact_at(&mut first, 0).unwrap();
    assert_eq!(first, [0]);
}

/// The file is not looked at: bytes that it does not have yet are a fault, and bytes when it has them.
#[test]
fn bytes_behind_the_end_of_the_file_are_a_fault_until_it_has_them() {
    let page = page_size();
    let file = file(page);
    let mut view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    view.remap(3 * page).unwrap();
    let error = view.write_all_at(&vec![1; 2 * page], 10).unwrap_err();
    assert_eq!(Fault::of(&error).map(|fault| fault.offset), Some(page));
    file.set_len(3 * page as u64).unwrap();
    view.write_all_at(b"there", 3 * page - 5).unwrap();
    view.flush().unwrap();
    let mut end = [0; 5];
    file.read_exact_at(&mut end, 3 * page as u64 - 5).unwrap();
    assert_eq!(&end, b"there");
}

/// The table of lent slices knows a mapping by its address: after a move it must know the new one.
#[test]
fn slices_are_lent_of_the_new_range() {
    let page = page_size();
    let file = file(16 * page);
    let mut view = MmapOptions::new().len(2 * page).map_view(&file, Protection::Read).unwrap();
    let sum = |view: &MmapViewSync| {
        // SAFETY: nobody writes the file, and a sum is safe whatever the bytes are.
        unsafe { view.with_slice(|bytes| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>()) }
    };
    let expected = |len| pattern(0, len).into_iter().map(u64::from).sum::<u64>();
    assert_eq!(sum(&view).unwrap(), expected(2 * page));
    let _wall = wall(view.as_ptr().addr() + 2 * page, page);
    view.remap(16 * page).unwrap();
    assert_eq!(sum(&view).unwrap(), expected(16 * page));
    file.set_len(9 * page as u64).unwrap();
    assert_eq!(Fault::of(&sum(&view).unwrap_err()).map(|fault| fault.offset), Some(9 * page));
    view.remap(9 * page).unwrap();
    assert_eq!(sum(&view).unwrap(), expected(9 * page));
}

/// A mapping whose lost pages stand in zeros goes on to be watched where it is now; one that has lost pages stays.
#[test]
fn lost_pages_read_as_zeros_after_a_move_too() {
    maps::in_child("lost_pages_read_as_zeros_after_a_move_too", || {
        let page = page_size();
        let file = file(16 * page);
        let mut options = MmapOptions::new();
        // SAFETY: the slice below is only summed.
        unsafe { options.zero_fill_on_fault() };
        // SAFETY: nobody writes the file, but for the cut that this test is about.
        let mut map = match unsafe { options.len(2 * page).map(&file) } {
            Err(error) if error.kind() == ErrorKind::Unsupported => return,
            map => map.unwrap(),
        };
        let old = map.as_ptr().addr();
        let _wall = wall(old + 2 * page, page);
        // SAFETY: as for the call above.
        unsafe { map.remap(16 * page).unwrap() };
        assert_ne!(map.as_ptr().addr(), old);
        file.set_len(page as u64).unwrap();
        assert_eq!(map[15 * page..], vec![0; page]);
        assert_eq!(map.fault().map(|fault| fault.offset), Some(15 * page));
        // SAFETY: as for the call above.
        let error = unsafe { map.remap(17 * page) }.unwrap_err();
        assert_eq!(Fault::of(&error).map(|fault| fault.offset), Some(15 * page));
        assert_eq!(map.len(), 16 * page);
        assert_eq!(map[14 * page..15 * page], vec![0; page]);

        // A map that was empty when this was asked for.
        let file = tempfile::tempfile().unwrap();
        // SAFETY: as for the map above.
        let mut map = unsafe { options.clone().len(0).keep_file().map(&file) }.unwrap();
        file.set_len(page as u64).unwrap();
        // SAFETY: as for the map above.
        unsafe { map.remap(page).unwrap() };
        file.set_len(0).unwrap();
        assert_eq!((map[0], map.fault().map(|fault| fault.offset)), (0, Some(0)));
    });
}

/// The kernel grows the range of shared memory but not the memory: its new pages end the process by SIGBUS.
#[test]
fn memory_that_children_share_shrinks_and_does_not_grow() {
    let mut view = MmapOptions::new().len(4 * page_size()).map_anon_shared().unwrap();
    view.store(0, 7_u8).unwrap();
    assert_eq!(view.remap(5 * page_size()).unwrap_err().kind(), ErrorKind::Unsupported);
    view.remap(page_size()).unwrap();
    assert_eq!((view.len(), view.load::<u8>(0).unwrap()), (page_size(), 7));
}

/// The kernel does not make mappings of huge pages longer (`EINVAL`).
#[test]
fn memory_of_huge_pages_changes_its_length() {
    const TEST: &str = "memory_of_huge_pages_changes_its_length";
    let _pool = match Pool::set(6) {
        Ok(pool) => pool,
        Err(reason) => return skip(TEST, reason),
    };
    let size = hugepages::count("Hugepagesize") * 1024;
    let mut map = MmapOptions::new().huge(None).len(size + 5).map_anon().unwrap();
    map.fill(7);
    // SAFETY: the memory belongs to no file.
    unsafe { map.remap(2 * size + 5).unwrap() };
    assert_eq!((map[size + 4], map[size + 5], map.len()), (7, 0, 2 * size + 5));
    map[2 * size + 4] = 9;
    // SAFETY: as for the call above.
    unsafe { map.remap(1).unwrap() };
    // SAFETY: as for the call above.
    assert_eq!(unsafe { map.remap_in_place(2 * size) }.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!((map.len(), map[0]), (1, 7));
    assert_eq!(hugepages::count("HugePages_Free"), 5);
    drop(map);
    assert_eq!(hugepages::count("HugePages_Free"), 6);
}

/// The kernel locks what it adds to a locked stretch of pages, so an `unlock` that knew only the old ones would leave them locked.
#[test]
fn locks_go_along() {
    maps::in_child("locks_go_along", || {
        let page = page_size();
        let locked = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
        };
        let file = file(16 * page);
        let mut view = MmapOptions::new().offset(5).len(2 * page).map_view(&file, Protection::Read).unwrap();
        view.lock().unwrap();
        assert_eq!(locked(), 3 * page);
        view.remap(10 * page).unwrap();
        assert_eq!(locked(), 11 * page);
        view.remap(4 * page).unwrap();
        assert_eq!(locked(), 5 * page);
        view.unlock().unwrap();
        assert_eq!(locked(), 0);
        // A part of the pages: the kernel moves one stretch only.
        let head = view.split_to(page).unwrap();
        head.lock().unwrap();
        let mut view = {
            let mut whole = head;
            whole.unsplit(view).unwrap();
            whole
        };
        assert!(view.remap(10 * page).is_err());
        assert_eq!((view.len(), locked()), (4 * page, 2 * page));
        view.remap(1).unwrap();
        assert_eq!(locked(), page);
        view.remap(0).unwrap();
        assert_eq!(locked(), 0);
        let guard = view.lock_guard().unwrap();
        assert_eq!(view.remap(page).unwrap_err().kind(), ErrorKind::ResourceBusy);
        drop(guard);
    });
}

/// A background flush holds the mapping; it is waited for.
#[test]
fn a_flush_in_the_background_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, pattern(0, 64 * page_size())).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let mut view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    for turn in 0..50 {
        view.write_all_at(&[turn; 100], 0).unwrap();
        view.flush_async().unwrap();
        view.remap(if turn % 2 == 0 { 32 } else { 64 } * page_size()).unwrap();
    }
    assert_eq!(fs::read(&path).unwrap()[..100], [49; 100]);
}

/// The three names have the call; two of them as `unsafe`.
#[test]
fn an_assumed_view_can_be_remapped_too() {
    let file = file(2 * page_size());
    let view = MmapOptions::new().len(10).map_view(&file, Protection::ReadWrite).unwrap();
    // SAFETY: nobody else touches the file.
    let mut map: View<_> = unsafe { view.assume_exclusive() }.unwrap();
    // SAFETY: as for the call above.
    unsafe { map.remap(20).unwrap() };
    assert_eq!(map[..], pattern(0, 20));
}

/// The guard behind the memory is where it would have to grow.
#[test]
fn memory_between_guards_keeps_its_pages() {
    let mut view = MmapOptions::new().len(page_size()).guard_pages().map_anon().unwrap().into_view_sync();
    let error = view.remap(2 * page_size()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    view.store(page_size() - 1, 7_u8).unwrap();
    assert_eq!(view.len(), page_size());
}
