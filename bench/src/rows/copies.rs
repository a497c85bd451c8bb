//! Checked copies beside `copy_nonoverlapping` of the same length, which the compiler does not know.

use super::{KIB, MIB, size};
use crate::data::{Buffer, Data, in_order, places};
use crate::measure::{Goal, Table};
use anyhow::Result;
use folio::{MmapViewSync, Protection};
use std::hint::black_box;
use std::ptr;

/// The parts of the mapping that short copies are from or to: what fits the first cache of most processors, and the second.
const SMALL: usize = 16 * KIB;
const PART: usize = 256 * KIB;

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let data = Data::new(64 * MIB + PART)?;
    let view = MmapViewSync::open(&data.file, Protection::ReadWrite)?;
    let raw = view.as_ptr().cast_mut();
    let mut buffer = Buffer::new(64 * MIB);

    table.group("copies", "copy_nonoverlapping");
    for (kind, write) in [("read_exact_at", false), ("write_all_at", true)] {
        for len in [8, 16, 32, 64, 128, 256] {
            let ways = [
                ("in order", PART, in_order(PART, len)),
                ("at random", SMALL, places(SMALL)),
                ("at random", PART, places(PART)),
            ];
            for (how, part, offsets) in ways {
                let name = format!("{kind}, {}, {how} in {}", size(len), size(part));
                row(table, &name, &view, raw, &offsets, &mut buffer.bytes()[..len], write, 1.2);
            }
        }
        for len in [KIB, 4 * KIB, 64 * KIB, MIB, 64 * MIB] {
            // Enough for some megabytes in all.
            let rounds = (4 * MIB / len).max(1);
            for (how, offsets) in [("in order", in_order(64 * MIB, len)), ("at random", places(64 * MIB))] {
                let offsets: Vec<usize> =
                    offsets.into_iter().take(rounds).map(|at| at % (64 * MIB + PART - len)).collect();
                if len > MIB && how == "at random" {
                    continue;
                }
                let name = format!("{kind}, {}, {how} in {}", size(len), size(64 * MIB));
                row(table, &name, &view, raw, &offsets, &mut buffer.bytes()[..len], write, 1.05);
            }
        }
    }
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "one of each")]
fn row(
    table: &mut Table,
    name: &str,
    view: &MmapViewSync,
    raw: *mut u8,
    offsets: &[usize],
    buffer: &mut [u8],
    write: bool,
    goal: f64,
) {
    check(view, raw, offsets, buffer, write);
    let mine = buffer.as_mut_ptr();
    let len = buffer.len();
    if write {
        let mut ours = || writes(black_box(view), offsets, buffer);
        // SAFETY: the offsets were checked to be in the mapping; nobody has a reference to it.
        let mut peer = || unsafe { raw_writes(black_box(raw), offsets, mine, black_box(len)) };
        table.row(name, offsets.len(), Goal::Ratio(goal), &mut ours, &mut peer);
    } else {
        let mut ours = || reads(black_box(view), offsets, buffer);
        // SAFETY: the offsets were checked to be in the mapping; `ours` has the only reference to the buffer, and does not use
        // it meanwhile.
        let mut peer = || unsafe { raw_reads(black_box(raw), offsets, mine, black_box(len)) };
        table.row(name, offsets.len(), Goal::Ratio(goal), &mut ours, &mut peer);
    }
}

/// Moves every block that the row moves, and compares what arrives with what the file's memory holds.
fn check(view: &MmapViewSync, raw: *mut u8, offsets: &[usize], buffer: &mut [u8], write: bool) {
    for &at in offsets {
        assert!(at + buffer.len() <= view.len());
        if write {
            buffer.iter_mut().zip(at..).for_each(|(byte, at)| *byte = (at ^ at >> 8) as u8);
            view.write_all_at(buffer, at).unwrap();
        } else {
            buffer.fill(0xa5);
            view.read_exact_at(buffer, at).unwrap();
        }
        // SAFETY: in the mapping (above), which nobody writes while the slice lives.
        let there = unsafe { std::slice::from_raw_parts(raw.wrapping_add(at), buffer.len()) };
        assert!(buffer == there, "the copy at {at} is not what is there");
    }
}

#[inline(never)]
pub(super) fn reads(view: &MmapViewSync, offsets: &[usize], buffer: &mut [u8]) -> u64 {
    for &at in offsets {
        view.read_exact_at(buffer, at).unwrap();
        black_box(buffer.as_mut_ptr());
    }
    buffer[0].into()
}

/// # Safety
///
/// The ranges at the offsets lie in the mapping at `base`, and `buffer` is valid for `len` bytes.
#[inline(never)]
unsafe fn raw_reads(base: *const u8, offsets: &[usize], buffer: *mut u8, len: usize) -> u64 {
    for &at in offsets {
        // SAFETY: the caller vouches for both sides.
        unsafe { ptr::copy_nonoverlapping(base.wrapping_add(at), buffer, len) };
        black_box(buffer);
    }
    // SAFETY: the caller vouches for the buffer.
    unsafe { *buffer }.into()
}

#[inline(never)]
fn writes(view: &MmapViewSync, offsets: &[usize], buffer: &[u8]) -> u64 {
    for &at in offsets {
        view.write_all_at(buffer, at).unwrap();
        black_box(buffer.as_ptr());
    }
    view.load::<u8>(offsets[0]).unwrap().into()
}

/// # Safety
///
/// As [`raw_reads`], and nobody has a reference to the mapping.
#[inline(never)]
unsafe fn raw_writes(base: *mut u8, offsets: &[usize], buffer: *const u8, len: usize) -> u64 {
    for &at in offsets {
        // SAFETY: the caller vouches for both sides.
        unsafe { ptr::copy_nonoverlapping(buffer, base.wrapping_add(at), len) };
        black_box(base);
    }
    // SAFETY: the caller vouches for the mapping.
    unsafe { *base.wrapping_add(offsets[0]) }.into()
}
