//! Signal handlers of a program that knows nothing of folio.

use libc::{c_int, c_void, siginfo_t};
use std::fs::File;
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};

/// How often a handler below was called, and what the last call saw.
pub(crate) static CALLS: AtomicUsize = AtomicUsize::new(0);
pub(crate) static ADDRESS: AtomicUsize = AtomicUsize::new(0);
pub(crate) static CODE: AtomicI32 = AtomicI32::new(0);
pub(crate) static STACK: AtomicUsize = AtomicUsize::new(0);
/// Whether SIGUSR1, SIGBUS and SIGSEGV were blocked then.
pub(crate) static BLOCKED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// The file that [`repair`] makes long again, and how long.
static FILE: AtomicI32 = AtomicI32::new(-1);
static LENGTH: AtomicI32 = AtomicI32::new(0);

/// Makes a handler that repairs a lost page do so by this file.
pub(crate) fn repair_with(file: &File) {
    FILE.store(file.as_raw_fd(), SeqCst);
    LENGTH.store(i32::try_from(2 * folio::page_size()).unwrap(), SeqCst);
}

fn repair() {
    // SAFETY: a system call on a number; without a file it fails.
    unsafe { libc::ftruncate(FILE.load(SeqCst), LENGTH.load(SeqCst).into()) };
}

fn note_call() {
    CALLS.fetch_add(1, SeqCst);
    let mut mask = MaybeUninit::uninit();
    // SAFETY: asks for the mask; there is room for it.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()) };
    for (blocked, signal) in BLOCKED.iter().zip([libc::SIGUSR1, libc::SIGBUS, libc::SIGSEGV]) {
        // SAFETY: filled in by the call above.
        blocked.store(unsafe { libc::sigismember(mask.as_ptr(), signal) } == 1, SeqCst);
    }
    STACK.store(stack_pointer(), SeqCst);
}

/// Not the address of something on the stack: AddressSanitizer puts that elsewhere, to see whether it is used too long.
fn stack_pointer() -> usize {
    let here: usize;
    // SAFETY: moves the stack pointer to a register that the compiler chooses, and touches nothing else.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("mov {}, rsp", out(reg) here, options(nomem, nostack, preserves_flags));
    }
    // SAFETY: moves the stack pointer to a register that the compiler chooses, and touches nothing else.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("mov {}, sp", out(reg) here, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let local = 0_u8;
        here = (&raw const local).addr();
    }
    here
}

/// A handler with three arguments that repairs the page.
pub(crate) extern "C" fn with_three(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    note_call();
    assert!(!context.is_null());
    // SAFETY: the kernel gives a valid pointer, which nobody else has.
    let info = unsafe { &*info };
    // SAFETY: the signals that the tests raise come with an address.
    ADDRESS.store(unsafe { info.si_addr() }.addr(), SeqCst);
    CODE.store(info.si_code, SeqCst);
    repair();
}

/// A handler with one argument that repairs the page.
pub(crate) extern "C" fn with_one(_: c_int) {
    note_call();
    repair();
}

/// A handler that changes the error number.
pub(crate) extern "C" fn clobber_errno(_: c_int) {
    CALLS.fetch_add(1, SeqCst);
    set_errno(libc::EXDEV);
}

pub(crate) fn set_errno(to: c_int) {
    // SAFETY: the call has no preconditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the stack is this thread's own, and lives until it ends.
    unsafe { errno.write(to) };
}

/// The action that `folio` found when it was put on top, for a handler that passes on.
static BELOW: AtomicUsize = AtomicUsize::new(0);

/// A handler of the kind that runtimes install late: it passes on everything to the one before it.
pub(crate) extern "C" fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    CALLS.fetch_add(1, SeqCst);
    // SAFETY: set by `chain`, from an action with three arguments.
    let below: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = unsafe { mem::transmute(BELOW.load(SeqCst)) };
    below(signal, info, context);
}

/// Puts [`pass_on`] on top of what is there.
pub(crate) fn chain(signal: c_int) {
    let before = install(signal, pass_on as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK, &[]);
    assert_ne!(before.sa_flags & libc::SA_SIGINFO, 0);
    BELOW.store(before.sa_sigaction, SeqCst);
}

/// A handler that passes on, and then repairs the page.
pub(crate) extern "C" fn pass_on_and_repair(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    pass_on(signal, info, context);
    repair();
}

/// Puts [`pass_on_and_repair`] on top of what is there.
pub(crate) fn chain_and_repair(signal: c_int) {
    chain(signal);
    install(signal, pass_on_and_repair as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK, &[]);
}

/// Installs an action and answers the one before.
pub(crate) fn install(signal: c_int, handler: usize, flags: c_int, mask: &[c_int]) -> libc::sigaction {
    // SAFETY: zeros are valid for all fields.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    for signal in mask {
        // SAFETY: the set is empty or filled by this loop.
        unsafe { libc::sigaddset(&raw mut action.sa_mask, *signal) };
    }
    let mut before = MaybeUninit::uninit();
    // SAFETY: the callers give handlers of the kind that the flags say, or one of the special values.
    assert_eq!(unsafe { libc::sigaction(signal, &raw const action, before.as_mut_ptr()) }, 0);
    // SAFETY: the call has filled it in.
    unsafe { before.assume_init() }
}

/// Installs a handler with three arguments.
pub(crate) fn install_three(signal: c_int, flags: c_int, mask: &[c_int]) {
    install(signal, with_three as *const () as usize, flags | libc::SA_SIGINFO, mask);
}

/// Installs a handler with one argument.
pub(crate) fn install_one(signal: c_int, flags: c_int, mask: &[c_int]) {
    install(signal, with_one as *const () as usize, flags, mask);
}

/// What the kernel does on a signal now.
pub(crate) fn current(signal: c_int) -> usize {
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: asks only; there is room for the answer.
    assert_eq!(unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) }, 0);
    // SAFETY: the call has filled it in.
    unsafe { now.assume_init() }.sa_sigaction
}

/// Sends this thread a signal.
pub(crate) fn raise(signal: c_int) {
    // SAFETY: the call has no preconditions.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

/// The code of a signal that was sent with a value (include/uapi/asm-generic/siginfo.h).
pub(crate) const SI_QUEUE: c_int = -1;

/// Sends a thread of this process a signal, with an address where the kernel puts that of a fault.
pub(crate) fn send_with_address(thread: usize, signal: c_int, address: *const u8) {
    /// A `siginfo_t`, as the kernel lays it out on 64-bit machines.
    #[repr(C)]
    struct Info {
        signal: c_int,
        errno: c_int,
        code: c_int,
        padding: c_int,
        address: *const u8,
        rest: [u64; 13],
    }
    let info = Info { signal, errno: 0, code: SI_QUEUE, padding: 0, address, rest: [0; 13] };
    let process = std::process::id();
    // SAFETY: the call reads the structure, which is as long as a `siginfo_t`.
    let sent = unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, &raw const info) };
    assert_eq!(sent, 0);
}

/// Blocks all signals in this thread.
pub(crate) fn block_all() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: the set is filled.
    assert_eq!(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()) }, 0);
}

/// Reads a byte the ordinary way.
pub(crate) fn touch(address: *const u8) -> u8 {
    // SAFETY: the callers mean what happens.
    unsafe { address.read_volatile() }
}
