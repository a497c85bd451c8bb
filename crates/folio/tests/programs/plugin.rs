//! A library in the manner of C, which a host loads and unloads.

use folio_first::{Fault, MmapViewSync, Protection, fault};
use std::fs::File;

/// Makes checked accesses to a file that has lost a page: 0 if each was as it has to be.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_access() -> i32 {
    let page = folio_first::page_size();
    let path = std::env::temp_dir().join(format!("folio-plugin-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.set_len(2 * page as u64).unwrap();
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    file.set_len(page as u64).unwrap();
    let lost = view.load::<u64>(page + 16).unwrap_err();
    let right = view.load::<u64>(16).is_ok()
        && Fault::of(&lost).is_some_and(|fault| fault.offset == page + 16)
        && fault::is_installed();
    i32::from(!right)
}
