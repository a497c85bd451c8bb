//! The handler of SIGBUS and SIGSEGV.
//!
//! It acts only if the kernel raised the signal for this very instruction, if that instruction is a guarded one of a copy or a
//! single access, and if the address lies in the view's side, which fixed registers tell. Everything else goes to whoever
//! was there before ([`previous`]).
//!
//! There is a fixed number of entry points, each with its own "previous", each installed once at most. With a single one,
//! a program that puts its own handler on top and chains to ours would turn a second installation into a circle.
//!
//! Everything that a signal can lead to here is async-signal-safe: it touches its arguments, atomics and constants, and
//! calls only what POSIX lists as safe. While it runs all signals are blocked, so that nothing that may fault itself interrupts
//! it. It is never removed, and the module that contains it is never unloaded.
//!
//! For faults outside of the routines it asks the table of slices that closures are using ([`lent`]).

mod previous;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "linux.rs"]
mod system;

#[cfg(target_vendor = "apple")]
#[path = "apple.rs"]
mod system;

#[cfg(target_os = "freebsd")]
#[path = "freebsd.rs"]
mod system;

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;

use super::super::lent;
pub(super) use system::CERTAIN;

use super::regions;
use super::single::Single;
use libc::{c_int, c_void, siginfo_t};
use previous::{ENTRIES, Handler, Previous};
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The signals that a lost page raises.
#[derive(Clone, Copy)]
enum Signal {
    Bus = 0,
    Segv = 1,
}

impl Signal {
    const ALL: [Signal; 2] = [Signal::Bus, Signal::Segv];

    fn of(number: c_int) -> Signal {
        if number == libc::SIGBUS { Signal::Bus } else { Signal::Segv }
    }

    fn number(self) -> c_int {
        match self {
            Signal::Bus => libc::SIGBUS,
            Signal::Segv => libc::SIGSEGV,
        }
    }
}

/// A handler with three arguments, as `SA_SIGINFO` asks for.
type Entry = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// The entry points. Each is a function of its own, because its address is all that tells it from the others.
static ENTRY: [Entry; ENTRIES] =
    [entry::<0>, entry::<1>, entry::<2>, entry::<3>, entry::<4>, entry::<5>, entry::<6>, entry::<7>];

/// How many entry points of each signal have been used.
static USED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Puts the handler on top for both signals, unless it is there.
///
/// The caller holds the gate. In a child of a process that forked within this function, it can begin again.
pub(super) fn install() -> io::Result<()> {
    pin_module();
    Signal::ALL.into_iter().try_for_each(install_for)
}

fn install_for(signal: Signal) -> io::Result<()> {
    let current = action_of(signal)?;
    if is_ours(&current) {
        return Ok(());
    }
    let used = &USED[signal as usize];
    let entry = used.load(Ordering::Relaxed);
    if entry == ENTRIES {
        return Err(io::Error::other("the fault handler has been put on top of others too often"));
    }
    // From the system call on, a signal may come at any time: what it needs is written before.
    previous::set(entry, signal, Previous::of(&current));
    used.store(entry + 1, Ordering::Relaxed);
    let replaced = match replace(signal, &action_for(entry, &current)) {
        Ok(replaced) => replaced,
        Err(error) => {
            used.store(entry, Ordering::Relaxed);
            return Err(error);
        }
    };
    if replaced.sa_sigaction != current.sa_sigaction {
        // Another thread of the program installed a handler between the two calls.
        previous::set(entry, signal, Previous::of(&replaced));
    }
    Ok(())
}

/// Whether the handler is the one that the kernel calls, for both signals.
pub(super) fn is_installed() -> bool {
    Signal::ALL.into_iter().all(|signal| action_of(signal).is_ok_and(|action| is_ours(&action)))
}

/// Lets this thread take the two signals: a fault in a thread that blocks them ends the process, whatever handler there
/// is.
pub(super) fn prepare_thread() -> io::Result<()> {
    let mut set = empty_set();
    for signal in Signal::ALL {
        // SAFETY: the set is initialised, and the number is that of a signal.
        unsafe { libc::sigaddset(&raw mut set, signal.number()) };
    }
    // SAFETY: the set is initialised; a null pointer asks for no answer.
    match unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// What the kernel calls, for the installation that was the `N`th.
///
/// While a handler that was there before runs, this frame stands on the stack, and there may be many such handlers in a row: of
/// several versions of this crate, say. Alternate stacks are small, so whatever takes room is done in functions of its own.
///
/// # Safety
///
/// For the kernel alone, with the arguments that it gives to a handler with `SA_SIGINFO`.
unsafe extern "C" fn entry<const N: usize>(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = system::errno();
    // SAFETY: the C library keeps one for each thread, and this thread is not about to end.
    let saved = unsafe { errno.read() };
    // SAFETY: the same obligations, passed on.
    if !unsafe { recover(signal, info, context) } {
        // SAFETY: passed on; the kernel calls an entry point only after its previous action was set.
        if let Some(before) = unsafe { previous::make_way(N, signal, info, context) } {
            match before.handler() {
                // SAFETY: the kernel would have called it with the same arguments.
                Handler::Three(handler) => unsafe { handler(signal, info, context) },
                Handler::One(handler) => handler(signal),
            }
            previous::come_back(N, signal, before);
        }
    }
    // SAFETY: as in the call above.
    unsafe { errno.write(saved) };
}

/// Leads a fault of ours to where the program goes on, if it is one.
///
/// # Safety
///
/// The arguments are those of a handler.
#[inline(never)]
unsafe fn recover(signal: c_int, info: *mut siginfo_t, context: *mut c_void) -> bool {
    // SAFETY: the kernel gives a valid pointer, and nobody else has one.
    let info = unsafe { &*info };
    if !system::is_fault(Signal::of(signal), info.si_code) {
        return false;
    }
    // SAFETY: for these codes the kernel fills in an address.
    let address = unsafe { system::address(info) };
    // SAFETY: the kernel gives a valid pointer, and nobody else has one.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    if let Some(exit) = regions::exit_of(system::pc(context)) {
        let (begin, len) = system::view_side(context);
        let end = begin.wrapping_add(len);
        if begin < address.end && address.start < end {
            // The byte there is lost: the routine copies what comes before. Or tries all, where that is not known.
            system::set_lost_at(context, if CERTAIN { address.start.max(begin) } else { end });
            system::set_pc(context, exit);
            return true;
        }
    }
    let single = system::single(context);
    if single.touches(address.start, address.end) {
        system::set_missed(context);
        system::set_pc(context, single.exit);
        return true;
    }
    // A page of a slice that a closure is using, touched by whatever code.
    matches!(Signal::of(signal), Signal::Bus) && lent::recover(address.start)
}

/// The action that makes `entry` the handler, on top of `below`.
fn action_for(entry: usize, below: &libc::sigaction) -> libc::sigaction {
    // A signal that the one below ignores interrupts no system call either.
    let restart =
        if below.sa_sigaction == libc::SIG_IGN { libc::SA_RESTART } else { below.sa_flags & libc::SA_RESTART };
    // SAFETY: a C structure of integers, pointers and sets, for all of which zeros are valid.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = ENTRY[entry] as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | restart;
    // Nothing interrupts: what faults while the kernel blocks the signal for us would end the process.
    action.sa_mask = full_set();
    action
}

/// Whether an action leads to one of the entry points.
fn is_ours(action: &libc::sigaction) -> bool {
    ENTRY.iter().any(|entry| *entry as *const () as usize == action.sa_sigaction)
}

/// What the kernel does on `signal`. Async-signal-safe.
fn action_of(signal: Signal) -> io::Result<libc::sigaction> {
    let mut current = MaybeUninit::uninit();
    // SAFETY: a null pointer changes nothing; `current` has room for the answer.
    if unsafe { libc::sigaction(signal.number(), ptr::null(), current.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded and has filled it in.
    Ok(unsafe { current.assume_init() })
}

/// Changes what the kernel does on `signal`, and answers what it did before. Async-signal-safe.
fn replace(signal: Signal, action: &libc::sigaction) -> io::Result<libc::sigaction> {
    let mut replaced = MaybeUninit::uninit();
    // SAFETY: `action` is initialised and names a handler that stays for good, or one that the program itself had
    // installed; `replaced` has room for the answer.
    if unsafe { libc::sigaction(signal.number(), action, replaced.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded and has filled it in.
    Ok(unsafe { replaced.assume_init() })
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: `sigemptyset` has filled it in, and cannot fail.
    unsafe { set.assume_init() }
}

fn full_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: `sigfillset` has filled it in, and cannot fail.
    unsafe { set.assume_init() }
}

/// Keeps the module that contains the handler loaded for good: the kernel would go on calling it.
///
/// There is nothing to do for a program's own image, and no way to do it in one that is linked statically. So a failure
/// says nothing.
fn pin_module() {
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: `dladdr` only looks the address up; there is room for the answer.
    if unsafe { libc::dladdr((&raw const ENTRY).cast(), found.as_mut_ptr()) } == 0 {
        return;
    }
    // SAFETY: the call has succeeded and has filled it in.
    let found = unsafe { found.assume_init() };
    // SAFETY: the name is a string that lives as long as the module, which is this one. It is loaded already, so no
    // initialiser runs. The handle is kept for ever by not closing it.
    unsafe { libc::dlopen(found.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
}
