//! A thread of the library's own.

use std::ffi::{c_int, c_void};
use std::io;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::mem;
use std::mem::MaybeUninit;
use std::ptr;

/// Enough for `work`, beside what the thread needs to exist at all.
const STACK: usize = 64 * 1024;

/// What the program did not send, but an instruction or a call of the thread itself raised. While it is blocked it ends the process,
/// whatever handler there is: one that emulates calls for a sandbox (SIGSYS), or brings in pages of the allocator.
const OF_ITS_OWN: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];

/// Starts a thread that calls `work`, which must not panic, and ends. The program's signals are not for it, but for those that its own
/// instructions raise: their handlers may want more stack, and the program has threads of its own for them.
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
        let taken = unsafe { taken(attributes) };
        let bytes = (bytes + taken).next_multiple_of(crate::page_size());
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

/// What the C library takes of a stack for itself: glibc lays the program's thread-local variables there, and says nothing while
/// they leave it a page or two.
///
/// # Safety
///
/// The attributes have been initialized.
unsafe fn taken(attributes: *const libc::pthread_attr_t) -> usize {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        type Least = unsafe extern "C" fn(*const libc::pthread_attr_t) -> usize;
        // What glibc gives to a Java virtual machine and to Rust's standard library; it is not in its headers.
        // SAFETY: the name ends with its zero.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__pthread_get_minstack".as_ptr()) };
        if found.is_null() {
            return 0;
        }
        // SAFETY: glibc's function of that name is of this type.
        let least = unsafe { mem::transmute::<*mut c_void, Least>(found) };
        // SAFETY: the attributes are those of the caller, initialized.
        unsafe { least(attributes) }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _ = attributes;
        0
    }
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

/// Runs `work` with the program's signals blocked, which a thread that it makes inherits (pthread_sigmask(3)).
fn without_signals<R>(work: impl FnOnce() -> R) -> R {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set has room for what the call fills.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    for signal in OF_ITS_OWN {
        // SAFETY: the set has been filled, and the number is that of a signal.
        unsafe { libc::sigdelset(all.as_mut_ptr(), signal) };
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;

    /// A handler that emulates calls in a sandbox was not called in this thread: the first such call ended the process.
    #[test]
    fn a_thread_takes_the_signals_of_its_own_instructions_and_no_others() {
        static BLOCKED: OnceLock<Vec<c_int>> = OnceLock::new();
        start_thread(|| {
            let mut set = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: a null pointer changes nothing, and there is room for the answer.
            assert_eq!(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr()) }, 0);
            // SAFETY: the set has been filled.
            let blocked = |signal: &c_int| unsafe { libc::sigismember(set.as_ptr(), *signal) } == 1;
            BLOCKED.set((1..=31).filter(blocked).collect()).unwrap();
        })
        .unwrap();
        let blocked = loop {
            match BLOCKED.get() {
                Some(blocked) => break blocked,
                None => std::thread::yield_now(),
            }
        };
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGALRM, libc::SIGCHLD, libc::SIGUSR1] {
            assert!(blocked.contains(&signal), "{signal} is not blocked");
        }
        for signal in OF_ITS_OWN {
            assert!(!blocked.contains(&signal), "{signal} is blocked");
        }
    }
}
