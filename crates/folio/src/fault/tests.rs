//! Copies and words against a byte-wise model, with a lost page at every place that matters.

use super::{AtomicWord, Stop, Tried, Word, atomic, kernel};
#[cfg(unix)]
use std::fs::File;
use std::ops::Range;
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::FromRawFd;
use std::{io, ptr, slice};
#[cfg(windows)]
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS, PAGE_READWRITE, VirtualAlloc, VirtualFree,
    VirtualProtect,
};

/// Numbers that are the same in every run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        // Marsaglia's xorshift with a multiplication behind it.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// How a page is lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    /// The file ends before it: SIGBUS. On Windows, where no mapped file is cut short, there is an address and no memory.
    PastEnd,
    /// The file ends inside a page. What the machine has of that page is there, which is less than all of it where an emulator gives the
    /// program longer pages.
    #[cfg(unix)]
    MidPage,
    /// It may not be touched: SIGSEGV, and on Windows the same exception as above.
    Forbidden,
}

/// Pages of memory, of which one in the middle (or all from the middle on) cannot be reached.
pub(super) struct Arena {
    base: *mut u8,
    len: usize,
    /// The first byte that cannot be reached, and the end of those.
    pub(super) lost: (usize, usize),
}

/// Every way to lose a page.
const LOSSES: &[Loss] = &[
    Loss::PastEnd,
    #[cfg(unix)]
    Loss::MidPage,
    Loss::Forbidden,
];

/// How long the pages of the machine are: shorter than the program's under some emulators.
#[cfg(unix)]
fn machine_page() -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("KernelPageSize:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    crate::page_size()
}

/// A file for a loss. What stands behind its end in its last page is to stay, but a file system makes zeros of that whenever it
/// writes the page to its disk; memory is never written to one.
#[cfg(unix)]
fn file(loss: Loss) -> File {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Loss::MidPage = loss {
        // SAFETY: the name is a C string.
        let fd = unsafe { libc::memfd_create(c"folio-test".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the descriptor is new, and nobody else's.
        return unsafe { File::from_raw_fd(fd) };
    }
    let _ = loss;
    tempfile::tempfile().unwrap()
}

/// Lets pages of memory that is ours be touched or not.
///
/// # Safety
///
/// Nobody has a reference to them.
pub(super) unsafe fn protect(page: *mut u8, len: usize, touchable: bool) {
    #[cfg(unix)]
    {
        let protection = if touchable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
        // SAFETY: the pages are ours, and nobody has a reference to them (caller).
        assert_eq!(unsafe { libc::mprotect(page.cast(), len, protection) }, 0);
    }
    #[cfg(windows)]
    {
        let mut before = 0;
        let protection = if touchable { PAGE_READWRITE } else { PAGE_NOACCESS };
        // SAFETY: the pages are ours, and nobody has a reference to them (caller).
        assert_ne!(unsafe { VirtualProtect(page.cast(), len, protection, &raw mut before) }, 0);
    }
}

impl Arena {
    const PAGES: usize = 7;

    #[cfg(windows)]
    pub(super) fn new(loss: Loss) -> Arena {
        let page = crate::page_size();
        let len = Arena::PAGES * page;
        // SAFETY: memory of its own, at an address of the system's choice.
        let base = unsafe { VirtualAlloc(ptr::null(), len, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) };
        assert!(!base.is_null());
        let mut arena = Arena { base: base.cast(), len, lost: (len, len) };
        arena.fill(0..len);
        let first = 4 * page;
        arena.lost = match loss {
            Loss::PastEnd => {
                // SAFETY: pages of our own memory, to which no reference exists.
                assert_ne!(unsafe { VirtualFree(arena.at(first).cast(), len - first, MEM_DECOMMIT) }, 0);
                (first, len)
            }
            Loss::Forbidden => {
                // SAFETY: as in the call above.
                unsafe { protect(arena.at(first), page, false) };
                (first, first + page)
            }
        };
        arena
    }

    #[cfg(unix)]
    pub(super) fn new(loss: Loss) -> Arena {
        let page = crate::page_size();
        let len = Arena::PAGES * page;
        let file = file(loss);
        file.set_len(len as u64).unwrap();
        // SAFETY: a mapping of its own, at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        assert_ne!(base, libc::MAP_FAILED);
        let mut arena = Arena { base: base.cast(), len, lost: (len, len) };
        arena.fill(0..len);
        let first = 4 * page;
        arena.lost = match loss {
            Loss::PastEnd => {
                file.set_len(first as u64).unwrap();
                (first, len)
            }
            Loss::MidPage => {
                let end = first + machine_page() / 2;
                file.set_len(end as u64).unwrap();
                arena.lost = (end.next_multiple_of(machine_page()), len);
                // The kernel has cleared what lies behind the end.
                arena.fill(end..len);
                arena.lost
            }
            Loss::Forbidden => {
                // SAFETY: pages of our own mapping, to which no reference exists.
                unsafe { protect(arena.at(first), page, false) };
                (first, first + page)
            }
        };
        arena
    }

    pub(super) fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.len);
        self.base.wrapping_add(offset)
    }

    /// What stands at `offset` before anything is written.
    pub(super) fn byte(offset: usize) -> u8 {
        (offset.wrapping_mul(0x9e37_79b9) >> 13).to_le_bytes()[0]
    }

    /// Puts the known bytes into what can be reached of a range.
    fn fill(&mut self, range: Range<usize>) {
        for offset in range.filter(|offset| !(self.lost.0..self.lost.1).contains(offset)) {
            // SAFETY: inside the mapping, and not lost.
            unsafe { self.at(offset).write(Arena::byte(offset)) };
        }
    }

    /// A reachable part of the memory, as it is now.
    pub(super) fn bytes(&self, begin: usize, end: usize) -> &[u8] {
        if begin == end {
            return &[];
        }
        assert!(end <= self.lost.0 || (begin >= self.lost.1 && end <= self.len));
        // SAFETY: inside the mapping, not lost, and nobody writes while the slice lives.
        unsafe { slice::from_raw_parts(self.at(begin), end - begin) }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        #[cfg(unix)]
        // SAFETY: our own mapping, and no slice of it is left.
        unsafe {
            libc::munmap(self.base.cast(), self.len)
        };
        #[cfg(windows)]
        // SAFETY: our own memory, and no slice of it is left.
        unsafe {
            VirtualFree(self.base.cast(), 0, MEM_RELEASE)
        };
    }
}

/// A copy between the sides, in either direction.
pub(super) type Copier<'a> = &'a dyn Fn(*mut u8, *const u8, usize) -> Result<(), Stop>;

/// A range of the arena: of any length, near an edge of the lost part as often as not.
fn any_range(dice: &mut Dice, arena: &Arena) -> (usize, usize) {
    let longest = match dice.below(20) {
        0..8 => 40,
        8..14 => 300,
        14..19 => 2500,
        // All of it, if pages have the usual length; of longer ones it would be too much for an emulator.
        _ => arena.len().min(7 * 4096),
    };
    let len = dice.below(longest);
    let start = match dice.below(4) {
        // Around the first lost byte.
        0 | 1 => (arena.lost.0 + 20).saturating_sub(dice.below(len + 40)),
        // Around the first byte that is there again.
        2 => (arena.lost.1 + 20).saturating_sub(dice.below(len + 40)),
        _ => dice.below(arena.len()),
    };
    let start = start.min(arena.len() - 1);
    (start, len.min(arena.len() - start))
}

/// The place, counted from `start`, of the first lost byte of a range.
pub(super) fn first_lost(arena: &Arena, start: usize, len: usize) -> Option<usize> {
    let lost = start.max(arena.lost.0);
    (lost < arena.lost.1.min(start + len)).then(|| lost - start)
}

pub(super) fn assert_stop(result: Result<(), Stop>, expected: Option<usize>, what: &dyn Fn() -> String) {
    match (result, expected) {
        (Ok(()), None) => {}
        (Err(Stop::Fault(at)), Some(lost)) => assert_eq!(at, lost, "{}", what()),
        (result, expected) => panic!("{result:?}, not {expected:?}: {}", what()),
    }
}

/// How many of `all` random cases to try: fewer if `FOLIO_TEST_ONE_IN` says so, for emulators, which take many times as long.
pub(super) fn tries(all: usize) -> usize {
    let one_in = std::env::var("FOLIO_TEST_ONE_IN").ok().and_then(|number| number.parse().ok());
    all.div_ceil(one_in.unwrap_or(1))
}

/// Reads and writes at random, and compares every byte that has a defined value.
pub(super) fn copies_match_the_model(name: &str, cases: usize, read: Copier, write: Copier) {
    const GUARD: usize = 64;
    for &loss in LOSSES {
        let mut dice = Dice::new(0x5eed);
        let arena = Arena::new(loss);
        let mut buffer = vec![0; arena.len() + 3 * GUARD];
        for case in 0..tries(cases) / LOSSES.len() {
            let (start, len) = any_range(&mut dice, &arena);
            let skew = GUARD + dice.below(GUARD);
            let expected = first_lost(&arena, start, len);
            let good = expected.unwrap_or(len);
            let what = || format!("{name}, {loss:?}, case {case}: {len} bytes from {start}, buffer at {skew}");
            if dice.below(2) == 0 {
                buffer[skew - GUARD..skew + len + GUARD].fill(0xa5);
                let result = read(buffer[skew..].as_mut_ptr(), arena.at(start), len);
                assert_stop(result, expected, &what);
                assert_eq!(buffer[skew..skew + good], *arena.bytes(start, start + good), "{}", what());
                assert!(buffer[skew - GUARD..skew].iter().all(|byte| *byte == 0xa5), "{}", what());
                assert!(buffer[skew + len..skew + len + GUARD].iter().all(|byte| *byte == 0xa5), "{}", what());
            } else {
                buffer[skew..skew + len].iter_mut().for_each(|byte| *byte = dice.next().to_le_bytes()[7]);
                let result = write(arena.at(start), buffer[skew..].as_ptr(), len);
                assert_stop(result, expected, &what);
                assert_eq!(buffer[skew..skew + good], *arena.bytes(start, start + good), "{}", what());
                let around = |from: usize, to: usize| {
                    let (from, to) = (from.min(arena.len()), to.min(arena.len()));
                    (from..to)
                        .filter(|at| !(arena.lost.0..arena.lost.1).contains(at))
                        .all(|at| arena.bytes(at, at + 1)[0] == Arena::byte(at))
                };
                assert!(around(start.saturating_sub(GUARD), start), "{}", what());
                assert!(around(start + len, start + len + GUARD), "{}", what());
                for at in (start..start + len).filter(|at| !(arena.lost.0..arena.lost.1).contains(at)) {
                    // SAFETY: inside the mapping, and not lost.
                    unsafe { arena.at(at).write(Arena::byte(at)) };
                }
            }
        }
    }
}

fn read(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the tests give ranges of an arena and of a buffer.
    unsafe { super::read(src, dst, len) }
}

fn write(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Stop> {
    // SAFETY: the tests give ranges of an arena and of a buffer.
    unsafe { super::write(dst, src, len) }
}

#[test]
fn copies_stop_at_the_first_lost_byte_and_touch_nothing_else() {
    copies_match_the_model("as chosen", 120_000, &read, &write);
}

#[test]
fn kernel_copies_stop_at_the_first_lost_byte_and_touch_nothing_else() {
    let read = |dst: *mut u8, src: *const u8, len: usize| {
        // SAFETY: the tests give ranges of an arena and of a buffer.
        unsafe { kernel::read(src, dst, len) }
    };
    let write = |dst: *mut u8, src: *const u8, len: usize| {
        // SAFETY: the tests give ranges of an arena and of a buffer.
        unsafe { kernel::write(dst, src, len) }
    };
    copies_match_the_model("kernel", 20_000, &read, &write);
}

// Accesses as views make them: an attempt, and what is left to do when that falls short.

unsafe fn load<W: Word>(src: *const u8) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { super::try_load(src, 0) }.map(Tried::given).or_else(|short| {
        // SAFETY: the same obligations, passed on.
        unsafe { super::load_on(src, short) }
    })
}

unsafe fn store<W: Word>(dst: *mut u8, value: W) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    unsafe { super::try_store(dst, value) }.map(Tried::given).or_else(|short| {
        // SAFETY: the same obligations, passed on.
        unsafe { super::store_on(dst, value, short) }
    })
}

unsafe fn load_acquire<W: AtomicWord>(src: *const u8) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    atomic(|| unsafe { super::try_load_acquire(src) })
}

unsafe fn store_release<W: AtomicWord>(dst: *mut u8, value: W) -> Result<(), Stop> {
    // SAFETY: the same obligations, passed on.
    atomic(|| unsafe { super::try_store_release(dst, value) })
}

unsafe fn compare_exchange<W: AtomicWord>(dst: *mut u8, current: W, new: W) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    atomic(|| unsafe { super::try_compare_exchange(dst, current, new) })
}

unsafe fn fetch_add<W: AtomicWord>(dst: *mut u8, value: W) -> Result<W, Stop> {
    // SAFETY: the same obligations, passed on.
    atomic(|| unsafe { super::try_fetch_add(dst, value) })
}

/// Loads and stores a word at every place around the first lost byte.
fn words_match_the_model<W: Word + PartialEq + std::fmt::Debug>() {
    let word_of = |bytes: &[u8]| {
        let mut value = W::default();
        // SAFETY: `bytes` has the word's length, and any bytes are a word.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut value).cast(), W::WIDTH) };
        value
    };
    for &loss in LOSSES {
        let mut arena = Arena::new(loss);
        for start in arena.lost.0 - 70..arena.lost.0 + 10 {
            let lost = first_lost(&arena, start, W::WIDTH);
            // SAFETY: a range of the arena.
            let loaded = unsafe { load::<W>(arena.at(start)) };
            match lost {
                None => assert_eq!(loaded.unwrap(), word_of(arena.bytes(start, start + W::WIDTH))),
                Some(lost) => assert_stop(loaded.map(|_| ()), Some(lost), &|| format!("load at {start}, {loss:?}")),
            }
            let good = lost.unwrap_or(W::WIDTH);
            let bytes: Vec<u8> = (0..W::WIDTH).map(|at| !Arena::byte(start + at)).collect();
            // SAFETY: a range of the arena.
            let stored = unsafe { store(arena.at(start), word_of(&bytes)) };
            assert_stop(stored, lost, &|| format!("store at {start}, {loss:?}"));
            assert_eq!(*arena.bytes(start, start + good), bytes[..good], "store at {start}, {loss:?}");
            if start <= arena.lost.0 {
                assert_eq!(arena.bytes(start - 1, start), [Arena::byte(start - 1)]);
            }
            if start + W::WIDTH < arena.lost.0 {
                assert_eq!(arena.bytes(start + W::WIDTH, start + W::WIDTH + 1), [Arena::byte(start + W::WIDTH)]);
            }
            arena.fill(start - 1..start + W::WIDTH + 1);
        }
    }
}

#[test]
fn words_stop_at_the_first_lost_byte_and_touch_nothing_else() {
    words_match_the_model::<u8>();
    words_match_the_model::<u16>();
    words_match_the_model::<u32>();
    words_match_the_model::<u64>();
}

#[test]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one obligation for all of them")]
fn atomic_accesses_answer_what_was_there_or_a_fault() {
    let arena = Arena::new(Loss::PastEnd);
    let here = arena.at(arena.lost.0 - 8);
    let gone = arena.at(arena.lost.0);
    if super::ATOMIC_WIDTH == 1 {
        // SAFETY: ranges of the arena, aligned.
        let (loaded, added) = unsafe { (load_acquire::<u64>(here), fetch_add(here, 1_u32)) };
        for stop in [loaded.err(), added.err()] {
            assert!(matches!(stop, Some(Stop::Failed(error)) if error.kind() == io::ErrorKind::Unsupported));
        }
        return;
    }
    // SAFETY: ranges of the arena, aligned.
    unsafe {
        store_release(here, 7_u64).unwrap();
        assert_eq!(load_acquire::<u64>(here).unwrap(), 7);
        assert_eq!(compare_exchange(here, 6_u64, 1).unwrap(), 7);
        assert_eq!(compare_exchange(here, 7_u64, u64::MAX).unwrap(), 7);
        assert_eq!(fetch_add(here, 3_u64).unwrap(), u64::MAX);
        assert_eq!(load_acquire::<u64>(here).unwrap(), 2);

        // The other half of the eight bytes stays as it is.
        store_release(here, u64::MAX).unwrap();
        store_release(here, 7_u32).unwrap();
        assert_eq!(load_acquire::<u32>(here).unwrap(), 7);
        assert_eq!(compare_exchange(here, 6_u32, 1).unwrap(), 7);
        assert_eq!(compare_exchange(here, 7_u32, u32::MAX).unwrap(), 7);
        assert_eq!(fetch_add(here, 3_u32).unwrap(), u32::MAX);
        assert_eq!(load_acquire::<u32>(here).unwrap(), 2);
        assert_eq!(load::<u32>(here.add(4)).unwrap(), u32::MAX);

        assert!(matches!(load_acquire::<u32>(gone), Err(Stop::Fault(0))));
        assert!(matches!(load_acquire::<u64>(gone), Err(Stop::Fault(0))));
        assert!(matches!(store_release(gone, 1_u32), Err(Stop::Fault(0))));
        assert!(matches!(store_release(gone, 1_u64), Err(Stop::Fault(0))));
        assert!(matches!(compare_exchange(gone, 0_u32, 1), Err(Stop::Fault(0))));
        assert!(matches!(compare_exchange(gone, 0_u64, 1), Err(Stop::Fault(0))));
        assert!(matches!(fetch_add(gone, 1_u32), Err(Stop::Fault(0))));
        assert!(matches!(fetch_add(gone, 1_u64), Err(Stop::Fault(0))));
    }
}

#[test]
fn a_fault_is_counted_once() -> io::Result<()> {
    // Other tests of this process count too, so this looks at a lower bound only; the exact number is looked at by a
    // process of its own in `tests/signals.rs`.
    let arena = Arena::new(Loss::PastEnd);
    let before = super::count();
    for _ in 0..10 {
        // SAFETY: a range of the arena.
        let stop = unsafe { load::<u64>(arena.at(arena.lost.0)) }.unwrap_err();
        assert_eq!(super::Fault::of(&stop.into_error(3)).map(|fault| fault.offset), Some(3));
    }
    assert!(super::count() >= before + 10);
    Ok(())
}
