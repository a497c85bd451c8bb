//! Reading: the same sum of the same bytes by `read`, by one view, by one view per core, and by a plain slice.

use crate::chunks::{self, CHUNK};
use crate::pieces::{on_threads, one_per_core};
use crate::report;
use folio::{Mmap, MmapOptions, MmapViewSync, Protection};
use indicatif::ProgressBar;
use std::fs::File;
use std::io;
use std::num::Wrapping;

/// Sums the file's first `len` bytes in each of these ways, and fails unless all sums are equal. `map` is for the last
/// one: a plain slice needs a promise that only who knows the file can give.
pub(crate) fn compare(file: &File, len: usize, cores: usize, map: Option<&Mmap>) -> io::Result<()> {
    // A new mapping each time, so that each pays for the faults that bring its pages in; `map` is new, too.
    let open = || MmapOptions::new().len(len).map_view(file, Protection::Read);

    let mut sums = vec![
        report::step("sum by read", len, |progress| by_read(file, len, progress))?,
        report::step("sum by one view", len, |progress| by_view(&open()?, progress))?,
        report::step("sum by one view per core", len, |progress| by_views(open()?, cores, progress))?,
    ];
    if let Some(map) = map {
        sums.push(report::step("sum by a plain slice (unsafe)", len, |progress| Ok(by_slice(map, progress)))?);
    }
    if sums.iter().any(|&sum| sum != sums[0]) {
        return Err(io::Error::other("the sums differ: a byte was read wrong, or somebody wrote it"));
    }
    Ok(())
}

/// By `read` into a buffer.
pub(crate) fn by_read(file: &File, len: usize, progress: &ProgressBar) -> io::Result<Wrapping<u64>> {
    let mut total = Wrapping(0);
    chunks::of_file(file, len, progress, |_, portion| {
        total += sum(portion);
        Ok(())
    })?;
    Ok(total)
}

/// By checked copies into a buffer, which are an error, not a signal, if somebody cuts the file short meanwhile.
pub(crate) fn by_view(view: &MmapViewSync, progress: &ProgressBar) -> io::Result<Wrapping<u64>> {
    let mut total = Wrapping(0);
    chunks::of_view(view, progress, |_, portion| {
        total += sum(portion);
        Ok(())
    })?;
    Ok(total)
}

/// The same, each piece by a thread that owns it.
fn by_views(view: MmapViewSync, cores: usize, progress: &ProgressBar) -> io::Result<Wrapping<u64>> {
    let progress = progress.clone();
    let sums = on_threads(one_per_core(view, cores)?, move |piece, _| by_view(&piece, &progress))?;
    Ok(sums.into_iter().sum())
}

/// Without a copy: an `Mmap` is a `&[u8]`. A lost page would end the program here.
fn by_slice(map: &Mmap, progress: &ProgressBar) -> Wrapping<u64> {
    map.chunks(CHUNK).inspect(|portion| progress.inc(portion.len() as u64)).map(sum).sum()
}

/// What all of them do with the bytes: adds them up as numbers of eight bytes, so fast that it hides nobody's cost.
fn sum(bytes: &[u8]) -> Wrapping<u64> {
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    let number = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        Wrapping(u64::from_le_bytes(word))
    };
    words.map(number).sum::<Wrapping<u64>>() + number(rest)
}
