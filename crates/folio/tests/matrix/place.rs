//! Threads as only the system itself makes them.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

pub(crate) fn block_all_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the set has been filled in; a null pointer asks for no answer.
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// Runs `f` on a thread that Rust's library has not made: the smallest stack that the system allows, and no second one for
/// signals.
pub(crate) fn on_smallest_stack<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

    extern "C" fn start(task: *mut c_void) -> *mut c_void {
        // SAFETY: a task below, whose thread waits for this one.
        let task = unsafe { &mut *task.cast::<Option<Task<'_>>>() };
        if let Some(task) = task.take() {
            task();
        }
        ptr::null_mut()
    }

    let mut result = None;
    let mut task: Option<Task<'_>> = Some(Box::new(|| result = Some(f())));
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: there is room for attributes.
    assert_eq!(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) }, 0);
    // SAFETY: they have been initialised.
    assert_eq!(unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), smallest_stack()) }, 0);
    let mut id = MaybeUninit::uninit();
    // SAFETY: the task lives until the thread has been waited for, and nobody else uses it meanwhile.
    let made =
        unsafe { libc::pthread_create(id.as_mut_ptr(), attributes.as_ptr(), start, (&raw mut task).cast::<c_void>()) };
    assert_eq!(made, 0);
    // SAFETY: the thread has been made, so its number is there.
    let id = unsafe { id.assume_init() };
    // SAFETY: nobody else waits for this thread.
    assert_eq!(unsafe { libc::pthread_join(id, ptr::null_mut()) }, 0);
    drop(task);
    result.unwrap()
}

fn smallest_stack() -> usize {
    // Depends on how many registers a signal saves, where the system says so.
    #[cfg(any(all(target_os = "linux", target_env = "gnu"), target_os = "netbsd"))]
    // SAFETY: the call has no preconditions.
    let asked = usize::try_from(unsafe { libc::sysconf(libc::_SC_THREAD_STACK_MIN) }).unwrap_or(0);
    // Musl's smallest stack has no room for them, and so for no handler at all: glibc's without them, and they.
    #[cfg(all(target_os = "linux", target_env = "musl"))]
    // SAFETY: the call has no preconditions.
    let asked = 16384 + usize::try_from(unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) }).unwrap_or(0);
    #[cfg(not(any(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")), target_os = "netbsd")))]
    let asked = 0;
    #[cfg(not(target_os = "netbsd"))]
    let asked = asked.max(libc::PTHREAD_STACK_MIN);
    asked + more_stack()
}

/// What a program needs on its stack that is watched at run time: `FOLIO_TEST_MORE_STACK` says it in bytes.
fn more_stack() -> usize {
    std::env::var("FOLIO_TEST_MORE_STACK").map_or(0, |text| text.parse().expect("a number of bytes"))
}
