//! The contract of `MmapViewSync`: every method, what it means, and where its edges are.
//!
//! The view is known from `memmap` 0.5, where it had `split_at`, `restrict`, `flush`, `flush_async`, `len`, `ptr`,
//! `mut_ptr`, `as_slice`, `as_mut_slice` and `clone`, and was `Send` and `Sync`. They stand here first, then what folio adds.

use folio::{Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, View, ViewError, page_size};
use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;
use std::thread;
use tempfile::TempDir;

/// The byte that stands at `index` of the test's data. The period is prime, so that a shift by any page size shows.
fn byte(index: usize) -> u8 {
    u8::try_from(index % 251).unwrap()
}

fn data(range: Range<usize>) -> Vec<u8> {
    range.map(byte).collect()
}

/// A file of `len` bytes of the data, in a folder that goes with the test.
fn file(len: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, data(0..len)).unwrap();
    (dir, path)
}

/// Anonymous memory with the data in it.
fn memory(len: usize) -> MmapViewSync {
    let view = MmapViewSync::anonymous(len).unwrap();
    view.write_all_at(&data(0..len), 0).unwrap();
    view
}

/// The bytes of a view, by a checked copy.
fn read<A: folio::Access>(view: &View<A>) -> Vec<u8> {
    let mut bytes = vec![0; view.len()];
    view.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// What a failed call left: where the view is, how long, and its bytes.
fn identity(view: &MmapViewSync) -> (*const u8, usize, Vec<u8>) {
    (view.as_ptr(), view.len(), read(view))
}

mod split_at {
    use super::*;

    /// The two pieces are the bytes before the offset and those from it on, at any byte, at the addresses they had.
    #[test]
    fn gives_the_bytes_before_the_offset_and_those_from_it_on() {
        let len = 3 * page_size() + 5;
        for offset in [1, 7, page_size() - 1, page_size(), page_size() + 1, len - 1] {
            let view = memory(len);
            let base = view.as_ptr();
            let (head, tail) = view.split_at(offset).unwrap();
            assert_eq!((head.as_ptr(), tail.as_ptr()), (base, base.wrapping_add(offset)), "{offset}");
            assert_eq!((read(&head), read(&tail)), (data(0..offset), data(offset..len)), "{offset}");
        }
    }

    /// An offset of 0 and one of the length are the two edges that `memmap` 0.5 accepted too: one side is empty.
    #[test]
    fn at_either_end_gives_an_empty_side_that_keeps_its_address() {
        let view = memory(100);
        let base = view.as_ptr();
        let (left, all) = view.split_at(0).unwrap();
        assert_eq!((left.as_ptr(), left.len(), all.as_ptr(), all.len()), (base, 0, base, 100));
        let (all, right) = all.split_at(100).unwrap();
        assert_eq!((all.as_ptr(), all.len(), right.as_ptr(), right.len()), (base, 100, base.wrapping_add(100), 0));
    }

    /// One past the end, and so far past it that a sum would wrap, is an error that gives the view back unharmed.
    #[test]
    fn past_the_end_gives_the_view_back() {
        let mut view = memory(100);
        let before = identity(&view);
        for offset in [101, usize::MAX / 2, usize::MAX - 99, usize::MAX] {
            let failed = view.split_at(offset).unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::InvalidInput, "{offset}");
            view = failed.into_view();
            assert_eq!(identity(&view), before, "{offset}");
        }
        assert!(view.is_unique(), "a failed split left an owner behind");
        view.unmap().unwrap();
    }

    /// Both halves of an empty view are empty; there is no other split of it.
    #[test]
    fn of_an_empty_view_works_at_0_only() {
        let (head, tail) = MmapViewSync::anonymous(0).unwrap().split_at(0).unwrap();
        assert!(head.is_empty() && tail.is_empty());
        assert_eq!(head.split_at(1).unwrap_err().error().kind(), ErrorKind::InvalidInput);
    }
}

mod restrict {
    use super::*;

    /// The range counts from the start of the view, not of the mapping; narrowing again counts from the narrowed start.
    #[test]
    fn narrows_the_view_to_a_range_of_its_own_bytes() {
        let mut view = memory(3 * page_size());
        let base = view.as_ptr();
        view.restrict(10, 2 * page_size()).unwrap();
        assert_eq!(view.as_ptr(), base.wrapping_add(10));
        assert_eq!(read(&view), data(10..10 + 2 * page_size()));
        view.restrict(page_size(), 30).unwrap();
        assert_eq!(view.as_ptr(), base.wrapping_add(10 + page_size()));
        assert_eq!(read(&view), data(10 + page_size()..40 + page_size()));
    }

    /// The whole of it, nothing at the start, nothing at the end.
    #[test]
    fn takes_every_range_that_lies_inside() {
        for (offset, len) in [(0, 100), (0, 0), (100, 0), (99, 1), (1, 99)] {
            let mut view = memory(100);
            let base = view.as_ptr();
            view.restrict(offset, len).unwrap();
            assert_eq!((view.as_ptr(), view.len()), (base.wrapping_add(offset), len));
        }
    }

    /// `restrict(usize::MAX, 2)` was `Ok` in release builds of `memmap` 0.5, with a pointer before the map, and
    /// `restrict(1, usize::MAX)` with a length of `usize::MAX`.
    #[test]
    fn to_a_range_that_is_not_inside_is_an_error_and_changes_nothing() {
        let mut view = memory(100);
        let before = identity(&view);
        let ranges = [
            (0, 101),
            (1, 100),
            (100, 1),
            (101, 0),
            (usize::MAX, 0),
            (usize::MAX, 2),
            (1, usize::MAX),
            (50, usize::MAX - 49),
        ];
        for (offset, len) in ranges {
            assert_eq!(view.restrict(offset, len).unwrap_err().kind(), ErrorKind::InvalidInput, "{offset} {len}");
            assert_eq!(identity(&view), before, "{offset} {len}");
        }
    }
}

mod flush_and_flush_async {
    use super::*;

    /// The start of a piece need not be a multiple of the page size: `flush_async` of `memmap` 0.5 gave `EINVAL` there.
    #[test]
    fn work_on_every_piece_whatever_its_edges_are() {
        let (_dir, path) = file(3 * page_size());
        let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
        let mut expected = data(0..3 * page_size());
        for (index, piece) in view.into_chunks(page_size() / 2 + 3).unwrap().enumerate() {
            let at = index * (page_size() / 2 + 3);
            piece.store(0, 0xEE_u8).unwrap();
            expected[at] = 0xEE;
            piece.flush_async().unwrap();
            piece.flush().unwrap();
            piece.flush_async_range(1, piece.len() - 1).unwrap();
            piece.flush_range(piece.len() - 1, 1).unwrap();
            piece.sync_all().unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), expected);
    }

    /// Nothing to flush is `Ok`: no bytes, a mapping that cannot be written, one that belongs to no file, a private one.
    #[test]
    fn of_what_has_nothing_to_write_is_ok() {
        let (dir, path) = file(100);
        fs::write(dir.path().join("empty"), b"").unwrap();
        let shared = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
        let (shared, at_the_end) = shared.split_at(100).unwrap();
        let views = [
            at_the_end,
            MmapViewSync::open_path(dir.path().join("empty"), Protection::ReadWrite).unwrap(),
            MmapViewSync::open_path(&path, Protection::Read).unwrap(),
            MmapViewSync::open_path(&path, Protection::ReadCopy).unwrap(),
            MmapViewSync::anonymous(100).unwrap(),
            MmapViewSync::anonymous(0).unwrap(),
        ];
        for view in &views {
            view.flush().unwrap();
            view.flush_async().unwrap();
            view.flush_range(view.len(), 0).unwrap();
            view.flush_async_range(0, view.len()).unwrap();
        }
        drop(shared);
    }

    /// A range is checked before anything is done, with the sum that wraps too, also where there would be nothing to do.
    #[test]
    fn of_a_range_past_the_end_are_errors() {
        let (_dir, path) = file(100);
        for view in [MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap(), memory(100)] {
            for (offset, len) in [(0, 101), (101, 0), (100, 1), (usize::MAX, 2), (1, usize::MAX)] {
                assert_eq!(view.flush_range(offset, len).unwrap_err().kind(), ErrorKind::InvalidInput);
                assert_eq!(view.flush_async_range(offset, len).unwrap_err().kind(), ErrorKind::InvalidInput);
            }
        }
    }

    /// The metadata belongs to the file: without one there is nobody to ask, and the answer must not be `Ok`.
    #[test]
    fn sync_all_needs_a_mapping_that_keeps_its_file() {
        let (_dir, path) = file(100);
        let handle = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let view = MmapOptions::new().keep_file().map_view(&handle, Protection::ReadWrite).unwrap();
        view.sync_all().unwrap();
        if cfg!(all(any(target_os = "linux", target_os = "android"), not(folio_heap))) {
            let without = MmapViewSync::open(&handle, Protection::ReadWrite).unwrap();
            assert_eq!(without.sync_all().unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}

mod addresses {
    use super::*;

    /// `ptr`, `mut_ptr` and `as_ptr` are one address, and neither splitting nor moving to a thread changes it.
    #[test]
    fn are_the_same_by_every_name_and_never_move() {
        let mut view = memory(100);
        let base = view.as_ptr().addr();
        assert_eq!((view.ptr().addr(), view.mut_ptr().addr()), (base, base));
        let tail = view.split_off(40).unwrap();
        let (view, tail) = thread::spawn(move || (view, tail)).join().unwrap();
        assert_eq!((view.ptr().addr(), tail.ptr().addr()), (base, base + 40));
        let mut whole = view;
        whole.unsplit(tail).unwrap();
        assert_eq!(whole.ptr().addr(), base);
    }

    /// The address of an empty mapping was 0x1 in one library: not what page-aligned code may be given.
    #[test]
    fn of_empty_mappings_are_not_null_and_multiples_of_the_page_size() {
        let (_dir, path) = file(0);
        for view in [
            MmapViewSync::anonymous(0).unwrap(),
            MmapViewSync::open_path(&path, Protection::Read).unwrap(),
            MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap(),
            MmapViewSync::open_path(&path, Protection::ReadCopy).unwrap(),
        ] {
            assert!(view.is_empty());
            assert_eq!(view.as_ptr().wrapping_add(view.len()), view.as_ptr());
            assert!(!view.as_ptr().is_null());
            assert_eq!(view.as_ptr().addr() % page_size(), 0);
            view.unmap().unwrap();
        }
    }
}

mod slices {
    use super::*;

    /// `as_slice` and `as_mut_slice` are the bytes of the view, no more and no less.
    #[test]
    fn are_exactly_the_bytes_of_the_view() {
        let mut view = memory(3 * page_size());
        view.restrict(page_size() - 3, 9).unwrap();
        // SAFETY: this thread alone knows the memory, and writes nothing while the slice lives.
        assert_eq!(unsafe { view.as_slice() }, data(page_size() - 3..page_size() + 6));
        // SAFETY: this thread alone knows the memory, which can be written.
        unsafe { view.as_mut_slice() }.fill(9);
        assert_eq!(read(&view), [9; 9]);
        let whole = read(&view.whole().unwrap());
        assert_eq!(whole[..page_size() - 3], data(0..page_size() - 3));
        assert_eq!(whole[page_size() + 6..], data(page_size() + 6..3 * page_size()));
    }

    /// An empty view is an empty slice.
    #[test]
    fn of_empty_views_are_empty() {
        let mut view = MmapViewSync::anonymous(0).unwrap();
        // SAFETY: nobody writes no bytes.
        assert!(unsafe { view.as_slice() }.is_empty());
        // SAFETY: as in the call before, for this view.
        assert!(unsafe { view.as_mut_slice() }.is_empty());
    }
}

mod clone {
    use super::*;

    /// The clone has the same bytes at the same address, sees what is written through the other, and keeps them mapped.
    #[test]
    fn is_a_second_view_of_the_same_bytes() {
        let mut view = memory(100);
        view.restrict(10, 50).unwrap();
        // SAFETY: only checked copies are made of both views.
        let twin = unsafe { view.clone() };
        assert_eq!(identity(&twin), identity(&view));
        view.store(0, 77_u8).unwrap();
        assert_eq!(twin.load::<u8>(0).unwrap(), 77);
        assert!(!view.is_unique());
        drop(view);
        assert_eq!(twin.load::<u8>(0).unwrap(), 77);
        assert!(twin.is_unique());
    }
}

mod threads {
    use super::*;

    /// Asserted in the crate too; a private copy of this view had its `Sync` under `cfg(test)` only.
    #[test]
    fn views_are_send_sync_and_static() {
        fn check<T: Send + Sync + Unpin + 'static>() {}
        check::<MmapViewSync>();
        check::<Mmap>();
        check::<MmapMut>();
        check::<ViewError<MmapViewSync>>();
        check::<folio::IntoChunks<folio::Shared>>();
    }

    /// By a shared reference, without a lock: others may write these bytes anyway.
    #[test]
    fn write_and_read_one_view_at_once() {
        let view = MmapViewSync::anonymous(64 * 8).unwrap();
        thread::scope(|scope| {
            for index in 0..8_u64 {
                let view = &view;
                let at = usize::try_from(index).unwrap() * 64;
                scope.spawn(move || {
                    for value in 0..100 {
                        view.store(at, value * 8 + index).unwrap();
                        assert_eq!(view.load::<u64>(at).unwrap(), value * 8 + index);
                    }
                });
            }
        });
        for index in 0..8_u64 {
            assert_eq!(view.load::<u64>(usize::try_from(index).unwrap() * 64).unwrap(), 99 * 8 + index);
        }
    }
}

mod debug {
    use super::*;

    /// The name that users know, where, how much and what is allowed; never the contents, which may be secret or lost.
    #[test]
    fn shows_the_users_name_of_the_type_and_no_contents() {
        let view = memory(10);
        let ptr = view.as_ptr();
        assert_eq!(format!("{view:?}"), format!("MmapViewSync {{ ptr: {ptr:?}, len: 10, protection: ReadWrite }}"));
        let map = MmapMut::map_anon(10).unwrap();
        assert!(format!("{map:?}").starts_with("MmapMut { ptr: 0x"));
        assert!(format!("{:?}", map.freeze()).starts_with("Mmap { ptr: 0x"));
    }
}

mod split_off_and_split_to {
    use super::*;

    /// As in `bytes`: `split_off` keeps the head and gives the tail, `split_to` keeps the tail and gives the head.
    #[test]
    fn keep_one_side_and_give_the_other() {
        for at in [0, 1, 50, 99, 100] {
            let mut view = memory(100);
            let tail = view.split_off(at).unwrap();
            assert_eq!((read(&view), read(&tail)), (data(0..at), data(at..100)));
            let mut view = memory(100);
            let head = view.split_to(at).unwrap();
            assert_eq!((read(&head), read(&view)), (data(0..at), data(at..100)));
        }
    }

    /// On an error the view is as it was, and nobody else owns a part of it.
    #[test]
    fn past_the_end_are_errors_and_change_nothing() {
        let mut view = memory(100);
        let before = identity(&view);
        for at in [101, usize::MAX] {
            assert_eq!(view.split_off(at).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(view.split_to(at).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(identity(&view), before);
        assert!(view.is_unique());
    }
}

mod unsplit {
    use super::*;

    /// Neighbours become one view; the pieces may be empty, and may have been split in any order.
    #[test]
    fn joins_true_neighbours() {
        let (mut first, rest) = memory(100).split_at(30).unwrap();
        let (second, third) = rest.split_at(0).unwrap();
        first.unsplit(second).unwrap();
        first.unsplit(third).unwrap();
        assert_eq!(read(&first), data(0..100));
        assert!(first.is_unique(), "a join left an owner behind");
        let (mut empty, all) = first.split_at(0).unwrap();
        empty.unsplit(all).unwrap();
        assert_eq!(read(&empty), data(0..100));
    }

    /// A gap, the wrong order, an overlap, and the view itself again: `other` comes back and both are as before.
    #[test]
    fn refuses_what_does_not_begin_where_the_view_ends() {
        let (mut first, rest) = memory(100).split_at(30).unwrap();
        let (mut second, mut third) = rest.split_at(30).unwrap();
        // SAFETY: only checked copies are made of both views.
        let twin = unsafe { second.clone() };
        let refused = |view: &mut MmapViewSync, other: MmapViewSync| {
            let before = (identity(view), identity(&other));
            let failed = view.unsplit(other).unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::InvalidInput);
            let other = failed.into_view();
            assert_eq!((identity(view), identity(&other)), before);
            other
        };
        third = refused(&mut first, third);
        first = refused(&mut second, first);
        first = refused(&mut third, first);
        drop(refused(&mut second, twin));
        first.unsplit(second).unwrap();
        first.unsplit(third).unwrap();
        assert!(first.is_unique());
    }

    /// Of another mapping, even an empty view is no neighbour.
    #[test]
    fn refuses_views_of_another_mapping() {
        let mut view = memory(100);
        let other = view.unsplit(memory(100)).unwrap_err().into_view();
        assert_eq!(read(&other), data(0..100));
        let mut empty = MmapViewSync::anonymous(0).unwrap();
        assert!(empty.unsplit(MmapViewSync::anonymous(0).unwrap()).is_err());
        assert!(view.is_unique() && other.is_unique() && empty.is_unique());
    }
}

mod into_chunks {
    use super::*;

    /// Equal pieces, the last one shorter; the number of pieces is known beforehand.
    #[test]
    fn cuts_into_pieces_of_one_length() {
        for (len, piece) in
            [(100, 1), (100, 30), (100, 50), (100, 99), (100, 100), (100, 101), (100, usize::MAX), (1, 1)]
        {
            let mut chunks = memory(len).into_chunks(piece).unwrap();
            let expected: Vec<Vec<u8>> = data(0..len).chunks(piece).map(<[u8]>::to_vec).collect();
            assert_eq!(chunks.len(), expected.len());
            for (index, expected) in expected.iter().enumerate() {
                let chunk = chunks.next().unwrap();
                assert_eq!(&read(&chunk), expected, "{index} of {len} by {piece}");
            }
            assert_eq!(chunks.len(), 0);
            assert!(chunks.next().is_none() && chunks.next().is_none());
        }
    }

    /// From the back, the short piece comes first; front and back meet in the middle.
    #[test]
    fn can_be_taken_from_both_ends() {
        let mut chunks = memory(100).into_chunks(30).unwrap();
        assert_eq!(read(&chunks.next_back().unwrap()), data(90..100));
        assert_eq!(read(&chunks.next().unwrap()), data(0..30));
        assert_eq!(chunks.len(), 2);
        assert_eq!(read(&chunks.next_back().unwrap()), data(60..90));
        assert_eq!(read(&chunks.next_back().unwrap()), data(30..60));
        assert!(chunks.next_back().is_none() && chunks.next().is_none());
    }

    /// Stopping early loses nothing that is asked for: `into_rest` is what was not given out, as one view.
    #[test]
    fn gives_back_what_was_not_taken() {
        let mut chunks = memory(100).into_chunks(30).unwrap();
        let first = chunks.next().unwrap();
        let rest = chunks.into_rest().unwrap();
        assert_eq!(read(&rest), data(30..100));
        drop(rest);
        assert!(first.is_unique(), "what was not given out still owns the mapping");
        assert_eq!(read(&first), data(0..30));
        let mut chunks = first.into_chunks(30).unwrap();
        drop(chunks.next());
        assert!(chunks.into_rest().is_none());
    }

    /// No bytes are no pieces, and pieces of no bytes are an error.
    #[test]
    fn of_length_0_is_an_error_and_of_an_empty_view_gives_none() {
        let failed = memory(100).into_chunks(0).unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::InvalidInput);
        assert_eq!(read(&failed.into_view()), data(0..100));
        assert_eq!(MmapViewSync::anonymous(0).unwrap().into_chunks(1).unwrap().len(), 0);
        assert!(MmapViewSync::anonymous(0).unwrap().into_chunks(0).is_err());
    }
}

mod split_ranges {
    use super::*;

    /// Owned views in the order of the ranges, which may leave gaps, touch, stand in any order and be empty.
    #[test]
    fn gives_the_ranges_in_the_order_asked_for() {
        let ranges = [60..100, 0..10, 10..30, 5..5, 30..30, 100..100];
        let views = memory(100).split_ranges(&ranges).unwrap();
        assert_eq!(views.len(), ranges.len());
        for (view, range) in views.iter().zip(ranges) {
            assert_eq!(read(view), data(range));
        }
        assert!(memory(100).split_ranges(&[]).unwrap().is_empty());
    }

    /// Two owners of one byte would break what every other call relies on.
    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "that is a case under test")]
    #[expect(clippy::single_range_in_vec_init, reason = "one range is meant")]
    fn refuses_overlaps_and_what_is_no_range_of_the_view() {
        let mut view = memory(100);
        let before = identity(&view);
        let cases: [&[Range<usize>]; 9] = [
            &[0..10, 9..20],
            &[9..20, 0..10],
            &[0..100, 50..51],
            &[3..4, 3..4],
            &[0..10, 20..15],
            &[0..101],
            &[101..101],
            &[0..usize::MAX],
            &[usize::MAX..usize::MAX],
        ];
        for ranges in cases {
            let failed = view.split_ranges(ranges).unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::InvalidInput, "{ranges:?}");
            view = failed.into_view();
            assert_eq!(identity(&view), before, "{ranges:?}");
        }
        assert!(view.is_unique());
    }
}

mod whole_and_unmap {
    use super::*;

    /// What was cut away by `restrict`, or dropped, comes back; it was there all the time.
    #[test]
    fn whole_gives_the_last_view_the_entire_mapping() {
        let mut view = memory(100);
        view.restrict(40, 0).unwrap();
        let (_, tail) = view.whole().unwrap().split_at(99).unwrap();
        assert_eq!(read(&tail.whole().unwrap()), data(0..100));
    }

    /// With an unaligned offset in the file, the entire mapping is what was asked for, not the pages around it.
    #[test]
    fn whole_never_reaches_beyond_what_was_mapped() {
        let (_dir, path) = file(3 * page_size());
        let handle = fs::File::open(&path).unwrap();
        let at = page_size() + 5;
        let mut view =
            MmapOptions::new().offset(at as u64).len(page_size()).map_view(&handle, Protection::Read).unwrap();
        view.restrict(100, 1).unwrap();
        assert_eq!(read(&view.whole().unwrap()), data(at..at + page_size()));
    }

    /// Both are for the only view; with another one alive, even an empty one, the view comes back.
    #[test]
    fn both_need_the_only_view() {
        let (head, tail) = memory(100).split_at(100).unwrap();
        assert!(tail.is_empty());
        let failed = head.whole().unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy);
        let failed = failed.into_view().unmap().unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy);
        let head = failed.into_view();
        assert_eq!(read(&head), data(0..100));
        assert!(!head.is_unique());
        drop(tail);
        assert!(head.is_unique());
        head.unmap().unwrap();
    }
}

mod checked_access {
    use super::*;

    /// All bytes or an error, up to the last byte and not one further; nothing is written by a call that fails.
    #[test]
    fn reaches_every_byte_and_none_beyond() {
        let mut view = memory(2 * page_size());
        view.restrict(10, page_size()).unwrap();
        let len = view.len();
        let mut buf = [0; 4];
        for offset in [0, 1, len - 4] {
            view.read_exact_at(&mut buf, offset).unwrap();
            assert_eq!(buf[..], data(10 + offset..14 + offset));
        }
        view.read_exact_at(&mut [], len).unwrap();
        view.write_all_at(&[], len).unwrap();
        for offset in [len - 3, len, len + 1, usize::MAX - 3, usize::MAX] {
            assert_eq!(view.read_exact_at(&mut buf, offset).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(view.write_all_at(&buf, offset).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(view.load::<u32>(offset).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(view.store(offset, 0_u32).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert!(view.read_exact_at(&mut [], len + 1).is_err());
        assert_eq!(read(&view.whole().unwrap()), data(0..2 * page_size()));
    }

    /// Every primitive number, at addresses that are a multiple of nothing and across the edge of a page.
    #[test]
    fn loads_and_stores_every_number_at_every_offset() {
        fn check<T: folio::Scalar + PartialEq + std::fmt::Debug>(view: &MmapViewSync, value: T, bytes: &[u8]) {
            for offset in [0, 1, 3, page_size() - 1, view.len() - bytes.len()] {
                view.store(offset, value).unwrap();
                assert_eq!(view.load::<T>(offset).unwrap(), value);
                let mut stored = vec![0; bytes.len()];
                view.read_exact_at(&mut stored, offset).unwrap();
                assert_eq!(stored, bytes);
            }
        }
        let view = MmapViewSync::anonymous(2 * page_size()).unwrap();
        macro_rules! numbers {
            ($($value:expr),*) => {$( check(&view, $value, &$value.to_ne_bytes()); )*};
        }
        numbers!(0x12_u8, 0x1234_u16, 0x1234_5678_u32, 0x0123_4567_89ab_cdef_u64, u128::MAX / 3, usize::MAX / 3);
        numbers!(-2_i8, -2_i16, -2_i32, -2_i64, -2_i128, -2_isize, 1.5_f32, -2.5e300_f64);
    }

    /// A copy longer than one piece of the routine, over several pages.
    #[test]
    fn copies_long_ranges_whole() {
        let len = 5 * page_size() + 123;
        let view = MmapViewSync::anonymous(len + 7).unwrap();
        view.write_all_at(&data(0..len), 7).unwrap();
        let mut bytes = vec![0; len];
        view.read_exact_at(&mut bytes, 7).unwrap();
        assert_eq!(bytes, data(0..len));
    }

    /// A write where the pages allow none is an error, not a signal.
    #[test]
    fn writing_to_a_read_only_view_is_refused() {
        let (_dir, path) = file(100);
        let view = MmapViewSync::open_path(&path, Protection::Read).unwrap();
        assert_eq!(view.protection(), Protection::Read);
        assert_eq!(view.write_all_at(b"x", 0).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(view.store(0, 1_u64).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&path).unwrap(), data(0..100));
    }
}

mod constructors {
    use super::*;

    /// What is written through a shared view is in the file at once for everybody who reads it; the handle may be closed.
    #[test]
    fn open_maps_the_entire_file_and_needs_the_handle_no_longer() {
        let (_dir, path) = file(2 * page_size() + 1);
        let handle = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let view = MmapViewSync::open(&handle, Protection::ReadWrite).unwrap();
        drop(handle);
        assert_eq!(read(&view), data(0..2 * page_size() + 1));
        view.store(page_size(), 0xEE_u8).unwrap();
        // Where a map is a copy, the file has it after a flush.
        assert!(cfg!(not(folio_heap)) || view.flush().is_ok());
        assert_eq!(fs::read(&path).unwrap()[page_size()], 0xEE);
        assert_eq!(view.protection(), Protection::ReadWrite);
    }

    /// Copy-on-write: the file keeps its bytes, and need not be open for writing.
    #[test]
    fn open_for_a_private_copy_leaves_the_file_alone() {
        let (_dir, path) = file(100);
        let view = MmapViewSync::open(fs::File::open(&path).unwrap(), Protection::ReadCopy).unwrap();
        view.write_all_at(b"mine", 10).unwrap();
        let (_, tail) = view.split_at(10).unwrap();
        assert_eq!(read(&tail)[..4], *b"mine");
        tail.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), data(0..100));
    }

    /// By path: neither created nor cut, and the error of opening is reported as it is.
    #[test]
    fn open_path_opens_what_is_there() {
        let (dir, path) = file(100);
        assert_eq!(read(&MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap()), data(0..100));
        assert_eq!(fs::read(&path).unwrap(), data(0..100));
        for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
            let error = MmapViewSync::open_path(dir.path().join("none"), protection).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        assert!(!dir.path().join("none").exists());
    }

    /// Zeros of the given length; never on top of a file that exists.
    #[test]
    fn create_new_makes_a_file_of_zeros_and_replaces_none() {
        let (dir, path) = file(100);
        assert_eq!(MmapViewSync::create_new(&path, 5).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), data(0..100));
        for len in [0, 1, 2 * page_size() + 3] {
            let new = dir.path().join(format!("new {len}"));
            let view = MmapViewSync::create_new(&new, len).unwrap();
            assert_eq!(read(&view), vec![0; len]);
            assert_eq!(fs::read(&new).unwrap(), vec![0; len]);
        }
        let new = dir.path().join("too long");
        assert_eq!(MmapViewSync::create_new(&new, usize::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(!new.exists(), "a failed create_new left a file behind");
    }

    /// The part that the options say of a file that the call opens or makes, and a file of ones own in neither case.
    #[test]
    fn options_open_and_create_too() {
        let (dir, path) = file(100);
        let view = MmapOptions::new().offset(90).len(9).open_path(&path, Protection::ReadWrite).unwrap();
        assert_eq!(read(&view), data(90..99));
        view.store(8, 0_u8).unwrap();
        view.sync_all().unwrap();
        assert_eq!(fs::read(&path).unwrap()[97..], [data(97..98), vec![0], data(99..100)].concat());
        let past = MmapOptions::new().offset(90).len(11).open_path(&path, Protection::Read);
        assert_eq!(past.unwrap_err().kind(), ErrorKind::InvalidInput);

        let new = dir.path().join("new");
        let mut options = MmapOptions::new();
        let view = options.offset(77).len(5).create_new(&new).unwrap();
        assert_eq!((read(&view), view.protection()), (vec![0; 5], Protection::ReadWrite));
        view.write_all_at(b"there", 0).unwrap();
        view.flush().unwrap();
        drop(view);
        assert_eq!(fs::read(&new).unwrap(), [&[0; 77], &b"there"[..]].concat());
        assert_eq!(options.create_new(&new).unwrap_err().kind(), ErrorKind::AlreadyExists);
        // The options are as they were: what is created has its blocks, what is mapped by them later is not given any.
        assert_eq!(options, *MmapOptions::new().offset(77).len(5));
    }

    /// Zeros that can be written; a length that no slice can have is refused before the system is asked.
    #[test]
    fn anonymous_is_memory_of_zeros() {
        let view = MmapViewSync::anonymous(page_size() + 1).unwrap();
        assert_eq!(read(&view), vec![0; page_size() + 1]);
        assert_eq!(view.protection(), Protection::ReadWrite);
        for len in [isize::MAX as usize + 1, usize::MAX - page_size() + 1, usize::MAX] {
            assert_eq!(MmapViewSync::anonymous(len).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}

mod view_error {
    use super::*;

    /// The reason and the view, apart or together; by `?` the reason alone, and then the view is dropped.
    #[test]
    fn holds_the_reason_and_the_view() {
        fn question_mark(view: MmapViewSync) -> io::Result<()> {
            view.split_at(usize::MAX)?;
            Ok(())
        }
        let (failing, kept) = memory(100).split_at(50).unwrap();
        let failed: ViewError<MmapViewSync> = failing.split_at(51).unwrap_err();
        let text = failed.error().to_string();
        assert_eq!(failed.to_string(), text);
        assert!(format!("{failed:?}").contains(&text));
        let source = failed.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!((source.kind(), source.to_string()), (ErrorKind::InvalidInput, text.clone()));
        let (error, failing) = failed.into_parts();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidInput, text));
        assert_eq!(read(&failing), data(0..50));
        assert_eq!(question_mark(failing).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(kept.is_unique(), "the view in the error was not dropped");
    }
}
