//! Paging on Windows: prefetching, locks in the working set, and which pages are in it.

use super::{FileRef, address_of, is, page_size, true_or_last_error};
use crate::paging::{Advice, UncheckedAdvice};
use crate::sys::{Cached, NotLocked, Populate, Populated};
use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;
use windows_sys::Win32::Foundation::{ERROR_NOT_LOCKED, ERROR_WORKING_SET_QUOTA};
use windows_sys::Win32::System::Memory::{
    DiscardVirtualMemory, PrefetchVirtualMemory, VirtualLock, VirtualUnlock, WIN32_MEMORY_RANGE_ENTRY,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32QueryWorkingSetEx, PSAPI_WORKING_SET_EX_BLOCK, PSAPI_WORKING_SET_EX_INFORMATION,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// What `DiscardVirtualMemory` leaves is undefined: zeros are written before, so it is those or the zeros of a new page.
pub(crate) const DISCARD_ZEROES: bool = false;

/// There is one hint.
pub(crate) fn knows(advice: Advice) -> bool {
    advice == Advice::WillNeed
}

/// And one command.
pub(crate) fn knows_unchecked(advice: UncheckedAdvice) -> bool {
    advice == UncheckedAdvice::Free
}

/// `PrefetchVirtualMemory`, which starts to bring pages into memory, not into the working set of the process.
pub(crate) fn advise(address: NonNull<u8>, len: usize, advice: Advice) -> io::Result<bool> {
    if advice != Advice::WillNeed {
        return Ok(false);
    }
    let range = WIN32_MEMORY_RANGE_ENTRY { VirtualAddress: address_of(address), NumberOfBytes: len };
    // SAFETY: the call has no obligations; what it returns stands for this process.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: one range is given, in a variable of ours; the call changes no byte of it.
    let result = true_or_last_error(unsafe { PrefetchVirtualMemory(process, 1, &raw const range, 0) });
    // "The application should … not depend on prefetch succeeding": a page that cannot be had is an error of its use.
    Ok(result.is_ok())
}

/// `DiscardVirtualMemory`.
///
/// # Safety
///
/// The caller may have these pages treated so.
pub(crate) unsafe fn advise_unchecked(address: NonNull<u8>, len: usize, advice: UncheckedAdvice) -> io::Result<()> {
    match advice {
        // SAFETY: the same obligations, passed on.
        UncheckedAdvice::Free => unsafe { discard(address, len) },
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// No call brings pages in and says whether it could: they are touched.
pub(crate) fn populate(_address: NonNull<u8>, _len: usize, _how: Populate) -> io::Result<Populated> {
    Ok(Populated::NotSupported)
}

/// `VirtualLock`. The system does not count: one unlocking undoes any number of these.
pub(crate) fn lock(address: NonNull<u8>, len: usize) -> Result<(), NotLocked> {
    // SAFETY: the range is whole pages of one mapping (contract); the call changes no byte of them.
    let result = true_or_last_error(unsafe { VirtualLock(address_of(address).cast_const(), len) });
    result.map_err(|error| {
        if is(&error, ERROR_WORKING_SET_QUOTA) {
            let text = "the process may lock no more memory than its minimum working set (SetProcessWorkingSetSize)";
            NotLocked::Refused(io::Error::new(io::ErrorKind::OutOfMemory, text))
        } else {
            NotLocked::Unreachable(error)
        }
    })
}

/// `VirtualUnlock`.
pub(crate) fn unlock(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the range is whole pages of one mapping (contract); the call changes no byte of them.
    match true_or_last_error(unsafe { VirtualUnlock(address_of(address).cast_const(), len) }) {
        // The system may have taken a lock away by itself (a working set that was made smaller).
        Err(error) if is(&error, ERROR_NOT_LOCKED) => Ok(()),
        result => result,
    }
}

/// `DiscardVirtualMemory`, of committed private memory.
///
/// # Safety
///
/// The pages belong to private memory of no file, and nobody relies on what is in them.
pub(crate) unsafe fn discard(address: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the same obligations, passed on; the pages stay mapped.
    match unsafe { DiscardVirtualMemory(address_of(address), len) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// `QueryWorkingSetEx`: whether each page is in the working set of the process.
pub(crate) fn resident(address: NonNull<u8>, len: usize, pages: &mut [u8]) -> io::Result<()> {
    const AT_ONCE: usize = 256;
    let mut entries = [PSAPI_WORKING_SET_EX_INFORMATION::default(); AT_ONCE];
    debug_assert_eq!(pages.len(), len / page_size());
    let mut at: *mut c_void = address_of(address);
    for answers in pages.chunks_mut(AT_ONCE) {
        let entries = &mut entries[..answers.len()];
        for entry in &mut *entries {
            let VirtualAttributes = PSAPI_WORKING_SET_EX_BLOCK { Flags: 0 };
            *entry = PSAPI_WORKING_SET_EX_INFORMATION { VirtualAddress: at, VirtualAttributes };
            at = at.wrapping_byte_add(page_size());
        }
        let bytes = u32::try_from(size_of_val(entries)).unwrap_or(0);
        // SAFETY: the call has no obligations; what it returns stands for this process.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the array is ours and has this many bytes; the call fills in the attributes of the addresses in it.
        true_or_last_error(unsafe { K32QueryWorkingSetEx(process, entries.as_mut_ptr().cast(), bytes) })?;
        for (answer, entry) in answers.iter_mut().zip(entries) {
            // SAFETY: every bit pattern is a number; the lowest bit is `Valid` (psapi.h).
            *answer = u8::from(unsafe { entry.VirtualAttributes.Flags } & 1 != 0);
        }
    }
    Ok(())
}

/// The answer of [`resident`] is the truth.
pub(crate) fn tells_residency(_address: NonNull<u8>, _file: Option<FileRef<'_>>) -> bool {
    true
}

/// There is no call that counts a file's pages.
pub(crate) fn cached(_file: FileRef<'_>, _offset: u64, _len: u64) -> io::Result<Option<Cached>> {
    Ok(None)
}
