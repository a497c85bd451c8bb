//! The thread that flushes in the background is nobody's business: not a view's that wants to be the only one, not a child's.

#![cfg(any(unix, windows))]

use folio::{MmapMut, MmapOptions};
use std::io::ErrorKind;
#[cfg(all(unix, not(folio_heap)))]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(all(unix, not(folio_heap)))]
#[path = "support/fork.rs"]
mod fork;
#[cfg(all(unix, not(folio_heap)))]
#[path = "support/tries.rs"]
mod tries;

const LEN: usize = 1 << 20;

fn written() -> MmapMut {
    let file = tempfile::tempfile().unwrap();
    file.set_len(LEN as u64).unwrap();
    // SAFETY: nobody else has the file.
    let mut map = unsafe { MmapOptions::new().map_mut(&file) }.unwrap();
    map.fill(1);
    map
}

/// The thread holds the mapping while it works. What needs the only view waits for that, and does not fail of it.
#[test]
fn what_needs_the_only_view_waits_for_a_flush_in_the_background() {
    for _ in 0..50 {
        let map = written();
        map.flush_async().unwrap();
        let map = map.make_read_only().unwrap();
        map.flush_async_range(10, 100).unwrap();
        map.flush_async_range(LEN - 10, 10).unwrap();
        let map = map.whole().unwrap().make_mut().unwrap();
        map.flush_async().unwrap();
        map.unmap().unwrap();
    }
}

/// Another view is another view, however many flushes are on their way.
#[test]
fn a_second_view_is_not_taken_for_a_flush() {
    let mut map = written();
    let tail = map.split_off(LEN / 2).unwrap();
    map.flush_async().unwrap();
    tail.flush_async().unwrap();
    assert_eq!(map.make_read_only().unwrap_err().error().kind(), ErrorKind::ResourceBusy);
    drop(tail);
}

/// A child made by `fork` has its parent's queue and perhaps a lock that nobody opens, but not the thread: flushing and waiting
/// worked in the parent and hung in the child.
#[cfg(all(unix, not(folio_heap)))] // the heap has no such thread, and locks that a child may find closed
#[test]
fn a_child_begins_with_a_thread_of_its_own() {
    let busy = written();
    for _ in 0..100 {
        busy.flush_async().unwrap();
        let status = fork::in_fork(|| {
            let own = folio::MmapViewSync::anonymous(100).unwrap().whole().is_ok_and(|view| view.len() == 100);
            let map = written();
            own && map.flush_async().is_ok() && map.make_read_only().is_ok_and(|map| map.unmap().is_ok())
        });
        assert_eq!(status, 0);
    }
}

/// The standard library starts and ends its threads under a lock of its own, which a child may find closed for ever: the thread
/// that flushes is none of its threads.
#[cfg(all(unix, not(folio_heap)))] // the heap has no such thread
#[test]
fn a_child_flushes_in_the_background_whatever_threads_its_parent_was_starting() {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::thread::spawn(|| ()).join().unwrap();
                }
            });
        }
        let statuses = (0..tries::tries(250)).map(|_| {
            fork::in_fork(|| {
                let map = written();
                map.flush_async().is_ok() && map.make_read_only().is_ok_and(|map| map.unmap().is_ok())
            })
        });
        // As below: the threads end before anything is asserted.
        let bad = statuses.into_iter().find(|&status| status != 0);
        done.store(true, Ordering::Relaxed);
        assert_eq!(bad, None);
    });
}

/// A thread of the parent may hold the lock of a mapping's flushes in the moment of the `fork`; the child, in which it is not,
/// waited for it for ever.
#[cfg(all(unix, not(folio_heap)))] // which has locks that a child may find closed
#[test]
fn a_child_flushes_a_mapping_that_its_parent_is_flushing() {
    let map = written();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    map.flush().unwrap();
                }
            });
        }
        let statuses = (0..tries::tries(150)).map(|_| {
            fork::in_fork(|| {
                let (head, tail) = (map.flush_range(0, 1), map.flush_range(LEN - 1, 1));
                head.is_ok() && tail.is_ok()
            })
        });
        // The first that fails is enough. The others end before anything is asserted, for the scope waits for them.
        let bad = statuses.into_iter().find(|&status| status != 0);
        done.store(true, Ordering::Relaxed);
        assert_eq!(bad, None);
    });
}
