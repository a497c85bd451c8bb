//! Surviving: the file is cut short while a view of it lives, and reading on is an error instead of a signal, by checked access
//! and in a plain slice that is lent to a closure.

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
             {error}\n  Fault::of(&error): {fault:?}",
            view.len(),
        ))
        .and_then(|()| in_a_closure(&view, cut)),
        Some(fault) => Err(io::Error::other(format!("the file was cut at byte {cut}, and the error says {fault:?}"))),
        None => Err(error),
    }
}

/// The same in a plain slice: `with_slice` lends one for the length of a closure. Where a page is lost zeros stand in for it, so
/// that any code can run on to its end, and what it answers is dropped for the error.
fn in_a_closure(view: &MmapViewSync, cut: usize) -> io::Result<()> {
    // SAFETY: nobody writes this file, which has no name, while the closure reads; and the largest byte of some bytes is
    // safe to look for, even if they turn into zeros meanwhile.
    let largest = unsafe { view.with_slice(|bytes| bytes.iter().max().copied()) };
    match largest.as_ref().err().and_then(|error| Fault::of(error)) {
        Some(fault) if fault.offset == cut => report::say(&format!("  in a slice lent to a closure: {fault:?}\n")),
        _ => Err(io::Error::other(format!("a slice of a file that was cut gave {largest:?}"))),
    }
}
