//! Writing: a view is split among threads, which write and flush their pieces; joined again, every byte is checked.

use crate::chunks::{self, CHUNK};
use crate::pieces::{on_threads, one_per_core, rejoin};
use crate::report;
use folio::{MmapOptions, MmapViewSync, Protection};
use indicatif::ProgressBar;
use std::fs::File;
use std::io;

/// Gives an empty file `len` bytes, and checks each of them. `spoil` is the offset of one to spoil before, for tests.
pub(crate) fn and_check(file: &File, len: usize, cores: usize, spoil: Option<usize>) -> io::Result<()> {
    // Real blocks first, so that a full disk is an error here and not in the middle of writing.
    let view = report::step("allocate and map", 0, |_| {
        MmapOptions::new().len(len).allocate().map_view(file, Protection::ReadWrite)
    })?;

    let pieces = report::step("split, one view per core", 0, |_| one_per_core(view, cores))?;
    let threads = pieces.len();

    let pieces = report::step(&format!("write, {threads} threads"), len, |progress| {
        let progress = progress.clone();
        on_threads(pieces, move |piece, start| {
            write(&piece, start, &progress)?;
            Ok(piece)
        })
    })?;

    // On `Ok` the bytes are on the disk. Each thread waits for its own piece alone.
    let pieces = report::step(&format!("flush, {threads} threads"), len, |progress| {
        let progress = progress.clone();
        on_threads(pieces, move |piece, _| {
            piece.flush()?;
            progress.inc(piece.len() as u64);
            Ok(piece)
        })
    })?;

    let whole = report::step("join again by unsplit", 0, |_| rejoin(pieces))?;
    if let Some(offset) = spoil {
        let byte: u8 = whole.load(offset)?;
        whole.store(offset, !byte)?;
    }

    report::step("check every byte by read", len, |progress| check(file, len, progress))?;
    // Dropping it would do; this also says that no piece of it is left somewhere.
    Ok(whole.unmap()?)
}

/// Fills a piece that starts at byte `start` of the file. Writing takes `&self`: others may write these bytes anyway.
fn write(piece: &MmapViewSync, start: usize, progress: &ProgressBar) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    for offset in (0..piece.len()).step_by(CHUNK) {
        let portion = &mut buffer[..CHUNK.min(piece.len() - offset)];
        fill(portion, start + offset);
        piece.write_all_at(portion, offset)?;
        progress.inc(portion.len() as u64);
    }
    Ok(())
}

/// Reads the file back, by nothing but `read`.
fn check(file: &File, len: usize, progress: &ProgressBar) -> io::Result<()> {
    let mut expected = vec![0; CHUNK];
    chunks::of_file(file, len, progress, |offset, found| {
        let expected = &mut expected[..found.len()];
        fill(expected, offset);
        if expected == found {
            return Ok(());
        }
        let at = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
        let (place, found, expected) = (offset + at, found[at], expected[at]);
        Err(io::Error::other(format!("byte {place} of the file is {found:#04x}, not {expected:#04x}")))
    })
}

/// The bytes that belong at `start` of the file: each eight of them are a number that occurs nowhere else, so that a
/// piece in the wrong place is noticed. `start` and the length are multiples of eight.
fn fill(bytes: &mut [u8], start: usize) {
    for (word, position) in bytes.chunks_exact_mut(8).zip((start as u64..).step_by(8)) {
        word.copy_from_slice(&position.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    }
}
