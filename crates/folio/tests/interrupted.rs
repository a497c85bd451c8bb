//! Signals that come while folio's handler runs, and handlers that change what it has found: each test is a process of its
//! own.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod support;

use folio::{Fault, MmapViewSync, Protection, fault};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst};
use std::thread;
use support::{action, child, lost};

/// Where [`touch_next`] reads, and how often it has.
static NEXT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LAST: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static TOUCHED: AtomicUsize = AtomicUsize::new(0);

/// A handler of another signal that reads a page of a slice that is lent, a new one each time.
extern "C" fn touch_next(_: libc::c_int) {
    let next = NEXT.load(SeqCst);
    if next < LAST.load(SeqCst) {
        NEXT.store(next.wrapping_add(folio::page_size()), SeqCst);
        assert_eq!(action::touch(next), 0);
        TOUCHED.fetch_add(1, SeqCst);
    }
}

/// While a handler runs the kernel blocks its signal, and a fault of a blocked signal ends the process. So nothing that can
/// fault may interrupt ours.
#[test]
fn a_handler_that_interrupts_ours_can_lose_pages_too() {
    const PAGES: usize = 20_000;
    child::run("a_handler_that_interrupts_ours_can_lose_pages_too", || {
        let page = folio::page_size();
        let file = tempfile::tempfile().unwrap();
        file.set_len((2 * PAGES * page) as u64).unwrap();
        let view = MmapViewSync::open(&file, Protection::Read).unwrap();
        action::install(libc::SIGUSR1, touch_next as *const () as usize, libc::SA_RESTART, &[]);
        // SAFETY: the call has no preconditions.
        let this = unsafe { libc::gettid() };
        let done = AtomicBool::new(false);
        // SAFETY: nobody writes the file.
        let result = unsafe {
            view.with_slice(|bytes| {
                file.set_len(0).unwrap();
                NEXT.store((&raw const bytes[PAGES * page]).cast_mut(), SeqCst);
                LAST.store(bytes.as_ptr().wrapping_add(bytes.len()).cast_mut(), SeqCst);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        while !done.load(SeqCst) {
                            send(this, libc::SIGUSR1);
                        }
                    });
                    for at in (0..PAGES * page).step_by(page) {
                        assert_eq!(action::touch(&raw const bytes[at]), 0);
                    }
                    done.store(true, SeqCst);
                });
            })
        };
        assert_eq!(Fault::of(&result.unwrap_err()).map(|fault| fault.offset), Some(0));
        assert!(TOUCHED.load(SeqCst) > 100, "{} interruptions", TOUCHED.load(SeqCst));
    })
    .well();
}

fn send(thread: i32, signal: i32) {
    // SAFETY: the call takes numbers.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread, signal) };
    assert_eq!(sent, 0);
}

/// After a fault a copy goes on byte by byte up to the lost page, which can be back by then. Then nothing is lost. (If there is
/// nothing to copy before the page, the fault is told at once: a second one would cost as much again. So these are short.)
#[test]
fn a_copy_whose_page_is_back_before_it_is_tried_again_is_whole() {
    child::run("a_copy_whose_page_is_back_before_it_is_tried_again_is_whole", || {
        let page = folio::page_size();
        let (view, file) = lost::view();
        view.write_all_at(&vec![7; page], 0).unwrap();
        action::repair_with(&file);
        action::chain_and_repair(libc::SIGBUS);
        for len in [2, 9, 33, 100, 128] {
            for before in [1, len / 2, len - 1] {
                file.set_len(page as u64).unwrap();
                let mut buf = vec![1; len];
                view.read_exact_at(&mut buf, page - before).unwrap();
                assert!(buf[..before].iter().all(|&byte| byte == 7) && buf[before..].iter().all(|&byte| byte == 0));
                file.set_len(page as u64).unwrap();
                view.write_all_at(&vec![7; len], page - before).unwrap();
                view.read_exact_at(&mut buf, page - before).unwrap();
                assert_eq!(buf, vec![7; len]);
            }
        }
        assert_eq!(fault::count(), 0);
        assert_eq!(action::CALLS.load(SeqCst), 30, "each copy meets the lost page once");
    })
    .well();
}
