//! Flushing: what has changed is written to the file, and then the system is told to make it durable.

use super::files::{self, FileRef};
use super::{copy_out, inspect, maps};
use crate::fault::Fault;
use crate::sys::Started;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;

/// What is mapped is a copy of the file.
pub(crate) const COPIES: bool = true;

/// There is no other way to the file.
pub(crate) const KEEPS_FILE: bool = true;

/// Bytes looked at at once: small enough for any stack.
const CHUNK: usize = 4096;

/// Writes what has changed and makes it durable.
pub(crate) fn flush(address: NonNull<u8>, len: usize, file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    write_back(address, len, file)?;
    #[cfg(all(test, folio_shuttle))]
    super::trouble::flushing()?;
    file.map_or(Ok(()), |(file, _)| files::sync_data(file))
}

/// All of [`flush`]: there is nobody to leave the rest to.
pub(crate) fn start_flush(address: NonNull<u8>, len: usize, file: Option<(FileRef<'_>, u64)>) -> io::Result<Started> {
    flush(address, len, file)?;
    Ok(Started::Yes)
}

pub(crate) fn starts_through(_file: FileRef<'_>) -> bool {
    true
}

/// Writes those of `len` bytes at `address`, which belong to one view, that are not what the file is known to have. Changes
/// behind the end of the file are not written: it was cut short, and only lengthening it is the user's. They are an
/// error that carries the [`Fault`], counted from `address`; the others are written all the same.
pub(crate) fn write_back(address: NonNull<u8>, len: usize, file: Option<(FileRef<'_>, u64)>) -> io::Result<()> {
    let map = maps::find(address)?;
    let written = map.with_known(address, len, |known| match file {
        Some((file, offset)) => write_changes(address, known, file, offset),
        None => Err(io::Error::new(io::ErrorKind::Unsupported, "the mapping keeps no file to write to")),
    });
    written.unwrap_or(Ok(()))
}

/// The work of [`write_back`]: `known` is what is known of the bytes at `address`, which `file` has at `offset`.
fn write_changes(address: NonNull<u8>, known: &mut [u8], file: FileRef<'_>, offset: u64) -> io::Result<()> {
    let end = inspect(file)?.len;
    let mut lost = None;
    let mut buffer = [0; CHUNK];
    for (number, known) in known.chunks_mut(CHUNK).enumerate() {
        let start = number * CHUNK;
        let now = &mut buffer[..known.len()];
        let from = address.as_ptr().wrapping_add(start);
        // SAFETY: the bytes lie in a mapping (`known` describes it), which stays while somebody flushes it; they belong to a
        // view whose owner called for this, so they are written by nobody else or by atomics. The buffer is ours.
        unsafe { copy_out(from, now.as_mut_ptr(), now.len()) };
        let mut from = 0;
        while let Some(change) = next_change(now, known, from) {
            let at = offset + (start + change.start) as u64;
            let in_file = usize::try_from(end.saturating_sub(at)).map_or(change.len(), |left| left.min(change.len()));
            let written = change.start..change.start + in_file;
            write_all_at(file, &now[written.clone()], at)?;
            known[written.clone()].copy_from_slice(&now[written.clone()]);
            if written.end < change.end {
                lost.get_or_insert(start + written.end);
            }
            from = change.end;
        }
    }
    lost.map_or(Ok(()), |offset| Err(io::Error::other(Fault { offset })))
}

/// The first run of bytes from `from` on in which the two differ.
fn next_change(now: &[u8], known: &[u8], from: usize) -> Option<Range<usize>> {
    // The common case, by one comparison of memory.
    if now[from..] == known[from..] {
        return None;
    }
    let differs = |&at: &usize| now[at] != known[at];
    let start = (from..now.len()).find(differs)?;
    let end = (start..now.len()).find(|at| !differs(at)).unwrap_or(now.len());
    Some(start..end)
}

/// Writes all of `bytes`.
fn write_all_at(file: FileRef<'_>, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match files::write_at(file, &bytes[done..], offset + done as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => done += count,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]
    fn changes_are_found_to_the_byte() {
        let known = [0; 10];
        let changes = |now: &[u8]| {
            let mut from = 0;
            std::iter::from_fn(|| {
                let change = next_change(now, &known, from)?;
                from = change.end;
                Some(change)
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(changes(&known), []);
        assert_eq!(changes(&[1; 10]), [0..10]);
        assert_eq!(changes(&[1, 0, 1, 1, 0, 0, 0, 0, 0, 1]), [0..1, 2..4, 9..10]);
        assert_eq!(changes(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), [8..9]);
    }
}
