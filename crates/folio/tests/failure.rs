//! Pages that are lost under a map: a plain slice ends the process, checked access gives an error that says where.
// No page of the heap is ever lost.
#![cfg(all(unix, not(folio_heap)))]

use folio::{Access, Fault, Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, View, page_size};
use std::fs::File;
use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::LazyLock;

#[path = "support/machine.rs"]
mod machine;
#[path = "support/respawn.rs"]
mod respawn;
#[cfg(target_os = "linux")]
#[path = "support/seccomp.rs"]
mod seccomp;
#[cfg(target_os = "linux")]
#[path = "support/tries.rs"]
mod tries;

use respawn::End;

/// The length in pages of the files in these tests.
const PAGES: usize = 4;

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// What is in them at first. Made once, for it takes an emulator long.
fn pattern() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=250).cycle().take(PAGES * page_size()).collect());
    &BYTES
}

/// Lengths to cut a file to: nothing, inside of a page, at the edge of one, and one byte to either side of it.
fn cuts() -> [usize; 7] {
    let page = page_size();
    [0, 1, page / 2, page - 1, page, page + 1, 2 * page + page / 2]
}

/// Where the first page begins that a file of this length does not reach.
fn first_lost(len: usize) -> usize {
    len.next_multiple_of(machine::page_size())
}

#[track_caller]
fn fault<T: std::fmt::Debug>(result: io::Result<T>) -> usize {
    let error = result.unwrap_err();
    Fault::of(&error).unwrap_or_else(|| panic!("no fault: {error:?}")).offset
}

/// The story of every memory map: it is what the checked access below is for.
#[test]
fn a_plain_slice_of_a_truncated_file_ends_the_process() {
    const TEST: &str = "a_plain_slice_of_a_truncated_file_ends_the_process";
    let Some(case) = respawn::case() else {
        for case in ["map", "private", "private, written before", "write", "view", "nothing lost"] {
            let end = respawn::run(&mut respawn::command(&[], TEST, case));
            let expected = if case == "nothing lost" { End::Passed } else { End::Signal(libc::SIGBUS) };
            assert_eq!(end, expected, "{case}");
        }
        return;
    };
    let file = file_of(pattern());
    let last = PAGES * page_size() - 1;
    // SAFETY, of all of these: no other process knows the file. Cutting it short is the case under test, of which the
    // worst outcome is the end of this process.
    match case.as_str() {
        "map" => {
            // SAFETY: as in the call above.
            let map = unsafe { Mmap::map(&file) }.unwrap();
            file.set_len(10).unwrap();
            black_box(map[last]);
        }
        "private" => {
            // SAFETY: as in the call above.
            let map = unsafe { MmapOptions::new().map_copy(&file) }.unwrap();
            file.set_len(10).unwrap();
            black_box(map[last]);
        }
        "private, written before" => {
            // SAFETY: as in the call above.
            let mut map = unsafe { MmapOptions::new().map_copy(&file) }.unwrap();
            map[last] = 1;
            file.set_len(10).unwrap();
            black_box(map[last]);
        }
        "write" => {
            // SAFETY: as in the call above.
            let mut map = unsafe { MmapMut::map_mut(&file) }.unwrap();
            file.set_len(10).unwrap();
            map[last] = 1;
        }
        "view" => {
            let view = MmapViewSync::open(&file, Protection::Read).unwrap();
            file.set_len(10).unwrap();
            // SAFETY: as in the call above.
            black_box(unsafe { view.as_slice() }[last]);
        }
        _ => {
            // The first page is still there: the signal in the other cases comes of the lost one.
            // SAFETY: as in the call above.
            let map = unsafe { Mmap::map(&file) }.unwrap();
            file.set_len(10).unwrap();
            assert_eq!((map[9], map[10]), (9, 0));
        }
    }
}

/// Every checked way to read a view of a file that has been cut to `cut` bytes; the view begins at `start` in the file.
#[track_caller]
fn assert_reads_stop<A: Access>(view: &View<A>, start: usize, cut: usize) {
    let whole = pattern();
    let lost = first_lost(cut).saturating_sub(start).min(view.len());
    let reaches = cut.saturating_sub(start).min(view.len());
    let mut expected = vec![0; lost];
    expected[..reaches].copy_from_slice(&whole[start..start + reaches]);

    let mut all = vec![0xee; view.len()];
    assert_eq!(fault(view.read_exact_at(&mut all, 0)), lost);
    assert!(all[..lost] == expected, "the bytes before the fault are right");

    // The last bytes that can be reached, one more than those, and the first that cannot.
    view.read_exact_at(&mut all[..lost], 0).unwrap();
    assert!(all[..lost] == expected);
    for before in [0, 1, 5, 8, 17] {
        if before <= lost {
            assert_eq!(fault(view.read_exact_at(&mut [0; 18], lost - before)), lost);
        }
    }
    assert_eq!(fault(view.load::<u8>(lost)), lost);
    assert_eq!(fault(view.load::<u64>(lost)), lost);
    assert_eq!(fault(view.load::<u8>(view.len() - 1)), view.len() - 1);
    if lost >= 8 {
        assert_eq!(view.load::<u64>(lost - 8).unwrap().to_ne_bytes(), expected[lost - 8..]);
        for before in 1..8 {
            assert_eq!(fault(view.load::<u64>(lost - before)), lost);
        }
    }

    let mut reader = view.reader();
    let mut read = Vec::new();
    assert_eq!(fault(reader.read_to_end(&mut read)), lost);
    assert!(read == expected, "a reader gives what there is before it fails");
    assert_eq!(reader.position(), lost as u64);
    assert_eq!(fault(reader.read(&mut [0; 10])), lost);
    reader.seek(SeekFrom::End(-3)).unwrap();
    assert_eq!(fault(reader.read(&mut [0; 10])), view.len() - 3);
}

/// What comes before the lost page is written; the error says where it begins, and the position stays there.
#[test]
fn a_writer_stops_at_the_first_lost_page() {
    let (page, file) = (page_size(), file_of(pattern()));
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    file.set_len(page as u64).unwrap();
    let mut writer = view.writer();
    writer.seek(SeekFrom::Start(page as u64 - 3)).unwrap();
    assert_eq!(writer.write(&[7; 10]).unwrap(), 3);
    assert_eq!(fault(writer.write(&[7; 10])), page);
    assert_eq!(writer.position(), page as u64);
    assert_eq!(view.load::<u16>(page - 2).unwrap(), 0x0707);
}

/// In whatever the error is put: a box, the source of another error, an `io::Error` in an `io::Error`.
#[test]
fn a_fault_is_found_however_deep_it_is() {
    #[derive(Debug)]
    struct Outer(io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let file = file_of(pattern());
    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    file.set_len(0).unwrap();
    let lost = || view.load::<u8>(5).unwrap_err();
    let offset = |error: &(dyn std::error::Error + 'static)| Fault::of(error).map(|fault| fault.offset);
    assert_eq!(offset(&lost()), Some(5));
    assert_eq!(offset(&Fault::of(&lost()).unwrap()), Some(5));
    assert_eq!(offset(&io::Error::other(Outer(io::Error::other(Outer(lost()))))), Some(5));
    assert_eq!(offset(&std::sync::Arc::new(lost())), Some(5));
    assert_eq!(offset(&Box::new(lost())), Some(5));
    let boxed: Box<dyn std::error::Error> = Box::new(Outer(io::Error::other(lost())));
    assert_eq!(offset(boxed.as_ref()), Some(5));
    assert_eq!(offset(&Outer(io::Error::other(Outer(io::ErrorKind::NotFound.into())))), None);
}

/// The reason to have checked access; the offset is what tells a program how much of its data it still has.
#[test]
fn checked_reads_of_a_truncated_file_stop_at_the_first_lost_page() {
    for cut in cuts() {
        for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
            let file = file_of(pattern());
            let view = MmapViewSync::open(&file, protection).unwrap();
            file.set_len(cut as u64).unwrap();
            assert_reads_stop(&view, 0, cut);
        }
        // SAFETY, of the three: no other process knows the file, and after it is cut short only checked copies are made.
        let file = file_of(pattern());
        // SAFETY: as in the call above.
        let shared = unsafe { MmapMut::map_mut(&file) }.unwrap();
        // SAFETY: as in the call above.
        let private = unsafe { MmapOptions::new().map_copy(&file) }.unwrap();
        // SAFETY: as in the call above.
        let fixed = unsafe { Mmap::map(&file) }.unwrap();
        file.set_len(cut as u64).unwrap();
        assert_reads_stop(&shared, 0, cut);
        assert_reads_stop(&private, 0, cut);
        assert_reads_stop(&fixed, 0, cut);
    }
}

/// The offset counts from the start of the view, not of the mapping or the file; pieces and odd offsets move it.
#[test]
fn the_offset_of_a_fault_counts_from_the_start_of_the_view() {
    for cut in cuts() {
        for start in [1, 100, page_size() - 1, page_size() + 1] {
            let file = file_of(pattern());
            let whole = MmapOptions::new().offset(start as u64).map_view(&file, Protection::ReadWrite).unwrap();
            let piece = MmapViewSync::open(&file, Protection::Read).unwrap().split_at(start).unwrap().1;
            file.set_len(cut as u64).unwrap();
            assert_reads_stop(&whole, start, cut);
            assert_reads_stop(&piece, start, cut);
        }
    }
}

/// What a write could reach is written, and the file does not grow back.
#[test]
fn checked_writes_to_a_truncated_file_stop_at_the_first_lost_page() {
    let new = vec![0xaa; PAGES * page_size()];
    for cut in cuts() {
        for protection in [Protection::ReadWrite, Protection::ReadCopy] {
            let mut file = file_of(pattern());
            let view = MmapViewSync::open(&file, protection).unwrap();
            file.set_len(cut as u64).unwrap();
            let lost = first_lost(cut);
            assert_eq!(fault(view.write_all_at(&new, 0)), lost);
            assert_eq!(fault(view.store(lost, 1_u8)), lost);
            assert_eq!(fault(view.store(view.len() - 8, 1_u64)), view.len() - 8);
            if lost >= 8 {
                assert_eq!(fault(view.store(lost - 3, u64::MAX)), lost);
                view.store(lost - 8, u64::from_ne_bytes([0xcc; 8])).unwrap();
                assert_eq!(view.load::<u64>(lost - 8).unwrap(), u64::from_ne_bytes([0xcc; 8]));
            }

            let mut seen = vec![0; lost];
            view.read_exact_at(&mut seen, 0).unwrap();
            let fresh = lost.saturating_sub(8);
            assert!(seen[..fresh] == new[..fresh], "the bytes before the fault are written");
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes.len(), cut);
            let expected = if protection == Protection::ReadWrite { &seen[..cut] } else { &pattern()[..cut] };
            assert!(bytes == expected);
        }
        let file = file_of(pattern());
        // SAFETY: no other process knows the file, and after it is cut short only checked copies are made.
        let mut map = unsafe { MmapMut::map_mut(&file) }.unwrap();
        file.set_len(cut as u64).unwrap();
        assert_eq!(fault(map.write_all_at(&new, 0)), first_lost(cut));
        assert_eq!(fault(map.store(first_lost(cut), 1_u32)), first_lost(cut));
    }
}

/// Container runtimes refuse the kernel's copies between processes, and a pipe, which then stands in for them, gives up a
/// whole chunk for the one byte of it that cannot be reached.
#[cfg(target_os = "linux")]
#[test]
fn faults_are_as_exact_where_the_kernels_copies_are_refused() {
    const TEST: &str = "faults_are_as_exact_where_the_kernels_copies_are_refused";
    let Some(case) = respawn::case() else {
        for case in ["reads", "writes", "offsets", "again"] {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), End::Passed, "{case}");
        }
        return;
    };
    seccomp::forbid(&[libc::SYS_process_vm_readv, libc::SYS_process_vm_writev]);
    match case.as_str() {
        "reads" => checked_reads_of_a_truncated_file_stop_at_the_first_lost_page(),
        "writes" => checked_writes_to_a_truncated_file_stop_at_the_first_lost_page(),
        "offsets" => the_offset_of_a_fault_counts_from_the_start_of_the_view(),
        _ => a_view_works_again_when_the_file_is_long_again(),
    }
}

/// A fault is no state of the view: when the file is long again, its bytes are there again.
#[test]
fn a_view_works_again_when_the_file_is_long_again() {
    let mut file = file_of(pattern());
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    file.set_len(0).unwrap();
    assert_eq!(fault(view.load::<u8>(0)), 0);
    file.rewind().unwrap();
    file.write_all(pattern()).unwrap();
    let mut bytes = vec![0; view.len()];
    view.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == pattern());
    view.store(5, 1_u8).unwrap();
    view.flush().unwrap();
}

/// A library blamed the view for a page that was lost in the buffer: that is the caller's memory, and ends as in `memcpy`.
#[test]
fn a_lost_page_in_the_callers_buffer_ends_the_process() {
    const TEST: &str = "a_lost_page_in_the_callers_buffer_ends_the_process";
    let Some(case) = respawn::case() else {
        for case in ["read into", "load through a reader", "write from"] {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), End::Signal(libc::SIGBUS), "{case}");
        }
        return;
    };
    let view = MmapViewSync::anonymous(PAGES * page_size()).unwrap();
    let file = file_of(pattern());
    // SAFETY: no other process knows the file. Cutting it short is the case under test, of which the worst outcome is
    // the end of this process.
    let mut buffer = unsafe { MmapMut::map_mut(&file) }.unwrap();
    file.set_len(page_size() as u64).unwrap();
    let result = match case.as_str() {
        "read into" => view.read_exact_at(&mut buffer, 0),
        "write from" => view.write_all_at(&buffer, 0),
        _ => view.reader().read_exact(&mut buffer),
    };
    panic!("the copy came to an end: {result:?}");
}

/// A failed call left its descriptor, its duplicate or its mapping behind, and the program ran out of them in the end.
#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_failures_leave_nothing_behind() {
    const TEST: &str = "ten_thousand_failures_leave_nothing_behind";
    if respawn::case().is_none() {
        // In a process where nobody else opens or maps anything meanwhile.
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "alone")), End::Passed);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, pattern()).unwrap();
    let missing = dir.path().join("no folder").join("file");
    let read_only = File::open(&path).unwrap();
    let proc = File::open("/proc/self/status").unwrap();
    let cut = file_of(pattern());
    let lost = MmapViewSync::open(&cut, Protection::ReadWrite).unwrap();
    cut.set_len(0).unwrap();

    // A 32-bit process has room for the first one, with most of the address space then gone.
    let longest = isize::MAX as usize - page_size() + 1;
    let _room: Vec<_> = std::iter::from_fn(|| MmapMut::map_anon(longest).ok()).collect();

    let count = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
        let mappings = std::fs::read_to_string("/proc/self/maps").unwrap();
        // Memory of the allocator may come and go; files and what folio maps besides may not.
        let files = mappings.lines().filter(|line| line.contains(dir.path().to_str().unwrap())).count();
        (descriptors, files, mappings.lines().count())
    };
    let fail = || {
        MmapOptions::new().keep_file().map_view(&read_only, Protection::ReadWrite).unwrap_err();
        MmapOptions::new().keep_file().len(1 << 30).map_view(&read_only, Protection::Read).unwrap_err();
        MmapOptions::new().keep_file().offset(u64::MAX).map_view(&read_only, Protection::Read).unwrap_err();
        // An emulator of longer pages than the machine's refuses every empty file in the same way, so this one is taken for one.
        if machine::page_size() == page_size() {
            MmapOptions::new().keep_file().map_view(&proc, Protection::Read).unwrap_err();
        }
        MmapOptions::new().map_if_safe(&read_only).unwrap_err();
        MmapOptions::new().allocate().map_view(&read_only, Protection::Read).unwrap_err();
        MmapViewSync::open_path(dir.path(), Protection::Read).unwrap_err();
        MmapViewSync::open_path(&missing, Protection::Read).unwrap_err();
        MmapViewSync::create_new(&path, 10).unwrap_err();
        MmapViewSync::create_new(dir.path().join("new"), usize::MAX).unwrap_err();
        MmapMut::map_anon(longest).unwrap_err();
        lost.load::<u8>(0).unwrap_err();
        lost.store(1, 1_u8).unwrap_err();
    };
    fail();
    let before = count();
    for _ in 0..tries::tries(10_000 / 13 + 1) {
        fail();
    }
    let after = count();
    assert_eq!((after.0, after.1), (before.0, before.1));
    assert!(after.2 <= before.2 + 5, "{} mappings became {}", before.2, after.2);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// A panic in `Drop` while another one unwinds ends the process.
#[test]
fn dropping_never_panics() {
    drop(MmapViewSync::anonymous(0).unwrap());
    let file = file_of(pattern());
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    view.store(0, 1_u8).unwrap();
    file.set_len(0).unwrap();
    drop(view);

    let unwound = std::panic::catch_unwind(|| {
        let (_head, _tail) = MmapViewSync::anonymous(100).unwrap().split_at(10).unwrap();
        let _file = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        std::panic::resume_unwind(Box::new("deliberate"));
    });
    assert_eq!(*unwound.unwrap_err().downcast::<&str>().unwrap(), "deliberate");
}

/// The metadata belongs to the file; without one, saying `Ok` would be a lie.
#[test]
fn sync_all_without_a_kept_file_is_unsupported() {
    let file = file_of(pattern());
    let kept = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite).unwrap();
    kept.sync_all().unwrap();
    // What writes to no file has nothing to bring anywhere.
    MmapViewSync::open(&file, Protection::Read).unwrap().sync_all().unwrap();
    MmapViewSync::open(&file, Protection::ReadCopy).unwrap().sync_all().unwrap();
    MmapMut::map_anon(100).unwrap().sync_all().unwrap();
    if cfg!(target_os = "linux") {
        let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        assert_eq!(view.sync_all().unwrap_err().kind(), ErrorKind::Unsupported);
        // It is no failed write-back, so it does not stick.
        view.flush().unwrap();
    }
}
