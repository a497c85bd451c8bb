//! The same calls on the same files, by memmap2 0.9.12 and by ours: the same answers.
#![cfg(target_os = "linux")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "one promise for the same calls of two crates")]

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;

/// What a mapping call gave: length, the bytes of the file that it shows, and where in its page it begins; or the kind of its error.
type Outcome = Result<(usize, Vec<u8>, usize), ErrorKind>;

/// The outcome of each last call of the builder, and its name, in the crate of this name.
macro_rules! outcomes {
    ($krate:ident, $file:expr, $offset:expr, $len:expr, $file_len:expr) => {{
        let mut options = $krate::MmapOptions::new();
        options.offset($offset).populate().no_reserve_swap();
        if let Some(len) = $len {
            options.len(len);
        }
        let shown = |len: usize| len.min($file_len.saturating_sub(usize::try_from($offset).unwrap()));
        // SAFETY: every map is longer than what is looked at, which is in the file; nobody writes the file.
        let look = |ptr: *const u8, len: usize| unsafe {
            (len, std::slice::from_raw_parts(ptr, shown(len)).to_vec(), ptr.addr() % folio::page_size())
        };
        let fd = $file.as_raw_fd();
        // SAFETY: nobody writes the file, but for the maps of this test, one at a time.
        let outcomes: Vec<(&str, Outcome)> = unsafe {
            vec![
                ("map", options.map($file).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind())),
                ("map of a number", options.map(fd).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind())),
                ("map_mut", options.map_mut($file).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind())),
                ("map_copy", options.map_copy($file).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind())),
                (
                    "map_copy_read_only",
                    options.map_copy_read_only($file).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind()),
                ),
                ("map_exec", options.map_exec($file).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind())),
                ("map_raw", options.map_raw($file).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind())),
                (
                    "map_raw_read_only",
                    options.map_raw_read_only($file).map(|map| look(map.as_ptr(), map.len())).map_err(|e| e.kind()),
                ),
            ]
        };
        outcomes
    }};
}

/// Bytes that tell their place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn both(what: &str, file: &File, offset: u64, len: Option<usize>, file_len: usize) {
    let theirs = outcomes!(published, file, offset, len, file_len);
    let ours = outcomes!(memmap2, file, offset, len, file_len);
    for ((call, theirs), (_, ours)) in theirs.into_iter().zip(ours) {
        assert_eq!(ours, theirs, "{call} of {what}, offset {offset}, length {len:?}");
    }
}

/// Files of every length around a page, opened in every way, mapped at every kind of offset and length.
#[test]
fn files_are_mapped_and_refused_alike() {
    let page = folio::page_size();
    let dir = tempfile::tempdir().unwrap();
    for file_len in [0, 1, page - 1, page, page + 1, 3 * page] {
        let path = dir.path().join(file_len.to_string());
        fs::write(&path, pattern(file_len)).unwrap();
        for (read, write) in [(true, false), (true, true), (false, true)] {
            let file = File::options().read(read).write(write).open(&path).unwrap();
            let what = format!("{file_len} bytes, read {read}, write {write}");
            for offset in [0, 1, page - 1, page, page + 1, file_len, file_len + 1, 10 * page] {
                for len in [None, Some(0), Some(1), Some(page), Some(page + 1), Some(file_len), Some(5 * page)] {
                    both(&what, &file, offset as u64, len, file_len);
                }
            }
            both(&what, &file, 0, Some(usize::MAX), file_len);
            both(&what, &file, 0, Some(isize::MAX as usize + 1), file_len);
            both(&what, &file, u64::MAX, None, file_len);
        }
    }
}

/// Devices are mapped if a length is given.
#[test]
fn devices_with_a_length_are_mapped_alike() {
    let file = File::options().read(true).write(true).open("/dev/zero").unwrap();
    both("/dev/zero", &file, 0, Some(100), 0);
    both("/dev/zero", &file, 5, Some(10_000), 0);
}

/// A number that is no descriptor is the system's error.
#[test]
fn numbers_that_are_no_file_are_refused_alike() {
    for fd in [-1, 1_000_000] {
        // SAFETY: there is no such file.
        let theirs = unsafe { published::MmapOptions::new().len(10).map(fd) }.unwrap_err();
        // SAFETY: there is no such file.
        let ours = unsafe { memmap2::MmapOptions::new().len(10).map(fd) }.unwrap_err();
        assert_eq!(ours.raw_os_error(), theirs.raw_os_error());
        assert!(memmap2::MmapRaw::map_raw(fd).is_err());
    }
}

/// Memory, of each kind that can be asked for.
#[test]
fn memory_is_mapped_and_refused_alike() {
    for len in [None, Some(0), Some(1), Some(10_000), Some(isize::MAX as usize), Some(usize::MAX)] {
        macro_rules! outcome {
            ($krate:ident) => {{
                let mut options = $krate::MmapOptions::new();
                options.stack().populate().offset(7);
                if let Some(len) = len {
                    options.len(len);
                }
                options.map_anon().map(|map| map.to_vec()).map_err(|error| error.kind())
            }};
        }
        assert_eq!(outcome!(memmap2), outcome!(published), "{len:?}");
    }
    assert_eq!(memmap2::MmapMut::map_anon(5).unwrap().len(), published::MmapMut::map_anon(5).unwrap().len());
}

/// What is shown for debugging is part of what programs compare and log.
#[test]
fn debug_output_is_alike() {
    macro_rules! shown {
        ($krate:ident) => {{
            let mut options = $krate::MmapOptions::new();
            let first = format!("{options:?}");
            options.offset(1).len(2).stack().huge(None).populate().no_reserve_swap().no_probe_handle();
            let map = $krate::MmapMut::map_anon(10).unwrap();
            // In long form it is padded.
            let [address, padded] = [format!("{:?}", map.as_ptr()), format!("{:#?}", map.as_ptr())];
            let mut maps = vec![format!("{map:?}"), format!("{map:#?}")];
            let map = map.make_read_only().unwrap();
            maps.push(format!("{map:?}"));
            let raw = $krate::MmapRaw::from(map);
            maps.push(format!("{raw:?}"));
            let maps: Vec<_> =
                maps.into_iter().map(|text| text.replace(&address, "ADDRESS").replace(&padded, "ADDRESS")).collect();
            let rest =
                format!("{options:?} {:?} {:?}", $krate::RemapOptions::new().may_move(true), $krate::Advice::Random);
            (first, maps, rest, format!("{:?}", options.huge(Some(21)).clone()))
        }};
    }
    assert_eq!(shown!(memmap2), shown!(published));
    assert!(shown!(memmap2).1.iter().all(|text| text.contains("ADDRESS")));
}

/// Every range of a flush and of advice is taken or refused alike, but for the advice that reaches past the end.
#[test]
fn ranges_are_taken_and_refused_alike() {
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    file.set_len(3 * page as u64).unwrap();
    macro_rules! outcomes {
        ($krate:ident, $offset:expr, $len:expr) => {{
            // SAFETY: nobody else touches the file.
            let map = unsafe { $krate::MmapOptions::new().offset(5).len(2 * page).map_mut(&file).unwrap() };
            // SAFETY: nothing relies on the bytes.
            let dropped = unsafe { map.unchecked_advise_range($krate::UncheckedAdvice::DontNeed, $offset, $len) };
            [
                map.flush_range($offset, $len),
                map.flush_async_range($offset, $len),
                map.advise_range($krate::Advice::Sequential, $offset, $len),
                dropped,
            ]
            .map(|result| result.map_err(|error| error.kind()))
        }};
    }
    for offset in [0, 1, page - 5, page, 2 * page, 2 * page + 1, usize::MAX] {
        for len in [0, 1, page, 2 * page - 1, 2 * page, 2 * page + 1, usize::MAX, usize::MAX - 4] {
            let reaches_past = offset <= 2 * page && len <= 2 * page && offset + len > 2 * page;
            if !reaches_past {
                assert_eq!(outcomes!(memmap2, offset, len), outcomes!(published, offset, len), "{offset} {len}");
            }
        }
    }
}

/// Advice of every name, on memory and on a file: the same answers, and the same say on what is supported.
#[test]
fn advice_is_taken_and_refused_alike() {
    let page = folio::page_size();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 4 * page]).unwrap();
    macro_rules! outcomes {
        ($krate:ident) => {{
            use $krate::{Advice::*, UncheckedAdvice};
            let hints = [
                Normal,
                Random,
                Sequential,
                WillNeed,
                DontFork,
                DoFork,
                Mergeable,
                Unmergeable,
                HugePage,
                NoHugePage,
                DontDump,
                DoDump,
                PopulateRead,
                PopulateWrite,
            ];
            let memory = $krate::MmapMut::map_anon(4 * page).unwrap();
            // SAFETY: nobody else touches the file.
            let shared = unsafe { $krate::MmapMut::map_mut(&file).unwrap() };
            // SAFETY: nobody writes the file.
            let read = unsafe { $krate::Mmap::map(&file).unwrap() };
            let empty = $krate::MmapMut::map_anon(0).unwrap();
            let mut outcomes = Vec::new();
            for hint in hints {
                outcomes.push((
                    format!("{hint:?}"),
                    hint as i32,
                    hint.is_supported(),
                    [
                        memory.advise(hint).map_err(|error| error.raw_os_error()),
                        shared.advise(hint).map_err(|error| error.raw_os_error()),
                        read.advise_range(hint, page + 1, page).map_err(|error| error.raw_os_error()),
                        empty.advise(hint).map_err(|error| error.raw_os_error()),
                    ],
                ));
            }
            for command in [UncheckedAdvice::DontNeed, UncheckedAdvice::Free] {
                // SAFETY: nothing relies on the bytes.
                let result = unsafe { [memory.unchecked_advise(command), shared.unchecked_advise(command)] };
                let result = result.map(|result| result.map_err(|error| error.raw_os_error()));
                let [a, b] = result;
                outcomes.push((format!("{command:?}"), command as i32, command.is_supported(), [a, b, Ok(()), Ok(())]));
            }
            outcomes
        }};
    }
    assert_eq!(outcomes!(memmap2), outcomes!(published));
}

/// Memory that may not be executed after it was written, files that were not opened for writing, and the way there and back.
#[test]
fn conversions_succeed_and_fail_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    macro_rules! outcomes {
        ($krate:ident) => {{
            fs::write(&path, b"abcdef").unwrap();
            let read = File::open(&path).unwrap();
            let write = File::options().read(true).write(true).open(&path).unwrap();
            // SAFETY: one map at a time, and nobody else touches the file.
            unsafe {
                let mut results = Vec::new();
                results.push($krate::Mmap::map(&read).unwrap().make_mut().map(drop).map_err(|error| error.kind()));
                results.push(
                    $krate::Mmap::map(&write)
                        .unwrap()
                        .make_mut()
                        .map(|mut map| map[0] = b'A')
                        .map_err(|error| error.kind()),
                );
                let copy = $krate::MmapOptions::new().map_copy_read_only(&read).unwrap();
                results.push(copy.make_mut().map(|mut map| map[1] = b'B').map_err(|error| error.kind()));
                let map = $krate::MmapMut::map_mut(&write).unwrap().make_read_only().unwrap().make_mut();
                results.push(map.map(|mut map| map[2] = b'C').map_err(|error| error.kind()));
                let map = $krate::MmapMut::map_mut(&write).unwrap().make_exec().unwrap().make_mut();
                results.push(map.map(|mut map| map[3] = b'D').map_err(|error| error.kind()));
                (results, fs::read(&path).unwrap())
            }
        }};
    }
    assert_eq!(outcomes!(memmap2), outcomes!(published));
    assert_eq!(outcomes!(memmap2).1, b"AbCDef");
}

/// `remap`, to and from every length, with and without moving.
#[test]
fn maps_change_their_length_alike() {
    let page = folio::page_size();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&pattern(9 * page)).unwrap();
    macro_rules! outcomes {
        ($krate:ident, $offset:expr, $from:expr, $to:expr) => {{
            // SAFETY: nobody writes the file.
            let mut map = unsafe { $krate::MmapOptions::new().offset($offset as u64).len($from).map(&file).unwrap() };
            // SAFETY: as above, and the file is long enough for those lengths that can be had.
            let result = unsafe { map.remap($to, $krate::RemapOptions::new().may_move(true)) };
            (result.map_err(|error| error.kind()), map.to_vec())
        }};
    }
    for offset in [0, 77, page] {
        for from in [0, 1, page, 3 * page] {
            for to in [0, 1, page - 77, page, page + 1, 5 * page] {
                let (ours, theirs) = (outcomes!(memmap2, offset, from, to), outcomes!(published, offset, from, to));
                assert!(ours == theirs, "{offset} {from} {to}: {:?} {:?}", ours.0, theirs.0);
            }
        }
    }
}

/// A file that was empty when it was mapped, and has grown: `remap` shows it. memmap2 keeps a page of it for that.
#[test]
fn a_map_of_an_empty_file_grows_with_it() {
    macro_rules! outcome {
        ($krate:ident, $offset:expr) => {{
            let file = tempfile::tempfile().unwrap();
            file.set_len($offset).unwrap();
            // SAFETY: nobody else touches the file.
            let mut map = unsafe { $krate::MmapOptions::new().offset($offset).map_mut(&file).unwrap() };
            assert!(map.is_empty());
            (&file).write_all(&[7; 20_000]).unwrap();
            // SAFETY: as for the call above.
            unsafe { map.remap(9_000, $krate::RemapOptions::new().may_move(true)) }.unwrap();
            map.flush().unwrap();
            map.to_vec()
        }};
    }
    assert!(outcome!(memmap2, 0) == vec![7; 9_000]);
    assert!(outcome!(published, 0) == vec![7; 9_000]);
    assert!(outcome!(memmap2, 5) == vec![7; 9_000]);
}

/// The three ways in which `map_if_safe` fails, and that it succeeds.
#[test]
fn proof_is_asked_for_alike() {
    use std::os::fd::FromRawFd;
    // SAFETY: the name ends with a zero.
    let fd = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0);
    // SAFETY: a new descriptor that nobody else has.
    let mut sealed = unsafe { File::from_raw_fd(fd) };
    sealed.write_all(b"Hello, world!").unwrap();
    // SAFETY: the command takes no pointer.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK) }, 0);
    let mut plain = tempfile::tempfile().unwrap();
    plain.write_all(b"Hello, world!").unwrap();
    macro_rules! outcome {
        ($krate:ident, $file:expr, $offset:expr, $len:expr) => {{
            let mut options = $krate::MmapOptions::new();
            options.offset($offset);
            if let Some(len) = $len {
                options.len(len);
            }
            options.map_if_safe($file).map(|map| map.to_vec()).map_err(|error| {
                let which = [error.not_supported(), error.not_safe(), error.map_failed()];
                (which, std::io::Error::from(error).kind())
            })
        }};
    }
    let folder = File::open("/").unwrap();
    for file in [&sealed, &plain, &folder] {
        for offset in [0, 1, 13, 14, u64::MAX] {
            for len in [None, Some(0), Some(1), Some(12), Some(14), Some(usize::MAX)] {
                let (ours, theirs) = (outcome!(memmap2, file, offset, len), outcome!(published, file, offset, len));
                let is_folder = std::ptr::eq(file, &folder);
                if is_folder {
                    assert!(ours.is_err() && theirs.is_err());
                } else {
                    assert_eq!(ours, theirs, "{offset} {len:?}");
                }
            }
        }
    }
    assert_eq!(outcome!(memmap2, &sealed, 7, None).unwrap(), b"world!");
}
