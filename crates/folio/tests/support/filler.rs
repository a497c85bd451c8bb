//! Takes the mappings that a process may have, of which the kernel counts so many (`vm.max_map_count`). Linux.

use std::{fs, ptr};

/// How many mappings a process may have.
pub(crate) fn limit() -> usize {
    fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap()
}

/// Memory that the kernel holds as very many mappings: every other page of it is protected. That takes half as many calls as
/// mappings, and much less than as many views, which an emulator is slow with.
#[derive(Debug)]
pub(crate) struct Filler {
    start: *mut libc::c_void,
    len: usize,
}

impl Filler {
    /// About `mappings`, or as many as there may be. Until it is dropped, nothing that allocates can be relied on in the
    /// latter case.
    pub(crate) fn new(mappings: usize) -> Filler {
        let page = folio::page_size();
        let len = mappings * page;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: memory of its own, at an address of the kernel's choice.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: a page of the memory made above, which nobody uses.
        let protect = |at: usize| unsafe { libc::mprotect(start.wrapping_byte_add(at), page, libc::PROT_READ) } == 0;
        (page..len).step_by(2 * page).take_while(|&at| protect(at)).for_each(drop);
        Filler { start, len }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // SAFETY: the memory made in `new`, which nobody uses.
        assert_eq!(unsafe { libc::munmap(self.start, self.len) }, 0);
    }
}
