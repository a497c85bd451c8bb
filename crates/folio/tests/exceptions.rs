//! The exception handler of Windows: what it takes, and what it leaves to everybody else.
#![cfg(windows)]

use folio::{Fault, MmapViewSync, fault, page_size};
use std::env;
use std::hint;
use std::io;
use std::process::Command;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use windows_sys::Win32::Foundation::EXCEPTION_ACCESS_VIOLATION;
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS, RaiseException,
};
use windows_sys::Win32::System::Memory::{PAGE_NOACCESS, VirtualProtect};
use windows_sys::Win32::System::Threading::ExitProcess;

/// How a process ends that nobody saved from an access violation.
const VIOLATION: i32 = EXCEPTION_ACCESS_VIOLATION;
/// How [`end_process`] ends it.
const ENDED_BY_HANDLER: u8 = 77;

/// Runs `body` in a process of its own, this test started again, and says how that ended.
fn end_of(test: &str, body: impl FnOnce()) -> i32 {
    const MARK: &str = "FOLIO_TEST_EXCEPTION";
    if env::var(MARK).is_ok_and(|name| name == test) {
        body();
        std::process::exit(0);
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--test-threads=1", "--nocapture"]).env(MARK, test);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("running 1 test"), "there is no test {test}: {said}");
    output.status.code().unwrap_or_else(|| panic!("{test} ended without a code: {said}"))
}

/// Memory of two pages, the second of which cannot be reached.
fn half_lost() -> MmapViewSync {
    let view = MmapViewSync::anonymous(2 * page_size()).unwrap();
    view.store(page_size() - 8, 7u64).unwrap();
    take_away(view.as_ptr().wrapping_add(page_size()));
    view
}

/// Takes the right to touch a page away.
fn take_away(page: *const u8) {
    let mut before = 0;
    // SAFETY: callers give a page of memory that is theirs, and to which there are no references.
    assert_ne!(unsafe { VirtualProtect(page.cast(), page_size(), PAGE_NOACCESS, &raw mut before) }, 0);
}

fn offset_of<T: std::fmt::Debug>(result: io::Result<T>) -> usize {
    Fault::of(&result.unwrap_err()).unwrap().offset
}

fn assert_recovers(view: &MmapViewSync) {
    let lost = page_size();
    assert_eq!(offset_of(view.read_exact_at(&mut [0; 16], lost - 8)), lost);
    assert_eq!(view.load::<u64>(lost - 8).unwrap(), 7);
}

/// A plain access, as the compiler makes it.
fn touch(at: *const u8) {
    // SAFETY: there is mapped memory; the process ends here, or a handler ends it.
    hint::black_box(unsafe { at.read_volatile() });
}

#[test]
fn a_violation_by_a_plain_access_ends_the_process() {
    let end = end_of("a_violation_by_a_plain_access_ends_the_process", || {
        let view = half_lost();
        assert_recovers(&view);
        touch(view.as_ptr().wrapping_add(page_size()));
    });
    assert_eq!(end, VIOLATION);
}

/// A lost page on the caller's side was blamed on the view.
#[test]
fn a_lost_page_in_the_callers_buffer_ends_the_process() {
    let end = end_of("a_lost_page_in_the_callers_buffer_ends_the_process", || {
        let (view, buffer) = (MmapViewSync::anonymous(2 * page_size()).unwrap(), half_lost());
        assert_recovers(&buffer);
        let start = buffer.as_ptr().cast_mut();
        // SAFETY: not fulfilled: half of it cannot be reached. The process ends at the first byte there.
        let buffer = unsafe { slice::from_raw_parts_mut(start, 2 * page_size()) };
        let _ = view.read_exact_at(buffer, 0);
    });
    assert_eq!(end, VIOLATION);
}

/// The same exception with an address in a view, but not by an instruction of ours.
#[test]
fn an_exception_that_the_program_raises_is_not_taken_for_a_fault() {
    let end = end_of("an_exception_that_the_program_raises_is_not_taken_for_a_fault", || {
        let view = half_lost();
        assert_recovers(&view);
        let parameters = [0, view.as_ptr().addr() + page_size()];
        // SAFETY: the array has as many parameters as are said.
        unsafe { RaiseException(EXCEPTION_ACCESS_VIOLATION.cast_unsigned(), 0, 2, parameters.as_ptr()) };
    });
    assert_eq!(end, VIOLATION);
}

unsafe extern "system" fn end_process(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system gives a valid pointer.
    let record = unsafe { (*exception).ExceptionRecord };
    // SAFETY: the record that it points to is as valid.
    if unsafe { (*record).ExceptionCode } == EXCEPTION_ACCESS_VIOLATION {
        // SAFETY: the call has no preconditions.
        unsafe { ExitProcess(ENDED_BY_HANDLER.into()) };
    }
    EXCEPTION_CONTINUE_SEARCH
}

#[test]
fn an_earlier_handler_hears_of_what_is_not_ours_and_of_nothing_else() {
    let end = end_of("an_earlier_handler_hears_of_what_is_not_ours_and_of_nothing_else", || {
        // SAFETY: the handler is a function of this program.
        assert!(!unsafe { AddVectoredExceptionHandler(1, Some(end_process)) }.is_null());
        let view = half_lost();
        assert_recovers(&view);
        assert_eq!(fault::count(), 1);
        touch(view.as_ptr().wrapping_add(page_size()));
    });
    assert_eq!(end, i32::from(ENDED_BY_HANDLER));
}

static HEARD: AtomicUsize = AtomicUsize::new(0);

unsafe extern "system" fn pass_on(_exception: *mut EXCEPTION_POINTERS) -> i32 {
    HEARD.fetch_add(1, SeqCst);
    EXCEPTION_CONTINUE_SEARCH
}

#[test]
fn a_later_handler_that_passes_on_leaves_ours_in_its_place() {
    let end = end_of("a_later_handler_that_passes_on_leaves_ours_in_its_place", || {
        fault::install().unwrap();
        // SAFETY: the handler is a function of this program.
        assert!(!unsafe { AddVectoredExceptionHandler(1, Some(pass_on)) }.is_null());
        let view = half_lost();
        assert_recovers(&view);
        // Of one access: bytes came before the lost page, so the page is tried once more when they have been copied.
        assert_eq!((HEARD.load(SeqCst), fault::count()), (2, 1));
    });
    assert_eq!(end, 0);
}

#[test]
fn faults_on_many_threads_are_each_their_own() {
    let view = half_lost();
    thread::scope(|threads| {
        for thread in 0..4 {
            let view = &view;
            threads.spawn(move || {
                for at in 0..200 {
                    let at = page_size() + 8 * at + thread;
                    assert_eq!(offset_of(view.load::<u8>(at)), at);
                    assert_eq!(offset_of(view.write_all_at(&[1; 8], at)), at);
                }
            });
        }
    });
    assert_eq!(view.load::<u64>(page_size() - 8).unwrap(), 7);
}

#[test]
fn atomic_access_works_and_a_lost_page_is_an_error() {
    let (view, lost) = (half_lost(), page_size());
    assert_eq!(view.load_acquire::<u64>(lost - 8).unwrap(), 7);
    view.store_release(lost - 8, 8u64).unwrap();
    assert_eq!(view.compare_exchange(lost - 8, 8u64, 9).unwrap(), Ok(8));
    assert_eq!(view.compare_exchange(lost - 8, 8u64, 10).unwrap(), Err(9));
    assert_eq!(view.fetch_add(lost - 8, 1u64).unwrap(), 9);
    assert_eq!(view.fetch_add(lost - 16, u32::MAX).unwrap(), 0);
    assert_eq!(view.fetch_add(lost - 16, 2u32).unwrap(), u32::MAX);
    assert_eq!(view.load::<u32>(lost - 16).unwrap(), 1);
    assert_eq!(view.load::<u64>(lost - 8).unwrap(), 10);

    assert_eq!(offset_of(view.load_acquire::<u32>(lost + 4)), lost + 4);
    assert_eq!(offset_of(view.store_release(lost + 8, 1u64)), lost + 8);
    assert_eq!(offset_of(view.compare_exchange(lost, 0u32, 1)), lost);
    assert_eq!(offset_of(view.fetch_add(lost + 16, 1u64)), lost + 16);
    assert_eq!(view.load_acquire::<u64>(1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

/// A page is not exchanged here: closures are lent copies, which are written back when they have ended.
#[test]
fn slices_are_lent_and_a_lost_page_is_an_error() {
    let mut view = half_lost();
    // SAFETY: nobody writes the memory.
    assert_eq!(offset_of(unsafe { view.with_slice(<[u8]>::len) }), page_size());
    // SAFETY: nobody else uses the memory.
    assert_eq!(offset_of(unsafe { view.with_slice_mut(|bytes| bytes.fill(1)) }), page_size());

    view.restrict(0, page_size()).unwrap();
    // SAFETY: nobody else uses the memory.
    unsafe { view.with_slice_mut(|bytes| bytes[..4].copy_from_slice(b"lent")) }.unwrap();
    // SAFETY: nobody writes the memory.
    let seen = unsafe { view.with_slice(|bytes| bytes[..4].to_vec()) }.unwrap();
    assert_eq!(seen, b"lent");
    assert_eq!(view.load::<u8>(3).unwrap(), b't');
    assert!(view.fault().is_none());
}

/// On this system nothing else chose that way: where a page can be reached and where not, it answered nobody.
#[test]
fn kernel_copies_are_exact_and_take_no_handler() {
    let end = end_of("kernel_copies_are_exact_and_take_no_handler", || {
        fault::use_kernel_copies().unwrap();
        let (view, lost) = (half_lost(), page_size());
        view.write_all_at(b"by the kernel", lost - 40).unwrap();
        let mut bytes = [0; 13];
        view.read_exact_at(&mut bytes, lost - 40).unwrap();
        assert_eq!(&bytes, b"by the kernel");
        assert_eq!(offset_of(view.write_all_at(&[9; 24], lost - 16)), lost);
        assert_eq!(view.load::<u64>(lost - 16).unwrap(), u64::from_ne_bytes([9; 8]));
        assert_eq!(offset_of(view.store(lost - 3, u64::MAX)), lost);
        assert_eq!(view.load::<u32>(lost - 4).unwrap(), u32::from_ne_bytes([9, 255, 255, 255]));
        assert_eq!(offset_of(view.store(lost + 8, 1u8)), lost + 8);
        // Reading of such a page Wine does not refuse: see the matrix for one that a file has lost.
        assert_eq!(view.load_acquire::<u64>(lost - 8).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(fault::install().unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert!(!fault::is_installed());
    });
    assert_eq!(end, 0);
}

/// The handler knows nothing of views that are gone: their addresses are nobody's.
#[test]
fn a_null_pointer_ends_the_process() {
    let end = end_of("a_null_pointer_ends_the_process", || {
        drop(half_lost());
        touch(hint::black_box(ptr::null()));
    });
    assert_eq!(end, VIOLATION);
}
