//! Pages locked in memory. The kernel locks whole pages and does not count; views do not end where pages do.
#![cfg(all(target_os = "linux", not(folio_heap)))] // the heap locks nothing

use folio::{Access, Fault, MmapMut, MmapOptions, MmapViewSync, Protection, View, page_size};
use std::io::ErrorKind;
use std::sync::Barrier;
use std::thread;

#[path = "support/filler.rs"]
mod filler;
#[path = "support/hugepages.rs"]
mod hugepages;
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;
#[path = "support/respawn.rs"]
mod respawn;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/smaps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod smaps;
#[path = "support/tries.rs"]
mod tries;

use filler::Filler;
use maps::Canaries;
use respawn::End;
use skip::skip;
use smaps::{beside, pages_with};

/// Which pages of a view are locked (`lo` in the flags of their mapping).
fn locked<A: Access>(view: &View<A>) -> Vec<bool> {
    pages_with(view, |area| area.has("lo"))
}

/// Whether pages can be locked here at all, and are seen to be: sanitizers make `mlock` do nothing.
fn can_lock(test: &str) -> bool {
    let map = MmapMut::map_anon(1).unwrap();
    match map.lock() {
        Ok(()) if locked(&map) == [true] => true,
        Ok(()) => {
            skip(test, "locked pages are not seen to be locked");
            false
        }
        Err(error) => {
            skip(test, error);
            false
        }
    }
}

/// `munlock` of one piece unlocked the page that it shares with its neighbour.
#[test]
fn unlocking_a_piece_leaves_the_page_that_its_neighbour_has_locked_too() {
    if !can_lock("unlocking_a_piece_leaves_the_page_that_its_neighbour_has_locked_too") {
        return;
    }
    let page = page_size();
    let (view, canaries) = Canaries::around(4, || MmapViewSync::anonymous(4 * page).unwrap());
    let (mut head, tail) = view.split_at(page + 100).unwrap();
    let (middle, tail) = tail.split_at(page).unwrap();
    head.lock().unwrap();
    middle.lock().unwrap();
    assert_eq!((locked(&head), locked(&middle), locked(&tail)), (vec![true; 2], vec![true; 2], vec![true, false]));
    head.unlock().unwrap();
    assert_eq!((locked(&head), locked(&middle)), (vec![false, true], vec![true; 2]));
    middle.unlock().unwrap();
    assert_eq!((locked(&head), locked(&middle), locked(&tail)), (vec![false; 2], vec![false; 2], vec![false; 2]));
    // What was never locked is not unlocked twice.
    tail.unlock().unwrap();
    canaries.assert_untouched();
    // All of it, and neither neighbour.
    let view = head.unsplit(middle).and_then(|()| head.unsplit(tail)).map(|()| head).unwrap();
    view.lock().unwrap();
    assert_eq!((locked(&view), beside(&view, |area| area.has("lo"))), (vec![true; 4], [false; 2]));
    view.unlock().unwrap();
    assert_eq!(locked(&view), [false; 4]);
    canaries.assert_untouched();
}

/// A lock is of bytes, so it is divided as the view is: each piece has its own.
#[test]
fn a_view_split_after_it_was_locked_is_unlocked_piece_by_piece() {
    if !can_lock("a_view_split_after_it_was_locked_is_unlocked_piece_by_piece") {
        return;
    }
    let page = page_size();
    let view = MmapViewSync::anonymous(3 * page).unwrap();
    view.lock().unwrap();
    // In the middle of page 1.
    let (mut head, tail) = view.split_at(page + 1).unwrap();
    head.unlock().unwrap();
    assert_eq!((locked(&head), locked(&tail)), (vec![false, true], vec![true; 2]));
    tail.unlock().unwrap();
    assert_eq!((locked(&head), locked(&tail)), (vec![false; 2], vec![false; 2]));
    // And joined again.
    head.lock().unwrap();
    tail.lock().unwrap();
    head.unsplit(tail).unwrap();
    assert_eq!(locked(&head), [true; 3]);
    head.unlock().unwrap();
    assert_eq!(locked(&head), [false; 3]);
}

/// Two users of one buffer: the first to be done took the lock from the other.
#[test]
fn locks_count() {
    if !can_lock("locks_count") {
        return;
    }
    let page = page_size();
    let map = MmapMut::map_anon(2 * page).unwrap().freeze();
    let clone = map.clone();
    map.lock().unwrap();
    clone.lock().unwrap();
    map.unlock().unwrap();
    assert_eq!(locked(&map), [true; 2]);
    let part = map.slice(page..);
    part.unlock().unwrap();
    assert_eq!(locked(&map), [true, false]);
    // Bytes that are not locked stay so.
    map.unlock().unwrap();
    clone.unlock().unwrap();
    assert_eq!(locked(&map), [false; 2]);
    clone.lock().unwrap();
    assert_eq!(locked(&map), [true; 2]);
}

/// A guard is dropped on whatever way out, and nobody else's call takes its lock away.
#[test]
fn a_guard_holds_its_lock_until_it_is_dropped() {
    if !can_lock("a_guard_holds_its_lock_until_it_is_dropped") {
        return;
    }
    let page = page_size();
    let mut view = MmapViewSync::anonymous(4 * page).unwrap();
    let tail = view.split_off(page + 1).unwrap();
    let guard = tail.lock_guard().unwrap();
    let second = tail.lock_guard().unwrap();
    tail.unlock().unwrap();
    view.unlock().unwrap();
    assert_eq!(locked(&tail), [true; 3]);
    drop(second);
    assert_eq!(locked(&tail), [true; 3]);
    view.lock().unwrap();
    guard.unlock().unwrap();
    assert_eq!((locked(&view), locked(&tail)), (vec![true; 2], vec![true, false, false]));
    view.unlock().unwrap();

    // It owns a part of the mapping, and outlives the view.
    let guard = tail.lock_guard().unwrap();
    let address = tail.as_ptr();
    drop((view, tail));
    let area = |address: *const u8| smaps::areas().into_iter().find(|area| area.range.contains(&address.addr()));
    assert!(area(address).expect("mapped").has("lo"));
    // On another thread, too.
    thread::spawn(move || drop(guard)).join().unwrap();
    assert!(area(address).is_none_or(|area| !area.has("lo")));

    let map = MmapMut::map_anon(page).unwrap();
    let guard = map.lock_guard().unwrap();
    let failed = map.freeze().make_mut().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy);
    drop(guard);
    failed.into_view().make_mut().unwrap().unmap().unwrap();
}

/// A view that is dropped does not unlock; the mapping that goes does.
#[test]
fn a_lock_stays_with_its_bytes_until_the_mapping_goes() {
    if !can_lock("a_lock_stays_with_its_bytes_until_the_mapping_goes") {
        return;
    }
    let page = page_size();
    let (head, tail) = MmapViewSync::anonymous(2 * page).unwrap().split_at(page).unwrap();
    tail.lock().unwrap();
    drop(tail);
    let whole = head.whole().unwrap();
    assert_eq!(locked(&whole), [false, true]);
    whole.unlock().unwrap();
    assert_eq!(locked(&whole), [false; 2]);
    whole.lock().unwrap();
    let address = whole.as_ptr();
    whole.unmap().unwrap();
    assert!(
        maps::at(address).is_none_or(|_| !smaps::areas()
            .iter()
            .any(|area| { area.range.contains(&address.addr()) && area.has("lo") }))
    );
}

/// Empty views lock nothing, wherever they are.
#[test]
fn an_empty_view_locks_nothing() {
    let empty = MmapViewSync::anonymous(0).unwrap();
    empty.lock().unwrap();
    empty.unlock().unwrap();
    empty.lock_guard().unwrap().unlock().unwrap();
    let (none, view) = MmapViewSync::anonymous(10).unwrap().split_at(0).unwrap();
    none.lock().unwrap();
    assert_eq!(locked(&view), [false]);
    none.unlock().unwrap();
}

/// What the process may lock is limited; which limit it was, the error must say. Nothing is locked by half.
#[test]
fn a_limit_that_is_met_is_named() {
    const TEST: &str = "a_limit_that_is_met_is_named";
    let Some(case) = respawn::case() else {
        if can_lock(TEST) {
            for case in ["8 pages", "nothing"] {
                assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), End::Passed, "{case}");
            }
        }
        return;
    };
    become_ordinary();
    let page = page_size();
    let pages = if case == "nothing" { 0 } else { 8 };
    let bytes = libc::rlim_t::try_from(pages * page).unwrap();
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the call reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }, 0);

    let view = MmapViewSync::anonymous(20 * page).unwrap();
    let (head, tail) = view.split_at(5 * page + 7).unwrap();
    if pages > 0 {
        head.lock().unwrap();
        assert_eq!(locked(&head), [true; 6]);
    }
    for failed in [tail.lock().err(), tail.lock_guard().err()] {
        let error = failed.expect("no limit was met");
        let kind = if pages > 0 { ErrorKind::OutOfMemory } else { ErrorKind::PermissionDenied };
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&format!("RLIMIT_MEMLOCK is {bytes} bytes")), "{error}");
    }
    // The page that both have a part of is locked as before, nothing more.
    let mut expected = vec![false; 15];
    expected[0] = pages > 0;
    assert_eq!(locked(&tail), expected);
    if pages > 0 {
        // What fits goes, and what is unlocked makes room.
        let (two, rest) = tail.split_at(2 * page).unwrap();
        two.lock().unwrap();
        assert_eq!(rest.lock_guard().unwrap_err().kind(), ErrorKind::OutOfMemory);
        head.unlock().unwrap();
        assert_eq!(locked(&two), [true; 3]);
        let (five, _) = rest.split_at(4 * page).unwrap();
        five.lock().unwrap();
    }
}

/// Takes on a user that may not lock what it likes, if this process is root.
fn become_ordinary() {
    const NOBODY: u32 = 65534;
    // SAFETY: the call takes a number; after it the process can do less than before.
    if unsafe { libc::geteuid() } == 0 && unsafe { libc::setuid(NOBODY) } != 0 {
        panic!("{}", std::io::Error::last_os_error());
    }
}

/// The kernel marks the pages as locked, fails to bring one in, and leaves the marks; and it says that memory is short.
#[test]
fn a_lost_page_is_a_fault_and_nothing_stays_locked() {
    if !can_lock("a_lost_page_is_a_fault_and_nothing_stays_locked") {
        return;
    }
    let page = page_size();
    let file = tempfile::tempfile().unwrap();
    file.set_len(4 * page as u64).unwrap();
    let view = MmapOptions::new().offset(11).map_view(&file, Protection::ReadWrite).unwrap();
    let (head, tail) = view.split_at(page).unwrap();
    head.lock().unwrap();
    file.set_len(3 * page as u64).unwrap();
    for failed in [tail.lock().err(), tail.lock_guard().err()] {
        let fault = Fault::of(&failed.expect("no page was lost")).expect("a fault");
        assert_eq!(fault.offset, 2 * page - 11);
        assert_eq!((locked(&head), locked(&tail)), (vec![true; 2], vec![true, false, false]));
    }
    file.set_len(4 * page as u64).unwrap();
    tail.lock().unwrap();
    assert_eq!(locked(&tail), [true; 3]);
}

/// A child has no locks of its parent's (mlock(2)): what counts as locked there must be locked there.
#[test]
fn a_child_begins_without_locks() {
    const TEST: &str = "a_child_begins_without_locks";
    if respawn::case().is_none() {
        if can_lock(TEST) {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "parent")), End::Passed);
        }
        return;
    }
    let view = MmapViewSync::anonymous(10).unwrap();
    view.lock().unwrap();
    let guard = view.lock_guard().unwrap();
    let mut status = 0;
    // SAFETY: the child uses what this thread had, and the other threads of the test harness hold no lock that it needs.
    match unsafe { libc::fork() } {
        0 => {
            let before = locked(&view) == [false];
            let again = view.lock().is_ok() && locked(&view) == [true];
            // The parent's guard takes nothing from the child.
            drop(guard);
            let stays = locked(&view) == [true];
            let gone = view.unlock().is_ok() && locked(&view) == [false];
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(i32::from(!(before && again && stays && gone))) }
        }
        child => {
            // SAFETY: the status is a variable of ours.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        }
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
    assert_eq!(locked(&view), [true]);
    view.unlock().unwrap();
    assert_eq!(locked(&view), [true]);
    drop(guard);
    assert_eq!(locked(&view), [false]);
}

/// Pieces locked and unlocked by many threads: the pages on their borders are never unlocked under one of them, and none is
/// left locked.
#[test]
fn threads_that_lock_neighbours_never_unlock_each_other() {
    if !can_lock("threads_that_lock_neighbours_never_unlock_each_other") {
        return;
    }
    let (page, threads) = (page_size(), 4);
    // Each piece ends in the middle of a page.
    let view = MmapViewSync::anonymous(threads * (page + page / 2)).unwrap();
    let start = view.as_ptr();
    let pieces: Vec<_> = view.into_chunks(page + page / 2).unwrap().collect();
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        for piece in &pieces {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                for round in 0..tries::tries(50).max(6) {
                    let guard = (round % 2 == 0).then(|| piece.lock_guard().unwrap());
                    piece.lock().unwrap();
                    assert!(!locked(piece).contains(&false), "round {round}");
                    piece.unlock().unwrap();
                    drop(guard);
                }
            });
        }
    });
    let mut pieces = pieces.into_iter();
    let mut whole = pieces.next().unwrap();
    pieces.for_each(|piece| whole.unsplit(piece).unwrap());
    assert_eq!((whole.as_ptr(), locked(&whole)), (start, vec![false; 6]));
}

/// Unlocking a part of a mapping may take a mapping more than the process may have. It is not forgotten.
#[test]
fn what_could_not_be_unlocked_is_unlocked_by_the_next_call() {
    const TEST: &str = "what_could_not_be_unlocked_is_unlocked_by_the_next_call";
    if respawn::case().is_none() {
        if can_lock(TEST) {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "alone")), End::Passed);
        }
        return;
    }
    if filler::limit() > 1 << 20 {
        return skip(TEST, "the limit is too high to be met");
    }
    let page = page_size();
    let view = MmapViewSync::anonymous(3 * page).unwrap();
    view.lock().unwrap();
    let (_head, rest) = view.split_at(page).unwrap();
    let (middle, tail) = rest.split_at(page).unwrap();
    // All mappings but one: the middle would take two more.
    let filler = Filler::new(2 * filler::limit());
    // Nothing that allocates in between: there is no mapping left for it.
    let failed = middle.unlock();
    drop(filler);
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::OutOfMemory);
    assert_eq!(locked(&middle), [true]);
    middle.unlock().unwrap();
    assert_eq!((locked(&middle), locked(&tail)), (vec![false], vec![true]));
}

/// Huge pages are never paged out, so the kernel takes the call and has nothing to do; the rounding is theirs all the same.
#[test]
fn huge_pages_can_be_locked() {
    let _pool = match hugepages::Pool::set(2) {
        Ok(pool) => pool,
        Err(reason) => return skip("huge_pages_can_be_locked", reason),
    };
    let size = hugepages::count("Hugepagesize") * 1024;
    let map = MmapOptions::new().len(size + 1).huge(None).map_anon().unwrap();
    let (head, tail) = MmapViewSync::from(map).split_at(size / 2).unwrap();
    tail.lock().unwrap();
    let guard = head.lock_guard().unwrap();
    head.unlock().unwrap();
    tail.unlock().unwrap();
    drop(guard);
}
