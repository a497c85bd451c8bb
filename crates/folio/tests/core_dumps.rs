//! A fault that is nobody's ends the process as if there were no handler: the core dump says the same.
// The heap has no handler.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(folio_heap)))]

#[path = "support/skip.rs"]
mod skip;
mod support;

use folio::fault;
use std::fs;
use std::path::Path;
use support::{action, child, lost};

const TEST: &str = "a_fault_that_is_nobodys_leaves_the_core_dump_of_its_signal";

/// What the kernel says of a signal raised for an address behind the end of a file (include/uapi/asm-generic/siginfo.h).
const BUS_ADRERR: i32 = 2;

/// Touches a lost page in a child, with our handler or without it. Answers whether there was a core dump, and what stands of the signal
/// in the file, if there is one.
fn die(folder: &Path, with_handler: bool) -> (bool, Option<[i32; 3]>) {
    let variable = "FOLIO_TEST_WITH_HANDLER";
    let ended = child::run_dumping(folder, (variable, if with_handler { "1" } else { "0" }), TEST, || {
        let with_handler = std::env::var(variable).is_ok_and(|value| value == "1");
        action::install(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        if with_handler {
            let (view, _file) = lost::view();
            lost::assert_recovers(&view);
        }
        assert_eq!(fault::is_installed(), with_handler);
        let (memory, _file) = lost::memory();
        action::touch(memory.as_ptr().wrapping_add(folio::page_size()));
    });
    ended.by_signal(libc::SIGBUS);
    let mut files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    (ended.has_dumped(), files.find_map(|core| signal_in(&core)))
}

/// The number, error and code of the signal that a core file is of: the note that the kernel makes of its `siginfo_t` (core(5)).
fn signal_in(core: &[u8]) -> Option<[i32; 3]> {
    /// Lengths of the name and of what follows, `NT_SIGINFO`, and the name.
    const NOTE: &[u8] = b"\x05\0\0\0\x80\0\0\0IGISCORE\0\0\0\0";
    let at = core.windows(NOTE.len()).position(|bytes| bytes == NOTE)? + NOTE.len();
    Some([0, 4, 8].map(|field| i32::from_ne_bytes(core[at + field..][..4].try_into().unwrap())))
}

/// Handlers that end the process by a signal that they send leave the dump of that one, of another thread or at another place.
#[test]
fn a_fault_that_is_nobodys_leaves_the_core_dump_of_its_signal() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.contains(['/', '|']) {
        return skip::skip(TEST, "core dumps go elsewhere than to the current folder here, and would stay there");
    }
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (dumps, plain) = die(folders[0].path(), false);
    if !dumps {
        return skip::skip(TEST, "there are no core dumps here");
    }
    let (dumped, ours) = die(folders[1].path(), true);
    assert!(dumped);
    assert_eq!(ours, plain);
    if let Some(signal) = plain {
        assert_eq!(signal, [libc::SIGBUS, 0, BUS_ADRERR]);
    } else {
        skip::skip(&format!("{TEST} (the signal)"), "core dumps are no files of the current folder here");
    }
}
