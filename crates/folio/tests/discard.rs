//! Memory given back while the address range stays: zeros in the whole view, and nowhere else.

use folio::{MmapMut, MmapOptions, page_size};
use std::io::ErrorKind;
use tempfile::TempDir;

/// Zeros in the view alone, whatever page it begins or ends in: its neighbours' bytes in the same page stay.
#[test]
fn every_byte_of_the_view_is_zero_and_no_other() {
    let page = page_size();
    let len = 6 * page;
    for (start, end) in
        [(0, len), (page, 3 * page), (5, len - 5), (page + 1, page + 2), (page - 1, page + 1)].into_iter().chain([
            (page, 2 * page),
            (page + 1, 2 * page),
            (2, page - 2),
            (page, page),
            (len, len),
            (0, 1),
            (len - 1, len),
        ])
    {
        let mut map = MmapMut::map_anon(len).unwrap();
        map.fill(7);
        let tail = map.split_off(end).unwrap();
        let mut middle = map.split_off(start).unwrap();
        middle.discard().unwrap();
        assert!(middle.iter().all(|&byte| byte == 0), "{start} {end}");
        assert!(map.iter().chain(&tail[..]).all(|&byte| byte == 7), "{start} {end}");
        // It is memory as before.
        middle.fill(8);
        middle.discard().unwrap();
        map.unsplit(middle).unwrap();
        map.unsplit(tail).unwrap();
        assert_eq!(map.iter().filter(|&&byte| byte == 0).count(), end - start);
    }
    MmapMut::map_anon(0).unwrap().discard().unwrap();
}

/// A file that is mapped privately would show the file's bytes again; one that is shared would lose them.
#[test]
fn views_of_files_are_refused_and_unharmed() {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, vec![7; 2 * page_size()]).unwrap();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // SAFETY: nobody else has the file of this test.
    let shared = unsafe { MmapMut::map_mut(&file) }.unwrap();
    // SAFETY: as in the line above.
    let copy = unsafe { MmapOptions::new().map_copy(&file) }.unwrap();
    for mut map in [copy, shared] {
        map.fill(8);
        assert_eq!(map.discard().unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(map.iter().all(|&byte| byte == 8));
    }
    assert!(std::fs::read(&path).unwrap().iter().all(|&byte| byte == 8));
}

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/hugepages.rs"]
mod hugepages;
#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;
#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/skip.rs"]
mod skip;
#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/smaps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod smaps;

#[cfg(all(target_os = "linux", not(folio_heap)))]
mod linux {
    use super::maps::Canaries;
    use super::smaps::resident;
    use super::*;
    use folio::Advice;

    /// The memory is given back, not only filled with zeros; that of the neighbours is not.
    #[test]
    fn whole_pages_inside_the_view_give_their_memory_back() {
        let page = page_size();
        let (mut map, canaries) = Canaries::around(6, || MmapMut::map_anon(6 * page).unwrap());
        map.advise(Advice::NoHugePage).unwrap();
        map.fill(7);
        let tail = map.split_off(4 * page + 10).unwrap();
        let mut middle = map.split_off(page + 10).unwrap();
        middle.discard().unwrap();
        assert_eq!((resident(&map), resident(&tail)), (vec![true, true], vec![true, true]));
        assert_eq!(resident(&middle), [true, false, false, true]);
        canaries.assert_untouched();
        drop(canaries);
        // Memory that was never used is not written by being discarded: it has no pages of its own, only that of zeros.
        let (mut unused, _canaries) = Canaries::around(4, || MmapMut::map_anon(4 * page).unwrap());
        unused.restrict(10, 3 * page).unwrap();
        unused.discard().unwrap();
        let anonymous = |area: &super::smaps::Area| area.bytes("Anonymous") > 0;
        assert_eq!(super::smaps::pages_with(&unused, anonymous), [false; 4]);
    }

    /// The kernel refuses locked pages.
    #[test]
    fn locked_pages_are_zeros_too() {
        let page = page_size();
        let mut map = MmapMut::map_anon(3 * page).unwrap();
        map.fill(7);
        let mut middle = map.split_off(1).unwrap();
        let tail = middle.split_off(2 * page).unwrap();
        match tail.lock_guard() {
            Ok(_guard) => {
                middle.discard().unwrap();
                assert!(middle.iter().all(|&byte| byte == 0));
                assert!(map.iter().chain(&tail[..]).all(|&byte| byte == 7));
            }
            Err(error) => super::skip::skip("linux::locked_pages_are_zeros_too", error),
        }
    }

    /// Huge pages are given back whole, to the pool.
    #[test]
    fn huge_pages_are_discarded_whole() {
        let _pool = match super::hugepages::Pool::set(3) {
            Ok(pool) => pool,
            Err(reason) => return super::skip::skip("linux::huge_pages_are_discarded_whole", reason),
        };
        let size = super::hugepages::count("Hugepagesize") * 1024;
        let mut map = MmapOptions::new().len(3 * size).huge(None).map_anon().unwrap();
        map.fill(7);
        let mut tail = map.split_off(size / 2).unwrap();
        tail.discard().unwrap();
        assert!(tail.iter().all(|&byte| byte == 0) && map.iter().all(|&byte| byte == 7));
    }
}
