//! Threads as only the system itself makes them.

use std::ffi::c_void;
use std::ptr;
use windows_sys::Win32::Foundation::{CloseHandle, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateThread, INFINITE, STACK_SIZE_PARAM_IS_A_RESERVATION, WaitForSingleObject,
};

/// What the system reserves at least.
const SMALLEST_STACK: usize = 64 * 1024;

type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

unsafe extern "system" fn start(task: *mut c_void) -> u32 {
    // SAFETY: a task below, whose thread waits for this one.
    let task = unsafe { &mut *task.cast::<Option<Task<'_>>>() };
    if let Some(task) = task.take() {
        task();
    }
    0
}

/// Runs `f` on a thread that Rust's library has not made: the smallest stack that the system allows, of which nothing is kept for
/// the handlers of exceptions.
pub(crate) fn on_smallest_stack<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    let mut result = None;
    let mut task: Option<Task<'_>> = Some(Box::new(|| result = Some(f())));
    // SAFETY: the task lives until the thread has been waited for, and nobody else uses it meanwhile.
    let thread = unsafe {
        CreateThread(
            ptr::null(),
            SMALLEST_STACK,
            Some(start),
            (&raw mut task).cast(),
            STACK_SIZE_PARAM_IS_A_RESERVATION,
            ptr::null_mut(),
        )
    };
    assert!(!thread.is_null());
    // SAFETY: the handle is open.
    assert_eq!(unsafe { WaitForSingleObject(thread, INFINITE) }, WAIT_OBJECT_0);
    // SAFETY: the handle is ours, and nobody uses it from here on.
    assert_ne!(unsafe { CloseHandle(thread) }, 0);
    drop(task);
    result.unwrap()
}
