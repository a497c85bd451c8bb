//! What the kernel says is mapped (`/proc/self/maps`), canaries on both sides of a mapping, and tests that need a process
//! of their own. Linux.

#[allow(dead_code, clippy::duplicate_mod, reason = "not every test uses all of it, and some come by it twice")]
#[path = "runner.rs"]
mod runner;

use folio::{Access, View, page_size};
use std::ffi::c_int;
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::{Mutex, PoisonError};

/// One line of `/proc/self/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) range: Range<usize>,
    /// Four letters, such as `r--s`: read, write, execute, private or shared.
    pub(crate) permissions: String,
    /// The file, or the kernel's name for what it is; empty for anonymous memory.
    pub(crate) name: String,
}

/// All mappings of this process, by address.
pub(crate) fn all() -> Vec<Region> {
    chosen("/proc/self/maps", |_| true)
}

/// Those of which `choose` says so of the fields of their lines. What the lines are read into is kept: a C library (musl) may map new
/// memory for it, and that may come to lie where the caller is about to find nothing.
fn chosen(path: &str, choose: impl Fn(&Fields<'_>) -> bool) -> Vec<Region> {
    static TEXT: Mutex<String> = Mutex::new(String::new());
    let mut text = TEXT.lock().unwrap_or_else(PoisonError::into_inner);
    text.clear();
    text.reserve(1 << 20);
    File::open(path).unwrap().read_to_string(&mut text).unwrap();
    let fields = text.lines().map(|line| Fields::of(line).unwrap_or_else(|| panic!("not a line of maps: {line}")));
    fields.filter(choose).map(|fields| fields.region()).collect()
}

/// What a line says.
struct Fields<'a> {
    range: Range<usize>,
    permissions: &'a str,
    name: &'a str,
}

impl<'a> Fields<'a> {
    fn of(line: &'a str) -> Option<Fields<'a>> {
        // Offset, device and inode stand in between.
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        Some(Fields { range, permissions: fields.next()?, name: fields.nth(3).unwrap_or("").trim() })
    }

    fn region(&self) -> Region {
        Region { range: self.range.clone(), permissions: self.permissions.to_owned(), name: self.name.to_owned() }
    }
}

/// The mapping that holds an address. If there is none, the other name of the same lines is asked, for which an emulator makes none
/// up: QEMU 7.2 leaves memory out of its own that the kernel has joined with memory behind a library.
pub(crate) fn at(address: *const u8) -> Option<Region> {
    let found = |path| chosen(path, |fields| fields.range.contains(&address.addr())).pop();
    found("/proc/self/maps").or_else(|| found("/proc/thread-self/maps"))
}

/// How many of the `len` bytes at `start` are mapped, by the name for which an emulator makes up no lines.
pub(crate) fn bytes_in(start: usize, len: usize) -> usize {
    let overlap = |range: &Range<usize>| range.end.min(start + len).saturating_sub(range.start.max(start));
    let mapped = chosen("/proc/thread-self/maps", |fields| overlap(&fields.range) > 0);
    mapped.iter().map(|region| overlap(&region.range)).sum()
}

/// The mappings of a file.
pub(crate) fn of_file(path: &Path) -> Vec<Region> {
    let path = path.canonicalize().unwrap();
    chosen("/proc/self/maps", |fields| Path::new(fields.name) == path)
}

/// How many descriptors this process has open. One of them is the folder that is read to count them.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// `mmap` of anonymous memory that can be read and written. It is of the shared kind, which the kernel joins with no other
/// mapping next to it, so each line of maps stays one mapping.
fn map(at: *mut u8, len: usize, flags: c_int) -> *mut u8 {
    let flags = flags | libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: no flag that callers give lets the call take away what is mapped already.
    let address = unsafe { libc::mmap(at.cast(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if address == libc::MAP_FAILED { ptr::null_mut() } else { address.cast() }
}

fn unmap(at: *mut u8, len: usize) {
    // SAFETY: callers give up pages that `map` gave them, to which no reference is left.
    assert_eq!(unsafe { libc::munmap(at.cast(), len) }, 0);
}

/// One page right before a mapping and one right behind it, which no call on behalf of the mapping may touch.
#[derive(Debug)]
pub(crate) struct Canaries {
    before: *mut u8,
    behind: *mut u8,
}

impl Canaries {
    const BYTE: u8 = 0xA5;

    /// Makes a mapping of `pages` pages and has it lie between two canaries.
    ///
    /// The system chooses where a mapping goes. So this leaves a hole of the right size between two canaries, into which it
    /// falls sooner or later; or, where the system (an emulator) goes on behind what it mapped last, it puts canaries on both
    /// sides of where the mapping has fallen, as soon as there is room.
    pub(crate) fn around<A: Access>(pages: usize, make: impl Fn() -> View<A>) -> (View<A>, Canaries) {
        let page = page_size();
        let mut elsewhere = Vec::new();
        for _ in 0..1000 {
            let before = map(ptr::null_mut(), (pages + 2) * page, 0);
            assert!(!before.is_null());
            let hole = before.wrapping_add(page);
            let canaries = Canaries::new(before, hole.wrapping_add(pages * page));
            unmap(hole, pages * page);
            let view = make();
            let start = view.as_ptr().wrapping_sub(view.as_ptr().addr() % page).cast_mut();
            if start == hole {
                return (view, canaries);
            }
            drop(canaries);
            if let Some(canaries) = Canaries::beside(start, pages * page) {
                return (view, canaries);
            }
            elsewhere.push(view);
        }
        panic!("the system maps nothing where there is room for it");
    }

    /// Canaries next to what is mapped already, if nothing else is there.
    fn beside(start: *mut u8, len: usize) -> Option<Canaries> {
        let page = page_size();
        // A system that does not know the flag takes the address for a hint, and maps elsewhere if something is there.
        let place = |at: *mut u8| {
            let address = map(at, page, libc::MAP_FIXED_NOREPLACE);
            if !address.is_null() && address != at {
                unmap(address, page);
            }
            (address == at).then_some(address)
        };
        let before = place(start.wrapping_sub(page))?;
        let Some(behind) = place(start.wrapping_add(len)) else {
            unmap(before, page);
            return None;
        };
        Some(Canaries::new(before, behind))
    }

    /// Marks two pages that `map` gave.
    fn new(before: *mut u8, behind: *mut u8) -> Canaries {
        for canary in [before, behind] {
            // SAFETY: a page mapped by the caller, which can be written and nobody else knows.
            unsafe { ptr::write_bytes(canary, Self::BYTE, page_size()) };
        }
        Canaries { before, behind }
    }

    /// Panics if a canary has other bytes, another protection, or is gone.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        for (canary, which) in [(self.before, "before"), (self.behind, "behind")] {
            let region = at(canary).unwrap_or_else(|| panic!("the page {which} is gone"));
            assert_eq!(region.range, canary.addr()..canary.addr() + page_size(), "the page {which} was cut");
            assert_eq!(region.permissions, "rw-s", "the page {which} was protected");
            // SAFETY: the line of maps says that the page is there and can be read, and nobody writes it.
            let bytes = unsafe { slice::from_raw_parts(canary, page_size()) };
            assert!(bytes.iter().all(|&byte| byte == Self::BYTE), "the page {which} was written");
        }
    }
}

impl Drop for Canaries {
    /// Leaves holes where the canaries were: a system call that reaches over the edge now meets unmapped memory.
    fn drop(&mut self) {
        unmap(self.before, page_size());
        unmap(self.behind, page_size());
    }
}

/// Runs `body` in a process of its own: the calling test, whose full name is `test`, started again and alone.
///
/// For what counts mappings or descriptors, which the tests next to it have too, and for what may end the process.
#[track_caller]
pub(crate) fn in_child(test: &str, body: impl FnOnce()) {
    const MARK: &str = "FOLIO_TEST_CHILD";
    if std::env::var_os(MARK).is_some_and(|child| child == test) {
        return body();
    }
    let mut child = runner::this_program();
    child.args(["--exact", test, "--test-threads=1", "--nocapture", "--include-ignored"]).env(MARK, test);
    let output = child.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the child ended with {}\n{text}\n{errors}", output.status);
    assert!(text.contains("1 passed"), "there is no test {test}\n{text}");
}
