//! Signals that come while folio's handler runs, and handlers that change what it has found: each test is a process of its
//! own.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(folio_heap)))] // the heap has no handler

mod support;
#[path = "support/tries.rs"]
mod tries;

use folio::{Fault, MmapViewSync, Protection, fault};
use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
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

/// Once a page had been exchanged, accesses were made twice, and their faults counted twice.
#[test]
fn each_fault_is_counted_once_whatever_came_before() {
    child::run("each_fault_is_counted_once_whatever_came_before", || {
        let page = folio::page_size();
        let (view, _file) = lost::view();
        for round in 1..10 {
            lost::assert_recovers(&view);
            assert!(view.store(page, 1_u8).is_err());
            assert!(view.fetch_add(page, 1_u64).is_err());
            // SAFETY: nobody writes the file.
            assert!(unsafe { view.with_slice(|bytes| bytes[page]) }.is_err());
            assert_eq!(fault::count(), 5 * round);
        }
    })
    .well();
}

#[test]
fn the_error_number_survives_a_lost_page() {
    child::run("the_error_number_survives_a_lost_page", || {
        let page = folio::page_size();
        let (view, _file) = lost::view();
        // SAFETY: nobody writes the file.
        let result = unsafe {
            view.with_slice(|bytes| {
                action::set_errno(libc::ENOTTY);
                assert_eq!(action::touch(&raw const bytes[page]), 0);
                assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOTTY));
            })
        };
        assert_eq!(Fault::of(&result.unwrap_err()).map(|fault| fault.offset), Some(page));
    })
    .well();
}

// What a handler that was there before finds.

/// The mask that [`note_mask`] has seen.
static MASK: AtomicU64 = AtomicU64::new(0);

/// A handler that notes which signals are blocked while it runs.
extern "C" fn note_mask(_: libc::c_int) {
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: asks for the mask; there is room for it.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()) };
    // SAFETY: a set is made of at least as many bits, the first of which are those of the 64 signals.
    MASK.store(unsafe { mask.as_ptr().cast::<u64>().read_unaligned() }, SeqCst);
}

/// Every signal is blocked while ours runs. The handler before gets the mask that it would have had without us, to the bit.
#[test]
fn an_earlier_handler_has_the_mask_that_the_kernel_would_give_it() {
    child::run("an_earlier_handler_has_the_mask_that_the_kernel_would_give_it", || {
        let mut set = MaybeUninit::uninit();
        // SAFETY: there is room for a set.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: the set is empty.
        unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGUSR2) };
        // SAFETY: the set has been filled in.
        assert_eq!(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()) }, 0);
        let mut seen = Vec::new();
        for flags in [0, libc::SA_NODEFER] {
            for mask in [&[][..], &[libc::SIGTERM, libc::SIGUSR1], &[libc::SIGSEGV, libc::SIGALRM]] {
                let masks = [false, true].map(|with_folio| {
                    if with_folio {
                        fault::install().unwrap();
                    } else {
                        action::install(libc::SIGSEGV, note_mask as *const () as usize, flags, mask);
                    }
                    action::raise(libc::SIGSEGV);
                    MASK.load(SeqCst)
                });
                assert_eq!(masks[0], masks[1], "{flags:#x} {mask:?}: {:#x}, not {:#x}", masks[1], masks[0]);
                seen.push(masks[0]);
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 6, "the masks differ: {seen:x?}");
    })
    .well();
}

/// A handler of the old kind, which the system resets at each signal and which installs itself again.
extern "C" fn install_again(signal: libc::c_int) {
    action::CALLS.fetch_add(1, SeqCst);
    // SAFETY: a handler with one argument.
    unsafe { libc::signal(signal, install_again as *const () as usize) };
}

/// Such a handler took our place at its first signal.
#[test]
fn a_handler_that_installs_itself_again_does_not_take_our_place() {
    child::run("a_handler_that_installs_itself_again_does_not_take_our_place", || {
        for flags in [0, libc::SA_RESETHAND] {
            action::CALLS.store(0, SeqCst);
            action::install(libc::SIGBUS, install_again as *const () as usize, flags, &[]);
            fault::install().unwrap();
            let (view, _file) = lost::view();
            for calls in 1..5 {
                action::raise(libc::SIGBUS);
                assert_eq!(action::CALLS.load(SeqCst), calls);
                assert!(fault::is_installed());
                lost::assert_recovers(&view);
            }
        }
    })
    .well();
}

/// Reads from a pipe in which there is nothing, while signals are sent to the thread, and answers what came of it. A byte is
/// written when `calls` of them have been handled.
fn read_between_signals(signal: i32, calls: usize) -> io::Result<usize> {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let reader = AtomicI32::new(0);
    thread::scope(|scope| {
        let read = scope.spawn(|| {
            // SAFETY: the call has no preconditions.
            reader.store(unsafe { libc::gettid() }, SeqCst);
            let mut byte = 0_u8;
            // SAFETY: a descriptor that is open, and room for a byte.
            let count = unsafe { libc::read(ends[0], (&raw mut byte).cast(), 1) };
            usize::try_from(count).map_err(|_| io::Error::last_os_error())
        });
        let mut sent = 0;
        while !read.is_finished() {
            if reader.load(SeqCst) != 0 && sent < 2 * calls {
                send(reader.load(SeqCst), signal);
                sent += 1;
            }
            if sent == 2 * calls && (action::CALLS.load(SeqCst) >= calls || action::current(signal) == libc::SIG_IGN) {
                // SAFETY: a descriptor that is open, and a byte.
                unsafe { libc::write(ends[1], c"x".as_ptr().cast(), 1) };
                sent += 1;
            }
            thread::sleep(Duration::from_millis(2));
        }
        read.join().unwrap()
    })
}

#[test]
fn a_system_call_goes_on_after_a_handler_that_asks_for_it() {
    child::run("a_system_call_goes_on_after_a_handler_that_asks_for_it", || {
        action::install_one(libc::SIGSEGV, libc::SA_RESTART, &[]);
        fault::install().unwrap();
        assert_eq!(read_between_signals(libc::SIGSEGV, 5).unwrap(), 1);
    })
    .well();
}

#[test]
fn a_system_call_is_interrupted_by_a_handler_that_does_not() {
    child::run("a_system_call_is_interrupted_by_a_handler_that_does_not", || {
        action::install_one(libc::SIGSEGV, 0, &[]);
        fault::install().unwrap();
        let error = read_between_signals(libc::SIGSEGV, 500).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    })
    .well();
}

// Forks.

/// Forks, and answers how the child has ended that runs `scenario` and then exits with 0. One that hangs is ended by SIGALRM.
fn fork(scenario: impl FnOnce()) -> i32 {
    // SAFETY: the child runs the scenario, for which the C library has made its locks usable.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: the call takes a number.
            unsafe { libc::alarm(30) };
            let result = catch_unwind(AssertUnwindSafe(scenario));
            // SAFETY: ends the process without running anything of the parent's.
            unsafe { libc::_exit(i32::from(result.is_err())) }
        }
        process => {
            let mut status = 0;
            // SAFETY: waits for our own child.
            assert_eq!(unsafe { libc::waitpid(process, &raw mut status, 0) }, process);
            status
        }
    }
}

#[test]
fn a_child_forked_inside_a_closure_goes_on_by_itself() {
    child::run("a_child_forked_inside_a_closure_goes_on_by_itself", || {
        let page = folio::page_size();
        let (view, file) = lost::view();
        // SAFETY: nobody writes the file.
        let result = unsafe {
            view.with_slice(|bytes| {
                let ended = fork(|| {
                    assert_eq!(action::touch(&raw const bytes[page]), 0);
                    assert_eq!(view.fault().map(|fault| fault.offset), Some(page));
                    lost::assert_recovers(&view);
                });
                assert_eq!(ended, 0);
                assert_eq!(view.fault(), None, "the child's page is not the parent's");
                file.set_len(2 * page as u64).unwrap();
                bytes[page]
            })
        };
        assert_eq!(result.unwrap(), 0);
        // In the child of a fork the closure is left too. One after the other, for both change the length of the file.
        file.set_len(page as u64).unwrap();
        let parent = std::process::id();
        let fork_and_touch = |bytes: &[u8]| {
            // SAFETY: the child goes on as the one thread that this process has.
            assert_ne!(unsafe { libc::fork() }, -1);
            if std::process::id() == parent {
                let mut status = 0;
                // SAFETY: waits for our own child, whose number is of no interest.
                unsafe { libc::wait(&raw mut status) };
                assert_eq!(status, 0);
            }
            action::touch(&raw const bytes[page])
        };
        // SAFETY: nobody writes the file.
        let result = unsafe { view.with_slice(fork_and_touch) };
        assert_eq!(Fault::of(&result.unwrap_err()).map(|fault| fault.offset), Some(page));
        lost::assert_recovers(&view);
        file.set_len(2 * page as u64).unwrap();
        assert_eq!(view.load::<u8>(page).unwrap(), 0);
        file.set_len(page as u64).unwrap();
    })
    .well();
}

/// What another thread was doing to its pages at the moment of the fork is nothing that the child waits for. A lock that it held
/// would be shut for ever.
#[test]
fn a_child_forked_while_others_lose_pages_goes_on() {
    child::run("a_child_forked_while_others_lose_pages_goes_on", || {
        let page = folio::page_size();
        let file = tempfile::tempfile().unwrap();
        file.set_len(8 * page as u64).unwrap();
        let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        file.set_len(page as u64).unwrap();
        let (head, tail) = view.split_at(5 * page).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        // SAFETY: nobody writes the file.
                        let sum =
                            unsafe { tail.with_slice(|bytes| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>()) };
                        assert!(Fault::of(&sum.unwrap_err()).is_some());
                    }
                });
            }
            for _ in 0..tries::tries(300) {
                let ended = fork(|| {
                    for _ in 0..3 {
                        // SAFETY: nobody writes the file.
                        let last = unsafe { head.with_slice(|bytes| bytes[4 * page]) };
                        assert_eq!(Fault::of(&last.unwrap_err()).map(|fault| fault.offset), Some(4 * page));
                        assert_eq!(head.load::<u8>(page - 1).unwrap(), 0);
                        assert!(head.load::<u8>(page).is_err());
                    }
                });
                assert_eq!(ended, 0, "the child's end");
            }
            done.store(true, SeqCst);
        });
    })
    .well();
}
