//! What the kernel says of each page of a range: flags, locks, memory (`/proc/self/smaps`, proc_pid_smaps(5)), and whether it is
//! in memory (mincore(2)). Linux.

use folio::{Access, View, page_size};
use std::fs;
use std::ops::Range;

/// One mapping of the kernel's.
#[derive(Debug)]
pub(crate) struct Area {
    pub(crate) range: Range<usize>,
    text: String,
}

impl Area {
    /// A number of KiB, in bytes.
    pub(crate) fn bytes(&self, name: &str) -> usize {
        let value = self.value(name);
        value.trim().strip_suffix(" kB").and_then(|kib| kib.trim().parse::<usize>().ok()).unwrap() * 1024
    }

    /// Whether it has a flag of two letters.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.value("VmFlags").split_whitespace().any(|word| word == flag)
    }

    fn value(&self, name: &str) -> &str {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

/// All mappings of this process.
pub(crate) fn areas() -> Vec<Area> {
    let mut areas: Vec<Area> = Vec::new();
    for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        let range = line.split_once(' ').and_then(|(range, _)| {
            let (start, end) = range.split_once('-')?;
            Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
        });
        if let Some(range) = range {
            areas.push(Area { range, text: String::new() });
        } else {
            let area = areas.last_mut().unwrap();
            area.text += line;
            area.text += "\n";
        }
    }
    areas
}

/// For each page that holds bytes of the view, whether its mapping has a property.
pub(crate) fn pages_with<A: Access>(view: &View<A>, has: impl Fn(&Area) -> bool) -> Vec<bool> {
    let areas = areas();
    let of_page = |page: usize| {
        areas.iter().find(|area| area.range.contains(&page)).unwrap_or_else(|| panic!("{page:#x} is not mapped"))
    };
    pages_of(view).step_by(page_size()).map(|page| has(of_page(page))).collect()
}

/// Whether what is mapped right before and right behind the pages of the view has a property.
pub(crate) fn beside<A: Access>(view: &View<A>, has: impl Fn(&Area) -> bool) -> [bool; 2] {
    let (areas, pages) = (areas(), pages_of(view));
    [pages.start - 1, pages.end].map(|at| areas.iter().any(|area| area.range.contains(&at) && has(area)))
}

/// For each page that holds bytes of the view, whether it is in memory, as the kernel says itself.
pub(crate) fn resident<A: Access>(view: &View<A>) -> Vec<bool> {
    let pages = pages_of(view);
    let mut answers = vec![0_u8; pages.len() / page_size()];
    let start = std::ptr::without_provenance_mut(pages.start);
    // SAFETY: the view lies in these pages; the vector has one byte for each of them.
    let result = unsafe { libc::mincore(start, pages.len(), answers.as_mut_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    answers.iter().map(|answer| answer & 1 != 0).collect()
}

/// The addresses of the pages that hold bytes of the view.
fn pages_of<A: Access>(view: &View<A>) -> Range<usize> {
    let (start, page) = (view.as_ptr().addr(), page_size());
    start & !(page - 1)..(start + view.len()).next_multiple_of(page)
}

/// Takes the pages of a file out of memory, those that are on the disk and not mapped.
pub(crate) fn evict(file: &fs::File) {
    use std::os::fd::AsRawFd;
    file.sync_all().unwrap();
    // SAFETY: the descriptor is open; the call takes no pointer.
    assert_eq!(unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) }, 0);
}
