//! What the operations on pages promise on every system. What the kernel makes of them is looked at in `advise.rs`, `populate.rs`,
//! `memory_locks.rs`, `residency.rs` and `discard.rs`, on Linux.
#![cfg(all(any(unix, windows), not(folio_heap)))] // the heap has no pages to speak of

use folio::{Access, Advice, MmapMut, MmapViewSync, Protection, UncheckedAdvice, View, page_size};
use std::io::ErrorKind;

#[path = "support/skip.rs"]
mod skip;

/// One view of each kind: of a file and of memory.
fn views() -> (tempfile::TempDir, Vec<MmapViewSync>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, vec![7; 3 * page_size()]).unwrap();
    let mut views: Vec<_> = [Protection::Read, Protection::ReadWrite, Protection::ReadCopy]
        .map(|protection| MmapViewSync::open_path(&path, protection).unwrap())
        .into();
    let memory = MmapViewSync::anonymous(3 * page_size()).unwrap();
    memory.write_all_at(&vec![7; 3 * page_size()], 0).unwrap();
    views.push(memory);
    (dir, views)
}

#[track_caller]
fn assert_sevens<A: Access>(view: &View<A>) {
    let mut bytes = vec![0; view.len()];
    view.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 7));
}

/// A hint that one system has and another has not must not end a program on either.
#[test]
fn hints_are_taken_or_not_and_never_fail() {
    let (_dir, views) = views();
    for view in views {
        for advice in [
            Advice::Normal,
            Advice::Random,
            Advice::Sequential,
            Advice::WillNeed,
            Advice::Cold,
            Advice::HugePage,
            Advice::NoHugePage,
            Advice::DontDump,
            Advice::DoDump,
            Advice::DoFork,
            Advice::KeepOnFork,
        ] {
            let taken = view.advise_range(advice, 1, view.len() - 2).unwrap();
            assert!(!taken || advice.is_supported(), "{advice:?}");
            assert_sevens(&view);
        }
    }
}

/// A command that is not obeyed is an error, unlike a hint.
#[test]
fn commands_that_the_system_has_not_are_unsupported() {
    let view = MmapViewSync::anonymous(10).unwrap();
    let commands = [
        UncheckedAdvice::FreeReuse,
        UncheckedAdvice::ZeroWiredPages,
        UncheckedAdvice::WipeOnFork,
        UncheckedAdvice::Remove,
    ];
    // On every system there is one that it has not.
    assert!(!commands.iter().all(|advice| advice.is_supported()));
    for advice in commands {
        if !advice.is_supported() {
            // SAFETY: nobody has a slice of the view, nor forks.
            let error = unsafe { view.unchecked_advise(advice) }.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{advice:?}");
        }
    }
}

/// Locks of pieces that share a page, in every order, leave each piece usable and the mapping free to go.
#[test]
fn pieces_are_locked_and_unlocked_in_any_order() {
    let (_dir, views) = views();
    for view in views {
        if let Err(error) = view.lock() {
            return skip::skip("pieces_are_locked_and_unlocked_in_any_order", error);
        }
        view.unlock().unwrap();
        let (head, tail) = view.split_at(page_size() + 1).unwrap();
        let guard = head.lock_guard().unwrap();
        tail.lock().unwrap();
        head.unlock().unwrap();
        drop(guard);
        tail.unlock().unwrap();
        tail.unlock().unwrap();
        let (mut head, guard) = (head, tail.lock_guard().unwrap());
        head.unsplit(tail).unwrap();
        assert_sevens(&head);
        let head = head.unmap().unwrap_err().into_view();
        guard.unlock().unwrap();
        head.unmap().unwrap();
    }
}

/// What was just brought in is counted, and there are no more pages than there are.
#[test]
fn residency_counts_what_is_there() {
    let (_dir, views) = views();
    for view in views {
        view.populate_read().unwrap();
        let residency = match view.residency() {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                return skip::skip("residency_counts_what_is_there", error);
            }
            residency => residency.unwrap(),
        };
        assert_eq!((residency.page_size, residency.pages), (view.page_size(), 3));
        assert_eq!(residency.resident, 3);
        let ranges: Vec<_> = view.resident_ranges().unwrap().map(Result::unwrap).collect();
        assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), view.len());
        let (_, middle) = view.split_at(page_size() - 1).unwrap();
        let (middle, _) = middle.split_at(2).unwrap();
        assert_eq!(middle.residency().unwrap().pages, 2);
    }
}

/// A buffer is used again after its memory was given back.
#[test]
fn a_discarded_map_is_zeros_and_can_be_used() {
    let mut map = MmapMut::map_anon(5 * page_size()).unwrap();
    map.fill(7);
    map.discard().unwrap();
    assert!(map.iter().all(|&byte| byte == 0));
    map.fill(7);
    assert_sevens(&map);
}
