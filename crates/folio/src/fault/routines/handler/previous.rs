//! Signals that are none of our business go to whoever was there before, as if we were not.

use super::{Entry, Signal, action_for, action_of, empty_set, replace, system};
use libc::{c_int, c_void, siginfo_t};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// How often the handler can be put on top of another one, for each signal.
pub(super) const ENTRIES: usize = 8;

/// What the program did on a signal before us.
pub(super) struct Previous {
    /// A function, `SIG_DFL` or `SIG_IGN`.
    handler: usize,
    flags: c_int,
    mask: libc::sigset_t,
}

/// The previous action of each entry point, for each signal. Null only as long as the entry point is not in use. What
/// they point to is never freed, because a handler may be reading it at any time.
static PREVIOUS: [[AtomicPtr<Previous>; 2]; ENTRIES] =
    [const { [const { AtomicPtr::new(ptr::null_mut()) }; 2] }; ENTRIES];

/// `SIG_DFL` and `SIG_IGN` with all that can be said of them, for a handler that has to note one of them and cannot
/// allocate.
static DEFAULT: Previous = Previous::without_code(libc::SIG_DFL);
static IGNORE: Previous = Previous::without_code(libc::SIG_IGN);

impl Previous {
    pub(super) fn of(action: &libc::sigaction) -> Previous {
        Previous { handler: action.sa_sigaction, flags: action.sa_flags, mask: action.sa_mask }
    }

    /// The function; only if it is one.
    #[inline]
    pub(super) fn handler(&self) -> Handler {
        debug_assert!(![libc::SIG_DFL, libc::SIG_IGN].contains(&self.handler));
        if self.flags & libc::SA_SIGINFO != 0 {
            // SAFETY: not one of the two special values (caller), so the program has given a function, and with this flag one
            // of this type.
            Handler::Three(unsafe { mem::transmute::<usize, Entry>(self.handler) })
        } else {
            // SAFETY: as above, of this type without the flag.
            Handler::One(unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(self.handler) })
        }
    }

    const fn without_code(handler: usize) -> Previous {
        // SAFETY: a set of signals is made of integers; the empty set is all zeros on every system.
        Previous { handler, flags: 0, mask: unsafe { mem::zeroed() } }
    }
}

/// Notes what was there before entry point `entry`. Not for a handler: it allocates.
pub(super) fn set(entry: usize, signal: Signal, previous: Previous) {
    PREVIOUS[entry][signal as usize].store(Box::into_raw(Box::new(previous)), Ordering::Release);
}

/// A function that was the handler before.
pub(super) enum Handler {
    /// With `SA_SIGINFO`.
    Three(Entry),
    /// Without.
    One(extern "C" fn(c_int)),
}

/// Does what would have happened without us, or answers the function that would have been called; the signal mask is the one that it
/// expects then. [`come_back`] comes after it.
///
/// # Safety
///
/// `entry` has been [`set`] for this signal; the other arguments are those of a handler.
#[inline(never)]
pub(super) unsafe fn make_way(
    entry: usize,
    number: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) -> Option<&'static Previous> {
    let signal = Signal::of(number);
    let slot = &PREVIOUS[entry][signal as usize];
    let at = slot.load(Ordering::Acquire);
    // SAFETY: not null (caller); what the slots point to is never freed and never changed.
    let previous: &'static Previous = unsafe { &*at };
    // SAFETY: the kernel gives a valid pointer.
    let code = unsafe { &raw const (*info).si_code };
    // SAFETY: as in the call above.
    let raised = system::is_raised(unsafe { code.read() });

    match previous.handler {
        // The kernel cannot ignore a fault: it ends the process.
        libc::SIG_DFL | libc::SIG_IGN if raised => end_by_default(signal),
        libc::SIG_DFL => send_by_default(entry, signal),
        libc::SIG_IGN => {}
        _ => {
            if previous.flags & libc::SA_RESETHAND != 0 {
                // Of two threads that come here at once, one is the first; both have seen the handler.
                let default = (&raw const DEFAULT).cast_mut();
                let _ = slot.compare_exchange(at, default, Ordering::AcqRel, Ordering::Relaxed);
            }
            // SAFETY: the same obligations, passed on.
            unsafe { enter_mask(signal, previous, context) };
            return Some(previous);
        }
    }
    None
}

/// Blocks what the kernel would have blocked for the previous handler, and nothing else: what the interrupted code blocks, the
/// handler's mask, and the signal itself. When our own returns, the kernel brings back the mask of the interrupted code.
///
/// # Safety
///
/// `context` is that of a handler.
unsafe fn enter_mask(signal: Signal, previous: &Previous, context: *mut c_void) {
    // SAFETY: the kernel gives a valid pointer.
    let interrupted = unsafe { system::mask(context.cast()) };
    let mut set = previous.mask;
    let mut add = |number: c_int| {
        // SAFETY: the set is initialised. A number that the C library keeps for itself is refused.
        unsafe { libc::sigaddset(&raw mut set, number) };
    };
    for number in 1..=system::SIGNALS {
        // SAFETY: the kernel has filled in as much of the set as the numbers up to this reach.
        if unsafe { libc::sigismember(interrupted, number) } == 1 {
            add(number);
        }
    }
    if previous.flags & libc::SA_NODEFER == 0 {
        add(signal.number());
    }
    // SAFETY: the set is initialised; a null pointer asks for no answer.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) };
}

/// Puts the entry point back on top if the handler that it called has taken its place away: by resetting the signal, which some do
/// to end the process by the instruction that faults again, or by installing itself again, which others do each time. If the
/// process lives (the signal had been sent and not raised, say), a lost page must still find us. What the handler has set is what
/// comes after us from now on.
///
/// The handler may be another version of this, which has come back so itself. Then every one of them goes back to its place.
#[inline(never)]
pub(super) fn come_back(entry: usize, number: c_int, called: &'static Previous) {
    let signal = Signal::of(number);
    let Ok(current) = action_of(signal) else { return };
    let next = match current.sa_sigaction {
        libc::SIG_DFL => &DEFAULT,
        libc::SIG_IGN => &IGNORE,
        handler if handler == called.handler => called,
        _ => return,
    };
    PREVIOUS[entry][signal as usize].store(ptr::from_ref(next).cast_mut(), Ordering::Release);
    let _ = replace(signal, &action_for(entry, &current));
}

/// Ends the process by a fault: after the return the instruction faults again, without a handler. So the signal, its
/// details and the core file are the right ones.
fn end_by_default(signal: Signal) {
    let _ = replace(signal, &default_action());
}

/// Does what the system does on a signal that was sent and that nobody handles: it ends the process, but for those that
/// it spares, such as the first process of a container.
fn send_by_default(entry: usize, signal: Signal) {
    let default = default_action();
    let _ = replace(signal, &default);
    // SAFETY: sends this thread a signal; async-signal-safe.
    unsafe { libc::raise(signal.number()) };
    unblock(signal);
    let _ = replace(signal, &action_for(entry, &default));
}

fn unblock(signal: Signal) {
    let mut set = empty_set();
    // SAFETY: the set is initialised, and the number is that of a signal.
    unsafe { libc::sigaddset(&raw mut set, signal.number()) };
    // SAFETY: the set is initialised; a null pointer asks for no answer.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
}

fn default_action() -> libc::sigaction {
    // SAFETY: a C structure of integers, pointers and sets, for all of which zeros are valid.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = libc::SIG_DFL;
    action.sa_mask = empty_set();
    action
}
