//! Hints and commands about pages: what they do to the pages of a view, and that they do it to no other.
#![cfg(all(target_os = "linux", not(folio_heap)))] // the heap knows no hints

use folio::{Access, Advice, MmapMut, MmapOptions, MmapViewSync, Protection, UncheckedAdvice, View, page_size};
use std::fs::{self, File};
use std::io::ErrorKind;
use tempfile::TempDir;

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
use skip::skip;
use smaps::{beside, evict, pages_with, resident};

/// Every hint.
const ADVICE: [Advice; 15] = [
    Advice::Normal,
    Advice::Random,
    Advice::Sequential,
    Advice::WillNeed,
    Advice::Cold,
    Advice::PageOut,
    Advice::HugePage,
    Advice::NoHugePage,
    Advice::Collapse,
    Advice::Mergeable,
    Advice::Unmergeable,
    Advice::DontDump,
    Advice::DoDump,
    Advice::DoFork,
    Advice::KeepOnFork,
];

/// A file of six pages of 7, and a shared mapping of it that can be written.
fn shared() -> (TempDir, File, MmapViewSync) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, vec![7; 6 * page_size()]).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    (dir, file, view)
}

/// Whether this kernel takes advice apart at all; an emulator may say yes to everything.
fn kernel_knows_advice() -> bool {
    // SAFETY: a range of no bytes holds no page that could be treated in any way.
    unsafe { libc::madvise(std::ptr::null_mut(), 0, 12345) != 0 }
}

/// The hint, what is seen of it in the flags of a mapping, and the hint that takes it back.
const FLAGS: [(Advice, &str, Advice); 5] = [
    (Advice::Random, "rr", Advice::Normal),
    (Advice::Sequential, "sr", Advice::Normal),
    (Advice::DontDump, "dd", Advice::DoDump),
    (Advice::HugePage, "hg", Advice::NoHugePage),
    (Advice::NoHugePage, "nh", Advice::HugePage),
];

/// A hint to a part of a view reached the whole mapping, or, in `memmap2`, behind it: `advise_range(len, len)` passed the check.
#[test]
fn a_hint_reaches_the_pages_of_its_range_and_no_other() {
    const TEST: &str = "a_hint_reaches_the_pages_of_its_range_and_no_other";
    if !kernel_knows_advice() {
        return skip(TEST, "the kernel takes any advice");
    }
    fn check<A: Access>(view: &View<A>, canaries: &Canaries) {
        let page = page_size();
        for (advice, flag, undo) in FLAGS {
            if !advice.is_supported() {
                skip(TEST, format!("no {advice:?}"));
                continue;
            }
            assert!(view.advise(undo).unwrap(), "{undo:?}");
            // Pages 1 to 3 are touched.
            assert!(view.advise_range(advice, page + 10, 2 * page).unwrap(), "{advice:?}");
            let flags = pages_with(view, |area| area.has(flag));
            assert_eq!(flags, [false, true, true, true, false, false], "{advice:?}");
            assert!(view.advise_range(undo, page, 3 * page).unwrap(), "{undo:?}");
            // One byte at either edge; nothing at both.
            for (offset, touched) in [(0, 0), (6 * page - 1, 5)] {
                assert!(view.advise_range(advice, offset, 1).unwrap());
                let flags = pages_with(view, |area| area.has(flag));
                assert_eq!(flags.iter().position(|&has| has), Some(touched), "{advice:?}");
                assert_eq!(flags.iter().filter(|&&has| has).count(), 1, "{advice:?}");
                assert_eq!(beside(view, |area| area.has(flag)), [false; 2], "{advice:?}");
                assert!(view.advise(undo).unwrap());
            }
            for offset in [0, 1, 6 * page] {
                assert!(view.advise_range(advice, offset, 0).unwrap());
            }
            assert!(!pages_with(view, |area| area.has(flag)).contains(&true), "{advice:?}");
            for (offset, len) in [(6 * page, 1), (6 * page, 6 * page), (1, 6 * page), (usize::MAX, 2)] {
                assert_eq!(view.advise_range(advice, offset, len).unwrap_err().kind(), ErrorKind::InvalidInput);
            }
            canaries.assert_untouched();
        }
    }
    let (_dir, file, _) = shared();
    let (view, canaries) = Canaries::around(6, || MmapViewSync::open(&file, Protection::ReadWrite).unwrap());
    check(&view, &canaries);
    let (map, canaries) = Canaries::around(6, || MmapMut::map_anon(6 * page_size()).unwrap());
    check(&map, &canaries);
    check(&map.freeze(), &canaries);
}

/// Whatever the hint and the memory, bytes and neighbours stay as they are, and an old kernel is no failure.
#[test]
fn no_hint_changes_a_byte_or_fails() {
    fn check<A: Access>(view: View<A>, canaries: &Canaries, byte: u8) {
        for advice in ADVICE {
            for (offset, len) in [(0, view.len()), (1, 1), (page_size() + 1, page_size()), (view.len(), 0)] {
                match view.advise_range(advice, offset, len) {
                    Ok(taken) => assert!(taken || len > 0 || advice.is_supported(), "{advice:?}"),
                    // Tried, and a page was in use.
                    Err(error) => assert_eq!(advice, Advice::Collapse, "{error}"),
                }
            }
            let mut bytes = vec![0; view.len()];
            view.read_exact_at(&mut bytes, 0).unwrap();
            assert!(bytes.iter().all(|&found| found == byte), "{advice:?}");
            canaries.assert_untouched();
        }
    }
    let (_dir, file, _) = shared();
    let (view, canaries) = Canaries::around(6, || MmapViewSync::open(&file, Protection::ReadWrite).unwrap());
    check(view, &canaries, 7);
    let (view, canaries) = Canaries::around(6, || MmapViewSync::open(&file, Protection::ReadCopy).unwrap());
    view.write_all_at(&vec![8; view.len()], 0).unwrap();
    check(view, &canaries, 8);
    let (mut map, canaries) = Canaries::around(6, || MmapMut::map_anon(6 * page_size()).unwrap());
    map.fill(9);
    check(map, &canaries, 9);
    assert_eq!(fs::read(_dir.path().join("data")).unwrap(), vec![7; 6 * page_size()]);
}

/// `PageOut` and `WillNeed` are seen in what is in memory.
#[test]
fn pages_go_and_come_by_hints_and_their_neighbours_stay() {
    const TEST: &str = "pages_go_and_come_by_hints_and_their_neighbours_stay";
    if !kernel_knows_advice() || !Advice::PageOut.is_supported() {
        return skip(TEST, "no MADV_PAGEOUT (Linux 5.4)");
    }
    let (_dir, file, view) = shared();
    file.sync_all().unwrap();
    view.populate_read().unwrap();
    assert_eq!(resident(&view), [true; 6]);
    let page = page_size();
    let (head, tail) = view.split_at(page + 1).unwrap();
    let (middle, tail) = tail.split_at(2 * page).unwrap();
    // Pages of the middle: 1, 2, 3. One that another processor has just brought in stays; `evict` has it put where it belongs,
    // and takes no page that is mapped: the kernel may unmap neighbours when it takes large folios apart.
    for _ in 0..1000 {
        head.populate_read().unwrap();
        tail.populate_read().unwrap();
        evict(&file);
        assert!(middle.advise(Advice::PageOut).unwrap());
        if resident(&middle) == [false; 3] {
            break;
        }
    }
    assert_eq!(resident(&middle), [false; 3]);
    assert_eq!((resident(&head), resident(&tail)), (vec![true, false], vec![false, true, true]));
    assert!(middle.advise_range(Advice::WillNeed, 0, 1).unwrap());
    // The read has been started and ends some time.
    while !resident(&middle)[0] {
        std::thread::yield_now();
    }
    assert_eq!(head.load::<u8>(page).unwrap(), 7);
}

/// A collapse of one view takes the whole huge pages inside it, and nothing of what lies next to it.
#[test]
fn a_collapse_makes_huge_pages_inside_its_range() {
    const TEST: &str = "a_collapse_makes_huge_pages_inside_its_range";
    let size = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    let Some(size) = size.ok().and_then(|text| text.trim().parse::<usize>().ok()) else {
        return skip(TEST, "no transparent huge pages");
    };
    if !kernel_knows_advice() || !Advice::Collapse.is_supported() {
        return skip(TEST, "no MADV_COLLAPSE (Linux 6.1)");
    }
    let enabled = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap();
    if enabled.contains("[always]") {
        return skip(TEST, "the kernel makes huge pages by itself");
    }
    let mut map = MmapMut::map_anon(6 * size).unwrap();
    map.fill(7);
    let huge = |map: &MmapMut| -> usize {
        let range = map.as_ptr().addr()..map.as_ptr().addr() + map.len();
        let ours = |area: &&smaps::Area| area.range.start < range.end && range.start < area.range.end;
        smaps::areas().iter().filter(ours).map(|area| area.bytes("AnonHugePages")).sum()
    };
    assert_eq!(huge(&map), 0);
    // Two huge pages and a bit on both sides, at a multiple of the huge page.
    let first = map.as_ptr().align_offset(size) + size;
    match map.advise_range(Advice::Collapse, first - 10, 2 * size + 20) {
        Ok(taken) => {
            assert!(taken);
            assert_eq!(huge(&map), 2 * size);
        }
        Err(error) => skip(TEST, format!("the kernel had none to give: {error}")),
    }
    assert!(map.iter().all(|&byte| byte == 7));
    // No whole huge page inside: nothing to take.
    assert!(!map.advise_range(Advice::Collapse, first + page_size(), size).unwrap());
}

/// A kernel without `madvise`, or a container that forbids it, ended programs that only gave a hint.
#[test]
fn a_kernel_that_takes_no_hint_is_no_failure() {
    const TEST: &str = "a_kernel_that_takes_no_hint_is_no_failure";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "forbidden")), respawn::End::Passed);
        return;
    }
    let (_dir, _file, view) = shared();
    seccomp::forbid(&[libc::SYS_madvise]);
    for advice in ADVICE {
        assert!(!advice.is_supported(), "{advice:?}");
        assert!(!view.advise(advice).unwrap(), "{advice:?}");
    }
    // SAFETY: nobody has a slice of the view.
    let error = unsafe { view.unchecked_advise(UncheckedAdvice::DontFork) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

/// A command that only another system has was not obeyed, so it is an error.
#[test]
fn what_this_system_does_not_have_is_said_so() {
    let view = MmapViewSync::anonymous(10).unwrap();
    for advice in [UncheckedAdvice::FreeReuse, UncheckedAdvice::ZeroWiredPages] {
        assert!(!advice.is_supported());
        // SAFETY: nobody has a slice of the view.
        let error = unsafe { view.unchecked_advise(advice) }.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{advice:?}");
    }
}

/// Hints that belong to pages split mappings of the kernel's, of which a process may have so many: that is an error, for the
/// hint was known and could not be followed.
#[test]
fn a_hint_that_needs_one_mapping_too_many_is_an_error() {
    const TEST: &str = "a_hint_that_needs_one_mapping_too_many_is_an_error";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "alone")), respawn::End::Passed);
        return;
    }
    let most: usize = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap();
    if most > 1 << 20 || !kernel_knows_advice() {
        return skip(TEST, "the limit is too high to be met, or the kernel takes any advice");
    }
    let page = page_size();
    let view = MmapOptions::new().len((most + 10) * page).no_reserve_swap().map_anon().unwrap();
    // Every second page.
    let mut advised = (0..most).step_by(2).map(|at| view.advise_range(Advice::DontDump, at * page, page));
    let error = advised.find_map(Result::err).expect("no limit was met");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("vm.max_map_count"), "{error}");
    // And the mapping is one again.
    assert!(view.advise(Advice::DoDump).unwrap());
}

/// The commands that fork looks at, seen in the flags of the pages of the range.
#[test]
fn a_command_reaches_the_pages_of_its_range_and_no_other() {
    const TEST: &str = "a_command_reaches_the_pages_of_its_range_and_no_other";
    if !kernel_knows_advice() {
        return skip(TEST, "the kernel takes any advice");
    }
    let page = page_size();
    let (map, canaries) = Canaries::around(6, || MmapMut::map_anon(6 * page).unwrap());
    let commands =
        [(UncheckedAdvice::DontFork, "dc", Advice::DoFork), (UncheckedAdvice::WipeOnFork, "wf", Advice::KeepOnFork)];
    for (advice, flag, undo) in commands {
        assert!(advice.is_supported() && undo.is_supported());
        // SAFETY: no child made by `fork` touches these pages.
        unsafe { map.unchecked_advise_range(advice, 2 * page - 1, 2).unwrap() };
        assert_eq!(pages_with(&map, |area| area.has(flag)), [false, true, true, false, false, false]);
        // SAFETY: no child made by `fork` touches these pages.
        unsafe { map.unchecked_advise_range(advice, 6 * page - 1, 1).unwrap() };
        assert_eq!(beside(&map, |area| area.has(flag)), [false; 2]);
        // In `memmap2`, this hit what lay behind the map.
        for (offset, len) in [(6 * page, 6 * page), (6 * page, 1), (usize::MAX, 2)] {
            // SAFETY: no child made by `fork` touches these pages.
            let error = unsafe { map.unchecked_advise_range(advice, offset, len) }.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert!(map.advise(undo).unwrap());
        assert!(!pages_with(&map, |area| area.has(flag)).contains(&true));
        canaries.assert_untouched();
    }
}

/// What is lost are the pages of the range: zeros in private memory, nothing at all in a shared file.
#[test]
fn dont_need_loses_private_pages_of_its_range_only() {
    let page = page_size();
    let (mut map, canaries) = Canaries::around(4, || MmapMut::map_anon(4 * page).unwrap());
    map.fill(7);
    // SAFETY: no slice of the map is alive.
    unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, page + 1, 1).unwrap() };
    let expected = [vec![7; page], vec![0; page], vec![7; 2 * page]].concat();
    assert!(map[..] == expected[..]);
    canaries.assert_untouched();

    let (_dir, _file, view) = shared();
    view.store(0, 8_u8).unwrap();
    // SAFETY: no slice of the view is alive, and a shared mapping loses nothing.
    unsafe { view.unchecked_advise(UncheckedAdvice::DontNeed).unwrap() };
    assert_eq!((view.load::<u8>(0).unwrap(), view.load::<u8>(1).unwrap()), (8, 7));
    let empty = view.split_at(0).unwrap().0;
    // SAFETY: an empty view has no bytes to lose.
    unsafe { empty.unchecked_advise(UncheckedAdvice::Remove).unwrap() };
}

/// A hole in the file where the range is, and nowhere else.
#[test]
fn remove_makes_a_hole_of_the_pages_of_its_range() {
    let (dir, _file, view) = shared();
    let page = page_size();
    // SAFETY: no slice of the file is alive.
    match unsafe { view.unchecked_advise_range(UncheckedAdvice::Remove, 2 * page, page) } {
        Ok(()) => {
            let expected = [vec![7; 2 * page], vec![0; page], vec![7; 3 * page]].concat();
            assert!(fs::read(dir.path().join("data")).unwrap() == expected);
        }
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP), "{error}");
            skip("remove_makes_a_hole_of_the_pages_of_its_range", "the file system makes no holes");
        }
    }
}

/// The reason for all the care: what is evicted and what is not must be what was asked for.
#[test]
fn evicting_a_file_leaves_what_is_mapped_by_a_populated_view() {
    let (_dir, file, view) = shared();
    view.populate_read().unwrap();
    evict(&file);
    assert_eq!(resident(&view), [true; 6]);
}
