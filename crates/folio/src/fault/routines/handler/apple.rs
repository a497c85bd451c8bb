//! Apple's systems: what the kernel says of a signal, and where it keeps the registers.
//!
//! They do not tell a signal that was sent from one that the kernel raised: a sent SIGSEGV or SIGBUS comes with the codes
//! and the address of a fault (on aarch64 always, on x86-64 with those of the thread's last one). So a signal that is
//! sent while a routine runs can be taken for a fault, if the thread's last fault was in the same range. That
//! is why every routine can begin the interrupted access again, and why an access is tried twice before it is lost.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "registers hold addresses, and are as wide as these on the architectures of the routines"
)]

use super::Signal;
use libc::{c_int, siginfo_t, ucontext_t};
use std::ops::Range;

// From `sys/signal.h`.
const BUS_ADRALN: c_int = 1;
const BUS_ADRERR: c_int = 2;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;

/// A signal with the code and address of a fault may have been sent: see above.
pub(in super::super) const CERTAIN: bool = false;

/// Whether the signal can be that of an instruction that could not reach its memory.
///
/// On aarch64 every SIGBUS has the code of an unaligned address.
pub(super) fn is_fault(signal: Signal, code: c_int) -> bool {
    match signal {
        Signal::Bus => matches!(code, BUS_ADRALN | BUS_ADRERR),
        Signal::Segv => matches!(code, SEGV_MAPERR | SEGV_ACCERR),
    }
}

/// Whether the instruction would raise the signal again: as far as one can know, it would.
pub(super) fn is_raised(_: c_int) -> bool {
    true
}

/// The byte that could not be reached.
///
/// # Safety
///
/// [`is_fault`] has said yes.
pub(super) unsafe fn address(info: &siginfo_t) -> Range<usize> {
    // SAFETY: the codes of a fault come with an address.
    let start = unsafe { info.si_addr() }.addr();
    start..start.saturating_add(1)
}

#[cfg(target_arch = "x86_64")]
mod registers {
    use super::super::Single;
    use super::ucontext_t;

    pub(in super::super) fn pc(context: &ucontext_t) -> usize {
        // SAFETY: the kernel points it to the registers that it has saved on the stack of the handler.
        unsafe { (*context.uc_mcontext).__ss.__rip as usize }
    }

    pub(in super::super) fn set_pc(context: &mut ucontext_t, to: usize) {
        // SAFETY: as above, and nobody else looks at them before the handler returns.
        unsafe { (*context.uc_mcontext).__ss.__rip = to as u64 };
    }

    pub(in super::super) fn set_lost_at(context: &mut ucontext_t, to: usize) {
        // SAFETY: as in `set_pc`, for another register.
        unsafe { (*context.uc_mcontext).__ss.__r9 = to as u64 };
    }

    pub(in super::super) fn view_side(context: &ucontext_t) -> (usize, usize) {
        // SAFETY: as in the call above.
        let registers = unsafe { &(*context.uc_mcontext).__ss };
        (registers.__r8 as usize, registers.__rdx as usize)
    }

    pub(in super::super) fn single(context: &ucontext_t) -> Single {
        // SAFETY: as in `pc`, for other registers.
        let registers = unsafe { &(*context.uc_mcontext).__ss };
        Single {
            pc: registers.__rip as usize,
            base: registers.__rdi as usize,
            offset: registers.__rsi as usize,
            exit: registers.__rdx as usize,
            mark: registers.__rcx as usize,
        }
    }

    pub(in super::super) fn set_missed(context: &mut ucontext_t) {
        // SAFETY: as in `set_pc`, for other registers.
        let registers = unsafe { &mut (*context.uc_mcontext).__ss };
        (registers.__rdx, registers.__rcx) = (0, 0);
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    use super::super::Single;
    use super::ucontext_t;

    pub(in super::super) fn pc(context: &ucontext_t) -> usize {
        // SAFETY: the kernel points it to the registers that it has saved on the stack of the handler.
        unsafe { (*context.uc_mcontext).__ss.__pc as usize }
    }

    pub(in super::super) fn set_pc(context: &mut ucontext_t, to: usize) {
        // SAFETY: as above, and nobody else looks at them before the handler returns.
        unsafe { (*context.uc_mcontext).__ss.__pc = to as u64 };
    }

    pub(in super::super) fn set_lost_at(context: &mut ucontext_t, to: usize) {
        // SAFETY: as in `set_pc`, for another register.
        unsafe { (*context.uc_mcontext).__ss.__x[5] = to as u64 };
    }

    pub(in super::super) fn view_side(context: &ucontext_t) -> (usize, usize) {
        // SAFETY: as in the call above.
        let registers = unsafe { &(*context.uc_mcontext).__ss.__x };
        (registers[3] as usize, registers[2] as usize)
    }

    pub(in super::super) fn single(context: &ucontext_t) -> Single {
        // SAFETY: as in `pc`, for other registers.
        let registers = unsafe { &(*context.uc_mcontext).__ss.__x };
        let [base, offset, exit, mark] = [0, 1, 2, 3].map(|number: usize| registers[number] as usize);
        Single { pc: pc(context), base, offset, exit, mark }
    }

    pub(in super::super) fn set_missed(context: &mut ucontext_t) {
        // SAFETY: as in `set_pc`, for other registers.
        let registers = unsafe { &mut (*context.uc_mcontext).__ss.__x };
        (registers[2], registers[3]) = (0, 0);
    }
}

pub(super) use registers::{pc, set_lost_at, set_missed, set_pc, single, view_side};

/// How many signals there are (`NSIG` in `sys/signal.h`, less one).
pub(super) const SIGNALS: c_int = 31;

/// What the interrupted code blocks.
///
/// # Safety
///
/// `context` is that of a handler.
pub(super) unsafe fn mask(context: *const ucontext_t) -> *const libc::sigset_t {
    // SAFETY: the kernel gives a valid pointer (caller); only an address is made of it.
    unsafe { &raw const (*context).uc_sigmask }
}

/// Where the C library keeps the error number of this thread.
pub(super) fn errno() -> *mut c_int {
    // SAFETY: the call has no preconditions.
    unsafe { libc::__error() }
}
