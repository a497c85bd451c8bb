//! FreeBSD: what the kernel says of a signal, and where it keeps the registers.

#![allow(
    clippy::cast_possible_truncation,
    reason = "registers are as wide as addresses on the architectures of the routines"
)]

use super::Signal;
use libc::{c_int, siginfo_t, ucontext_t};
use std::ops::Range;

// From `sys/signal.h`, `sys/_siginfo.h` and `machine/trap.h`.
const BUS_ADRERR: c_int = 2;
const BUS_OBJERR: c_int = 3;
const BUS_OOMERR: c_int = 100;
const T_PAGEFLT: c_int = 12;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;
const SEGV_PKUERR: c_int = 100;
/// The first of the codes of signals that were sent.
const SI_USER: c_int = 0x10001;

/// A signal with the code of a fault is one, and its address is in the page that is lost: the kernel could not bring pages in
/// otherwise.
pub(in super::super) const CERTAIN: bool = true;

/// Whether the kernel raised the signal because this instruction could not reach its memory.
///
/// `BUS_OBJERR` is a page after the end of a file, `BUS_OOMERR` a page for which there is no memory, and the number of the
/// trap comes with a forbidden page in programs that were built for old releases.
pub(super) fn is_fault(signal: Signal, code: c_int) -> bool {
    match signal {
        Signal::Bus => matches!(code, BUS_ADRERR | BUS_OBJERR | BUS_OOMERR | T_PAGEFLT),
        Signal::Segv => matches!(code, SEGV_MAPERR | SEGV_ACCERR | SEGV_PKUERR),
    }
}

/// Whether the instruction would raise the signal again.
pub(super) fn is_raised(code: c_int) -> bool {
    0 < code && code < SI_USER
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
        context.uc_mcontext.mc_rip as usize
    }

    pub(in super::super) fn set_pc(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.mc_rip = to as i64;
    }

    pub(in super::super) fn set_lost_at(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.mc_r9 = to as i64;
    }

    pub(in super::super) fn view_side(context: &ucontext_t) -> (usize, usize) {
        let registers = &context.uc_mcontext;
        (registers.mc_r8 as usize, registers.mc_rdx as usize)
    }

    pub(in super::super) fn single(context: &ucontext_t) -> Single {
        let registers = &context.uc_mcontext;
        Single {
            pc: registers.mc_rip as usize,
            base: registers.mc_rdi as usize,
            offset: registers.mc_rsi as usize,
            exit: registers.mc_rdx as usize,
            mark: registers.mc_rcx as usize,
        }
    }

    pub(in super::super) fn set_missed(context: &mut ucontext_t) {
        context.uc_mcontext.mc_rdx = 0;
        context.uc_mcontext.mc_rcx = 0;
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    use super::super::Single;
    use super::ucontext_t;

    pub(in super::super) fn pc(context: &ucontext_t) -> usize {
        context.uc_mcontext.mc_gpregs.gp_elr as usize
    }

    pub(in super::super) fn set_pc(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.mc_gpregs.gp_elr = to as i64;
    }

    pub(in super::super) fn set_lost_at(context: &mut ucontext_t, to: usize) {
        context.uc_mcontext.mc_gpregs.gp_x[5] = to as i64;
    }

    pub(in super::super) fn view_side(context: &ucontext_t) -> (usize, usize) {
        let registers = &context.uc_mcontext.mc_gpregs.gp_x;
        (registers[3] as usize, registers[2] as usize)
    }

    pub(in super::super) fn single(context: &ucontext_t) -> Single {
        let registers = &context.uc_mcontext.mc_gpregs.gp_x;
        let [base, offset, exit, mark] = [0, 1, 2, 3].map(|number: usize| registers[number] as usize);
        Single { pc: pc(context), base, offset, exit, mark }
    }

    pub(in super::super) fn set_missed(context: &mut ucontext_t) {
        context.uc_mcontext.mc_gpregs.gp_x[2] = 0;
        context.uc_mcontext.mc_gpregs.gp_x[3] = 0;
    }
}

pub(super) use registers::{pc, set_lost_at, set_missed, set_pc, single, view_side};

/// How many signals there are (`_SIG_MAXSIG` in `sys/_sigset.h`).
pub(super) const SIGNALS: c_int = 128;

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
