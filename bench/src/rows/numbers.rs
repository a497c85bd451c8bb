//! Single numbers: checked loads and stores beside raw ones, slices and system calls.

use super::{KIB, MIB, size};
use crate::data::{Data, places};
use crate::measure::{Goal, Table};
use anyhow::Result;
use folio::{MmapViewSync, Protection};
use memmap2::MmapMut;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What fits the first cache of most processors, the second, and none.
const LENGTHS: [usize; 3] = [16 * KIB, 256 * KIB, 64 * MIB];

/// How many numbers a round follows from one to the next.
const STEPS: usize = 4096;

pub(crate) fn run(table: &mut Table) -> Result<()> {
    table.group("numbers", "a raw pointer");
    for len in LENGTHS {
        let data = Data::cycle(len)?;
        let view = MmapViewSync::open(&data.file, Protection::Read)?;
        // SAFETY: nobody changes the file while this lives.
        let peer = unsafe { memmap2::Mmap::map(&data.file)? };
        // From the second round on they are far apart, so that neither finds what the other has brought into a cache.
        let (mut at, mut peer_at, mut first) = (0, 0, true);
        let name = format!("load::<u64>, each place from the last load, in {}", size(len));
        table.row(
            &name,
            STEPS,
            Goal::Ratio(1.25),
            &mut || {
                at = follow(black_box(&view), at);
                at
            },
            &mut || {
                let end = raw_follow(black_box(peer.as_ptr()), peer_at);
                peer_at = if std::mem::take(&mut first) { len as u64 / 2 } else { end };
                end
            },
        );
    }

    let data = Data::new(64 * MIB + 8)?;
    let view = MmapViewSync::open(&data.file, Protection::ReadWrite)?;
    // SAFETY: nobody changes the length of the file, and no reference to what is written lives meanwhile.
    let peer = unsafe { MmapMut::map_mut(&data.file)? };
    let raw = peer.as_ptr().cast_mut();
    for len in LENGTHS {
        let places = places(len);
        let name = format!("load::<u64>, places known before, in {}", size(len));
        let mut ours = || loads(black_box(&view), &places);
        table.row(&name, places.len(), Goal::Ratio(1.25), &mut ours, &mut || raw_loads(black_box(raw), &places));
    }
    for len in LENGTHS {
        let places = places(len);
        let name = format!("store::<u64>, places known before, in {}", size(len));
        let mut ours = || stores(black_box(&view), &places);
        table.row(&name, places.len(), Goal::None, &mut ours, &mut || raw_stores(black_box(raw), &places));
    }

    table.group("numbers", "others");
    for len in LENGTHS {
        let places = places(len);
        let name = format!("load::<u64>, memmap2 slice with its bounds check, {}", size(len));
        let mut ours = || loads(black_box(&view), &places);
        table.row(&name, places.len(), Goal::None, &mut ours, &mut || slice_loads(black_box(&peer), &places));
    }
    for (len, goal) in [(256 * KIB, Goal::Ratio(0.01)), (64 * MIB, Goal::None)] {
        let places = &places(len)[..4096];
        let name = format!("load::<u64>, pread, {}", size(len));
        table.row(&name, places.len(), goal, &mut || loads(black_box(&view), places), &mut || preads(&data, places));
    }
    // SAFETY: aligned, inside the mapping as long as it lives, and only ever accessed so.
    let atomic = unsafe { AtomicU64::from_ptr(raw.cast()) };
    table.row(
        "load_acquire::<u64>, AtomicU64",
        1000,
        Goal::None,
        &mut || (0..1000).fold(0, |sum: u64, _| sum.wrapping_add(view.load_acquire::<u64>(0).unwrap())),
        &mut || (0..1000).fold(0, |sum: u64, _| sum.wrapping_add(atomic.load(Ordering::Acquire))),
    );
    table.row(
        "fetch_add::<u64>, AtomicU64",
        1000,
        Goal::None,
        &mut || (0..1000).map(|_| view.fetch_add(0, 0_u64).unwrap()).fold(0, u64::wrapping_add),
        &mut || (0..1000).map(|_| atomic.fetch_add(0, Ordering::AcqRel)).fold(0, u64::wrapping_add),
    );
    Ok(())
}

// Loops of their own, so that both are compiled alike whatever stands around them.

#[inline(never)]
pub(super) fn loads(view: &MmapViewSync, places: &[usize]) -> u64 {
    places.iter().fold(0, |sum: u64, &at| sum.wrapping_add(view.load::<u64>(at).unwrap()))
}

#[inline(never)]
fn raw_loads(base: *const u8, places: &[usize]) -> u64 {
    // SAFETY: the places are eight bytes or more before the end of the mapping.
    let load = |at: usize| unsafe { base.wrapping_add(at).cast::<u64>().read_unaligned() };
    // The sum of one load at a time: several at a time in a wide register would be another thing.
    places.iter().fold(0, |sum: u64, &at| sum.wrapping_add(black_box_register(load(at))))
}

#[inline(never)]
fn slice_loads(bytes: &[u8], places: &[usize]) -> u64 {
    let load = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    places.iter().fold(0, |sum: u64, &at| sum.wrapping_add(black_box_register(load(at))))
}

#[inline(never)]
fn preads(data: &Data, places: &[usize]) -> u64 {
    let load = |at: usize| {
        let mut bytes = [0; 8];
        data.file.read_exact_at(&mut bytes, at as u64).unwrap();
        u64::from_ne_bytes(bytes)
    };
    places.iter().fold(0, |sum: u64, &at| sum.wrapping_add(load(at)))
}

/// Follows the offsets from `at`, each of which has to be loaded before the next.
#[inline(never)]
fn follow(view: &MmapViewSync, at: u64) -> u64 {
    (0..STEPS).fold(at, |at, _| view.load(at as usize).unwrap())
}

#[inline(never)]
fn raw_follow(base: *const u8, at: u64) -> u64 {
    // SAFETY: every number in the file is the offset of one.
    let load = |at: u64| unsafe { base.wrapping_add(at as usize).cast::<u64>().read_unaligned() };
    (0..STEPS).fold(at, |at, _| load(at))
}

/// Stores the same number at all places.
#[inline(never)]
fn stores(view: &MmapViewSync, places: &[usize]) -> u64 {
    places.iter().for_each(|&at| view.store(at, VALUE).unwrap());
    view.load(places[0]).unwrap()
}

#[inline(never)]
fn raw_stores(base: *mut u8, places: &[usize]) -> u64 {
    for &at in places {
        // SAFETY: the places are eight bytes or more before the end of the mapping, which no reference points into.
        unsafe { black_box(base.wrapping_add(at)).cast::<u64>().write_unaligned(VALUE) };
    }
    // SAFETY: as in the call above.
    unsafe { base.wrapping_add(places[0]).cast::<u64>().read_unaligned() }
}

const VALUE: u64 = 0x0123_4567_89ab_cdef;

/// `value`, which the compiler must have in a register of its own at this point.
#[inline(always)]
fn black_box_register(value: u64) -> u64 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let mut value = value;
        // SAFETY: no instruction at all.
        unsafe {
            std::arch::asm!("/* {value} */", value = inout(reg) value, options(nomem, nostack, preserves_flags, pure))
        };
        value
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    black_box(value)
}
