//! Surviving: the file is cut short while a view of it lives, and reading on is an error instead of a signal.

use crate::report;
use crate::sum;
use folio::{Fault, MmapViewSync, Protection};
use std::fs::File;
use std::io;

/// Cuts a file to half its length under a view of all of it, reads the view from the start, and shows where and how
/// that ends.
pub(crate) fn and_read(file: &File) -> io::Result<()> {
    let view = MmapViewSync::open(file, Protection::Read)?;
    // The page in which a file ends can be reached to its end. So that the fault is at the cut, it is between pages.
    let cut = (view.len() / 2).next_multiple_of(folio::page_size());
    file.set_len(cut as u64)?;

    // In a plain slice, touching the first byte behind the cut would end the program.
    let outcome = report::step("cut short, read up to there", cut, |progress| Ok(sum::by_view(&view, progress)))?;
    let Err(error) = outcome else {
        return Err(io::Error::other("a view was read past the end of its file"));
    };
    match Fault::of(&error) {
        Some(fault) if fault.offset == cut => report::say(&format!(
            "\n{} bytes, cut to {cut} under a live view: no signal, but an error.\n  \
             {error}\n  Fault::of(&error): {fault:?}\n",
            view.len(),
        )),
        Some(fault) => Err(io::Error::other(format!("the file was cut at byte {cut}, and the error says {fault:?}"))),
        None => Err(error),
    }
}
