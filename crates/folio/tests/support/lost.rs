//! Views and memory with a lost page.

use folio::{Fault, MmapMut, MmapViewSync, Protection};
use std::fs::File;
use std::io;

/// A view of two pages, and the file that it maps, which has been cut short to one.
pub(crate) fn view() -> (MmapViewSync, File) {
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    file.set_len(2 * page as u64).unwrap();
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    view.store(0, 7_u64).unwrap_or_else(|_| unreachable!("nothing is lost yet"));
    file.set_len(page as u64).unwrap();
    (view, file)
}

/// As [`view`], but without any checked access so far.
pub(crate) fn untouched_view() -> (MmapViewSync, File) {
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    file.set_len(2 * page as u64).unwrap();
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    file.set_len(page as u64).unwrap();
    (view, file)
}

/// Plain memory of two pages, of which the second is lost: touching it raises SIGBUS.
pub(crate) fn memory() -> (MmapMut, File) {
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    file.set_len(2 * page as u64).unwrap();
    // SAFETY: the file has no name, so nobody else can open it; that we cut it short is what the tests are about.
    let map = unsafe { MmapMut::map_mut(&file) }.unwrap();
    file.set_len(page as u64).unwrap();
    (map, file)
}

/// A checked access of the lost page is an error with the right place.
#[track_caller]
pub(crate) fn assert_recovers(view: &MmapViewSync) {
    let page = folio::page_size();
    let error: io::Error = view.load::<u64>(page + 8).unwrap_err();
    assert_eq!(Fault::of(&error).map(|fault| fault.offset), Some(page + 8), "{error}");
    let mut buf = vec![0; 100];
    let error = view.read_exact_at(&mut buf, page - 40).unwrap_err();
    assert_eq!(Fault::of(&error).map(|fault| fault.offset), Some(page), "{error}");
}
