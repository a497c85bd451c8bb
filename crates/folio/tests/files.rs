//! Which bytes of which file a map shows: empty files, lengths and offsets at and past every edge, and who may map what.

use folio::{Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, page_size};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/skip.rs"]
mod skip;

/// Lengths of files to look at the rights to.
fn lengths(test: &str) -> &'static [usize] {
    if machine::page_size() < page_size() {
        skip::skip(&format!("{test} (an empty file)"), LONGER_PAGES);
        &[100]
    } else {
        &[0, 100]
    }
}

const LONGER_PAGES: &str = "an emulator of longer pages than the machine's refuses every empty file in the same way";

/// A temporary file with these bytes.
fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Bytes that differ from page to page and within a page.
fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// Checks that a view shows exactly these bytes.
#[track_caller]
fn assert_shows(view: &MmapViewSync, bytes: &[u8]) {
    assert_eq!(view.len(), bytes.len());
    let mut copy = vec![0xee; bytes.len()];
    view.read_exact_at(&mut copy, 0).unwrap();
    assert!(copy == bytes, "the view shows other bytes");
}

/// An empty map was a failure in memmap 0.5, and had the pointer 0x1 on Windows for a while in its successor.
#[test]
fn an_empty_file_gives_an_empty_map_of_every_kind() {
    let file = file_of(b"");
    for (kind, outcome) in kinds::outcomes(&MmapOptions::new(), &file) {
        let (address, len) = outcome.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(len, 0, "{kind}");
        assert!(address != 0 && address % page_size() == 0, "{kind}: {address:#x}");
    }
}

/// `msync` of a length of 0 failed on macOS, and flushed to the end of the map on Windows.
#[test]
fn every_operation_on_an_empty_map_is_a_no_op() {
    let file = file_of(b"");
    let mut view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    view.flush().unwrap();
    view.flush_async().unwrap();
    view.flush_range(0, 0).unwrap();
    view.flush_async_range(0, 0).unwrap();
    view.sync_all().unwrap();
    view.restrict(0, 0).unwrap();
    view.read_exact_at(&mut [], 0).unwrap();
    view.write_all_at(&[], 0).unwrap();
    assert_eq!(view.reader().read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(view.load::<u8>(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let (head, tail) = view.split_at(0).unwrap();
    assert_eq!((head.len(), tail.len()), (0, 0));
    drop(head);
    tail.unmap().unwrap();

    // SAFETY: nobody else uses the file.
    let map = unsafe { MmapMut::map_mut(&file) }.unwrap();
    assert_eq!(&map[..], b"");
    let map = map.make_read_only().unwrap().make_mut().unwrap().freeze();
    assert_eq!(map.clone().slice(..).len(), 0);
    drop(map);
    assert_eq!(MmapMut::map_anon(0).unwrap().len(), 0);
}

/// The one byte past the end that a signed or an unsigned comparison lets through.
#[test]
fn an_offset_at_the_end_is_empty_and_past_it_an_error() {
    let file = file_of(&pattern(100));
    for (kind, outcome) in kinds::outcomes(MmapOptions::new().offset(100), &file) {
        let (address, len) = outcome.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(len == 0 && address != 0, "{kind}");
    }
    for offset in [101, 1 << 40, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        for (kind, outcome) in kinds::outcomes(MmapOptions::new().offset(offset), &file) {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput, "{kind} at {offset}");
        }
    }
}

/// `mmap` takes any length on Linux and SIGBUS comes later: memmap2 hands out such maps from safe-looking options.
#[test]
fn a_length_past_the_end_of_the_file_is_an_error() {
    let file = file_of(&pattern(100));
    for (offset, len) in [(0, 101), (50, 51), (100, 1), (0, 1 << 20), (99, usize::MAX), (101, 0)] {
        for (kind, outcome) in kinds::outcomes(MmapOptions::new().offset(offset).len(len), &file) {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput, "{kind} at {offset}, {len} bytes");
        }
    }
    for (kind, outcome) in kinds::outcomes(MmapOptions::new().offset(50).len(50), &file) {
        assert_eq!(outcome.unwrap().1, 50, "{kind}");
    }
    assert_eq!(file.metadata().unwrap().len(), 100);
}

/// The sum wrapped in memmap 0.5, in release builds only.
#[test]
fn offset_and_length_that_overflow_together_are_an_error() {
    let file = file_of(&pattern(100));
    let far = u64::MAX - 50;
    for (offset, len) in [(far, 51), (far, 50), (far, usize::MAX), (i64::MAX as u64, 1), (i64::MAX as u64 - 10, 11)] {
        for past_end in [false, true] {
            let mut options = MmapOptions::new();
            options.offset(offset).len(len);
            if past_end {
                options.allow_past_end();
            }
            for (kind, outcome) in kinds::outcomes(&options, &file) {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput, "{kind} at {offset}, {len} bytes");
            }
        }
    }
}

/// A slice longer than `isize::MAX` is undefined behaviour; memmap 0.5 made one of what it was given.
#[test]
fn a_length_above_isize_max_is_an_error() {
    let file = file_of(&pattern(100));
    let max = isize::MAX as usize;
    // The last two are short enough for a slice, and not for whole pages, or not together with what lies before them.
    for (offset, len) in [(0, usize::MAX), (0, max + 1), (0, max), (page_size() as u64 - 1, max - page_size() + 1)] {
        for (kind, outcome) in kinds::outcomes(MmapOptions::new().offset(offset).len(len).allow_past_end(), &file) {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput, "{kind} at {offset}, {len} bytes");
        }
        if offset == 0 {
            assert_eq!(MmapMut::map_anon(len).unwrap_err().kind(), ErrorKind::InvalidInput, "{len} bytes");
            assert_eq!(MmapViewSync::anonymous(len).unwrap_err().kind(), ErrorKind::InvalidInput, "{len} bytes");
        }
    }
    // The longest length that is one. No address space has room for it more than once or twice.
    let mut maps = Vec::new();
    let error = loop {
        match MmapMut::map_anon(max - page_size() + 1) {
            Ok(map) => maps.push(map),
            Err(error) => break error,
        }
        assert!(maps.len() < 3);
    };
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
}

/// The same by the length of the file: `metadata().len() as usize` cuts off the upper half on 32-bit systems.
#[test]
fn a_file_longer_than_isize_max_is_an_error() {
    // The first is short enough for a slice, but not in whole pages; the second exists for 32-bit programs only.
    for too_long in [isize::MAX as u64 - 10, isize::MAX as u64 + 1, u64::from(u32::MAX) << 4 | 0xf] {
        if usize::try_from(too_long).is_ok_and(|len| len < isize::MAX as usize - page_size()) {
            continue;
        }
        let Some(file) = sparse_file(too_long) else {
            // What no `off_t` holds is missing nowhere.
            if i64::try_from(too_long).is_ok() {
                let name = format!("a_file_longer_than_isize_max_is_an_error ({too_long} bytes)");
                skip::skip(&name, "no file is so long here");
            }
            continue;
        };
        for (kind, outcome) in kinds::outcomes(&MmapOptions::new(), &file) {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput, "{kind}, {too_long} bytes");
        }
        // Parts of it are files like any other, up to the last pages of the longest file there is.
        let near_the_end = too_long - 4 * page_size() as u64;
        let view = MmapOptions::new().offset(near_the_end).len(10).map_view(&file, Protection::Read).unwrap();
        assert_shows(&view, &[0; 10]);
    }
}

/// A file of this length without any blocks, on a file system that has files so long, or in memory.
fn sparse_file(len: u64) -> Option<File> {
    let file = tempfile::tempfile().unwrap();
    if file.set_len(len).is_ok() {
        return Some(file);
    }
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::FromRawFd;
        // SAFETY: the name is a C string.
        let fd = unsafe { libc::memfd_create(c"folio-test".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: the descriptor is new, and nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(len).is_ok().then_some(file)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// On 32-bit systems an offset of 4 GiB + 100 that goes through a `usize` is 100, and shows other bytes.
#[test]
fn offsets_above_four_gib_show_the_right_bytes() {
    let base: u64 = 1 << 32;
    let mut file = file_of(b"wrong bytes");
    if let Err(error) = file.set_len(base + 1000) {
        return skip::skip("offsets_above_four_gib_show_the_right_bytes", format!("no file is so long here: {error}"));
    }
    file.seek(SeekFrom::Start(base + 100)).unwrap();
    file.write_all(b"right bytes").unwrap();
    let view = MmapOptions::new().offset(base + 100).len(11).map_view(&file, Protection::Read).unwrap();
    assert_shows(&view, b"right bytes");
    if cfg!(folio_heap) {
        // The other half would read all of it in.
        return;
    }
    match MmapViewSync::open(&file, Protection::Read) {
        Ok(view) => assert_eq!(view.len() as u64, base + 1000),
        Err(error) => {
            assert!(size_of::<usize>() < 8);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
}

/// A view with a length past the end is asked for to be ready when the file grows; until then its bytes are out of reach.
#[cfg(not(windows))] // Where a view ends with the file's last page.
#[test]
fn allow_past_end_gives_bytes_that_come_with_the_file() {
    let page = page_size();
    let bytes = pattern(page + 10);
    let mut file = file_of(&bytes);
    let mut options = MmapOptions::new();
    options.len(4 * page).allow_past_end();
    for (kind, outcome) in kinds::outcomes(&options, &file) {
        assert_eq!(outcome.unwrap().1, 4 * page, "{kind}");
    }

    let view = options.map_view(&file, Protection::ReadWrite).unwrap();
    let mut seen = vec![0xee; 4 * page];
    if cfg!(folio_heap) {
        return allow_past_end_on_the_heap(&view, file);
    }
    let fault = folio::Fault::of(&view.read_exact_at(&mut seen, 0).unwrap_err()).expect("a fault");
    assert_eq!(fault.offset, 2 * page);
    assert!(seen[..page + 10] == bytes);
    assert!(
        seen[page + 10..2 * page].iter().all(|&byte| byte == 0),
        "zeros from the end of the file to its page's end"
    );

    file.seek(SeekFrom::Start(3 * page as u64)).unwrap();
    file.write_all(&[7; 20]).unwrap();
    view.read_exact_at(&mut seen[..20], 3 * page).unwrap();
    assert_eq!(seen[..20], [7; 20]);

    // From behind the end, too; without a length there is nothing behind the end.
    let far = 10 * page as u64;
    assert_eq!(options.offset(far).map_view(&file, Protection::Read).unwrap().len(), 4 * page);
    let empty = MmapOptions::new().offset(far).allow_past_end().map_view(&file, Protection::Read).unwrap();
    assert!(empty.is_empty());
}

/// On the heap there are zeros until the file is mapped anew, and what is written there goes to the file if that has grown over
/// it, and is an error if not.
#[cfg(unix)]
fn allow_past_end_on_the_heap(view: &MmapViewSync, mut file: File) {
    let page = page_size();
    assert_eq!(view.load::<u64>(page + 10).unwrap(), 0);
    view.store(page + 9, 0xaa_u8).unwrap();
    view.store(page + 10, 0xbb_u8).unwrap();
    view.store(3 * page, 0xcc_u8).unwrap();
    assert_eq!(folio::Fault::of(&view.flush().unwrap_err()).expect("a fault").offset, page + 10);
    assert_eq!(folio::Fault::of(&view.flush_range(2 * page, page + 1).unwrap_err()).expect("a fault").offset, 3 * page);
    view.flush_range(0, page + 10).unwrap();
    file.set_len(4 * page as u64).unwrap();
    view.flush().unwrap();
    let mut seen = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut seen).unwrap();
    assert_eq!((seen.len(), seen[page + 9], seen[page + 10], seen[3 * page]), (4 * page, 0xaa, 0xbb, 0xcc));
}

/// `mmap` wants multiples of the page size (64 KiB on Windows); an offset that is none was EINVAL in memmap 0.5's flush.
#[test]
fn any_offset_shows_its_bytes_and_writes_them() {
    let page = page_size();
    let bytes = pattern(3 * page.max(64 << 10));
    for offset in [1, 2, 4095, 4096, 4097, page - 1, page, page + 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1] {
        for len in [1, 2, 4096, page, page + 1, bytes.len() - offset] {
            let mut file = file_of(&bytes);
            let view =
                MmapOptions::new().offset(offset as u64).len(len).map_view(&file, Protection::ReadWrite).unwrap();
            assert_eq!(view.as_ptr().addr() % page, offset % page, "bytes lie in their page as they do in the file's");
            assert_shows(&view, &bytes[offset..offset + len]);

            view.store(0, 0xaa_u8).unwrap();
            view.store(len - 1, 0xbb_u8).unwrap();
            view.flush().unwrap();
            view.flush_range(len / 2, len - len / 2).unwrap();
            view.flush_async_range(len / 2, len - len / 2).unwrap();
            let mut expected = bytes.clone();
            expected[offset] = 0xaa;
            expected[offset + len - 1] = 0xbb;
            let mut seen = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut seen).unwrap();
            assert!(seen == expected, "{len} bytes at {offset}");
        }
    }
}

/// The last page of a map has room behind the end of the file; what stands there is nobody's.
#[test]
fn bytes_after_the_end_of_the_file_never_show() {
    let page = page_size();
    let mut file = file_of(&pattern(100));
    let wide = MmapOptions::new().len(page).allow_past_end().map_view(&file, Protection::ReadWrite).unwrap();
    wide.write_all_at(&vec![0xcc; page - 100], 100).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 100, "writing behind the end makes no file longer");

    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    assert_shows(&view, &pattern(100));
    assert_eq!(view.load::<u8>(100).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(view.store(97, 0_u32).unwrap_err().kind(), ErrorKind::InvalidInput);
    let mut read = Vec::new();
    view.reader().read_to_end(&mut read).unwrap();
    assert_eq!(read.len(), 100);
    // SAFETY: nobody writes the file while the map lives.
    assert_eq!(&unsafe { Mmap::map(&file) }.unwrap()[..], &pattern(100)[..]);

    // Nor when the file grows: the length is the one of the time when it was mapped.
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"more").unwrap();
    assert_eq!(view.len(), 100);
    assert_eq!(view.load::<u8>(100).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// The system says EACCES on one platform and something else on another, and nothing at all of an empty file.
#[test]
fn a_file_open_for_reading_is_not_mapped_for_writing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for &len in lengths("a_file_open_for_reading_is_not_mapped_for_writing") {
        fs::write(&path, pattern(len)).unwrap();
        let file = File::open(&path).unwrap();
        for (kind, outcome) in kinds::writing(&MmapOptions::new(), &file) {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::PermissionDenied, "{kind}, {len} bytes");
        }
        for (kind, outcome) in kinds::reading(&MmapOptions::new(), &file) {
            assert_eq!(outcome.unwrap_or_else(|error| panic!("{kind}: {error}")).1, len, "{kind}");
        }
    }
}

/// Mapping for writing only does not exist: pages that can be written can be read.
#[test]
fn a_file_open_for_writing_only_is_not_mapped_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for &len in lengths("a_file_open_for_writing_only_is_not_mapped_at_all") {
        fs::write(&path, pattern(len)).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for (kind, outcome) in kinds::outcomes(&MmapOptions::new(), &file) {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::PermissionDenied, "{kind}, {len} bytes");
        }
        assert_eq!(fs::read(&path).unwrap(), pattern(len));
    }
}

/// memmap2's `make_mut` made a second, writing owner of what another map hands out as an unchanging slice.
#[test]
fn a_map_for_reading_does_not_become_writable_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, pattern(100)).unwrap();
    let file = File::open(&path).unwrap();

    // SAFETY: nobody writes the file while the map lives.
    let map = unsafe { MmapOptions::new().keep_file().map(&file) }.unwrap();
    let failed = map.make_mut().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    let map = failed.into_view();
    assert_eq!(&map[..], &pattern(100)[..]);
    assert_eq!(map.protection(), Protection::Read);

    // SAFETY: there is no other view of the file.
    let failed = unsafe { map.assume_exclusive() }.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(&failed.into_view()[..], &pattern(100)[..]);

    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    assert_eq!(view.write_all_at(b"x", 0).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(view.store(0, 1_u64).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_shows(&view, &pattern(100));

    // Nor does the map of a file that may be written: there could be another one, whose slices would change.
    let writable = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // SAFETY: nobody writes the file while the maps live.
    let map = unsafe { Mmap::map(&writable) };
    // SAFETY: as in the call above.
    let other = unsafe { Mmap::map(&writable) };
    let failed = map.unwrap().make_mut().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(failed.into_view()[..], other.unwrap()[..]);

    // A private copy belongs to nobody else, so it may be written whatever the file allows.
    // SAFETY: nobody writes the file while the map lives.
    let mut copy = unsafe { MmapOptions::new().map_copy_read_only(&file) }.unwrap().make_mut().unwrap();
    copy[0] = 0xaa;
    copy.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), pattern(100));
}

/// A program took a copy-on-write map for a snapshot: it shows later changes of the pages that it has not written yet.
#[cfg(all(target_os = "linux", not(folio_heap)))] // where it is one
#[test]
fn a_copy_on_write_map_is_no_snapshot() {
    let page = page_size();
    let mut file = file_of(&vec![1; 3 * page]);
    let view = MmapViewSync::open(&file, Protection::ReadCopy).unwrap();
    view.store(0, 2_u8).unwrap();
    assert_eq!(view.load::<u8>(page).unwrap(), 1);

    file.rewind().unwrap();
    file.write_all(&vec![3; 3 * page]).unwrap();
    assert_eq!(view.load::<u8>(0).unwrap(), 2, "a page of its own stays");
    assert_eq!(view.load::<u8>(1).unwrap(), 1, "all of it");
    assert_eq!(view.load::<u8>(page).unwrap(), 3, "one that was only read does not");
    assert_eq!(view.load::<u8>(2 * page).unwrap(), 3, "nor one that was not touched");

    view.flush().unwrap();
    drop(view);
    let mut seen = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut seen).unwrap();
    assert!(seen == vec![3; 3 * page], "what was written to the copy is not in the file");
}

/// `/dev/zero` was an empty map in `memmap2`, and files of `/proc` say that they are empty too. What cannot be mapped is
/// refused, and called the same whether the check or the system found out.
#[cfg(target_os = "linux")]
#[test]
fn open_refuses_what_is_no_ordinary_file() {
    let kinds = [
        ("/proc", ErrorKind::IsADirectory),
        ("/dev/null", ErrorKind::InvalidInput),
        ("/dev/zero", ErrorKind::InvalidInput),
        ("/proc/self/status", ErrorKind::InvalidInput),
        ("/sys/kernel/mm/transparent_hugepage/enabled", ErrorKind::InvalidInput),
    ];
    for (path, kind) in kinds {
        // Not every kernel has them all.
        if let Ok(handle) = File::open(path) {
            let metadata = handle.metadata().unwrap();
            if machine::page_size() < page_size() && !metadata.is_dir() && metadata.len() == 0 {
                skip::skip(&format!("open_refuses_what_is_no_ordinary_file ({path})"), LONGER_PAGES);
                continue;
            }
            let error = MmapViewSync::open(&handle, Protection::Read).unwrap_err();
            assert_eq!(error.kind(), kind, "{path}: {error}");
        }
    }
}
