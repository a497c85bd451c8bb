//! The same bytes in the same portions, by the two ways that are compared: `read` and checked copies from a view.

use folio::MmapViewSync;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes per portion: enough to make the cost of a call small, and little enough to stay in the processor's cache.
pub(crate) const CHUNK: usize = 256 * 1024;

/// Calls `look` with each portion of the file's first `len` bytes and its offset, in order, by plain `read`.
pub(crate) fn of_file(
    mut file: &File,
    len: usize,
    progress: &ProgressBar,
    look: impl FnMut(usize, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    each(len, progress, |_, portion| file.read_exact(portion), look)
}

/// Calls `look` with each portion of the view and its offset, in order, by checked copies.
pub(crate) fn of_view(
    view: &MmapViewSync,
    progress: &ProgressBar,
    look: impl FnMut(usize, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    each(view.len(), progress, |offset, portion| view.read_exact_at(portion, offset), look)
}

fn each(
    len: usize,
    progress: &ProgressBar,
    mut fetch: impl FnMut(usize, &mut [u8]) -> io::Result<()>,
    mut look: impl FnMut(usize, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK.min(len)];
    for offset in (0..len).step_by(CHUNK) {
        let portion = &mut buffer[..CHUNK.min(len - offset)];
        fetch(offset, portion)?;
        look(offset, portion)?;
        progress.inc(portion.len() as u64);
    }
    Ok(())
}
