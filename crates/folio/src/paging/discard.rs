//! Giving memory back while the address range stays.

use crate::error::invalid_input;
use crate::range::{round_down, round_up};
use crate::sys;
use crate::view::{Exclusive, View};
use std::io;
use std::ptr::NonNull;

/// How many bytes are filled with zeros before they are given back, where that has to be done: a multiple of every page that
/// is not larger.
const AT_ONCE: usize = 1 << 20;

impl View<Exclusive> {
    /// Makes every byte of the view zero, and gives the memory of the pages that lie wholly inside it back to the system. The
    /// address range stays: a page gets memory again when it is written.
    ///
    /// For buffers that are kept for another use. Only for private memory of no file ([`map_anon`](View::map_anon)), where
    /// nobody else can miss the bytes. Pages that the view shares with its neighbours are filled with zeros up to the view's
    /// edge, and keep their memory.
    ///
    /// # Platform-specific behaviour
    ///
    /// `madvise(MADV_DONTNEED)` on Linux, at once. Elsewhere the bytes are filled with zeros, and then the system is told that it may
    /// take the pages when it needs them: `MADV_FREE` on macOS, iOS, the BSDs and illumos, `DiscardVirtualMemory` on Windows.
    /// Locked pages are filled with zeros and keep their memory, and so is all memory where mappings are ordinary memory
    /// (WebAssembly, `--cfg folio_heap`).
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) for a view of a file; its bytes are as before.
    /// - The error of the system's call; the bytes are zeros or as before.
    ///
    /// # Examples
    ///
    /// ```
    /// # if cfg!(any(unix, windows)) {
    /// let mut buffer = folio::MmapMut::map_anon(1 << 20)?;
    /// buffer.fill(7);
    /// buffer.discard()?;
    /// assert!(buffer.iter().all(|&byte| byte == 0));
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MADV_DONTNEED", alias = "MADV_FREE", alias = "DiscardVirtualMemory")]
    pub fn discard(&mut self) -> io::Result<()> {
        if !self.mapping().is_private_memory() {
            return Err(invalid_input("only private memory of no file can be discarded"));
        }
        let (start, page) = (self.start(), self.mapping().page_size());
        let end = start + self.len();
        // The pages wholly inside, as they lie in the view: from the first edge of a page to the last one.
        let inner = match round_up(start, page) {
            Some(first) if first < round_down(end, page) => first - start..round_down(end, page) - start,
            _ => 0..0,
        };
        let (head, rest) = self.split_at_mut(inner.start);
        let (pages, tail) = rest.split_at_mut(inner.len());
        clear(head);
        clear(tail);
        if sys::paging::DISCARD_ZEROES {
            return if pages.is_empty() { Ok(()) } else { give_back(pages) };
        }
        pages.chunks_mut(AT_ONCE.max(page)).try_for_each(|pages| {
            clear(pages);
            give_back(pages)
        })
    }
}

/// Fills with zeros what is not. Memory that was never written gets no pages by that.
fn clear(bytes: &mut [u8]) {
    if bytes.iter().any(|&byte| byte != 0) {
        bytes.fill(0);
    }
}

/// Gives whole pages of private memory back to the system. They are zeros afterwards, or were.
fn give_back(pages: &mut [u8]) -> io::Result<()> {
    let address = NonNull::from(&mut *pages).cast();
    // SAFETY: whole pages of private memory of no file (the caller has checked it), which are borrowed for us alone. Zeros,
    // or what is there now, are as good a value of a byte as any other.
    match unsafe { sys::paging::discard(address, pages.len()) } {
        // Locked pages, and huge ones on older kernels (madvise(2)).
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            clear(pages);
            Ok(())
        }
        result => result,
    }
}
