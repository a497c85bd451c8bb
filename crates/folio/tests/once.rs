//! What is written once is written once.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(folio_heap)))] // no page of the heap is lost

use folio::{Fault, MmapViewSync, Protection};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

#[path = "support/tries.rs"]
mod tries;

use tries::tries;

/// Any loss of a page, however long ago, had every later store of the mapping made twice: the second one could undo what
/// somebody had answered to the first.
#[test]
fn a_store_is_made_once_although_a_page_of_the_mapping_was_lost_before() {
    let stores = tries(20_000);
    let file = tempfile::tempfile().unwrap();
    let page = folio::page_size();
    file.set_len(2 * page as u64).unwrap();
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    let others = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();

    // The second page is lost under a closure, and comes back.
    file.set_len(page as u64).unwrap();
    // SAFETY: nobody writes meanwhile, and a byte is a byte whatever it is.
    let lost = unsafe { view.with_slice(|bytes| bytes[page]) }.unwrap_err();
    assert_eq!(Fault::of(&lost).unwrap().offset, page);
    file.set_len(2 * page as u64).unwrap();
    assert_eq!(view.load::<u8>(page).unwrap(), 0);

    // Whoever sees a number takes it away, and counts.
    let (taken, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 1_u64.. {
                if done.load(SeqCst) {
                    break;
                }
                if turn % 1000 == 0 {
                    thread::yield_now();
                }
                let number: u64 = others.load_acquire(0).unwrap();
                if number != 0 && others.compare_exchange(0, number, 0).unwrap().is_ok() {
                    taken.fetch_add(1, SeqCst);
                }
            }
        });
        for number in 1..=stores {
            match number % 3 {
                0 => view.store(0, number as u64).unwrap(),
                1 => view.store_release(0, number as u64).unwrap(),
                _ => view.write_all_at(&(number as u64).to_ne_bytes(), 0).unwrap(),
            }
            while taken.load(SeqCst) < number {
                thread::yield_now();
            }
        }
        done.store(true, SeqCst);
    });
    assert_eq!(taken.load(SeqCst), stores);
}
