//! One view becomes many, each owned by a thread.

use folio::MmapViewSync;
use std::io;
use std::panic;
use std::thread;

/// Cuts a view into one owned piece per core, or per page if there are fewer pages; an empty view has no pieces. No
/// byte is copied and nothing is mapped: a piece is a pointer, a length and a share in the mapping.
///
/// The cut may be at any byte. Here it is between pages, so that no two threads flush the same one.
pub(crate) fn one_per_core(view: MmapViewSync, cores: usize) -> io::Result<Vec<MmapViewSync>> {
    let len = view.len().div_ceil(cores).max(1).next_multiple_of(folio::page_size());
    Ok(view.into_chunks(len)?.collect())
}

/// Gives each piece, with its offset in the whole, to a thread of its own, and collects what the threads answer.
///
/// The threads are plain `thread::spawn`: a view borrows nothing, so it may outlive the function that made it.
pub(crate) fn on_threads<T, F>(pieces: Vec<MmapViewSync>, work: F) -> io::Result<Vec<T>>
where
    T: Send + 'static,
    F: Fn(MmapViewSync, usize) -> io::Result<T> + Clone + Send + 'static,
{
    let mut offset = 0;
    let mut threads = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let (work, start) = (work.clone(), offset);
        offset += piece.len();
        threads.push(thread::spawn(move || work(piece, start)));
    }
    // All of them end before the first error is reported.
    let answers: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
        .collect();
    answers.into_iter().collect()
}

/// Joins neighbouring pieces to the view that they were cut from.
pub(crate) fn rejoin(pieces: Vec<MmapViewSync>) -> io::Result<MmapViewSync> {
    let mut pieces = pieces.into_iter();
    let mut whole = pieces.next().ok_or(io::ErrorKind::InvalidInput)?;
    for piece in pieces {
        whole.unsplit(piece)?;
    }
    Ok(whole)
}
