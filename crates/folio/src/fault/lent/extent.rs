//! The arithmetic of pages and addresses of one mapping.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::ptr::NonNull;

/// The range of a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// **[L1]** `base .. base + len` is mapped as long as this is used: whole pages of `page_size` bytes, a power of two.
    pub(crate) base: NonNull<u8>,
    pub(crate) len: usize,
    pub(crate) page_size: usize,
}

impl Extent {
    /// The page that contains an address of the mapping.
    pub(crate) fn page_at(&self, address: usize) -> usize {
        (address - self.base.as_ptr().addr()) / self.page_size
    }

    /// The pages that `len` bytes (not 0) at an address of the mapping touch.
    pub(crate) fn pages_at(&self, address: usize, len: usize) -> Range<usize> {
        self.page_at(address)..self.page_at(address + (len - 1)) + 1
    }

    /// The address of a page.
    pub(crate) fn start_of(&self, page: usize) -> usize {
        self.base.as_ptr().addr() + page * self.page_size
    }
}
