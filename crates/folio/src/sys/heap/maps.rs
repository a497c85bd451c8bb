//! The memory of all mappings, by address: the calls of the contract know no more of a mapping than that.

use super::{PAGE, copy_out};
use crate::error::invalid_input;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::BTreeMap;
use std::io;
use std::ptr::NonNull;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All mappings there are, by the address at which they begin.
static MAPS: Mutex<BTreeMap<usize, Arc<Map>>> = Mutex::new(BTreeMap::new());

/// One mapping.
#[derive(Debug)]
pub(super) struct Map {
    memory: Memory,
    /// Whether it shows a file to which what is written goes, and whether that is open for writing.
    shows: Option<bool>,
    /// What is in the file, as far as this mapping knows, for all of its bytes; `None` as long as it cannot be written. A byte
    /// that differs from this was written and not flushed.
    known: Mutex<Option<Vec<u8>>>,
}

impl Map {
    /// Zeros that nobody else knows of yet.
    pub(super) fn new(len: usize) -> io::Result<Map> {
        Ok(Map { memory: Memory::new(len)?, shows: None, known: Mutex::new(None) })
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the memory is ours and that long [H1]; it was zeros when it was made. Nobody else has its address as long as
        // the value can be borrowed so: `add` takes it and gives it back shared.
        unsafe { slice::from_raw_parts_mut(self.memory.base.as_ptr(), self.memory.len) }
    }

    /// Says that this is a shared mapping of a file, which may be open for writing or not.
    pub(super) fn show_file(&mut self, can_write: bool) {
        self.shows = Some(can_write);
    }

    /// From now on what is written is for the file: what is there now is what the file has. Nobody writes meanwhile.
    pub(super) fn begin_writing(&self) -> io::Result<()> {
        match self.shows {
            None => return Ok(()),
            Some(true) => {}
            Some(false) => {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is not open for writing"));
            }
        }
        let mut known = self.lock();
        if known.is_none() {
            let len = self.memory.len;
            let mut copy = Vec::new();
            copy.try_reserve_exact(len)?;
            copy.resize(len, 0);
            // SAFETY: the memory is that long, and ours as long as `self` is [H1]; the copy is that long too.
            unsafe { copy_out(self.memory.base.as_ptr(), copy.as_mut_ptr(), len) };
            *known = Some(copy);
        }
        Ok(())
    }

    /// Calls `work` with what is known of the file for the `len` bytes at `address`, which lie in this mapping; `None` if
    /// nothing written here is for a file. One at a time.
    pub(super) fn with_known<R>(
        &self,
        address: NonNull<u8>,
        len: usize,
        work: impl FnOnce(&mut [u8]) -> R,
    ) -> Option<R> {
        let start = address.as_ptr().addr() - self.memory.base.as_ptr().addr();
        self.lock().as_mut().map(|known| work(&mut known[start..start + len]))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Zeros at first, which belong to nobody else.
#[derive(Debug)]
struct Memory {
    /// **[H1]** `base .. base + len` lies in the allocation that `raw` and `layout` describe, which this value owns.
    base: NonNull<u8>,
    len: usize,
    raw: NonNull<u8>,
    layout: Layout,
}

// SAFETY: memory is not tied to a thread, and this value alone gives it back [H1].
unsafe impl Send for Memory {}
// SAFETY: a shared reference gives addresses only.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(len: usize) -> io::Result<Memory> {
        // The multiple of the page is looked for in a longer piece. Allocators have zeros from the system for what is not to be
        // aligned, and write them themselves for what is.
        let size = len.checked_add(PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let layout = Layout::from_size_align(size, 1).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: the size is not 0.
        let raw = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(io::ErrorKind::OutOfMemory)?;
        let lead = raw.as_ptr().addr().wrapping_neg() % PAGE;
        // SAFETY: `lead < PAGE`, and the allocation is longer than that.
        let base = unsafe { raw.add(lead) };
        Ok(Memory { base, len, raw, layout })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this is the allocation that this value owns, with the layout that it was made with [H1].
        unsafe { dealloc(self.raw.as_ptr(), self.layout) };
    }
}

fn maps() -> MutexGuard<'static, BTreeMap<usize, Arc<Map>>> {
    MAPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a mapping until it is removed. The address of its first byte.
pub(super) fn add(map: Map) -> NonNull<u8> {
    let base = map.memory.base;
    let before = maps().insert(base.as_ptr().addr(), Arc::new(map));
    debug_assert!(before.is_none(), "memory that is in use was allocated again");
    base
}

/// The mapping that an address lies in.
pub(super) fn find(address: NonNull<u8>) -> io::Result<Arc<Map>> {
    let address = address.as_ptr().addr();
    let maps = maps();
    let found = maps.range(..=address).next_back().filter(|(base, map)| address - *base < map.memory.len);
    found.map(|(_, map)| Arc::clone(map)).ok_or_else(not_mapped)
}

/// Lets go of the mapping that begins at an address.
pub(super) fn remove(base: NonNull<u8>) -> io::Result<()> {
    let removed = maps().remove(&base.as_ptr().addr());
    // The memory goes here, with the lock open again.
    removed.map(drop).ok_or_else(not_mapped)
}

fn not_mapped() -> io::Error {
    invalid_input("no mapping has this address")
}
