//! A thread of the library's own.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Enough for `work`; where threads need more to exist at all, they get what the system gives them by default.
const STACK: usize = 64 * 1024;

/// Starts a thread that calls `work`, which must not panic, and ends. The program's signals are not for it: their handlers may want
/// more stack, and the program has threads of its own for them.
///
/// The thread is none of the standard library's, which starts and ends each of its threads under a lock. A child that is forked
/// meanwhile finds that closed, and no thread of the standard library's starts there any more; the C library opens its own locks in
/// a child.
pub(crate) fn start_thread(work: fn()) -> io::Result<()> {
    without_signals(|| {
        let result = start(work, Some(STACK));
        match result {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => start(work, None),
            result => result,
        }
    })
}

fn start(work: fn(), stack: Option<usize>) -> io::Result<()> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: there is room for what the call fills.
    succeeded(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
    let attributes = attributes.as_mut_ptr();
    // SAFETY: the attributes have been initialized.
    let mut set = succeeded(unsafe { libc::pthread_attr_setdetachstate(attributes, libc::PTHREAD_CREATE_DETACHED) });
    if let Some(bytes) = stack {
        // SAFETY: the attributes have been initialized.
        set = set.and_then(|()| succeeded(unsafe { libc::pthread_attr_setstacksize(attributes, bytes) }));
    }
    let result = set.and_then(|()| {
        let argument = Box::into_raw(Box::new(work));
        let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
        // SAFETY: the attributes are initialized and there is room for the answer. `enter` takes what it is handed as the box that it is.
        let code = unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes, enter, argument.cast()) };
        succeeded(code).inspect_err(|_| {
            // SAFETY: made by `into_raw`, and there is no thread that has it.
            drop(unsafe { Box::from_raw(argument) });
        })
    });
    // SAFETY: the attributes have been initialized; a thread that was made with them does not need them any more.
    unsafe { libc::pthread_attr_destroy(attributes) };
    result
}

extern "C" fn enter(argument: *mut c_void) -> *mut c_void {
    // SAFETY: this is called by the thread that `start` makes, with the box that it has made for it, once.
    let work = unsafe { Box::from_raw(argument.cast::<fn()>()) };
    name();
    work();
    ptr::null_mut()
}

/// Gives the calling thread its name, for those who look at the process.
fn name() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: it asks for nothing, and cannot fail.
        let this = unsafe { libc::pthread_self() };
        // SAFETY: the thread is running, and the name ends with its zero.
        unsafe { libc::pthread_setname_np(this, c"folio-flush".as_ptr()) };
    }
    // SAFETY: the name ends with its zero.
    #[cfg(target_vendor = "apple")]
    unsafe {
        libc::pthread_setname_np(c"folio-flush".as_ptr())
    };
}

/// Runs `work` with all signals blocked, which a thread that it makes inherits (pthread_sigmask(3)).
fn without_signals<R>(work: impl FnOnce() -> R) -> R {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set has room for what the call fills.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the first set has been filled, the second has room for the answer.
    let blocked = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) } == 0;
    let result = work();
    if blocked {
        // SAFETY: the call above succeeded and filled the set.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    }
    result
}

/// What the calls of this family answer: 0, or the error's number.
fn succeeded(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}
