//! Which pages are in memory: the answer against what the kernel says itself, after reads, writes and evictions whose effect is
//! known.
#![cfg(all(target_os = "linux", not(folio_heap)))] // the heap does not know what is in memory
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]

use folio::{Access, Advice, MmapMut, MmapOptions, MmapViewSync, Protection, Residency, View, page_size};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use tempfile::TempDir;

#[path = "support/hugepages.rs"]
mod hugepages;
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;
#[path = "support/respawn.rs"]
mod respawn;
#[path = "support/seccomp.rs"]
mod seccomp;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/smaps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod smaps;

use maps::Canaries;
use respawn::End;
use skip::skip;
use smaps::{evict, resident};

/// A file of `pages` pages of 7.
fn file(pages: usize) -> (TempDir, File) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, vec![7; pages * page_size()]).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    (dir, file)
}

/// `cachestat`, called by hand: in memory, dirty, in write-back, evicted, recently evicted. `None` before Linux 6.5.
fn cachestat(file: &File, offset: usize, len: usize) -> Option<[u64; 5]> {
    let range = [offset as u64, len as u64];
    let mut counts = [0_u64; 5];
    // SAFETY: the range is two words, which the call reads, and the counts are five, which it fills.
    let result = unsafe { libc::syscall(451, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0) };
    (result == 0).then_some(counts)
}

/// The counts that the file gives.
fn counts(residency: &Residency) -> [Option<usize>; 5] {
    let Residency { resident, dirty, writeback, evicted, recently_evicted, .. } = *residency;
    [Some(resident), dirty, writeback, evicted, recently_evicted]
}

/// The ranges, from the kernel's answer for each page of the view.
fn ranges_by_hand<A: Access>(view: &View<A>) -> Vec<Range<usize>> {
    let (lead, page) = (view.as_ptr().addr() % page_size(), page_size());
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in resident(view).into_iter().enumerate().filter(|(_, resident)| *resident) {
        let range = (at * page).max(lead) - lead..((at + 1) * page - lead).min(view.len());
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges
}

fn ranges<A: Access>(view: &View<A>) -> Vec<Range<usize>> {
    view.resident_ranges().unwrap().collect::<io::Result<_>>().unwrap()
}

/// Takes all pages of the file out of memory. The views of it must not have them mapped.
fn evict_all<A: Access>(file: &File, view: &View<A>) {
    for _ in 0..1000 {
        evict(file);
        if !resident(view).contains(&true) {
            return;
        }
    }
    panic!("pages stay in memory");
}

/// Only what was touched is there, counted for each piece by its own pages.
#[test]
fn private_memory_is_there_where_it_was_touched() {
    let page = page_size();
    let (mut map, canaries) = Canaries::around(8, || MmapMut::map_anon(8 * page).unwrap());
    map.advise(Advice::NoHugePage).unwrap();
    assert_eq!(map.residency().unwrap().resident, 0);
    assert_eq!(ranges(&map), []);
    for at in [1, 2, 5] {
        map[at * page + 3] = 1;
    }
    let residency = map.residency().unwrap();
    assert_eq!((residency.page_size, residency.pages, residency.resident), (page, 8, 3));
    assert_eq!(counts(&residency)[1..], [None; 4]);
    assert_eq!(ranges(&map), [page..3 * page, 5 * page..6 * page]);
    let tail = map.split_off(2 * page + 9).unwrap();
    assert_eq!((map.residency().unwrap().pages, map.residency().unwrap().resident), (3, 2));
    assert_eq!((tail.residency().unwrap().pages, tail.residency().unwrap().resident), (6, 2));
    assert_eq!(ranges(&map), [page..2 * page + 9]);
    assert_eq!(ranges(&tail), [0..page - 9, 3 * page - 9..4 * page - 9]);
    assert_eq!(ranges(&tail), ranges_by_hand(&tail));
    // No call has touched anything.
    assert_eq!(resident(&tail), [true, false, false, true, false, false]);
    canaries.assert_untouched();
    drop(canaries);
    assert_eq!(tail.residency().unwrap().resident, 2);
    assert!(tail.residency_with(tempfile::tempfile().unwrap()).is_err());
}

/// After known reads, writes and evictions, the same numbers as `cachestat`; and the numbers that must be.
#[test]
fn pages_of_a_file_are_counted_as_the_kernel_counts_them() {
    const TEST: &str = "pages_of_a_file_are_counted_as_the_kernel_counts_them";
    let page = page_size();
    let (dir, file) = file(16);
    if cachestat(&file, 0, page).is_none() {
        return skip(TEST, "no cachestat (Linux 6.5)");
    }
    let kept = MmapViewSync::open_path(dir.path().join("data"), Protection::ReadWrite).unwrap();
    let plain =
        MmapOptions::new().offset(page as u64 + 5).len(9 * page).map_view(&file, Protection::ReadWrite).unwrap();
    assert_eq!(kept.advise(Advice::Random).ok(), plain.advise(Advice::Random).ok());
    let same = || {
        // The kernel may be at it, too: what is compared must not change meanwhile.
        for _ in 0..1000 {
            let before = [cachestat(&file, 0, 16 * page), cachestat(&file, page, 10 * page)].map(Option::unwrap);
            let found = [kept.residency().unwrap(), plain.residency_with(&file).unwrap()];
            let after = [cachestat(&file, 0, 16 * page), cachestat(&file, page, 10 * page)].map(Option::unwrap);
            if before == after {
                let by_hand = before.map(|counts| counts.map(|count| Some(usize::try_from(count).unwrap())));
                assert_eq!(found.map(|residency| counts(&residency)), by_hand);
                assert_eq!((found[0].pages, found[1].pages), (16, 10));
                return found[0];
            }
        }
        panic!("the kernel does not come to rest");
    };
    evict_all(&file, &kept);
    assert_eq!(same().resident, 0);
    assert_eq!((ranges(&kept), ranges(&plain)), (vec![], vec![]));
    // Two pages are read, one of them written.
    kept.load::<u8>(3 * page).unwrap();
    kept.store(9 * page, 8_u8).unwrap();
    let residency = same();
    assert_eq!((residency.resident, residency.dirty), (2, Some(1)));
    assert_eq!(ranges(&kept), [3 * page..4 * page, 9 * page..10 * page]);
    assert_eq!(ranges(&plain), [2 * page - 5..3 * page - 5, 8 * page - 5..9 * page - 5]);
    assert_eq!(ranges(&kept), ranges_by_hand(&kept));
    // Without the file, what the pages are in is not known.
    let without = plain.residency().unwrap();
    assert_eq!(counts(&without), [Some(2), None, None, None, None]);
    kept.flush().unwrap();
    assert_eq!(same().dirty, Some(0));
    // All of it, by somebody else.
    assert_eq!(file.read_at(&mut vec![0; 16 * page], 0).unwrap(), 16 * page);
    assert_eq!(same().resident, 16);
    assert_eq!(ranges(&plain), [0..9 * page]);
    // What is past the end of the file is not in memory.
    file.set_len(5 * page as u64).unwrap();
    assert_eq!(same().resident, 5);
    assert_eq!(ranges(&kept), [0..5 * page]);
}

/// A private mapping shows the file's pages and its own; what is dirty or evicted is not said of it.
#[test]
fn a_private_mapping_counts_its_own_pages_too() {
    let page = page_size();
    let (dir, file) = file(8);
    let view = MmapViewSync::open_path(dir.path().join("data"), Protection::ReadCopy).unwrap();
    view.advise(Advice::Random).unwrap();
    evict_all(&file, &view);
    view.store(2 * page, 1_u8).unwrap();
    evict(&file);
    let residency = view.residency().unwrap();
    assert_eq!(counts(&residency)[1..], [None; 4]);
    assert_eq!(resident(&view).iter().filter(|&&resident| resident).count(), residency.resident);
    assert!(resident(&view)[2]);
    assert_eq!(ranges(&view), ranges_by_hand(&view));
    assert_eq!(view.residency_with(&file).unwrap(), residency);
}

/// Another file's numbers would be believed.
#[test]
fn another_file_is_refused() {
    let (_dir, file_a) = file(2);
    let (_other, file_b) = file(2);
    let view = MmapViewSync::open(&file_a, Protection::Read).unwrap();
    assert_eq!(view.residency_with(&file_b).unwrap_err().kind(), ErrorKind::InvalidInput);
    view.residency_with(&file_a).unwrap();
    view.residency_with(file_a.try_clone().unwrap()).unwrap();
    let memory = MmapViewSync::anonymous(10).unwrap();
    assert_eq!(memory.residency_with(&file_b).unwrap_err().kind(), ErrorKind::InvalidInput);
    let empty = tempfile::tempfile().unwrap();
    let view = MmapViewSync::open(&empty, Protection::Read).unwrap();
    assert_eq!(view.residency_with(&file_b).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(view.residency_with(&empty).unwrap().pages, 0);
}

/// No pages at all, and a piece without bytes of a mapping that has some.
#[test]
fn an_empty_view_has_no_pages() {
    let (dir, _file) = file(1);
    let view = MmapViewSync::open_path(dir.path().join("data"), Protection::Read).unwrap();
    let (all, none) = view.split_at(page_size()).unwrap();
    for empty in [none, MmapViewSync::anonymous(0).unwrap()] {
        let residency = empty.residency().unwrap();
        assert_eq!((residency.pages, residency.resident), (0, 0));
        assert_eq!(ranges(&empty), []);
    }
    assert_eq!(all.residency().unwrap().pages, 1);
}

/// The iterator asks for many pages at a time: ranges go on from one answer to the next.
#[test]
fn a_range_goes_on_over_the_edges_of_what_is_asked_at_once() {
    let page = page_size();
    let many = 1 << 16;
    let map = MmapOptions::new().len((2 * many + 10) * page).no_reserve_swap().map_anon().unwrap();
    map.advise(Advice::NoHugePage).unwrap();
    let touched = [0..1, many - 2..many + 2, 2 * many..2 * many + 10];
    for pages in touched.clone() {
        map.populate_write_range(pages.start * page, pages.len() * page).unwrap();
    }
    let expected = touched.map(|pages| pages.start * page..pages.end * page);
    let found = ranges(&map);
    if found.is_empty() {
        return skip("a_range_goes_on_over_the_edges_of_what_is_asked_at_once", "the kernel does not populate");
    }
    assert_eq!(found, expected);
    assert_eq!(map.residency().unwrap().resident, 15);
}

/// A kernel without `cachestat`: `mincore` knows which pages, and the rest is not known.
#[test]
fn without_cachestat_what_is_not_known_is_none() {
    const TEST: &str = "without_cachestat_what_is_not_known_is_none";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "forbidden")), End::Passed);
        return;
    }
    let page = page_size();
    let (dir, file) = file(4);
    let view = MmapViewSync::open_path(dir.path().join("data"), Protection::ReadWrite).unwrap();
    view.advise(Advice::Random).unwrap();
    evict_all(&file, &view);
    view.store(page, 1_u8).unwrap();
    seccomp::forbid(&[451]);
    let residency = view.residency().unwrap();
    assert_eq!(counts(&residency), [Some(1), None, None, None, None]);
    view.populate_read().unwrap();
    assert_eq!(view.residency_with(&file).unwrap().resident, 4);
}

/// Huge pages are counted whole.
#[test]
fn huge_pages_are_counted_as_what_they_are() {
    let _pool = match hugepages::Pool::set(2) {
        Ok(pool) => pool,
        Err(reason) => return skip("huge_pages_are_counted_as_what_they_are", reason),
    };
    let size = hugepages::count("Hugepagesize") * 1024;
    let mut map = MmapOptions::new().len(size + 10).huge(None).map_anon().unwrap();
    let residency = map.residency().unwrap();
    assert_eq!((residency.page_size, residency.pages, residency.resident), (size, 2, 0));
    map[size] = 1;
    let residency = map.residency().unwrap();
    assert_eq!((residency.pages, residency.resident), (2, 1));
    assert_eq!(ranges(&map), [size..size + 10]);
    let tail = map.split_off(size + 1).unwrap();
    assert_eq!((tail.residency().unwrap().pages, ranges(&tail)), (1, vec![0..9]));
}

/// Who may not write a file is told that all of its pages are in memory, which is no answer (seen). Each way to ask, as root and
/// as somebody to whom the file does not belong.
#[test]
fn who_is_not_told_the_truth_gets_no_number() {
    const TEST: &str = "who_is_not_told_the_truth_gets_no_number";
    let Some(case) = respawn::case() else {
        // SAFETY: the call has no obligations.
        if unsafe { libc::geteuid() } != 0 {
            return skip(TEST, "files of others are root's to make");
        }
        for case in ["readable", "writable", "unlinked", "own", "own, unlinked", "own, unlinked and closed"] {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), End::Passed, "{case}");
        }
        return;
    };
    use std::os::unix::fs::PermissionsExt;
    let page = page_size();
    let (dir, owned) = file(8);
    let path = dir.path().join("data");
    let mode = if case == "writable" { 0o666 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if case.starts_with("own") {
        std::os::unix::fs::chown(&path, Some(NOBODY), None).unwrap();
    }
    // Half of the file is in memory.
    let touch = MmapViewSync::open(&owned, Protection::Read).unwrap();
    touch.advise(Advice::Random).unwrap();
    evict_all(&owned, &touch);
    for at in 0..4 {
        touch.load::<u8>(2 * at * page).unwrap();
    }
    let by_path = MmapViewSync::open_path(&path, Protection::Read).unwrap();
    if case.contains("unlinked") {
        fs::remove_file(&path).unwrap();
    }
    // SAFETY: the call takes a number; after it the process can do less than before.
    assert_eq!(unsafe { libc::setuid(NOBODY) }, 0);
    // A process that has changed its user may not look at its own descriptors until it says so (prctl(2)).
    // SAFETY: the call takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) }, 0);
    let told = case == "writable" || case.starts_with("own");
    // The test of the tests: this is what the kernel says.
    let claimed = resident(&touch).iter().filter(|&&resident| resident).count();
    if !told && claimed != 8 {
        return skip(TEST, "the kernel tells the truth to everybody (before Linux 5.2)");
    }
    let part = MmapOptions::new().offset(page as u64).len(1).map_view(&owned, Protection::ReadCopy).unwrap();
    let private = MmapOptions::new().map_view(&owned, Protection::ReadCopy).unwrap();
    for (view, name) in [(&touch, "shared"), (&by_path, "kept"), (&private, "private")] {
        let answers = [view.residency(), view.residency_with(&owned)];
        if told {
            assert_eq!(answers.map(|answer| answer.unwrap().resident), [4, 4], "{case} {name}");
            assert_eq!(ranges(view).len(), 4, "{case} {name}");
            continue;
        }
        // `cachestat` of some kernels tells everybody; then it is the truth. The other answer must not be one.
        for answer in answers {
            match answer {
                Ok(residency) => assert_eq!((residency.resident, name == "private"), (4, false), "{case} {name}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{case} {name}"),
            }
        }
        let error = view.resident_ranges().expect_err("an answer");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{case} {name}");
    }
    if told {
        assert_eq!(part.residency().unwrap().resident, 0);
    } else {
        assert_eq!(part.residency().unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
    // All pages are there: so the kernel would also say if it did not tell. Now the file has to be found.
    if told {
        touch.populate_read().unwrap();
        drop(by_path);
        let closed = case.ends_with("closed");
        if closed {
            drop(owned);
        }
        match touch.residency() {
            Ok(residency) => assert_eq!((residency.resident, closed), (8, false), "{case}"),
            Err(error) => assert_eq!((error.kind(), closed), (ErrorKind::PermissionDenied, true), "{case}"),
        }
    }
    // Its own memory is everybody's to know.
    assert_eq!(MmapViewSync::anonymous(page).unwrap().residency().unwrap().resident, 0);
}

/// The user that owns nothing.
const NOBODY: u32 = 65534;
