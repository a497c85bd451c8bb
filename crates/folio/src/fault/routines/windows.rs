//! The vectored exception handler.
//!
//! The system calls it before anything that belongs to a stack frame, with the registers of the faulting thread. It acts
//! only on a page that could not be read in or reached, only for an instruction of a routine or of a single access, and only at an
//! address in the view's side, which fixed registers tell. Everything else goes on its way.

#![allow(
    clippy::cast_possible_truncation,
    reason = "registers are as wide as addresses on the architectures of the routines"
)]

use super::regions;
use super::single::Single;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use windows_sys::Win32::Foundation::{EXCEPTION_ACCESS_VIOLATION, EXCEPTION_IN_PAGE_ERROR};
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, CONTEXT, EXCEPTION_CONTINUE_EXECUTION, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS,
};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};

/// An exception of these codes is a fault, and its address is in the page that is lost.
pub(super) const CERTAIN: bool = true;

/// Written under the gate. The handler is never removed.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Installs the handler as the first of all, unless that has been done.
///
/// The caller holds the gate. Handlers that others put before it later are called first, and let it have what is not
/// theirs: there is no need to come to the front again.
pub(super) fn install() -> io::Result<()> {
    if INSTALLED.load(Ordering::Acquire) {
        return Ok(());
    }
    pin_module()?;
    // SAFETY: the handler stays for good, and so does the module that contains it.
    if unsafe { AddVectoredExceptionHandler(1, Some(handle)) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    INSTALLED.store(true, Ordering::Release);
    Ok(())
}

/// Whether the handler is in the list.
pub(super) fn is_installed() -> bool {
    INSTALLED.load(Ordering::Acquire)
}

/// No thread can keep an exception from its handlers.
pub(super) fn prepare_thread() -> io::Result<()> {
    Ok(())
}

/// Keeps the module that contains the handler loaded for good: the system would go on calling it.
fn pin_module() -> io::Result<()> {
    let mut module = ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    let inside = (&raw const INSTALLED).cast();
    // SAFETY: with the first flag the name is any address inside the module; there is room for the answer.
    if unsafe { GetModuleHandleExW(flags, inside, &raw mut module) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Leads a fault of ours to where the program goes on, and lets everything else pass.
///
/// # Safety
///
/// For the system alone.
unsafe extern "system" fn handle(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system gives valid pointers, and nobody else has them while the handler runs.
    let exception = unsafe { &*exception };
    // SAFETY: as in the call above.
    let record = unsafe { &*exception.ExceptionRecord };
    // SAFETY: as in the call above.
    let context = unsafe { &mut *exception.ContextRecord };
    if !matches!(record.ExceptionCode, EXCEPTION_IN_PAGE_ERROR | EXCEPTION_ACCESS_VIOLATION) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    // The second parameter of both is the address that could not be reached.
    let address = record.ExceptionInformation[1];
    if record.NumberParameters < 2 || record.ExceptionAddress.addr() != pc(context) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    if let Some(exit) = regions::exit_of(pc(context)) {
        let (begin, len) = view_side(context);
        if address < begin || begin.wrapping_add(len) <= address {
            return EXCEPTION_CONTINUE_SEARCH;
        }
        // The byte there is lost: the routine copies what comes before.
        set_lost_at(context, address);
        set_pc(context, exit);
    } else {
        let single = single(context);
        if !single.touches(address, address.saturating_add(1)) {
            return EXCEPTION_CONTINUE_SEARCH;
        }
        set_missed(context);
        set_pc(context, single.exit);
    }
    EXCEPTION_CONTINUE_EXECUTION
}

#[cfg(target_arch = "x86_64")]
mod registers {
    use super::{CONTEXT, Single};

    pub(super) fn pc(context: &CONTEXT) -> usize {
        context.Rip as usize
    }

    pub(super) fn set_pc(context: &mut CONTEXT, to: usize) {
        context.Rip = to as u64;
    }

    pub(super) fn set_lost_at(context: &mut CONTEXT, to: usize) {
        context.R9 = to as u64;
    }

    pub(super) fn view_side(context: &CONTEXT) -> (usize, usize) {
        (context.R8 as usize, context.Rdx as usize)
    }

    pub(super) fn single(context: &CONTEXT) -> Single {
        Single {
            pc: context.Rip as usize,
            base: context.Rdi as usize,
            offset: context.Rsi as usize,
            exit: context.Rdx as usize,
            mark: context.Rcx as usize,
        }
    }

    pub(super) fn set_missed(context: &mut CONTEXT) {
        context.Rdx = 0;
        context.Rcx = 0;
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    use super::{CONTEXT, Single};

    pub(super) fn pc(context: &CONTEXT) -> usize {
        context.Pc as usize
    }

    pub(super) fn set_pc(context: &mut CONTEXT, to: usize) {
        context.Pc = to as u64;
    }

    pub(super) fn set_lost_at(context: &mut CONTEXT, to: usize) {
        // SAFETY: both members of the union are the same 31 numbers.
        unsafe { context.Anonymous.X[5] = to as u64 };
    }

    pub(super) fn view_side(context: &CONTEXT) -> (usize, usize) {
        // SAFETY: both members of the union are the same 31 numbers.
        let registers = unsafe { &context.Anonymous.X };
        (registers[3] as usize, registers[2] as usize)
    }

    pub(super) fn single(context: &CONTEXT) -> Single {
        // SAFETY: both members of the union are the same 31 numbers.
        let registers = unsafe { &context.Anonymous.X };
        let [base, offset, exit, mark] = [0, 1, 2, 3].map(|number: usize| registers[number] as usize);
        Single { pc: pc(context), base, offset, exit, mark }
    }

    pub(super) fn set_missed(context: &mut CONTEXT) {
        // SAFETY: both members of the union are the same 31 numbers.
        let registers = unsafe { &mut context.Anonymous.X };
        (registers[2], registers[3]) = (0, 0);
    }
}

use registers::{pc, set_lost_at, set_missed, set_pc, single, view_side};
