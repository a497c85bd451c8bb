//! `map_if_safe`: a plain slice without `unsafe`, and so only of files that the kernel proves nobody can change.
// The heap has no proof of what it has read.
#![cfg(all(target_os = "linux", not(folio_heap)))]

use folio::{MmapOptions, MmapViewSync, Protection, page_size};
use std::ffi::{CStr, c_int};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, FromRawFd};

#[path = "support/skip.rs"]
mod skip;

/// Empty memory with a descriptor.
fn memory(flags: libc::c_uint) -> std::io::Result<File> {
    const NAME: &CStr = c"folio-test";
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(NAME.as_ptr(), flags | libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

#[track_caller]
fn seal(file: &File, seals: c_int) {
    // SAFETY: the command takes a number.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// `F_SEAL_FUTURE_WRITE` looks like a proof, and the mapping made before it goes on writing.
#[test]
fn seals_against_writing_and_shrinking_are_the_proof_and_nothing_else_is() {
    const SEALS: [(c_int, &str); 5] = [
        (libc::F_SEAL_SHRINK, "shrink"),
        (libc::F_SEAL_GROW, "grow"),
        (libc::F_SEAL_WRITE, "write"),
        (libc::F_SEAL_FUTURE_WRITE, "future write"),
        (libc::F_SEAL_SEAL, "seal"),
    ];
    for set in 0..1 << SEALS.len() {
        let mut file = memory(libc::MFD_ALLOW_SEALING).unwrap();
        file.write_all(b"sealed bytes").unwrap();
        let mut names = Vec::new();
        let mut seals = 0;
        for (bit, (value, name)) in SEALS.iter().enumerate() {
            if set & (1 << bit) != 0 {
                seals |= value;
                names.push(*name);
            }
        }
        seal(&file, seals);
        let result = MmapOptions::new().map_if_safe(&file);
        if names.contains(&"write") && names.contains(&"shrink") {
            assert_eq!(&result.unwrap_or_else(|error| panic!("{names:?}: {error}"))[..], b"sealed bytes");
        } else {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{names:?}");
        }
    }
}

/// The case above, as an attack: the bytes change under whoever believed it.
#[test]
fn a_seal_against_future_writes_alone_does_not_stop_the_mapping_before_it() {
    let file = memory(libc::MFD_ALLOW_SEALING).unwrap();
    file.set_len(100).unwrap();
    let before = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    seal(&file, libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL);
    assert_eq!(MmapOptions::new().map_if_safe(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
    before.store(0, 7_u8).unwrap();
    assert_eq!(MmapViewSync::open(&file, Protection::Read).unwrap().load::<u8>(0).unwrap(), 7);
}

/// Whoever has the right to write a file can change it, however the handle was opened.
#[test]
fn an_ordinary_file_is_no_proof() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"bytes").unwrap();
    let read_only = File::open(file.path()).unwrap();
    assert_eq!(MmapOptions::new().map_if_safe(file.as_file()).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(MmapOptions::new().map_if_safe(&read_only).unwrap_err().kind(), ErrorKind::InvalidInput);
    // Memory that cannot be sealed at all.
    let memory = memory(0).unwrap();
    assert_eq!(MmapOptions::new().map_if_safe(&memory).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// What a sealed map hands out stays as it is, also for the process that wrote it.
#[test]
fn a_sealed_map_can_be_read_and_not_written() {
    let mut file = memory(libc::MFD_ALLOW_SEALING).unwrap();
    file.write_all(b"sealed bytes").unwrap();
    seal(&file, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
    let map = MmapOptions::new().offset(7).map_if_safe(&file).unwrap();
    assert_eq!(&map[..], b"bytes");
    assert_eq!(MmapOptions::new().len(13).map_if_safe(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(MmapViewSync::open(&file, Protection::ReadWrite).is_err());
    assert!(file.write_all(b"x").is_err() && file.set_len(1).is_err());
    let failed = map.make_mut().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(&failed.into_view()[..], b"bytes");

    // Empty and sealed: there is nothing that could change.
    let empty = memory(libc::MFD_ALLOW_SEALING).unwrap();
    seal(&empty, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
    assert!(MmapOptions::new().map_if_safe(&empty).unwrap().is_empty());
}

/// The seals hold what the file has. Behind its end, in its last page, there may be bytes that were stored through a mapping
/// before, and the kernel clears them when the file grows: they would change under a `&[u8]` that safe code has.
#[test]
fn bytes_behind_the_end_of_a_sealed_file_are_not_proved() {
    let file = memory(libc::MFD_ALLOW_SEALING).unwrap();
    file.set_len(100).unwrap();
    let before = MmapOptions::new().len(page_size()).allow_past_end().map_view(&file, Protection::ReadWrite).unwrap();
    before.store(200, 7_u8).unwrap();
    drop(before);
    seal(&file, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
    for (offset, len) in [(0, Some(page_size())), (0, Some(101)), (101, None), (0, Some(100)), (0, None)] {
        let mut options = MmapOptions::new();
        options.allow_past_end().offset(offset);
        if let Some(len) = len {
            options.len(len);
        }
        assert_eq!(options.map_if_safe(&file).unwrap_err().kind(), ErrorKind::InvalidInput, "{offset} {len:?}");
    }
    // What is in the file is proved, and stays as it is when it grows.
    let map = MmapOptions::new().map_if_safe(&file).unwrap();
    file.set_len(page_size() as u64).unwrap();
    assert_eq!(map[..], [0; 100]);
}

/// Zeros in the place of a lost page are bytes that change, which is what the proof excludes; nor can a page of it be lost.
#[test]
fn zeros_for_lost_pages_are_refused_for_what_is_proved() {
    let mut file = memory(libc::MFD_ALLOW_SEALING).unwrap();
    file.write_all(b"sealed bytes").unwrap();
    seal(&file, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
    let mut options = MmapOptions::new();
    assert_eq!(&options.map_if_safe(&file).unwrap()[..], b"sealed bytes");
    // SAFETY: nothing is mapped with it.
    unsafe { options.zero_fill_on_fault() };
    assert_eq!(options.map_if_safe(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// A sender that hands over a sparse file would have the receiver die of a hole when memory is short, much later.
#[test]
fn every_page_of_a_sparse_sealed_file_is_there_before_the_map_is() {
    const PAGES: usize = 100;
    let file = memory(libc::MFD_ALLOW_SEALING).unwrap();
    file.set_len((PAGES * page_size() - 10) as u64).unwrap();
    seal(&file, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
    assert_eq!(pages_of(&file), 0);

    // Also when the map begins in the middle of a page: then it has bytes of one page more than its length would fill.
    let some = MmapOptions::new().offset(page_size() as u64 / 2).len(10 * page_size()).map_if_safe(&file).unwrap();
    assert_eq!(pages_of(&file), 11);
    drop(some);

    let map = MmapOptions::new().map_if_safe(&file).unwrap();
    assert_eq!(pages_of(&file), PAGES);
    assert!(map.iter().all(|&byte| byte == 0));
}

/// How many pages the memory behind this file takes up.
fn pages_of(file: &File) -> usize {
    use std::os::unix::fs::MetadataExt;
    let bytes = file.metadata().unwrap().blocks() * 512;
    usize::try_from(bytes).unwrap() / page_size()
}

/// The sender's file wants more huge pages than there are: an error, where touching it would be a signal.
#[test]
fn a_sealed_file_that_cannot_be_filled_is_an_error() {
    const TEST: &str = "a_sealed_file_that_cannot_be_filled_is_an_error";
    let file = match memory(libc::MFD_ALLOW_SEALING | libc::MFD_HUGETLB) {
        Ok(file) => file,
        Err(error) => return skip::skip(TEST, error),
    };
    // More than there is in the pool of any machine.
    let len = if size_of::<usize>() == 8 { 1 << 40 } else { 1 << 30 };
    if let Err(error) = file.set_len(len) {
        return skip::skip(TEST, error);
    }
    seal(&file, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
    let result = MmapOptions::new().map_if_safe(&file);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::OutOfMemory);
    // And if nothing is reserved when it is mapped, when its pages are touched.
    let result = MmapOptions::new().no_reserve_swap().map_if_safe(&file);
    let error = result.unwrap_err();
    assert!(folio::Fault::of(&error).is_some(), "{error:?}");
}
