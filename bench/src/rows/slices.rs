//! Slices that survive a lost page, and what a lost page costs.

use super::{KIB, MIB, size};
use crate::data::Data;
use crate::measure::{Goal, Table};
use anyhow::Result;
use folio::{Fault, MmapViewSync, Protection};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::Instant;

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let data = Data::new(16 * MIB)?;
    let view = MmapViewSync::open(&data.file, Protection::ReadWrite)?;
    // SAFETY: nobody changes the file while this lives.
    let peer = unsafe { memmap2::Mmap::map(&data.file)? };

    table.group("slices", "a memmap2 slice");
    for len in [4 * KIB, 16 * MIB] {
        let mut part = MmapViewSync::open(&data.file, Protection::Read)?;
        part.restrict(0, len)?;
        table.row(
            &format!("with_slice of {}, one byte read", size(len)),
            100,
            Goal::Time(100.0),
            &mut || (0..100).map(|_| first_byte(black_box(&part))).sum(),
            &mut || (0..100).map(|_| u64::from(black_box(&peer)[0])).sum(),
        );
    }
    // SAFETY: nobody writes to the file while the slice lives.
    let mut ours = || unsafe { view.with_slice(sum) }.unwrap();
    table.row("with_slice of 16 MiB, all summed", 1, Goal::None, &mut ours, &mut || sum(black_box(&peer)));

    // From here on every page of this view is lost.
    let short = Data::new(MIB)?;
    let lost = MmapViewSync::open(&short.file, Protection::ReadWrite)?;
    short.file.set_len(0)?;
    let page = folio::page_size();
    let offsets: Vec<usize> = (0..lost.len()).step_by(page).collect();
    let mut buffer = [0; 64];

    table.group("faults", "a pread that meets the end of the file");
    table.row(
        "load::<u64> of a lost page",
        offsets.len(),
        Goal::Time(5000.0),
        &mut || offsets.iter().filter(|&&at| is_fault(lost.load::<u64>(at), at)).count() as u64,
        &mut || offsets.iter().filter(|&&at| short.file.read_exact_at(&mut [0; 8], at as u64).is_err()).count() as u64,
    );
    // Both are timed without what makes the first page come back before and the second one be lost.
    table.timed(
        "read_exact_at of 64 bytes, half of them lost",
        1,
        Goal::Time(5000.0),
        &mut || {
            short.file.set_len(page as u64).unwrap();
            assert_eq!(lost.load::<u8>(0).unwrap(), 0);
            let start = Instant::now();
            let result = lost.read_exact_at(&mut buffer, page - 32);
            let took = start.elapsed();
            assert!(is_fault(result, page));
            took
        },
        &mut || {
            short.file.set_len(page as u64).unwrap();
            let start = Instant::now();
            let result = short.file.read_exact_at(&mut [0; 64], (page - 32) as u64);
            let took = start.elapsed();
            assert!(result.is_err());
            took
        },
    );
    short.file.set_len(0)?;
    table.row(
        "with_slice over a lost page",
        offsets.len(),
        Goal::None,
        &mut || {
            let fault = |at: usize| {
                // SAFETY: nobody writes to the file, and a byte is a byte whatever it is.
                is_fault(unsafe { lost.with_slice(|bytes| bytes[at]) }, 0)
            };
            offsets.iter().filter(|&&at| fault(at) || at > 0).count() as u64
        },
        &mut || offsets.iter().filter(|&&at| short.file.read_exact_at(&mut [0; 8], at as u64).is_err()).count() as u64,
    );
    Ok(())
}

/// One slice, and one byte of it.
#[inline(never)]
pub(super) fn first_byte(view: &MmapViewSync) -> u64 {
    // SAFETY: nobody writes to the file while the slice lives.
    unsafe { view.with_slice(|bytes| u64::from(bytes[0])) }.unwrap()
}

/// The sum of all bytes, eight at a time.
#[inline(never)]
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
    words.fold(0, u64::wrapping_add)
}

fn is_fault<T>(result: std::io::Result<T>, at: usize) -> bool {
    result.err().and_then(|error| Fault::of(&error)).is_some_and(|fault| fault.offset == at)
}
