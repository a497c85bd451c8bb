//! Bringing pages in: exactly those of the view, without a change to a byte, and a lost page is an error that says where.
#![cfg(not(folio_heap))] // the heap is all there: no page of it is lost

use folio::{Access, MmapMut, MmapOptions, MmapViewSync, Protection, View, page_size};
use std::fs::{self, File};
use std::io::ErrorKind;
use tempfile::TempDir;

/// A file of `pages` pages of 7.
fn file(pages: usize) -> (TempDir, File) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, vec![7; pages * page_size()]).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    (dir, file)
}

/// Whether there is a way to make pages writable without a write here.
fn can_populate_write() -> bool {
    cfg!(target_os = "linux") || folio::fault::ATOMIC_WIDTH > 1
}

/// What a populated view must still be: as it was.
fn populate_everywhere<A: Access>(view: &View<A>, expected: &[u8]) {
    let (len, page) = (view.len(), page_size());
    for (offset, count) in [(0, len), (0, 0), (len, 0), (0, len.min(1)), (len - len.min(1), len.min(1)), (len / 2, 1)] {
        if count > len - offset {
            continue;
        }
        view.populate_read_range(offset, count).unwrap();
        if view.protection().write() && can_populate_write() {
            view.populate_write_range(offset, count).unwrap();
        }
    }
    for step in [0, 1, page, page + 1, usize::MAX] {
        let ends = view.populate_read_steps(step).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(ends.last(), Some(&len).filter(|&&len| len > 0), "{step}");
    }
    for (offset, count) in [(len, 1), (len, len.max(1)), (len + 1, 0), (1, usize::MAX), (usize::MAX, 2)] {
        assert_eq!(view.populate_read_range(offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(view.populate_write_range(offset, count).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let mut bytes = vec![0; len];
    view.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == expected);
}

/// The kernel takes whole pages, a view's edges are none.
#[test]
fn populating_takes_any_view_and_changes_no_byte() {
    let page = page_size();
    let (_dir, file) = file(4);
    for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
        for (offset, len) in [(0, 4 * page), (1, page), (page - 1, 2), (5, 3 * page), (page, 0)] {
            let view = MmapOptions::new().offset(offset as u64).len(len).map_view(&file, protection).unwrap();
            populate_everywhere(&view, &vec![7; len]);
            let (head, tail) = view.split_at(len / 3).unwrap();
            populate_everywhere(&head, &vec![7; len / 3]);
            populate_everywhere(&tail, &vec![7; len - len / 3]);
        }
    }
    let mut map = MmapMut::map_anon(3 * page - 5).unwrap();
    map.fill(9);
    populate_everywhere(&map, &vec![9; 3 * page - 5]);
    populate_everywhere(&map.freeze(), &vec![9; 3 * page - 5]);
    populate_everywhere(&MmapViewSync::anonymous(0).unwrap(), &[]);
}

/// A read-only mapping cannot be made ready for writing, whatever the view is called.
#[test]
fn a_read_only_mapping_is_not_populated_for_writing() {
    let (_dir, file) = file(1);
    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    assert_eq!(view.populate_write().unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(view.populate_write_range(5, 1).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(view.populate_write_steps(1).next().unwrap().unwrap_err().kind(), ErrorKind::PermissionDenied);
    // Nothing is allowed everywhere.
    view.populate_write_range(5, 0).unwrap();
    let map = MmapMut::map_anon(10).unwrap().make_read_only().unwrap();
    assert_eq!(map.populate_write().unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// A bar that shows how far it is needs true numbers, and the last one must be all.
#[test]
fn steps_end_where_pages_do_and_cover_the_view() {
    let page = page_size();
    let (_dir, file) = file(10);
    let view = MmapOptions::new().offset(10).map_view(&file, Protection::Read).unwrap();
    let ends = |step| view.populate_read_steps(step).collect::<Result<Vec<_>, _>>().unwrap();
    let all = 10 * page - 10;
    // Page 0 is ten bytes short.
    assert_eq!(ends(1), (1..=10).map(|pages| pages * page - 10).collect::<Vec<_>>());
    assert_eq!(ends(page), ends(1));
    assert_eq!(ends(4 * page), [4 * page - 10, 8 * page - 10, all]);
    assert_eq!(ends(4 * page + 9), [4 * page - 10, 8 * page - 10, all]);
    assert_eq!(ends(usize::MAX), [all]);
    for step in [0, 1, page - 1, page, page + 1, 3 * page, usize::MAX] {
        let mut steps = view.populate_read_steps(step);
        // How many there will be is known at each of them.
        for left in (1..=ends(step).len()).rev() {
            assert_eq!(steps.size_hint(), (1, Some(left)), "{step}");
            steps.next().unwrap().unwrap();
        }
        assert!(steps.next().is_none());
        assert_eq!(steps.size_hint(), (0, Some(0)));
    }
    assert!(view.split_at(0).unwrap().0.populate_read_steps(1).next().is_none());
}

/// A page that cannot be reached ended the process, or went by unseen (`MAP_POPULATE` hides it).
#[cfg(unix)]
#[test]
fn a_lost_page_is_a_fault_at_its_first_byte() {
    use folio::Fault;
    let page = page_size();
    let (_dir, handle) = file(8);
    let view = MmapOptions::new().offset(100).map_view(&handle, Protection::ReadWrite).unwrap();
    // Pages 5, 6 and 7 are lost.
    handle.set_len(5 * page as u64).unwrap();
    let lost = 5 * page - 100;
    let at = |result: std::io::Result<()>| Fault::of(&result.unwrap_err()).expect("a fault").offset;
    let before = folio::fault::count();
    assert_eq!(at(view.populate_read()), lost);
    assert_eq!(folio::fault::count(), before + 1);
    assert_eq!(at(view.populate_read_range(lost + 7, 1)), lost + 7);
    assert_eq!(at(view.populate_read_range(lost - 1, 2 * page)), lost);
    view.populate_read_range(0, lost).unwrap();
    if can_populate_write() {
        assert_eq!(at(view.populate_write()), lost);
        view.populate_write_range(3, lost - 3).unwrap();
    }
    let mut steps = view.populate_read_steps(2 * page);
    assert_eq!(steps.next().unwrap().unwrap(), 2 * page - 100);
    assert_eq!(steps.next().unwrap().unwrap(), 4 * page - 100);
    assert_eq!(at(steps.next().unwrap().map(drop)), lost);
    assert!(steps.next().is_none());
    // Counted from the start of the piece.
    let (_head, tail) = view.split_at(4 * page).unwrap();
    assert_eq!(at(tail.populate_read()), lost - 4 * page);
    handle.set_len(8 * page as u64).unwrap();
    tail.populate_read().unwrap();
}

#[cfg(target_os = "linux")]
#[path = "support/fill.rs"]
mod fill;
#[cfg(target_os = "linux")]
#[path = "support/hugepages.rs"]
mod hugepages;
#[cfg(target_os = "linux")]
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;
#[cfg(target_os = "linux")]
#[path = "support/mounts.rs"]
mod mounts;
#[cfg(target_os = "linux")]
#[path = "support/respawn.rs"]
mod respawn;
#[cfg(target_os = "linux")]
#[path = "support/seccomp.rs"]
mod seccomp;
#[cfg(target_os = "linux")]
#[path = "support/skip.rs"]
mod skip;
#[cfg(target_os = "linux")]
#[path = "support/smaps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod smaps;

/// What is in memory, as the kernel says.
#[cfg(target_os = "linux")]
mod linux {
    use super::maps::Canaries;
    use super::mounts::Mount;
    use super::skip::skip;
    use super::smaps::{evict, resident};
    use super::*;
    use folio::{Advice, Fault};
    use respawn::End;

    /// Whether the kernel really populates; an emulator may only say so.
    fn populates() -> bool {
        let map = MmapMut::map_anon(page_size()).unwrap();
        map.populate_write().unwrap();
        resident(&map) == [true]
    }

    /// A call for one piece brought in all, or nothing.
    #[test]
    fn the_pages_of_the_view_come_and_no_other() {
        const TEST: &str = "linux::the_pages_of_the_view_come_and_no_other";
        if !populates() {
            return skip(TEST, "the kernel does not populate");
        }
        let page = page_size();
        let (map, canaries) = Canaries::around(6, || MmapMut::map_anon(6 * page).unwrap());
        map.advise(Advice::NoHugePage).unwrap();
        // Pages 1 to 3 are touched.
        map.populate_write_range(page + 10, 2 * page).unwrap();
        assert_eq!(resident(&map), [false, true, true, true, false, false]);
        canaries.assert_untouched();
        drop(canaries);
        // With nothing mapped around it, a call that reached too far would be an error.
        let mut map = map;
        let tail = map.split_off(5 * page + 1).unwrap();
        tail.populate_read().unwrap();
        assert_eq!((resident(&map), resident(&tail)), (vec![false, true, true, true, false, true], vec![true]));
        map.populate_read().unwrap();
        assert_eq!(resident(&map), [true; 6]);

        let (_dir, file) = file(6);
        let (view, canaries) = Canaries::around(6, || MmapViewSync::open(&file, Protection::ReadWrite).unwrap());
        // Nothing is read ahead.
        view.advise(Advice::Random).unwrap();
        let (head, tail) = view.split_at(2 * page + 1).unwrap();
        for _ in 0..1000 {
            evict(&file);
            if !resident(&head).contains(&true) && !resident(&tail).contains(&true) {
                break;
            }
        }
        assert_eq!((resident(&head), resident(&tail)), (vec![false; 3], vec![false; 4]));
        tail.populate_read().unwrap();
        assert_eq!((resident(&head), resident(&tail)), (vec![false, false, true], vec![true; 4]));
        canaries.assert_untouched();
    }

    /// The blocks of a hole come with the population, or the error does; a plain write would have been a signal.
    #[test]
    fn populating_for_writing_meets_a_full_disk() {
        const TEST: &str = "linux::populating_for_writing_meets_a_full_disk";
        if !populates() {
            return skip(TEST, "the kernel does not populate");
        }
        let mount = match Mount::new("tmpfs", "size=1m", "none".as_ref()) {
            Ok(mount) => mount,
            Err(reason) => return skip(TEST, reason),
        };
        let path = mount.path().join("sparse");
        let handle = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        handle.set_len(1 << 20).unwrap();
        let view = MmapViewSync::open(&handle, Protection::ReadWrite).unwrap();
        view.populate_write_range(5, 1).unwrap();
        fill::fill(&mount.path().join("filler"));
        // The page that has its memory, and then the first that gets none.
        let fault = Fault::of(&view.populate_write().unwrap_err()).expect("a fault");
        assert_eq!(fault.offset, page_size());
        // A hole that is read takes no room on other file systems; on this one it takes a page.
        assert!(Fault::of(&view.populate_write_range(10 * page_size() + 3, 1).unwrap_err()).is_some());
        fs::remove_file(mount.path().join("filler")).unwrap();
        view.populate_write().unwrap();
    }

    /// A kernel before 5.14 does not populate, and a filter may forbid it: pages are touched then, by whatever way there is.
    #[test]
    fn without_the_call_pages_are_touched() {
        const TEST: &str = "linux::without_the_call_pages_are_touched";
        let Some(case) = respawn::case() else {
            for case in ["routines", "kernel copies"] {
                assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), End::Passed, "{case}");
            }
            return;
        };
        let page = page_size();
        let copies = case == "kernel copies";
        if copies {
            folio::fault::use_kernel_copies().unwrap();
        }
        let writes = folio::fault::ATOMIC_WIDTH > 1 && !copies;
        let (_dir, handle) = file(4);
        let view = MmapOptions::new().offset(9).map_view(&handle, Protection::ReadWrite).unwrap();
        let map = MmapMut::map_anon(3 * page).unwrap();
        super::seccomp::forbid(&[libc::SYS_madvise]);
        view.populate_read().unwrap();
        assert_eq!(resident(&view), [true; 4]);
        if writes {
            map.populate_write_range(page - 1, 2).unwrap();
            assert_eq!(resident(&map), [true, true, false]);
            view.populate_write().unwrap();
        } else {
            assert_eq!(map.populate_write().unwrap_err().kind(), ErrorKind::Unsupported);
        }
        handle.set_len(2 * page as u64).unwrap();
        let lost = 2 * page - 9;
        assert_eq!(Fault::of(&view.populate_read().unwrap_err()).expect("a fault").offset, lost);
        if writes {
            assert_eq!(Fault::of(&view.populate_write().unwrap_err()).expect("a fault").offset, lost);
        }
        let mut bytes = vec![0; lost];
        view.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 7));
    }

    /// Zeros in the place of a lost page are in memory, and are not the page.
    #[test]
    fn a_page_that_stands_in_zeros_is_not_populated() {
        const TEST: &str = "linux::a_page_that_stands_in_zeros_is_not_populated";
        let page = page_size();
        let (_dir, handle) = file(3);
        // SAFETY: nothing that the view shows is trusted.
        let view = unsafe { MmapOptions::new().zero_fill_on_fault().map_view(&handle, Protection::ReadWrite) };
        let view = match view {
            Ok(view) => view,
            Err(error) => return skip(TEST, error),
        };
        handle.set_len(page as u64).unwrap();
        // SAFETY: nobody writes; the byte is read for the fault alone.
        assert_eq!(unsafe { view.as_slice() }[2 * page], 0);
        assert_eq!(view.fault().map(|fault| fault.offset), Some(2 * page));
        assert_eq!(Fault::of(&view.populate_read_range(2 * page + 9, 1).unwrap_err()).unwrap().offset, 2 * page + 9);
        handle.set_len(3 * page as u64).unwrap();
        assert_eq!(Fault::of(&view.populate_read().unwrap_err()).unwrap().offset, 2 * page);
        view.populate_read_range(0, 2 * page).unwrap();
    }

    /// Huge pages are populated one by one, and too few of them are an error that says where.
    #[test]
    fn huge_pages_are_populated_whole() {
        const TEST: &str = "linux::huge_pages_are_populated_whole";
        if !populates() {
            return skip(TEST, "the kernel does not populate");
        }
        let _pool = match super::hugepages::Pool::set(2) {
            Ok(pool) => pool,
            Err(reason) => return skip(TEST, reason),
        };
        let size = super::hugepages::count("Hugepagesize") * 1024;
        let map = MmapOptions::new().len(3 * size).huge(None).no_reserve_swap().map_anon().unwrap();
        map.populate_write_range(size + 1, 1).unwrap();
        assert_eq!(super::hugepages::count("HugePages_Free"), 1);
        let fault = Fault::of(&map.populate_write().unwrap_err()).expect("a fault");
        assert_eq!(fault.offset, 2 * size);
        assert_eq!(map.populate_read_steps(1).map_while(Result::ok).collect::<Vec<_>>(), [size, 2 * size]);
    }

    /// `map_if_safe` and others rely on it: every page of a memory file is there when it says so.
    #[test]
    fn several_threads_populate_parts_of_one_view() {
        let (_dir, file) = file(64);
        let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        let part = view.len() / 4;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let view = &view;
                scope.spawn(move || view.populate_write_range(thread * part, part).unwrap());
            }
        });
        assert_eq!(resident(&view), [true; 64]);
    }
}
