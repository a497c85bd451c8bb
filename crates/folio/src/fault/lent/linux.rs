//! The exchange of pages on Linux: `mremap` and `mmap`.
//!
//! What is called from the handler makes raw system calls: they take no lock, allocate nothing and are known to be safe
//! there, whatever the C library makes of its wrappers.

use super::pages::{Exchange, Pages};
use super::sync::AtomicU32;
use super::{Aside, Extent, Lent};
use crate::range::round_up;
use crate::sys;
use std::alloc::{Layout, alloc_zeroed};
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};

/// Where the pages of a mapping are, and where they go when they are set aside.
pub(crate) struct System {
    extent: Extent,
    aside: Aside,
    /// **[L2]** unless pages are dropped: a reservation of ours of `reserved` bytes, in which the page at `base + n` has its
    /// place at `places + n`; `places` is a multiple of the page size.
    reservation: Option<(NonNull<u8>, usize)>,
    places: *mut u8,
}

// SAFETY: addresses of memory that belongs to no thread [L1][L2].
unsafe impl Send for System {}
// SAFETY: `&System` only makes system calls; who may exchange which page when is settled by `Pages`.
unsafe impl Sync for System {}

impl System {
    /// Reserves the places for the pages of a mapping.
    ///
    /// # Safety
    ///
    /// The extent is one [L1], as long as the returned value lives.
    pub(crate) unsafe fn lent(extent: Extent, aside: Aside) -> io::Result<Lent> {
        let Extent { len, page_size, .. } = extent;
        let (reservation, places) = if aside == Aside::Dropped {
            (None, ptr::null_mut())
        } else if page_size > sys::page_size() {
            // Huge pages can be moved, but neither doubled nor moved so that their range stays taken (mremap(2)).
            return Err(io::ErrorKind::Unsupported.into());
        } else if aside == Aside::Doubled && !can_double() {
            return Err(io::ErrorKind::Unsupported.into());
        } else {
            // One page more, so that there is a multiple of the page size to begin at.
            let reserved = len.checked_add(page_size).ok_or(io::ErrorKind::OutOfMemory)?;
            let reservation = reserve(reserved)?;
            let skip = round_up(reservation.as_ptr().addr(), page_size).unwrap_or(0) - reservation.as_ptr().addr();
            (Some((reservation, reserved)), reservation.as_ptr().wrapping_add(skip))
        };
        let system = System { extent, aside, reservation, places };
        Ok(Pages::new(system, zeroed_words(len / page_size)?))
    }

    /// Where a page is.
    fn at(&self, page: usize) -> *mut u8 {
        self.extent.base.as_ptr().wrapping_add(page * self.extent.page_size)
    }

    /// Where it goes.
    fn place_of(&self, page: usize) -> *mut u8 {
        self.places.wrapping_add(page * self.extent.page_size)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some((reservation, len)) = self.reservation {
            // SAFETY: the reservation is ours [L2], with what has been set aside in it; nobody has a reference to it. A failure
            // leaves address space reserved, which is all that can be done.
            unsafe { libc::munmap(reservation.as_ptr().cast(), len) };
        }
    }
}

impl Exchange for System {
    fn extent(&self) -> &Extent {
        &self.extent
    }

    fn barrier(&self) {
        crate::fault::note_exchange();
        // SAFETY: the call takes no pointer. It was registered for, or slices would not be lent.
        unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) };
    }

    fn set_aside(&self, page: usize) -> bool {
        let set_aside = match self.aside {
            Aside::Doubled => {
                // SAFETY: the page is in a living mapping [L1], its place in our reservation [L2]. The old size of 0 leaves
                // the page where it is.
                unsafe { mremap(self.at(page), 0, self.extent.page_size, MOVE_THERE, self.place_of(page)) }
            }
            Aside::Moved => {
                let flags = MOVE_THERE | MREMAP_DONTUNMAP;
                // SAFETY: as above. The range of the page stays mapped, so nothing else can take it.
                unsafe {
                    mremap(self.at(page), self.extent.page_size, self.extent.page_size, flags, self.place_of(page))
                }
            }
            Aside::Dropped => true,
        };
        // SAFETY: the page is in a living mapping [L1], and its bytes cannot be reached anyway.
        set_aside && unsafe { put_zeros(self.at(page), self.extent.page_size) }
    }

    fn bring_back(&self, page: usize) -> bool {
        if self.aside == Aside::Dropped {
            return false;
        }
        let (old_len, flags) = match self.aside {
            Aside::Doubled => (0, 0),
            _ => (self.extent.page_size, MREMAP_DONTUNMAP),
        };
        let flags = MOVE_THERE | flags;
        // SAFETY: the place is in our reservation [L2] and holds the page, whose own range in the living mapping [L1] stands
        // in zeros that nobody uses [P3]. The call puts the one over the other at once, and leaves the place mapped, so that
        // nothing else can take it.
        let back = unsafe { mremap(self.place_of(page), old_len, self.extent.page_size, flags, self.at(page)) };
        if back {
            // Only so that the place holds nothing; if it fails, the next page that is set aside there replaces what it holds.
            // SAFETY: the place is in our reservation [L2], and nobody has a reference to it.
            unsafe { map_fixed(self.place_of(page), self.extent.page_size, libc::PROT_NONE) };
        }
        back
    }
}

/// `MREMAP_MAYMOVE` and `MREMAP_FIXED` (include/uapi/linux/mman.h): to a given place. `libc` does not name them for Android.
const MOVE_THERE: i32 = 1 | 2;
/// `MREMAP_DONTUNMAP` (mremap(2), Linux 5.7), which not every C library names.
const MREMAP_DONTUNMAP: i32 = 4;
/// Commands of membarrier(2), Linux 4.14.
const MEMBARRIER_CMD_PRIVATE_EXPEDITED: i32 = 1 << 3;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

/// Registers the process for the barrier, once. `false` where the kernel has none, or a filter of system calls forbids it.
/// The registration holds for a child too (it is the address space's; membarrier(2)).
pub(super) fn register_barrier() -> bool {
    static REGISTERED: AtomicU8 = AtomicU8::new(UNKNOWN);
    tried_once(&REGISTERED, || {
        // SAFETY: the call takes no pointer.
        let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) };
        result == 0
    })
}

/// Whether a shared page can be doubled here, tried once, on a page of our own. Linux can since 2.6 (mremap(2)); what stands in
/// for it may refuse an old size of 0 (QEMU 7.2 does), and a fault is no time to learn that.
fn can_double() -> bool {
    static CAN: AtomicU8 = AtomicU8::new(UNKNOWN);
    tried_once(&CAN, || {
        let len = sys::page_size();
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED the kernel places the mapping where nothing else is (mmap(2)).
        let page = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return false;
        }
        let place = reserve(len).map(NonNull::as_ptr);
        // SAFETY: the page and its place were mapped above, and nobody has a reference to either.
        let can = place.as_ref().is_ok_and(|&place| unsafe { mremap(page.cast(), 0, len, MOVE_THERE, place) });
        for mapped in [Ok(page.cast()), place].into_iter().flatten() {
            // SAFETY: as in the call above. A failure leaves one page mapped, which is all that can be done.
            unsafe { libc::munmap(mapped.cast(), len) };
        }
        can
    })
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// The answer of `attempt`, kept for the next time.
fn tried_once(answer: &AtomicU8, attempt: impl FnOnce() -> bool) -> bool {
    match answer.load(Ordering::Relaxed) {
        UNKNOWN => {
            let yes = attempt();
            answer.store(if yes { YES } else { NO }, Ordering::Relaxed);
            yes
        }
        known => known == YES,
    }
}

/// Takes `len` bytes of address space that nothing can reach.
fn reserve(len: usize) -> io::Result<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: without MAP_FIXED the kernel places the mapping where nothing else is (mmap(2)).
    let address = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(address.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Replaces pages by private zeros, which can be written whatever the mapping allows: it may be made writable while they
/// are there. Async-signal-safe.
///
/// # Safety
///
/// As [`map_fixed`].
unsafe fn put_zeros(at: *mut u8, len: usize) -> bool {
    // SAFETY: the same obligations, passed on.
    unsafe { map_fixed(at, len, libc::PROT_READ | libc::PROT_WRITE) }
}

/// Replaces pages by private anonymous memory. Async-signal-safe.
///
/// # Safety
///
/// The pages are the caller's to replace.
unsafe fn map_fixed(at: *mut u8, len: usize, protection: i32) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    // The system call itself where it takes six words, with the offset in bytes; the handler runs nowhere else. The C library's
    // wrapper does the same, but sanitizers stand in for it: to ThreadSanitizer that is a write of the pages by this thread,
    // which races with all who read the slice.
    #[cfg(all(target_pointer_width = "64", not(target_arch = "s390x")))]
    {
        use std::ffi::c_long;

        const NO_FILE: c_long = -1;
        const OFFSET: c_long = 0;
        // SAFETY: the same obligations, passed on.
        let address = unsafe {
            libc::syscall(libc::SYS_mmap, at, len, c_long::from(protection), c_long::from(flags), NO_FILE, OFFSET)
        };
        address != -1
    }
    // On s390x and on 32 bits it takes something else; mmap(2) of the C libraries is the bare call there too.
    #[cfg(not(all(target_pointer_width = "64", not(target_arch = "s390x"))))]
    {
        // SAFETY: the same obligations, passed on.
        let address = unsafe { libc::mmap(at.cast(), len, protection, flags, -1, 0) };
        address != libc::MAP_FAILED
    }
}

/// `mremap` to a given place. Async-signal-safe.
///
/// # Safety
///
/// Both ranges are the caller's to change so.
unsafe fn mremap(from: *mut u8, old_len: usize, new_len: usize, flags: i32, to: *mut u8) -> bool {
    // SAFETY: the same obligations, passed on.
    let address = unsafe { libc::syscall(libc::SYS_mremap, from, old_len, new_len, flags, to) };
    address != -1
}

/// Words of 0, whose memory is only taken when it is written: a mapping may have very many pages, and that there is no room for their words
/// is no reason to end the process.
fn zeroed_words(count: usize) -> io::Result<Box<[AtomicU32]>> {
    if count == 0 {
        return Ok(Box::default());
    }
    let layout = Layout::array::<AtomicU32>(count).map_err(|_| io::ErrorKind::OutOfMemory)?;
    // SAFETY: the layout is not of size 0.
    let words = unsafe { alloc_zeroed(layout) }.cast::<AtomicU32>();
    if words.is_null() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    // SAFETY: allocated above with the layout of such a slice, and zeros are values of its items; nobody else has it.
    Ok(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(words, count)) })
}
