//! The same calls on the same files, by memmap 0.5.2 and by ours: the same answers.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

/// The outcome of opening a file in every way, and what `Debug` shows of it.
macro_rules! opened {
    ($krate:ident, $path:expr, $file:expr, $offset:expr, $len:expr, $file_len:expr) => {{
        use $krate::{Mmap, Protection::*};
        let mut outcomes: Vec<(String, Result<(usize, Vec<u8>, String), ErrorKind>)> = Vec::new();
        for protection in [Read, ReadWrite, ReadCopy, ReadExecute] {
            let look = |map: Mmap| {
                let shown = map.len().min($file_len - $offset.min($file_len));
                let address = format!("{:?}", map.ptr());
                // SAFETY: what is looked at is in the file, and nobody writes it.
                let bytes = unsafe { std::slice::from_raw_parts(map.ptr(), shown) }.to_vec();
                let text = format!("{map:?} {map:#?}").replace(&address, "ADDRESS");
                (map.len(), bytes, text)
            };
            let name = |call: &str| format!("{call} {protection:?}");
            outcomes.push((name("open"), Mmap::open($file, protection).map(look).map_err(|error| error.kind())));
            outcomes
                .push((name("open_path"), Mmap::open_path($path, protection).map(look).map_err(|error| error.kind())));
            let map = Mmap::open_with_offset($file, protection, $offset, $len);
            outcomes.push((name("open_with_offset"), map.map(look).map_err(|error| error.kind())));
        }
        outcomes
    }};
}

fn both(path: &Path, file: &File, offset: usize, len: usize, file_len: usize) {
    let theirs = opened!(published, path, file, offset, len, file_len);
    let ours = opened!(memmap, path, file, offset, len, file_len);
    assert_eq!(ours, theirs, "{file_len} bytes, {offset} {len}");
}

#[test]
fn files_are_mapped_and_refused_alike() {
    let page = folio::page_size();
    let dir = tempfile::tempdir().unwrap();
    for file_len in [0, 1, page, page + 1] {
        let path = dir.path().join(file_len.to_string());
        fs::write(&path, vec![7; file_len]).unwrap();
        for (read, write) in [(true, false), (true, true), (false, true)] {
            let file = File::options().read(read).write(write).open(&path).unwrap();
            for offset in [0, 1, page, 10 * page] {
                for len in [1, page, page + 1, 5 * page] {
                    both(&path, &file, offset, len, file_len);
                }
            }
        }
    }
    both(&dir.path().join("missing"), &File::open("/dev/zero").unwrap(), 0, 100, 0);
}

/// Views of every kind, taken apart and narrowed at every edge, show the same bytes and the same text.
#[test]
fn views_are_taken_apart_alike() {
    macro_rules! pieces {
        ($krate:ident, $into:ident) => {{
            let mut map = $krate::Mmap::anonymous(100, $krate::Protection::ReadWrite).unwrap();
            let address = format!("{:?}", map.ptr());
            // SAFETY: nobody else touches the memory.
            unsafe { map.as_mut_slice() }.copy_from_slice(&(0..100).collect::<Vec<u8>>());
            let mut outcomes = Vec::new();
            let view = map.$into();
            let (head, tail) = view.split_at(60).unwrap();
            let (middle, end) = tail.split_at(0).unwrap();
            let (mut end, nothing) = end.split_at(40).unwrap();
            outcomes.push(format!("{:?}", end.restrict(41, 0).map_err(|error| error.kind())));
            outcomes.push(format!("{:?}", end.restrict(40, 1).map_err(|error| error.kind())));
            end.restrict(10, 20).unwrap();
            for view in [&head, &middle, &end, &nothing] {
                outcomes.push(format!("{view:?} {view:#?}").replace(&address, "ADDRESS"));
                // SAFETY: nobody writes the memory.
                outcomes.push(format!("{:?} {:?}", unsafe { view.as_slice() }, view.flush().is_ok()));
                outcomes.push(view.len().to_string());
            }
            // SAFETY: no slice of one is used while the other writes.
            let twin = unsafe { end.clone() };
            // SAFETY: as for the call above.
            unsafe { end.as_mut_slice()[0] = 200 };
            // SAFETY: as for the call above.
            outcomes.push(format!("{:?}", unsafe { twin.as_slice() }));
            outcomes.push(format!("{:?}", head.split_at(61).map(drop).map_err(|error| error.kind())));
            outcomes
        }};
    }
    assert_eq!(pieces!(memmap, into_view), pieces!(published, into_view));
    assert_eq!(pieces!(memmap, into_view_sync), pieces!(published, into_view_sync));
}

/// Memory is shared with children unless it is `ReadCopy`, and has the protection that it was asked for.
#[test]
fn memory_is_mapped_alike() {
    macro_rules! outcomes {
        ($krate:ident) => {{
            use $krate::{Mmap, MmapOptions, Protection::*};
            let mut outcomes = Vec::new();
            for protection in [Read, ReadWrite, ReadCopy, ReadExecute] {
                for stack in [false, true] {
                    for len in [0, 10, 10_000, isize::MAX as usize] {
                        let map = Mmap::anonymous_with_options(len, protection, MmapOptions { stack });
                        let mut outcome =
                            format!("{protection:?} {stack} {len} {:?}", map.as_ref().map(Mmap::len).is_ok());
                        if let Ok(map) = map {
                            let maps = fs::read_to_string("/proc/self/maps").unwrap();
                            let line = maps.lines().find(|line| {
                                let (start, rest) = line.split_once('-').unwrap();
                                let end = rest.split_once(' ').unwrap().0;
                                let number = |text| usize::from_str_radix(text, 16).unwrap();
                                (number(start)..number(end)).contains(&map.ptr().addr())
                            });
                            outcome += line.unwrap().split(' ').nth(1).unwrap();
                        }
                        outcomes.push(outcome);
                    }
                }
            }
            outcomes
        }};
    }
    assert_eq!(outcomes!(memmap), outcomes!(published));
}

/// Protection changes alike, but for what `differences.rs` shows: of a file that is open for writing, and of memory.
#[test]
fn protection_changes_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    macro_rules! outcomes {
        ($krate:ident) => {{
            use $krate::{Mmap, Protection, Protection::*};
            let mut outcomes = Vec::new();
            let open = |write| File::options().read(true).write(write).open(&path).unwrap();
            type Map<'a> = (&'a str, &'a dyn Fn(Protection) -> std::io::Result<Mmap>);
            let ways: [Map<'_>; 4] = [
                ("path", &|made| Mmap::open_path(&path, made)),
                ("file for reading", &|made| Mmap::open(&open(false), made)),
                ("file", &|made| Mmap::open(&open(true), made)),
                ("memory", &|made| Mmap::anonymous(10, made)),
            ];
            for made in [Read, ReadWrite, ReadCopy, ReadExecute] {
                for to in [Read, ReadWrite, ReadCopy, ReadExecute] {
                    for (way, map) in ways {
                        fs::write(&path, b"abc").unwrap();
                        let Ok(mut map) = map(made) else { continue };
                        let mut result = map.set_protection(to).map_err(|error| error.kind());
                        if result.is_ok() && to.write() {
                            // SAFETY: nobody else touches the file.
                            unsafe { map.as_mut_slice()[0] = b'A' };
                            result = map.flush().map_err(|error| error.kind());
                        }
                        outcomes.push((format!("{way} {made:?} {to:?}"), result, fs::read(&path).unwrap()[0]));
                    }
                }
            }
            outcomes
        }};
    }
    let (ours, theirs) = (outcomes!(memmap), outcomes!(published));
    assert_eq!((ours.len(), theirs.len()), (60, 60));
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        match ours.0.as_str() {
            "path ReadWrite ReadCopy"
            | "file Read ReadCopy"
            | "file ReadWrite ReadCopy"
            | "file ReadExecute ReadCopy" => {
                assert_eq!((ours.1, ours.2), (Err(ErrorKind::InvalidInput), b'a'));
                assert_eq!((theirs.1, theirs.2), (Ok(()), b'A'));
            }
            _ => assert_eq!(ours, theirs),
        }
    }
}
