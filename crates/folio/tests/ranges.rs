//! Ranges: those that take views apart and join them, and those that go to the kernel.
//!
//! Each test is a bug that a memory-map library had. On Linux a canary lies right before and right behind the mapping under
//! test, or nothing at all, and `/proc/self/maps` says what is mapped.

use folio::{Access, Advice, MmapMut, MmapOptions, MmapViewSync, Protection, UncheckedAdvice, View, page_size};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;

/// A file of `len` zeros, in a folder that goes with the test.
fn file(len: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, vec![0; len]).unwrap();
    (dir, path)
}

fn open(path: &PathBuf) -> File {
    fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Ranges that do not lie in `0..len`, among them those whose end cannot be written down.
fn bad_ranges(len: usize) -> [(usize, usize); 9] {
    [
        (0, len + 1),
        (1, len),
        (len, 1),
        (len, len),
        (len + 1, 0),
        (1, usize::MAX),
        (usize::MAX, 0),
        (usize::MAX, 2),
        (usize::MAX - len + 1, len),
    ]
}

/// Every method that takes a range, on one kind of view.
fn refuses_ranges_outside<A: Access>(make: impl Fn() -> View<A>) {
    let mut view = make();
    let (ptr, len) = (view.as_ptr(), view.len());
    for (offset, count) in bad_ranges(len) {
        assert_eq!(view.restrict(offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.flush_range(offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.flush_async_range(offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.advise_range(Advice::Random, offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
        // SAFETY: nothing is done but to refuse the range.
        let refused = unsafe { view.unchecked_advise_range(UncheckedAdvice::DontFork, offset, count) };
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.populate_read_range(offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.populate_write_range(offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
        if let Some(end) = offset.checked_add(count) {
            let failed = view.split_ranges(&[0..0, offset..end]).unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::InvalidInput);
            view = failed.into_view();
        }
        if offset > len {
            assert_eq!(view.split_off(offset).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(view.split_to(offset).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        if count <= 2 * len {
            assert_eq!(view.read_exact_at(&mut vec![0; count], offset).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!((view.as_ptr(), view.len()), (ptr, len), "{offset} {count}");
        assert!(view.is_unique(), "{offset} {count}");
    }
}

/// `restrict(usize::MAX, 2)` was `Ok` in release builds of `memmap` 0.5, and `advise_range(len, len)` passed the check of
/// `memmap2`. The same answer in debug and release, from every method of every kind of view.
#[test]
fn no_method_takes_a_range_that_is_not_inside_the_view() {
    let (_dir, path) = file(2 * page_size());
    refuses_ranges_outside(|| MmapViewSync::anonymous(100).unwrap());
    refuses_ranges_outside(|| MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap());
    refuses_ranges_outside(|| MmapMut::map_anon(page_size()).unwrap());
    refuses_ranges_outside(|| MmapMut::map_anon(page_size()).unwrap().freeze());
    // A narrow view in the middle: what lies around it is mapped, and still not its own.
    refuses_ranges_outside(|| {
        let mut view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
        view.restrict(page_size() / 2 + 1, 20).unwrap();
        view
    });
}

/// A wasm runtime's `split_off` forgot the base of the first split, so that pieces of pieces lay on top of others.
#[test]
fn a_piece_of_a_piece_counts_from_the_piece() {
    let len = 4 * page_size();
    let (_dir, path) = file(len);
    let view = MmapOptions::new().offset(7).map_view(open(&path), Protection::ReadWrite).unwrap();
    let (mut a, rest) = view.split_at(page_size() - 3).unwrap();
    let (b, mut rest) = rest.split_at(page_size() + 1).unwrap();
    let c = rest.split_to(10).unwrap();
    let d = rest.split_off(100).unwrap();
    let e = a.split_off(1).unwrap();
    let f = d.split_ranges(&[50..60, 0..50]).unwrap();
    // In the order of the file: 7 bytes that are not mapped, then a e b c rest f[1] f[0], then what no view has.
    let order = [&a, &e, &b, &c, &rest, &f[1], &f[0]];
    let mut expected = vec![0; 7];
    for (mark, piece) in (1_u8..).zip(order) {
        piece.write_all_at(&vec![mark; piece.len()], 0).unwrap();
        if cfg!(folio_heap) {
            // Where a map is a copy, the file has it after a flush.
            piece.flush().unwrap();
        }
        expected.resize(expected.len() + piece.len(), mark);
    }
    expected.resize(len, 0);
    assert_eq!(fs::read(&path).unwrap(), expected);
}

/// 0 and the length are edges, not errors; one further is, and the view comes back.
#[test]
fn splitting_at_the_edges_gives_empty_sides() {
    let mut view = MmapMut::map_anon(100).unwrap();
    let base = view.as_ptr();
    let none = view.split_to(0).unwrap();
    assert_eq!((none.as_ptr(), none.len(), view.as_ptr(), view.len()), (base, 0, base, 100));
    let none = view.split_off(100).unwrap();
    assert_eq!((none.as_ptr(), none.len(), view.len()), (base.wrapping_add(100), 0, 100));
    let all = view.split_to(100).unwrap();
    assert_eq!((all.as_ptr(), all.len(), view.as_ptr(), view.len()), (base, 100, base.wrapping_add(100), 0));
    assert!(view.split_off(1).is_err() && view.split_to(1).is_err());
}

/// Views of ranges, for one column of a table each: no byte goes to two of them, and none to the wrong one.
#[test]
fn n_ways_at_once_gives_each_range_its_own_bytes() {
    let len = 3 * page_size() + 11;
    let (_dir, path) = file(len);
    let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
    let ranges = [2 * page_size()..len, 5..5, 0..5, page_size() - 1..page_size() + 1, 5..page_size() - 1];
    let mut expected = vec![0; len];
    for (mark, (range, piece)) in (1_u8..).zip(ranges.clone().into_iter().zip(view.split_ranges(&ranges).unwrap())) {
        piece.write_all_at(&vec![mark; piece.len()], 0).unwrap();
        expected[range].fill(mark);
    }
    assert_eq!(fs::read(&path).unwrap(), expected);
}

/// Two views of ranges that share a byte would be two `&mut` of it.
#[test]
fn n_ways_at_once_refuses_ranges_that_share_a_byte() {
    let mut map = MmapMut::map_anon(100).unwrap();
    map.fill(7);
    for ranges in [[0..10, 9..20], [9..20, 0..10], [0..100, 40..41], [40..41, 40..41], [99..100, 0..100]] {
        let failed = map.split_ranges(&ranges).unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::InvalidInput);
        map = failed.into_view();
        assert_eq!(map[..], [7; 100]);
    }
    assert!(map.is_unique());
}

/// Pieces joined in another order than they were split, through every kind of view.
#[test]
fn joining_needs_the_true_neighbour_in_the_right_order() {
    fn check<A: Access>(mut first: View<A>) {
        let ptr = first.as_ptr();
        let mut third = first.split_off(60).unwrap();
        let mut second = first.split_off(30).unwrap();
        // A gap, then the wrong order.
        third = first.unsplit(third).unwrap_err().into_view();
        first = third.unsplit(first).unwrap_err().into_view();
        first = second.unsplit(first).unwrap_err().into_view();
        assert_eq!((first.len(), second.len(), third.len()), (30, 30, 40));
        second.unsplit(third).unwrap();
        first.unsplit(second).unwrap();
        assert_eq!((first.as_ptr(), first.len()), (ptr, 100));
        first.unmap().expect("the owner count is off");
    }
    check(MmapViewSync::anonymous(100).unwrap());
    check(MmapMut::map_anon(100).unwrap());
    check(MmapMut::map_anon(100).unwrap().freeze());
}

/// Clones may overlap: those are no neighbours, and joining them must not count bytes twice.
#[test]
fn joining_refuses_an_overlap() {
    let map = MmapMut::map_anon(100).unwrap().freeze();
    let mut head = map.slice(..50);
    let failed = head.unsplit(map.slice(49..)).unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::InvalidInput);
    assert_eq!(failed.into_view().len(), 51);
    let failed = head.unsplit(head.clone()).unwrap_err();
    assert_eq!((failed.into_view().len(), head.len()), (50, 50));
    head.unsplit(map.slice(50..)).unwrap();
    assert_eq!(head.len(), 100);
}

/// An empty `slice(n..n)` pointed nowhere; a parser computes offsets from it.
#[test]
fn an_empty_part_keeps_its_address() {
    let map = MmapMut::map_anon(100).unwrap().freeze();
    for at in [0, 1, 50, 100] {
        let empty = map.slice(at..at);
        assert_eq!((empty.as_ptr(), empty.len()), (map.as_ptr().wrapping_add(at), 0));
        assert_eq!(map.slice_ref(&map[at..at]).unwrap().as_ptr(), map.as_ptr().wrapping_add(at));
    }
    let mut view = MmapViewSync::anonymous(100).unwrap();
    let base = view.as_ptr();
    view.restrict(70, 0).unwrap();
    assert_eq!(view.as_ptr(), base.wrapping_add(70));
    assert_eq!(view.whole().unwrap().len(), 100);
}

/// `slice` panics as slices do, with the sums that wrap, and leaves no owner behind.
#[test]
fn slicing_a_map_panics_out_of_range_as_slices_do() {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let map = MmapMut::map_anon(100).unwrap().freeze();
    assert_eq!(map.slice((Excluded(9), Included(19))).as_ptr(), map.as_ptr().wrapping_add(10));
    assert_eq!(map.slice((Excluded(9), Included(19))).len(), 10);
    for range in [
        (Included(0), Excluded(101)),
        (Included(0), Included(100)),
        (Included(0), Included(usize::MAX)),
        (Included(101), Unbounded),
        (Excluded(100), Unbounded),
        (Excluded(usize::MAX), Unbounded),
        (Included(50), Excluded(49)),
    ] {
        let result = catch_unwind(AssertUnwindSafe(|| drop(map.slice(range))));
        assert!(result.is_err(), "{range:?}");
    }
    assert!(map.is_unique());
}

/// `slice_ref` of what is not a part of this view, though it may be one of the same mapping, is `None`.
#[test]
fn a_slice_of_elsewhere_is_no_part_of_a_view() {
    let map = MmapMut::map_anon(100).unwrap().freeze();
    let part = map.slice(20..40);
    assert_eq!(part.slice_ref(&map[20..40]).unwrap().len(), 20);
    assert_eq!(part.slice_ref(&map[25..30]).unwrap().as_ptr(), map.as_ptr().wrapping_add(25));
    for range in [19..30, 30..41, 0..100, 40..41, 19..20] {
        assert!(part.slice_ref(&map[range]).is_none());
    }
    assert!(map.slice_ref(&[0; 10]).is_none());
    let other = MmapMut::map_anon(100).unwrap().freeze();
    assert!(map.slice_ref(&other).is_none());
}

/// `memmap` 0.5 made a slice over the whole map for each flush and each access: aliasing `&mut` in two threads.
#[test]
fn two_threads_write_and_flush_disjoint_pieces() {
    let len = 4 * page_size() + 6;
    let (_dir, path) = file(len);
    let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
    // In the middle of a page, which both flush.
    let (head, tail) = view.split_at(2 * page_size() + 3).unwrap();
    thread::scope(|scope| {
        for (piece, mark) in [(&head, 1_u8), (&tail, 2)] {
            scope.spawn(move || {
                for at in 0..piece.len() {
                    piece.store(at, mark).unwrap();
                    if at % 1024 == 0 {
                        piece.flush_range(at, 1).unwrap();
                        piece.flush_async().unwrap();
                    }
                }
                piece.flush().unwrap();
            });
        }
    });
    let bytes = fs::read(&path).unwrap();
    assert!(bytes[..head.len()].iter().all(|&byte| byte == 1));
    assert!(bytes[head.len()..].iter().all(|&byte| byte == 2));
}

/// The same with plain slices: two `&mut [u8]` of one mapping, made of owned pieces in two threads.
#[test]
fn two_threads_hold_mutable_slices_of_disjoint_pieces() {
    let mut head = MmapMut::map_anon(2 * page_size()).unwrap();
    let tail = head.split_off(page_size() + 1).unwrap();
    let threads = [(head, 1), (tail, 2)].map(|(mut piece, mark)| {
        thread::spawn(move || {
            piece.fill(mark);
            piece
        })
    });
    let [mut head, tail] = threads.map(|thread| thread.join().unwrap());
    head.unsplit(tail).unwrap();
    let (ones, twos) = head.split_at(page_size() + 1);
    assert!(ones.iter().all(|&byte| byte == 1) && twos.iter().all(|&byte| byte == 2));
}

/// A log has a writer and a flusher on one view. In the old crate both took `&mut self`, so it needed a lock.
#[test]
fn a_writer_and_a_flusher_share_one_view() {
    let records = 512;
    let (_dir, path) = file(records * 8);
    let log = Arc::new(MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let flusher = thread::spawn({
        let (log, done) = (Arc::clone(&log), Arc::clone(&done));
        move || {
            while !done.load(Ordering::Acquire) {
                log.flush_async().unwrap();
                log.flush().unwrap();
            }
        }
    });
    let writer = thread::spawn({
        let log = Arc::clone(&log);
        move || (0..records).for_each(|record| log.store(record * 8, record as u64 + 1).unwrap())
    });
    writer.join().unwrap();
    done.store(true, Ordering::Release);
    flusher.join().unwrap();
    if cfg!(folio_heap) {
        // Which shows in the file what was stored before a flush, and the last stores may be later.
        log.flush().unwrap();
    }
    let bytes = fs::read(&path).unwrap();
    let stored = bytes.chunks(8).map(|record| u64::from_ne_bytes(record.try_into().unwrap()));
    assert!(stored.eq(1..=records as u64));
}

/// A view that outlives its parent, its siblings and the `File` still reaches its bytes.
#[test]
fn a_middle_piece_outlives_everything_around_it() {
    let (_dir, path) = file(3 * page_size());
    let handle = open(&path);
    let view = MmapViewSync::open(&handle, Protection::ReadWrite).unwrap();
    let (head, rest) = view.split_at(page_size() + 5).unwrap();
    let (middle, tail) = rest.split_at(10).unwrap();
    drop((head, tail, handle));
    middle.write_all_at(&[9; 10], 0).unwrap();
    middle.flush().unwrap();
    assert!(middle.is_unique());
    assert_eq!(fs::read(&path).unwrap()[page_size() + 4..page_size() + 16], [0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0]);
}

/// A thread that panics with pieces in its hands gives them up like any other, once.
#[test]
fn pieces_of_a_thread_that_panics_are_dropped_once() {
    let mut view = MmapViewSync::anonymous(100).unwrap();
    let tail = view.split_off(40).unwrap();
    let panicked = thread::spawn(move || {
        let mut chunks = tail.into_chunks(10).unwrap();
        let _held = (chunks.next(), chunks.next_back());
        std::panic::panic_any(());
    });
    assert!(panicked.join().is_err());
    view.store(39, 1_u8).unwrap();
    view.unmap().expect("the owner count is off");
}

/// A flush at an offset that is not a multiple of the page size was `EINVAL` (`memmap` 0.5); one of length 0 reached to the
/// end of the map (Windows), or failed (macOS).
#[test]
fn flushing_takes_any_offset_and_any_length() {
    let page = page_size();
    let (_dir, path) = file(3 * page);
    for options in [MmapOptions::new().keep_file(), &mut MmapOptions::new()] {
        for start in [0, 1, page - 1, page, page + 1] {
            let view = options.offset(start as u64).map_view(open(&path), Protection::ReadWrite).unwrap();
            let len = view.len();
            for (offset, count) in
                [(0, 0), (len, 0), (1, 0), (0, 1), (len - 1, 1), (1, len - 1), (page - 1, 2), (0, len)]
            {
                view.flush_async_range(offset, count).unwrap();
                view.flush_range(offset, count).unwrap();
            }
        }
    }
}

/// Protection is a matter of whole pages, the view's edges are not: the call must not see them.
#[test]
fn changing_the_protection_works_at_any_offset() {
    let (_dir, path) = file(3 * page_size());
    let handle = open(&path);
    for start in [1, page_size() - 1, page_size() + 1] {
        // SAFETY: nobody else touches the file of this test.
        let mut map = unsafe { MmapOptions::new().offset(start as u64).map_mut(&handle) }.unwrap();
        map.restrict(3, page_size()).unwrap();
        let map = map.make_read_only().unwrap();
        assert_eq!((map.protection(), map.len()), (Protection::Read, page_size()));
        let mut map = map.make_mut().unwrap();
        assert_eq!(map.protection(), Protection::ReadWrite);
        map[0] = 1;
        if cfg!(folio_heap) {
            map.flush().unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[start + 2..start + 5], [0, 1, 0]);
        map[0] = 0;
    }
}

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;

/// What needs `/proc/self/maps`, or neighbours.
// The kernel says what is mapped, and the heap maps nothing.
#[cfg(all(target_os = "linux", not(folio_heap)))]
mod linux {
    use super::maps::{self, Canaries};
    use super::*;

    /// `len` bytes at `offset` of a file of `pages` pages in a shared mapping that can be written, between two canaries.
    fn shared(path: &PathBuf, offset: usize, len: usize) -> (MmapViewSync, Canaries) {
        let pages = (offset % page_size() + len).div_ceil(page_size());
        Canaries::around(pages, || {
            MmapOptions::new().offset(offset as u64).len(len).map_view(open(path), Protection::ReadWrite).unwrap()
        })
    }

    /// Everything that a view hands to the kernel as a range, at every edge of it.
    fn flush_everywhere<A: Access>(view: &View<A>) {
        let len = view.len();
        for (offset, count) in [(0, len), (0, 0), (len, 0), (0, len.min(1)), (len - len.min(1), len.min(1))] {
            view.flush_range(offset, count).unwrap();
            view.flush_async_range(offset, count).unwrap();
        }
        view.flush().unwrap();
        view.flush_async().unwrap();
        // Reports what the one before could not.
        view.flush().unwrap();
    }

    /// A flush whose range reached past the view would say `ENOMEM`, for nothing is mapped there.
    #[test]
    fn flushing_reaches_no_page_outside_the_mapping() {
        let page = page_size();
        let (_dir, path) = file(4 * page);
        for (offset, len) in
            [(0, 2 * page), (page, page), (0, 1), (page - 1, 2), (5, 2 * page), (page + 5, 2 * page + 1)]
        {
            let (view, canaries) = shared(&path, offset, len);
            flush_everywhere(&view);
            canaries.assert_untouched();
            drop(canaries);
            flush_everywhere(&view);
            let (head, mut tail) = view.split_at(len / 2).unwrap();
            flush_everywhere(&head);
            flush_everywhere(&tail);
            let none = tail.split_off(tail.len()).unwrap();
            flush_everywhere(&none);
        }
    }

    /// Every operation on pages, at every edge of a view. One that reached past the mapping would hit a canary, or be `ENOMEM`
    /// where nothing is mapped.
    fn page_everywhere<A: Access>(view: &View<A>) {
        let len = view.len();
        for (offset, count) in [(0, len), (0, 0), (len, 0), (0, len.min(1)), (len - len.min(1), len.min(1))] {
            for advice in [Advice::Random, Advice::DontDump, Advice::WillNeed, Advice::Normal, Advice::DoDump] {
                view.advise_range(advice, offset, count).unwrap();
            }
            // SAFETY: a shared mapping of a file loses nothing.
            unsafe { view.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, count) }.unwrap();
            // SAFETY: no child made by `fork` touches these pages.
            unsafe { view.unchecked_advise_range(UncheckedAdvice::DontFork, offset, count) }.unwrap();
            view.advise_range(Advice::DoFork, offset, count).unwrap();
            view.populate_read_range(offset, count).unwrap();
            view.populate_write_range(offset, count).unwrap();
        }
        // Not everybody may.
        if view.lock().is_ok() {
            view.unlock().unwrap();
        }
        view.residency().unwrap();
        view.resident_ranges().unwrap().for_each(|range| {
            let range = range.unwrap();
            assert!(range.start < range.end && range.end <= len);
        });
    }

    /// `advise_range(len, len)` of `memmap2` reached the mapping behind.
    #[test]
    fn paging_reaches_no_page_outside_the_mapping() {
        let page = page_size();
        let (_dir, path) = file(4 * page);
        for (offset, len) in
            [(0, 2 * page), (page, page), (0, 1), (page - 1, 2), (5, 2 * page), (page + 5, 2 * page + 1)]
        {
            let (view, canaries) = shared(&path, offset, len);
            page_everywhere(&view);
            canaries.assert_untouched();
            drop(canaries);
            page_everywhere(&view);
            let (head, mut tail) = view.split_at(len / 2).unwrap();
            page_everywhere(&head);
            page_everywhere(&tail);
            let none = tail.split_off(tail.len()).unwrap();
            page_everywhere(&none);
        }
    }

    /// Checked copies up to the first and the last byte leave what lies beyond alone.
    #[test]
    fn copies_reach_no_byte_outside_the_mapping() {
        let page = page_size();
        let (view, canaries) = Canaries::around(2, || MmapViewSync::anonymous(2 * page).unwrap());
        view.write_all_at(&vec![1; 2 * page], 0).unwrap();
        view.store(2 * page - 8, u64::MAX).unwrap();
        view.store(0, u64::MAX).unwrap();
        for offset in [2 * page - 7, 2 * page, usize::MAX - 7] {
            assert!(view.store(offset, 0_u64).is_err());
        }
        canaries.assert_untouched();
        let mut bytes = vec![0; 2 * page];
        view.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!((bytes[..9].to_vec(), bytes[2 * page - 9]), ([vec![255; 8], vec![1]].concat(), 1));
    }

    /// Safe `DontFork` at the end of a `memmap2` map hit the neighbour. What changes pages changes ours, all of them, only.
    #[test]
    fn changing_the_protection_reaches_exactly_the_mapping() {
        let page = page_size();
        let (_dir, path) = file(4 * page);
        for (offset, len, pages) in [(0, 2 * page, 2), (page + 5, page, 2), (page - 1, 2, 2), (7, 2 * page, 3)] {
            let handle = open(&path);
            let (mut map, canaries) = Canaries::around(pages, || {
                // SAFETY: nobody else touches the file while one of these maps is used.
                unsafe { MmapOptions::new().offset(offset as u64).len(len).map_mut(&handle) }.unwrap()
            });
            let start = map.as_ptr().addr() & !(page - 1);
            let permissions = |expected: &str| {
                let region = maps::at(std::ptr::without_provenance(start)).unwrap();
                assert_eq!((region.permissions.as_str(), region.range), (expected, start..start + pages * page));
                canaries.assert_untouched();
            };
            permissions("rw-s");
            // Through a view of one byte, it is still the whole mapping that is protected, and the call takes whole pages.
            map.restrict(1, 1).unwrap();
            let map = map.make_read_only().unwrap();
            permissions("r--s");
            let map = map.make_mut().unwrap();
            permissions("rw-s");
            let map = map.make_exec().unwrap();
            permissions("r-xs");
            drop(map.make_mut().unwrap());
            assert_eq!(maps::of_file(&path), []);
            canaries.assert_untouched();
        }
    }

    /// The unmap takes the pages of the mapping, all of them, and not one of a neighbour; also where the view that goes last
    /// is a byte in the middle, or empty.
    #[test]
    fn unmapping_takes_exactly_the_mapping() {
        let page = page_size();
        let (_dir, path) = file(4 * page);
        for (offset, len, pages) in [(0, 2 * page, 2), (page + 5, page, 2), (0, 1, 1), (page - 1, page + 2, 3)] {
            for (start, count) in [(0, len), (len / 2, 1.min(len / 2)), (len, 0)] {
                for by_call in [true, false] {
                    let (mut view, canaries) = shared(&path, offset, len);
                    let base = view.as_ptr().wrapping_sub(offset % page);
                    view.restrict(start, count).unwrap();
                    assert_eq!(maps::at(base).unwrap().range, base.addr()..base.addr() + pages * page);
                    if by_call {
                        view.unmap().unwrap()
                    } else {
                        drop(view)
                    }
                    assert_eq!(maps::of_file(&path), []);
                    canaries.assert_untouched();
                }
            }
        }
    }

    /// Whatever is split, joined, narrowed or refused, the kernel is not asked: the mapping stays as it is.
    #[test]
    fn taking_apart_and_joining_change_no_mapping() {
        let page = page_size();
        let (_dir, path) = file(4 * page);
        let (view, canaries) = shared(&path, 5, 3 * page);
        let before = maps::at(view.as_ptr()).unwrap();
        let (mut head, tail) = view.split_at(page).unwrap();
        let pieces = tail.split_ranges(&[page..2 * page, 0..page]).unwrap();
        let [third, second] = <[_; 2]>::try_from(pieces).unwrap();
        let third = head.unsplit(third).unwrap_err().into_view();
        head.unsplit(second).unwrap();
        head.unsplit(third).unwrap();
        head.restrict(page, 0).unwrap();
        let whole = head.whole().unwrap();
        assert_eq!(whole.len(), 3 * page);
        assert_eq!(maps::at(whole.as_ptr()), Some(before));
        canaries.assert_untouched();
    }

    /// Two mappings that merely lie side by side in the address space are no neighbours: to join them would unmap one of
    /// them under the joined view.
    #[test]
    fn joining_refuses_a_mapping_that_lies_right_behind() {
        let page = page_size();
        let (_dir, path) = file(page);
        let mut row: Vec<_> = (0..64).map(|_| MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap()).collect();
        row.sort_by_key(MmapViewSync::as_ptr);
        let side_by_side = |pair: &[MmapViewSync]| pair[0].as_ptr().wrapping_add(page) == pair[1].as_ptr();
        let at = row.windows(2).position(side_by_side).expect("of 64 mappings no two lie side by side");
        let (mut first, second) = (row.remove(at), row.remove(at));

        let failed = first.unsplit(second).unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::InvalidInput);
        let second = failed.into_view();
        assert_eq!((first.len(), second.len(), second.as_ptr()), (page, page, first.as_ptr().wrapping_add(page)));
        assert!(first.is_unique() && second.is_unique());
        // The same of empty edges.
        let (mut first, mut at_its_end) = first.split_at(page).unwrap();
        let (at_the_start, _second) = second.split_at(0).unwrap();
        let at_the_start = at_its_end.unsplit(at_the_start).unwrap_err().into_view();
        assert!(first.unsplit(at_the_start).is_err());
        first.unsplit(at_its_end).unwrap();
    }

    /// The mapping goes with the last of its views, whichever it is, and all of it is there until then.
    #[test]
    fn the_map_is_whole_until_the_last_piece_goes() {
        let page = page_size();
        let (_dir, path) = file(8 * page);
        for last in 0..8 {
            let handle = open(&path);
            let view = MmapViewSync::open(&handle, Protection::ReadWrite).unwrap();
            let base = view.as_ptr();
            let mut pieces: Vec<_> = view.into_chunks(page).unwrap().collect();
            drop(handle);
            let kept = pieces.swap_remove(last);
            for piece in pieces {
                drop(piece);
                let regions = maps::of_file(&path);
                assert_eq!(regions.len(), 1);
                assert_eq!(regions[0].range, base.addr()..base.addr() + 8 * page);
            }
            kept.store(0, 1_u8).unwrap();
            drop(kept);
            assert_eq!(maps::of_file(&path), []);
        }
        assert!(fs::read(&path).unwrap().iter().step_by(page).all(|&byte| byte == 1));
    }

    /// Eight threads write and drop their pieces at once. The unmap comes after the last write, and comes.
    #[test]
    fn eight_threads_drop_their_pieces_and_the_map_goes_after_all_writes() {
        let page = page_size();
        let (_dir, path) = file(8 * page);
        for round in 1..=32_u8 {
            let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
            let barrier = Arc::new(std::sync::Barrier::new(8));
            let threads: Vec<_> = view
                .into_chunks(page)
                .unwrap()
                .map(|piece| {
                    let barrier = Arc::clone(&barrier);
                    thread::spawn(move || {
                        barrier.wait();
                        // A write after the unmap would be an error.
                        piece.write_all_at(&vec![round; page], 0).unwrap();
                        drop(piece);
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(maps::of_file(&path), [], "round {round}");
            assert_eq!(fs::read(&path).unwrap(), vec![round; 8 * page], "round {round}");
        }
    }

    /// An empty view has no bytes and still holds the mapping, as its documentation says.
    #[test]
    fn an_empty_view_keeps_its_mapping_alive() {
        let (_dir, path) = file(page_size());
        let view = MmapViewSync::open_path(&path, Protection::Read).unwrap();
        let (all, none) = view.split_at(page_size()).unwrap();
        drop(all);
        assert_eq!(maps::of_file(&path).len(), 1);
        let whole = none.whole().unwrap();
        assert_eq!(whole.len(), page_size());
        drop(whole);
        assert_eq!(maps::of_file(&path), []);
    }

    /// A parser's slice, made owned, keeps the mapping as its map did.
    #[test]
    fn a_part_of_a_map_outlives_the_map() {
        let (_dir, path) = file(page_size());
        let handle = File::open(&path).unwrap();
        // SAFETY: nobody writes the file of this test while it is mapped.
        let map = unsafe { folio::Mmap::map(&handle) }.unwrap();
        let part = map.slice_ref(&map[10..20]).unwrap();
        let clone = part.clone();
        drop((map, part));
        assert_eq!(clone[..], [0; 10]);
        assert_eq!(maps::of_file(&path).len(), 1);
        drop(clone);
        assert_eq!(maps::of_file(&path), []);
    }

    /// The flush that runs behind one's back holds the mapping too, and lets it go.
    #[test]
    fn a_view_dropped_after_flush_async_leaves_no_mapping_behind() {
        let (_dir, path) = file(16 * page_size());
        let handle = open(&path);
        let view = MmapViewSync::open(&handle, Protection::ReadWrite).unwrap();
        view.write_all_at(&vec![1; view.len()], 0).unwrap();
        view.flush_async().unwrap();
        // `unmap` waits for it.
        view.unmap().unwrap();
        assert_eq!(maps::of_file(&path), []);
    }
}
