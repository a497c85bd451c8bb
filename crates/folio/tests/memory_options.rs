//! Options for memory: populate, no swap reservation, stacks and huge pages, and that each mapping goes as it came.
// The options are the system's, and nothing to the heap.
#![cfg(all(target_os = "linux", not(folio_heap)))]

use folio::{Fault, MmapMut, MmapOptions, MmapViewSync, Protection, page_size};
use std::fs;
use std::io::{ErrorKind, Write};

#[path = "support/hugepages.rs"]
mod hugepages;
#[path = "support/kinds.rs"]
mod kinds;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/maps.rs"]
mod maps;
#[path = "support/respawn.rs"]
mod respawn;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/smaps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod smaps;

use hugepages::{Pool, count};
use skip::skip;

/// How many pages of the map are in memory.
fn resident(map: &MmapMut) -> usize {
    let mut pages = vec![0_u8; map.len().div_ceil(page_size())];
    // SAFETY: the map lies at this address; the vector has one byte for each of its pages.
    let result = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), map.len(), pages.as_mut_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    pages.iter().filter(|&&page| page & 1 != 0).count()
}

/// A flag that is dropped on the way to the system call changes nothing that a test of the contents would see.
#[test]
fn populate_brings_the_pages_in() {
    let len = 64 * page_size() - 10;
    assert_eq!(resident(&MmapOptions::new().len(len).map_anon().unwrap()), 0);
    assert_eq!(resident(&MmapOptions::new().len(len).populate().map_anon().unwrap()), 64);

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; len]).unwrap();
    for (kind, outcome) in kinds::outcomes(MmapOptions::new().populate().no_reserve_swap(), &file) {
        assert_eq!(outcome.unwrap_or_else(|error| panic!("{kind}: {error}")).1, len, "{kind}");
    }
    let view = MmapOptions::new().populate().map_view(&file, Protection::ReadWrite).unwrap();
    assert_eq!(view.load::<u8>(len - 1).unwrap(), 7);

    // Populating what lies past the end of the file is no error, and no signal either.
    let view = MmapOptions::new().len(2 * len).allow_past_end().populate().map_view(&file, Protection::Read).unwrap();
    assert!(Fault::of(&view.load::<u8>(2 * len - 1).unwrap_err()).is_some());
}

/// More than memory and swap hold can be mapped, if nobody asks for a reservation.
#[cfg(target_pointer_width = "64")]
#[test]
fn no_reserve_swap_maps_more_than_there_is() {
    const TEST: &str = "no_reserve_swap_maps_more_than_there_is";
    if respawn::case().is_none() {
        // Where so much is mapped, QEMU finds no room for others and has no other error for what they ask.
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "alone")), respawn::End::Passed);
        return;
    }
    let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    if overcommit.trim() != "0" {
        return skip(TEST, "the kernel's overcommit policy is not the usual one");
    }
    let len = 2 * (count("MemTotal") + count("SwapTotal")) * 1024;
    assert_eq!(MmapOptions::new().len(len).map_anon().unwrap_err().kind(), ErrorKind::OutOfMemory);
    let mut map = MmapOptions::new().len(len).no_reserve_swap().map_anon().unwrap();
    map[len - 1] = 7;
    assert_eq!((map[0], map[len - 1]), (0, 7));
}

/// `munmap` with another length than `mmap` leaves something behind, or takes something else along.
#[test]
fn every_option_unmaps_what_it_mapped() {
    const TEST: &str = "every_option_unmaps_what_it_mapped";
    if respawn::case().is_none() {
        // In a process where nobody else maps memory at an address that has become free.
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "alone")), respawn::End::Passed);
        return;
    }
    let plain = MmapOptions::new();
    let mut stack = MmapOptions::new();
    stack.stack();
    let mut all = MmapOptions::new();
    all.stack().populate().no_reserve_swap();
    for options in [plain, stack, all] {
        for len in [1, page_size() - 1, page_size(), page_size() + 1, 1_000_000] {
            let mut map = options.clone().len(len).map_anon().unwrap();
            map.fill(0xaa);
            assert_eq!(map.len(), len);
            let (start, pages) = (map.as_ptr().addr(), len.next_multiple_of(page_size()));
            assert_eq!(maps::bytes_in(start, pages), pages, "{options:?}, {len} bytes");
            drop(map);
            assert_eq!(maps::bytes_in(start, pages), 0, "{options:?}, {len} bytes");
        }
    }
    // A view in the middle of a file's pages.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 10 * page_size()]).unwrap();
    let view = MmapOptions::new().offset(10).len(page_size()).map_view(&file, Protection::Read).unwrap();
    let start = view.as_ptr().addr() - 10;
    assert_eq!(maps::bytes_in(start, 2 * page_size()), 2 * page_size());
    view.unmap().unwrap();
    assert_eq!(maps::bytes_in(start, 2 * page_size()), 0);
}

/// The default size of huge pages, as `huge` counts it.
fn default_size() -> (usize, u8) {
    let size = count("Hugepagesize") * 1024;
    (size, u8::try_from(size.trailing_zeros()).unwrap())
}

/// How many mappings of huge pages this process has.
fn huge_mappings() -> usize {
    fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|line| line.contains("anon_hugepage")).count()
}

/// memmap2 unmaps the length that was asked for: `munmap` fails, the failure is ignored, and the pages are gone for good.
#[test]
fn huge_pages_are_unmapped_whole_whatever_the_length() {
    const TEST: &str = "huge_pages_are_unmapped_whole_whatever_the_length";
    let (size, bits) = default_size();
    let _pool = match Pool::set(2) {
        Ok(pool) => pool,
        Err(reason) => return skip(TEST, reason),
    };
    for huge in [None, Some(bits)] {
        for len in [1, page_size() + 1, size - 1, size, size + 1, 2 * size - 1, 2 * size] {
            let mut map = MmapOptions::new().len(len).huge(huge).map_anon().unwrap();
            assert_eq!(map.len(), len);
            assert_eq!(map.as_ptr().addr() % size, 0);
            assert_eq!(huge_mappings(), 1);
            map[0] = 1;
            map[len - 1] = 2;
            assert_eq!(count("HugePages_Free"), 2 - len.div_ceil(size));
            // The operations of the map know the size of its pages, too.
            let map = map.make_read_only().unwrap().make_mut().unwrap();
            map.flush_range(len / 2, 1.min(len - len / 2)).unwrap();
            map.unmap().unwrap();
            assert_eq!((huge_mappings(), count("HugePages_Free")), (0, 2), "{huge:?}, {len} bytes");
        }
    }
    let map = MmapOptions::new().len(size + 1).huge(None).map_anon().unwrap();
    let (head, tail) = MmapViewSync::from(map).split_at(10).unwrap();
    drop(head);
    assert_eq!(huge_mappings(), 1);
    drop(tail);
    assert_eq!((huge_mappings(), count("HugePages_Free")), (0, 2));
}

/// Without a pool there is nothing to map; a map that comes all the same dies at the first touch.
#[test]
fn huge_pages_without_a_pool_are_an_error() {
    const TEST: &str = "huge_pages_without_a_pool_are_an_error";
    let (size, bits) = default_size();
    let _pool = match Pool::set(0) {
        Ok(pool) => pool,
        Err(reason) => return skip(TEST, reason),
    };
    if fs::read_to_string("/proc/sys/vm/nr_overcommit_hugepages").unwrap().trim() != "0" {
        return skip(TEST, "the pool grows by itself");
    }
    for huge in [None, Some(bits)] {
        let error = MmapOptions::new().len(1).huge(huge).map_anon().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{huge:?}");
        assert!(MmapOptions::new().huge(huge).map_anon().unwrap().is_empty());
    }
    assert_eq!(huge_mappings(), 0);

    // Who reserves nothing is not refused, and learns it at the first access: by an error, if it is a checked one.
    let map = MmapOptions::new().len(2 * size).huge(None).no_reserve_swap().map_anon().unwrap();
    let view = MmapViewSync::from(map);
    assert_eq!(Fault::of(&view.store(size + 5, 7_u8).unwrap_err()).expect("a fault").offset, size + 5);
    assert_eq!(Fault::of(&view.load::<u8>(3).unwrap_err()).expect("a fault").offset, 3);
}

/// Whoever wants huge pages if there are some had to try twice, and to ask for transparent ones by hand.
#[test]
fn huge_pages_if_there_are_some_fall_back_to_ordinary_ones() {
    const TEST: &str = "huge_pages_if_there_are_some_fall_back_to_ordinary_ones";
    let (size, bits) = default_size();
    let _pool = match Pool::set(1) {
        Ok(pool) => pool,
        Err(reason) => return skip(TEST, reason),
    };
    if fs::read_to_string("/proc/sys/vm/nr_overcommit_hugepages").unwrap().trim() != "0" {
        return skip(TEST, "the pool grows by itself");
    }
    for huge in [None, Some(bits)] {
        let map = MmapOptions::new().len(size).huge_if_available(huge).map_anon().unwrap();
        assert_eq!((map.page_size(), huge_mappings(), count("HugePages_Rsvd")), (size, 1, 1));
        // The pool is used up.
        let mut small = MmapOptions::new().len(size + 1).huge_if_available(huge).map_anon().unwrap();
        assert_eq!((small.len(), small.page_size(), huge_mappings()), (size + 1, page_size(), 1));
        small[size] = 1;
        if folio::Advice::HugePage.is_supported() {
            assert!(!smaps::pages_with(&small, |area| area.has("hg")).contains(&false));
        }
    }
    // The last word counts, and other errors stay errors.
    assert!(MmapOptions::new().len(2 * size).huge_if_available(None).huge(None).map_anon().is_err());
    let mut options = MmapOptions::new();
    let error = options.len(usize::MAX).huge_if_available(None).map_anon().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // A size that this machine has not.
    let map = MmapOptions::new().len(10).huge_if_available(Some(63)).map_anon().unwrap();
    assert_eq!(map.page_size(), page_size());
}

/// The size goes into six bits of the flags; memmap2 shifted whatever it was given over the other ones.
#[test]
fn sizes_of_huge_pages_that_do_not_exist_are_an_error() {
    if respawn::case().is_none() {
        // While others map, QEMU may find no room first, and says that.
        let test = "sizes_of_huge_pages_that_do_not_exist_are_an_error";
        assert_eq!(respawn::run(&mut respawn::command(&[], test, "alone")), respawn::End::Passed);
        return;
    }
    for bits in [0, 1, 11, 63, 64, 65, 128, 255] {
        let error = MmapOptions::new().len(1).huge(Some(bits)).map_anon().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bits}: {error:?}");
    }
    let name = |bits: u8| format!("/sys/kernel/mm/hugepages/hugepages-{}kB", (1_usize << bits) / 1024);
    for bits in page_size().trailing_zeros()..31 {
        let bits = u8::try_from(bits).unwrap();
        if !std::path::Path::new(&name(bits)).exists() {
            let error = MmapOptions::new().len(1).huge(Some(bits)).map_anon().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bits}: {error:?}");
        }
    }
}
