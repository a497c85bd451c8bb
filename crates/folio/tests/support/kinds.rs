//! Every way to map a file, in one list.

use folio::{MmapOptions, Protection};
use std::fs::File;
use std::io;

/// Address and length of a map, or why there is none.
pub(crate) type Outcome = io::Result<(usize, usize)>;

/// What each kind of map of the file comes to: those that need the file for reading only, and those that write to it.
/// The maps are gone when this returns.
pub(crate) fn outcomes(options: &MmapOptions, file: &File) -> Vec<(&'static str, Outcome)> {
    let mut outcomes = reading(options, file);
    outcomes.extend(writing(options, file));
    outcomes
}

/// The kinds for which a file open for reading is enough.
pub(crate) fn reading(options: &MmapOptions, file: &File) -> Vec<(&'static str, Outcome)> {
    let view = |protection| options.map_view(file, protection).map(|view| (view.as_ptr().addr(), view.len()));
    // SAFETY: nobody else uses the file, and no byte of the map is touched.
    let map = unsafe { options.map(file) };
    // SAFETY: as in the call above.
    let copy = unsafe { options.map_copy(file) };
    // SAFETY: as in the call above.
    let frozen_copy = unsafe { options.map_copy_read_only(file) };
    let mut outcomes = vec![
        ("map_view Read", view(Protection::Read)),
        ("map_view ReadCopy", view(Protection::ReadCopy)),
        ("map", map.map(|map| (map.as_ptr().addr(), map.len()))),
        ("map_copy", copy.map(|map| (map.as_ptr().addr(), map.len()))),
        ("map_copy_read_only", frozen_copy.map(|map| (map.as_ptr().addr(), map.len()))),
    ];
    if executable() {
        // SAFETY: as in the call above.
        let exec = unsafe { options.map_exec(file) };
        outcomes.push(("map_view ReadExecute", view(Protection::ReadExecute)));
        outcomes.push(("map_exec", exec.map(|map| (map.as_ptr().addr(), map.len()))));
    }
    outcomes
}

/// The kinds whose changes go to the file.
pub(crate) fn writing(options: &MmapOptions, file: &File) -> Vec<(&'static str, Outcome)> {
    let view = options.map_view(file, Protection::ReadWrite);
    // SAFETY: nobody else uses the file, and no byte of the map is touched.
    let map = unsafe { options.map_mut(file) };
    vec![
        ("map_view ReadWrite", view.map(|view| (view.as_ptr().addr(), view.len()))),
        ("map_mut", map.map(|map| (map.as_ptr().addr(), map.len()))),
    ]
}

/// Whether files in the temporary folder can be mapped for execution: it may be mounted `noexec`.
fn executable() -> bool {
    let file = tempfile::tempfile().expect("a temporary file");
    file.set_len(1).expect("room for a byte");
    MmapOptions::new().map_view(&file, Protection::ReadExecute).is_ok()
}
