//! The fault handler among everybody else's: each test is a sentence of the documentation of `folio::fault` or of
//! PLATFORM.md, and runs in a process of its own.
// The heap has no handler.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(folio_heap)))]

#[path = "support/filler.rs"]
mod filler;
#[path = "support/skip.rs"]
mod skip;
mod support;
#[path = "support/tries.rs"]
mod tries;

use filler::Filler;
use folio::{Fault, MmapOptions, MmapViewSync, Protection, fault};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::{hint, io, panic, ptr, thread};
use support::{action, child, lost};

/// Runs the rest of the test in a child, by the test's own name.
macro_rules! in_child {
    ($test:ident, $scenario:expr) => {
        child::run(stringify!($test), $scenario)
    };
}

// What is ours.

/// A truncated file under a map ended every program that mapped files.
#[test]
fn the_first_checked_access_installs_the_handler_and_faults_are_counted() {
    in_child!(the_first_checked_access_installs_the_handler_and_faults_are_counted, || {
        let (view, _file) = lost::untouched_view();
        assert!(!fault::is_installed());
        assert_eq!(fault::count(), 0);
        lost::assert_recovers(&view);
        assert!(fault::is_installed());
        assert_eq!(fault::count(), 2);
        assert_eq!(view.load::<u64>(0).unwrap(), 0);
        assert_eq!(fault::count(), 2);
    })
    .well();
}

/// So that the test above is known to test something.
#[test]
fn the_same_page_touched_through_a_slice_ends_the_process_by_sigbus() {
    in_child!(the_same_page_touched_through_a_slice_ends_the_process_by_sigbus, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        // SAFETY: nobody else has the view; that it faults is the point.
        let slice = unsafe { view.as_slice() };
        action::touch(&raw const slice[folio::page_size()]);
    })
    .by_signal(libc::SIGBUS);
}

#[test]
fn a_copy_that_ends_in_the_page_before_is_whole() {
    in_child!(a_copy_that_ends_in_the_page_before_is_whole, || {
        let (view, _file) = lost::view();
        let mut buf = vec![0; 200];
        view.read_exact_at(&mut buf, folio::page_size() - 200).unwrap();
        view.write_all_at(&buf, folio::page_size() - 200).unwrap();
    })
    .well();
}

/// A lost page in the caller's buffer was blamed on the view by a handler that did not compare addresses.
#[test]
fn a_lost_page_in_the_buffer_to_read_into_ends_as_in_any_copy() {
    in_child!(a_lost_page_in_the_buffer_to_read_into_ends_as_in_any_copy, || {
        let view = MmapViewSync::anonymous(4 * folio::page_size()).unwrap();
        let (mut memory, _file) = lost::memory();
        let _ = view.read_exact_at(&mut memory, 0);
    })
    .by_signal(libc::SIGBUS);
}

#[test]
fn a_lost_page_in_the_buffer_to_write_from_ends_as_in_any_copy() {
    in_child!(a_lost_page_in_the_buffer_to_write_from_ends_as_in_any_copy, || {
        let view = MmapViewSync::anonymous(4 * folio::page_size()).unwrap();
        let (memory, _file) = lost::memory();
        let _ = view.write_all_at(&memory, 0);
    })
    .by_signal(libc::SIGBUS);
}

// Threads and children.

/// A thread that blocks the signal dies of the fault, whatever handler there is.
#[test]
fn a_thread_that_blocked_all_signals_recovers_from_its_first_access_on() {
    in_child!(a_thread_that_blocked_all_signals_recovers_from_its_first_access_on, || {
        let (view, _file) = lost::view();
        thread::spawn(move || {
            action::block_all();
            lost::assert_recovers(&view);
        })
        .join()
        .unwrap();
    })
    .well();
}

#[test]
fn a_thread_that_blocks_signals_later_prepares_again() {
    in_child!(a_thread_that_blocks_signals_later_prepares_again, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        action::block_all();
        fault::prepare_thread().unwrap();
        lost::assert_recovers(&view);
    })
    .well();
}

/// So that the test above is known to test something.
#[test]
fn a_thread_that_blocks_signals_later_and_does_not_prepare_dies() {
    in_child!(a_thread_that_blocks_signals_later_and_does_not_prepare_dies, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        action::block_all();
        lost::assert_recovers(&view);
    })
    .by_signal(libc::SIGBUS);
}

/// A private copy of a file of two pages, which has been cut short to one, and the file. Emulators exchange pages of these alone.
fn cut_copy() -> (MmapViewSync, File) {
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    file.set_len(2 * page as u64).unwrap();
    let view = MmapViewSync::open(&file, Protection::ReadCopy).unwrap();
    file.set_len(page as u64).unwrap();
    (view, file)
}

/// Reads the lost page in a thread that is started inside a closure and blocks all signals. Answers whether that is an error.
fn is_lost_to_a_blocked_thread(prepare: impl Fn() + Sync) -> bool {
    let (view, _file) = cut_copy();
    let page = folio::page_size();
    let read = |bytes: &[u8]| {
        thread::scope(|scope| {
            let read = || {
                action::block_all();
                prepare();
                action::touch(&raw const bytes[page + 5])
            };
            scope.spawn(read).join().unwrap()
        })
    };
    // SAFETY: nobody writes the file.
    let result = unsafe { view.with_slice(read) };
    let error = result.unwrap_err();
    assert!(fault::is_installed(), "the slice was the view's memory");
    Fault::of(&error).is_some_and(|fault| fault.offset == page)
}

/// `with_slice` prepares the thread that calls it, and none that is started inside.
#[test]
fn a_thread_of_a_closure_that_blocks_signals_prepares_itself() {
    in_child!(a_thread_of_a_closure_that_blocks_signals_prepares_itself, || {
        assert!(is_lost_to_a_blocked_thread(|| fault::prepare_thread().unwrap()));
    })
    .well();
}

/// So that the test above is known to test something.
#[test]
fn a_thread_of_a_closure_that_blocks_signals_and_does_not_prepare_dies() {
    in_child!(a_thread_of_a_closure_that_blocks_signals_and_does_not_prepare_dies, || {
        is_lost_to_a_blocked_thread(|| {});
    })
    .by_signal(libc::SIGBUS);
}

/// Reads the lost page of a map that stands in zeros then, in a thread that blocks all signals.
fn zeros_of_a_blocked_thread(prepare: impl Fn() + Sync) {
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&vec![7; 2 * page], 0).unwrap();
    let mut options = MmapOptions::new();
    // SAFETY: the test reads bytes one by one and relies on nothing about them.
    unsafe { options.zero_fill_on_fault() };
    // SAFETY: nobody writes the file; it is cut short.
    let map = unsafe { options.map(&file) }.unwrap();
    file.set_len(page as u64).unwrap();
    let read = || {
        action::block_all();
        prepare();
        assert_eq!(action::touch(&raw const map[page - 1]), 7);
        action::touch(&raw const map[page])
    };
    assert_eq!(thread::scope(|scope| scope.spawn(read).join().unwrap()), 0);
    assert_eq!(map.fault(), Some(Fault::of(&map.load::<u8>(page).unwrap_err()).unwrap()));
}

/// A plain slice prepares no thread.
#[test]
fn a_thread_that_blocks_signals_prepares_itself_for_zeros() {
    in_child!(a_thread_that_blocks_signals_prepares_itself_for_zeros, || {
        zeros_of_a_blocked_thread(|| fault::prepare_thread().unwrap());
    })
    .well();
}

/// So that the test above is known to test something.
#[test]
fn a_thread_that_blocks_signals_and_does_not_prepare_dies_before_it_sees_zeros() {
    in_child!(a_thread_that_blocks_signals_and_does_not_prepare_dies_before_it_sees_zeros, || {
        zeros_of_a_blocked_thread(|| {});
    })
    .by_signal(libc::SIGBUS);
}

#[test]
fn a_thread_with_the_smallest_stack_recovers() {
    in_child!(a_thread_with_the_smallest_stack_recovers, || {
        let (view, _file) = lost::view();
        let thread = thread::Builder::new().stack_size(16 * 1024);
        thread.spawn(move || lost::assert_recovers(&view)).unwrap().join().unwrap();
    })
    .well();
}

/// Forks, runs `scenario` in the child, and answers whether it came to its end.
fn fork(scenario: impl FnOnce()) -> bool {
    // SAFETY: the child only runs the scenario, which takes no lock that another thread could hold.
    match unsafe { libc::fork() } {
        0 => {
            let result = panic::catch_unwind(panic::AssertUnwindSafe(scenario));
            // SAFETY: ends the process without running anything of the parent's.
            unsafe { libc::_exit(i32::from(result.is_err())) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for our own child.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            status == 0
        }
    }
}

#[test]
fn a_forked_child_goes_on_recovering() {
    in_child!(a_forked_child_goes_on_recovering, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        assert!(fork(|| lost::assert_recovers(&view)));
        lost::assert_recovers(&view);
    })
    .well();
}

/// A lock that a thread of the parent held would stay shut in the child for ever.
#[test]
fn a_child_forked_while_others_install_can_install() {
    in_child!(a_child_forked_while_others_install_can_install, || {
        let stop = AtomicBool::new(false);
        let (view, _file) = lost::untouched_view();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        fault::install().unwrap();
                    }
                });
            }
            for _ in 0..tries::tries(300) {
                assert!(fork(|| {
                    fault::install().unwrap();
                    lost::assert_recovers(&view);
                }));
            }
            stop.store(true, SeqCst);
        });
    })
    .well();
}

// Handlers that were there before.

/// Faults that are not of a checked access reach the program's own handler, with the arguments that it asked for.
#[test]
fn an_earlier_handler_with_three_arguments_gets_foreign_faults() {
    in_child!(an_earlier_handler_with_three_arguments_gets_foreign_faults, || {
        action::install_three(libc::SIGBUS, 0, &[libc::SIGUSR1]);
        let (view, _view_file) = lost::view();
        lost::assert_recovers(&view);
        assert_eq!(action::CALLS.load(SeqCst), 0);

        let (memory, file) = lost::memory();
        action::repair_with(&file);
        let at = memory.as_ptr().wrapping_add(folio::page_size() + 5);
        action::touch(at);
        assert_eq!(action::CALLS.load(SeqCst), 1);
        assert_eq!(action::ADDRESS.load(SeqCst), at.addr());
        assert_eq!(blocked(), [true, true, false], "the handler's mask, and its own signal");
        lost::assert_recovers(&view);
        assert_eq!(action::CALLS.load(SeqCst), 1);
    })
    .well();
}

#[test]
fn an_earlier_handler_with_one_argument_gets_foreign_faults() {
    in_child!(an_earlier_handler_with_one_argument_gets_foreign_faults, || {
        action::install_one(libc::SIGBUS, libc::SA_NODEFER, &[libc::SIGSEGV]);
        let (view, _view_file) = lost::view();
        lost::assert_recovers(&view);

        let (memory, file) = lost::memory();
        action::repair_with(&file);
        action::touch(memory.as_ptr().wrapping_add(folio::page_size()));
        assert_eq!(action::CALLS.load(SeqCst), 1);
        assert_eq!(blocked(), [false, false, true], "its own signal is not blocked with SA_NODEFER");
    })
    .well();
}

fn blocked() -> [bool; 3] {
    [0, 1, 2].map(|which: usize| action::BLOCKED[which].load(SeqCst))
}

#[test]
fn an_earlier_handler_for_one_signal_only_gets_one() {
    in_child!(an_earlier_handler_for_one_signal_only_gets_one, || {
        action::install_one(libc::SIGBUS, libc::SA_RESETHAND, &[]);
        let (view, _view_file) = lost::view();
        lost::assert_recovers(&view);
        action::raise(libc::SIGBUS);
        assert_eq!(action::CALLS.load(SeqCst), 1);
        lost::assert_recovers(&view);
        action::raise(libc::SIGBUS);
    })
    .by_signal(libc::SIGBUS);
}

#[test]
fn an_earlier_handler_runs_on_the_alternate_stack() {
    in_child!(an_earlier_handler_runs_on_the_alternate_stack, || {
        action::install_three(libc::SIGBUS, libc::SA_ONSTACK, &[]);
        let (view, _view_file) = lost::view();
        lost::assert_recovers(&view);
        // A thread of the standard library has an alternate stack.
        thread::spawn(|| {
            let mut stack = std::mem::MaybeUninit::<libc::stack_t>::uninit();
            // SAFETY: asks only; there is room for the answer.
            assert_eq!(unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) }, 0);
            // SAFETY: the call has filled it in.
            let stack = unsafe { stack.assume_init() };
            action::raise(libc::SIGBUS);
            let base = stack.ss_sp.addr();
            assert!((base..base + stack.ss_size).contains(&action::STACK.load(SeqCst)));
        })
        .join()
        .unwrap();
    })
    .well();
}

#[test]
fn the_error_number_survives() {
    in_child!(the_error_number_survives, || {
        action::install(libc::SIGSEGV, action::clobber_errno as *const () as usize, 0, &[]);
        fault::install().unwrap();
        action::set_errno(libc::ENOTTY);
        action::raise(libc::SIGSEGV);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOTTY));
        assert_eq!(action::CALLS.load(SeqCst), 1);
    })
    .well();
}

/// A SIGSEGV that was sent while a copy ran was taken for a fault by a handler that did not look at `si_code`. These
/// carry an address in the view, where a fault has its own.
#[test]
fn signals_sent_while_copies_run_reach_the_program() {
    in_child!(signals_sent_while_copies_run_reach_the_program, || {
        const SENT: usize = 200;
        action::install_three(libc::SIGSEGV, 0, &[]);
        let view = MmapViewSync::anonymous(1 << 20).unwrap();
        let done = AtomicBool::new(false);
        let target = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut buf = vec![0; 1 << 20];
                view.read_exact_at(&mut buf, 0).unwrap();
                // SAFETY: the call has no preconditions.
                target.store(usize::try_from(unsafe { libc::gettid() }).unwrap(), SeqCst);
                while !done.load(SeqCst) {
                    view.read_exact_at(&mut buf, 0).unwrap();
                    view.load::<u64>(64).unwrap();
                }
            });
            while target.load(SeqCst) == 0 {
                hint::spin_loop();
            }
            for sent in 1..=SENT {
                action::send_with_address(target.load(SeqCst), libc::SIGSEGV, view.as_ptr().wrapping_add(64));
                while action::CALLS.load(SeqCst) < sent {
                    thread::yield_now();
                }
            }
            done.store(true, SeqCst);
        });
        assert_eq!(action::CALLS.load(SeqCst), SENT);
        assert_eq!(action::CODE.load(SeqCst), action::SI_QUEUE);
        assert_eq!(action::ADDRESS.load(SeqCst), view.as_ptr().addr() + 64);
        assert_eq!(fault::count(), 0);
    })
    .well();
}

// Pages that cannot be exchanged.

/// Reads a lost page in a closure when the process may have no more mappings, of which the exchange of a page takes some. Answers
/// what it reads if that does not end the process, and what the closure comes to.
fn read_without_room_for_mappings(protection: Protection) -> (u8, io::Result<()>) {
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    file.set_len(4 * page as u64).unwrap();
    let view = MmapViewSync::open(&file, protection).unwrap();
    // What is made once is made before.
    // SAFETY: nobody writes the file.
    unsafe { view.with_slice(|bytes| assert_eq!(bytes[0], 0)) }.unwrap();
    file.set_len(page as u64).unwrap();
    action::repair_with(&file);
    let mut seen = 1;
    let read = |bytes: &[u8]| {
        let filler = Filler::new(filler::limit());
        eprintln!("there is no room");
        seen = action::touch(&raw const bytes[page + 5]);
        drop(filler);
    };
    // SAFETY: nobody writes the file; it is made longer.
    let result = unsafe { view.with_slice(read) };
    (seen, result)
}

/// How many mappings a process may have where so many are made.
const MANY: usize = 2_000_000;

/// A handler that took the fault for its own, although it could not put zeros there, would meet it again for ever.
#[test]
fn a_page_that_cannot_be_exchanged_ends_the_process_as_any_lost_page() {
    if filler::limit() > MANY {
        return skip::skip(
            "a_page_that_cannot_be_exchanged_ends_the_process_as_any_lost_page",
            "this system allows too many mappings to try",
        );
    }
    in_child!(a_page_that_cannot_be_exchanged_ends_the_process_as_any_lost_page, || {
        action::install(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        let _ = read_without_room_for_mappings(Protection::ReadWrite);
    })
    .by_signal(libc::SIGBUS)
    .saying("there is no room");
}

/// The program's own handler is asked, and what it mends the closure goes on with.
#[test]
fn an_earlier_handler_gets_the_fault_of_a_page_that_cannot_be_exchanged() {
    if filler::limit() > MANY {
        return skip::skip(
            "an_earlier_handler_gets_the_fault_of_a_page_that_cannot_be_exchanged",
            "this system allows too many mappings to try",
        );
    }
    in_child!(an_earlier_handler_gets_the_fault_of_a_page_that_cannot_be_exchanged, || {
        action::install_three(libc::SIGBUS, 0, &[]);
        for (protection, calls) in [(Protection::ReadWrite, 1), (Protection::ReadCopy, 2)] {
            let (seen, result) = read_without_room_for_mappings(protection);
            assert_eq!((seen, action::CALLS.load(SeqCst)), (0, calls), "{protection:?}");
            result.unwrap_or_else(|error| panic!("no page stands in zeros, but {error}, {protection:?}"));
        }
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        assert_eq!(action::CALLS.load(SeqCst), 2);
    })
    .well();
}

// SIG_IGN and SIG_DFL.

#[test]
fn an_ignored_signal_that_is_sent_stays_ignored() {
    in_child!(an_ignored_signal_that_is_sent_stays_ignored, || {
        action::install(libc::SIGSEGV, libc::SIG_IGN, 0, &[]);
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        action::raise(libc::SIGSEGV);
        assert!(fault::is_installed());
        lost::assert_recovers(&view);
    })
    .well();
}

#[test]
fn an_ignored_signal_that_the_kernel_raises_ends_the_process() {
    in_child!(an_ignored_signal_that_the_kernel_raises_ends_the_process, || {
        action::install(libc::SIGSEGV, libc::SIG_IGN, 0, &[]);
        fault::install().unwrap();
        write_to_null();
    })
    .by_signal(libc::SIGSEGV);
}

#[test]
fn a_signal_with_the_default_action_that_is_sent_ends_the_process() {
    in_child!(a_signal_with_the_default_action_that_is_sent_ends_the_process, || {
        action::install(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        fault::install().unwrap();
        action::raise(libc::SIGBUS);
    })
    .by_signal(libc::SIGBUS);
}

#[test]
fn a_signal_with_the_default_action_that_the_kernel_raises_ends_the_process() {
    in_child!(a_signal_with_the_default_action_that_the_kernel_raises_ends_the_process, || {
        action::install(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        fault::install().unwrap();
        let (memory, _file) = lost::memory();
        action::touch(memory.as_ptr().wrapping_add(folio::page_size()));
    })
    .by_signal(libc::SIGBUS);
}

fn write_to_null() {
    let null: *mut u8 = hint::black_box(ptr::without_provenance_mut(8));
    // SAFETY: that it ends the process is the point.
    unsafe { null.write_volatile(1) };
}

// The standard library's handler.

#[test]
fn a_null_write_ends_the_process_by_sigsegv() {
    in_child!(a_null_write_ends_the_process_by_sigsegv, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        write_to_null();
    })
    .by_signal(libc::SIGSEGV);
}

#[inline(never)]
fn recurse_for_ever(depth: usize) -> usize {
    let frame = [depth; 100];
    hint::black_box(&frame);
    if depth == usize::MAX { 0 } else { recurse_for_ever(depth + 1) + frame[depth % 100] }
}

#[test]
fn a_stack_overflow_of_the_main_thread_is_reported() {
    in_child!(a_stack_overflow_of_the_main_thread_is_reported, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        recurse_for_ever(0);
    })
    .by_signal(libc::SIGABRT)
    .saying("has overflowed its stack");
}

#[test]
fn a_stack_overflow_of_a_spawned_thread_is_reported() {
    in_child!(a_stack_overflow_of_a_spawned_thread_is_reported, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        let _ = thread::spawn(|| recurse_for_ever(0)).join();
    })
    .by_signal(libc::SIGABRT)
    .saying("has overflowed its stack");
}

/// The standard library's handler resets the signal to the default, to end the process by the instruction that faults
/// again. After a signal that was sent, nothing faults again, and our handler was gone.
#[test]
fn the_handler_survives_a_handler_that_resets_a_sent_signal() {
    in_child!(the_handler_survives_a_handler_that_resets_a_sent_signal, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        action::raise(libc::SIGSEGV);
        action::raise(libc::SIGBUS);
        assert!(fault::is_installed());
        lost::assert_recovers(&view);
    })
    .well();
}

/// Without us the second signal would have met the default action.
#[test]
fn a_second_sent_signal_after_a_reset_ends_the_process() {
    in_child!(a_second_sent_signal_after_a_reset_ends_the_process, || {
        fault::install().unwrap();
        action::raise(libc::SIGSEGV);
        action::raise(libc::SIGSEGV);
    })
    .by_signal(libc::SIGSEGV);
}

// Handlers that come later.

#[test]
fn a_later_handler_that_passes_on_lets_faults_through() {
    in_child!(a_later_handler_that_passes_on_lets_faults_through, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        action::chain(libc::SIGBUS);
        assert!(!fault::is_installed());
        lost::assert_recovers(&view);
        assert!(action::CALLS.load(SeqCst) >= 2);
    })
    .well();
}

/// Two handlers, each of which took the other for the previous one, called each other for ever.
#[test]
fn installing_on_top_of_a_later_handler_makes_no_circle() {
    in_child!(installing_on_top_of_a_later_handler_makes_no_circle, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        action::chain(libc::SIGBUS);
        fault::install().unwrap();
        assert!(fault::is_installed());
        lost::assert_recovers(&view);
        assert_eq!(action::CALLS.load(SeqCst), 0, "ours is on top");
        let (memory, _file) = lost::memory();
        action::touch(memory.as_ptr().wrapping_add(folio::page_size()));
    })
    .by_signal(libc::SIGBUS);
}

#[test]
fn installing_again_uses_no_entry_point_unless_another_is_on_top() {
    in_child!(installing_again_uses_no_entry_point_unless_another_is_on_top, || {
        for _ in 0..100 {
            fault::install().unwrap();
        }
        let ours = action::current(libc::SIGSEGV);
        for _ in 0..7 {
            action::install_one(libc::SIGSEGV, 0, &[]);
            fault::install().unwrap();
            assert_ne!(action::current(libc::SIGSEGV), ours, "each entry point has one previous handler for good");
            assert!(fault::is_installed());
        }
        action::install_one(libc::SIGSEGV, 0, &[]);
        let error = fault::install().unwrap_err();
        assert!(error.to_string().contains("too often"), "{error}");
        assert!(!fault::is_installed());
    })
    .well();
}

// Kernel copies.

#[test]
fn kernel_copies_recover_without_a_handler() {
    in_child!(kernel_copies_recover_without_a_handler, || {
        let before = [libc::SIGBUS, libc::SIGSEGV].map(action::current);
        fault::use_kernel_copies().unwrap();
        fault::use_kernel_copies().unwrap();
        assert_eq!(fault::atomic_width(), 1);
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        thread::scope(|scope| {
            scope.spawn(|| {
                action::block_all();
                lost::assert_recovers(&view);
            });
        });
        assert_eq!(fault::count(), 4);
        assert!(!fault::is_installed());
        assert_eq!(fault::install().unwrap_err().kind(), io::ErrorKind::Unsupported);
        fault::prepare_thread().unwrap();
        assert_eq!([libc::SIGBUS, libc::SIGSEGV].map(action::current), before);
    })
    .well();
}

#[test]
fn kernel_copies_cannot_be_chosen_after_the_first_access() {
    in_child!(kernel_copies_cannot_be_chosen_after_the_first_access, || {
        let (view, _file) = lost::view();
        lost::assert_recovers(&view);
        assert_eq!(fault::use_kernel_copies().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        lost::assert_recovers(&view);
        assert_eq!(fault::atomic_width(), fault::ATOMIC_WIDTH);
    })
    .well();
}

/// What a program has been told of the width stays true.
#[test]
fn kernel_copies_cannot_be_chosen_after_the_width_was_asked_for() {
    in_child!(kernel_copies_cannot_be_chosen_after_the_width_was_asked_for, || {
        if fault::atomic_width() > 1 {
            assert_eq!(fault::use_kernel_copies().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fault::atomic_width(), fault::ATOMIC_WIDTH);
    })
    .well();
}
