//! Linux and Android: what the kernel says of a signal, and where it keeps the registers.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "registers hold addresses, and are as wide as these on the architectures of the routines"
)]

use super::Signal;
use libc::{c_int, siginfo_t, ucontext_t};
use std::ops::Range;

// From `asm-generic/siginfo.h`; the C library's binding does not have all of them.
const BUS_ADRERR: c_int = 2;
const BUS_OBJERR: c_int = 3;
const BUS_MCEERR_AR: c_int = 4;
const BUS_MCEERR_AO: c_int = 5;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;
const SEGV_PKUERR: c_int = 4;

/// A signal with the code of a fault is one, and its address is in the page that is lost: the kernel could not bring pages in
/// otherwise.
pub(in super::super) const CERTAIN: bool = true;

/// Whether the kernel raised the signal because this instruction could not reach its memory.
///
/// Not in the list: an address that is not aligned (`BUS_ADRALN`), a memory error found elsewhere (`BUS_MCEERR_AO`), a
/// tag that does not match (`SEGV_MTESERR`), and whatever was sent.
pub(super) fn is_fault(signal: Signal, code: c_int) -> bool {
    match signal {
        Signal::Bus => matches!(code, BUS_ADRERR | BUS_OBJERR | BUS_MCEERR_AR),
        Signal::Segv => matches!(code, SEGV_MAPERR | SEGV_ACCERR | SEGV_PKUERR),
    }
}

/// Whether the instruction would raise the signal again.
pub(super) fn is_raised(code: c_int) -> bool {
    // `BUS_MCEERR_AO` has no instruction. No code of a SIGSEGV has its number (5, `SEGV_ACCADI`) on our architectures.
    code > 0 && code != BUS_MCEERR_AO
}

/// The bytes that could not be reached: one, but for a memory error, of which the kernel gives the page.
///
/// # Safety
///
/// [`is_fault`] has said yes.
pub(super) unsafe fn address(info: &siginfo_t) -> Range<usize> {
    // SAFETY: the codes of a fault come with an address.
    let start = unsafe { info.si_addr() }.addr();
    if info.si_signo == libc::SIGBUS && info.si_code == BUS_MCEERR_AR {
        let lsb = (&raw const *info).cast::<MemoryError>();
        // SAFETY: the layout that the kernel documents for this code (sigaction(2), `si_addr_lsb`).
        let lsb = unsafe { (*lsb).address_lsb };
        return start..start.saturating_add(1 << (lsb & 63));
    }
    start..start.saturating_add(1)
}

/// The part of a `siginfo_t` that belongs to a memory error, on 64-bit architectures.
#[repr(C)]
struct MemoryError {
    _signal_errno_code: [c_int; 4],
    _address: *mut libc::c_void,
    address_lsb: libc::c_short,
}

#[cfg(target_arch = "x86_64")]
#[allow(
    clippy::cast_possible_truncation,
    reason = "registers are as wide as addresses on the architectures of the routines"
)]
mod registers {
    use super::super::Single;
    use super::ucontext_t;

    pub(in super::super) fn pc(context: &ucontext_t) -> usize {
        context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
    }

    pub(in super::super) fn set_pc(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.gregs[libc::REG_RIP as usize] = to as i64;
    }

    pub(in super::super) fn set_lost_at(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.gregs[libc::REG_R9 as usize] = to as i64;
    }

    pub(in super::super) fn view_side(context: &ucontext_t) -> (usize, usize) {
        let registers = &context.uc_mcontext.gregs;
        let register = |number: i32| registers[number as usize] as usize;
        (register(libc::REG_R8), register(libc::REG_RDX))
    }

    pub(in super::super) fn single(context: &ucontext_t) -> Single {
        let registers = &context.uc_mcontext.gregs;
        let register = |number: i32| registers[number as usize] as usize;
        Single {
            pc: register(libc::REG_RIP),
            base: register(libc::REG_RDI),
            offset: register(libc::REG_RSI),
            exit: register(libc::REG_RDX),
            mark: register(libc::REG_RCX),
        }
    }

    pub(in super::super) fn set_missed(context: &mut ucontext_t) {
        context.uc_mcontext.gregs[libc::REG_RDX as usize] = 0;
        context.uc_mcontext.gregs[libc::REG_RCX as usize] = 0;
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    use super::super::Single;
    use super::ucontext_t;

    // The kernel leaves room for a mask of 1024 signals (`asm/ucontext.h`). Up to 0.2.189 the binding for Android did not.
    const _: () = assert!(std::mem::offset_of!(ucontext_t, uc_mcontext) == 176, "use a later version of libc");

    pub(in super::super) fn pc(context: &ucontext_t) -> usize {
        context.uc_mcontext.pc as usize
    }

    pub(in super::super) fn set_pc(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.pc = to as _;
    }

    pub(in super::super) fn set_lost_at(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.regs[5] = to as _;
    }

    pub(in super::super) fn view_side(context: &ucontext_t) -> (usize, usize) {
        let registers = &context.uc_mcontext.regs;
        (registers[3] as usize, registers[2] as usize)
    }

    pub(in super::super) fn single(context: &ucontext_t) -> Single {
        let [base, offset, exit, mark] = [0, 1, 2, 3].map(|number: usize| context.uc_mcontext.regs[number] as usize);
        Single { pc: pc(context), base, offset, exit, mark }
    }

    pub(in super::super) fn set_missed(context: &mut ucontext_t) {
        context.uc_mcontext.regs[2] = 0;
        context.uc_mcontext.regs[3] = 0;
    }
}

pub(super) use registers::{pc, set_lost_at, set_missed, set_pc, single, view_side};

/// How many signals there are.
pub(super) const SIGNALS: c_int = 64;

/// What the interrupted code blocks. The kernel has filled in as many bits of the set as there are signals, which may be less
/// than the C library's type has.
///
/// # Safety
///
/// `context` is that of a handler.
pub(super) unsafe fn mask(context: *const ucontext_t) -> *const libc::sigset_t {
    #[cfg(all(target_os = "android", target_arch = "x86_64"))]
    // SAFETY: the kernel gives a valid pointer (caller); only an address is made of it.
    return unsafe { &raw const (*context).uc_sigmask64 }.cast();
    #[cfg(not(all(target_os = "android", target_arch = "x86_64")))]
    // SAFETY: the kernel gives a valid pointer (caller); only an address is made of it.
    return unsafe { &raw const (*context).uc_sigmask };
}

/// Where the C library keeps the error number of this thread.
pub(super) fn errno() -> *mut c_int {
    #[cfg(target_os = "linux")]
    // SAFETY: the call has no preconditions.
    return unsafe { libc::__errno_location() };
    #[cfg(target_os = "android")]
    // SAFETY: the call has no preconditions.
    return unsafe { libc::__errno() };
}
