//! Each set of registers by itself, pages that come and go, and what the table of regions says.

use super::super::tests::{Arena, Copier, Dice, Loss, assert_stop, copies_match_the_model, first_lost, protect, tries};
use super::super::{Short, Stop, Tried, prepare_thread};
use super::table::Routines;
use super::{machine, prepare, regions};
#[cfg(target_os = "linux")]
use std::ffi::c_void;
#[cfg(target_os = "linux")]
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Gives the copies of one table to `test`.
fn with_copies(routines: &Routines, test: impl FnOnce(Copier, Copier)) {
    prepare::prepare().unwrap();
    let stop = |copied: Result<Tried<()>, Short>, len: usize| {
        copied.map(Tried::given).map_err(|short| Stop::lost(len - short.left()))
    };
    let read = |dst: *mut u8, src: *const u8, len: usize| {
        // SAFETY: the tests give ranges of an arena and of a buffer; the handler is installed.
        stop(unsafe { machine::copy(routines, dst, src, len, src) }, len)
    };
    let write = |dst: *mut u8, src: *const u8, len: usize| {
        // SAFETY: the tests give ranges of an arena and of a buffer; the handler is installed.
        stop(unsafe { machine::copy(routines, dst, src, len, dst) }, len)
    };
    test(&read, &write);
}

#[test]
fn every_level_stops_at_the_first_lost_byte_and_touches_nothing_else() {
    for (name, routines) in machine::all() {
        with_copies(routines, |read, write| copies_match_the_model(name, 40_000, read, write));
    }
}

/// A page that comes back while the copy is being told where it was lost may make the copy whole: it answers `Ok` with
/// every byte, or the exact place, and nothing else.
#[test]
fn a_page_that_comes_and_goes_gives_all_bytes_or_the_exact_place() {
    for (name, routines) in machine::all() {
        let arena = Arena::new(Loss::Forbidden);
        let page = crate::page_size();
        let (lost, done) = (arena.at(arena.lost.0) as usize, AtomicBool::new(false));
        // SAFETY: a page of the arena, to which no reference exists.
        let protect = |touchable| unsafe { protect(std::ptr::with_exposed_provenance_mut(lost), page, touchable) };
        protect(true);
        for at in arena.lost.0..arena.lost.1 {
            // SAFETY: inside the arena, and not lost now.
            unsafe { arena.at(at).write(Arena::byte(at)) };
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    protect(false);
                    protect(true);
                }
            });
            with_copies(routines, |read, _| {
                let mut dice = Dice::new(7);
                // Two pages of the usual length: as many bytes as pages can have take an emulator long.
                let mut buffer = vec![0; 8192];
                let (mut whole, mut cut) = (0, 0);
                for _ in 0..tries(100_000) {
                    let longest = if dice.below(10) == 0 { buffer.len() } else { 700 };
                    let len = 1 + dice.below(longest);
                    let start = arena.lost.0 + 20 - dice.below(20 + len.min(page));
                    let result = read(buffer.as_mut_ptr(), arena.at(start), len);
                    let good = match first_lost(&arena, start, len).filter(|_| result.is_err()) {
                        Some(place) => {
                            cut += 1;
                            // The page can also be lost behind its first byte, while the copy is inside it.
                            let Err(Stop::Fault(at)) = result else { panic!("{result:?}") };
                            assert!(at >= place, "{name}: {at} is before {place}");
                            at
                        }
                        None => {
                            whole += 1;
                            assert_stop(result, None, &|| format!("{name}: {len} bytes from {start}"));
                            len
                        }
                    };
                    for (at, byte) in buffer[..good].iter().enumerate() {
                        assert_eq!(*byte, Arena::byte(start + at), "{name}: byte {at} of {len} from {start}");
                    }
                }
                assert!(whole > 100 && cut > 100, "{name}: {whole} whole, {cut} cut short");
            });
            done.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_thread_that_is_not_prepared_tries_nothing() {
    thread::spawn(|| {
        let word = 7_u64;
        // SAFETY: a word of ours.
        let loaded = unsafe { super::try_load::<u64>((&raw const word).cast(), 0) };
        assert_eq!(loaded, Err(Short::UNTRIED));
        let mut copy = 0_u64;
        // SAFETY: two words of ours, of eight bytes each.
        let copied = unsafe { super::try_read((&raw const word).cast(), (&raw mut copy).cast(), 8) };
        assert_eq!((copied, copy), (Err(Short::UNTRIED), 0));
        prepare::prepare().unwrap();
        // SAFETY: as in the call above.
        let loaded = unsafe { super::try_load::<u64>((&raw const word).cast(), 0) };
        assert_eq!(loaded.map(Tried::given), Ok(7));
        prepare_thread().unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn a_word_in_a_lost_page_is_reported_by_the_access_itself() {
    prepare::prepare().unwrap().unwrap();
    let arena = Arena::new(Loss::PastEnd);
    // SAFETY: a range of the arena; the handler is installed.
    assert_eq!(unsafe { machine::load::<u64>(arena.at(0), arena.lost.0) }.unwrap_err().left(), 1);
    // SAFETY: as in the call above.
    assert_eq!(unsafe { machine::store(arena.at(arena.lost.0), 1_u64) }.unwrap_err().left(), 1);
}

#[test]
fn only_instructions_of_copies_have_an_exit() {
    assert!(regions::exit_of(0).is_none());
    assert!(regions::exit_of(usize::MAX).is_none());
    assert!(regions::exit_of(machine::base() - 1).is_none());
    assert!(regions::exit_of(only_instructions_of_copies_have_an_exit as *const () as usize).is_none());
    let exits = (0..8192).filter_map(|at| regions::exit_of(machine::base() + at)).count();
    assert!(exits > 200, "{exits} guarded bytes");
}

/// A processor that checks the targets of indirect calls ends a program that calls a routine without a landing pad; debuggers and
/// profilers lose the way in one without unwind information.
#[cfg(target_os = "linux")]
#[test]
fn routines_have_landing_pads_and_unwind_information() {
    /// `endbr64` or `bti c`, as they stand in memory.
    const LANDING_PAD: [u8; 4] =
        if cfg!(target_arch = "x86_64") { [0xf3, 0x0f, 0x1e, 0xfa] } else { 0xd503_245f_u32.to_le_bytes() };

    // SAFETY: what unwinds this program has the function (libgcc, LLVM's libunwind); it takes any address.
    unsafe extern "C" {
        /// Where the function begins whose unwind information covers the byte before an address; null if there is none.
        safe fn _Unwind_FindEnclosingFunction(behind: *mut c_void) -> *mut c_void;
    }
    let function_of = |at: usize| _Unwind_FindEnclosingFunction(ptr::without_provenance_mut(at + 1)).addr();

    let mut starts: Vec<usize> =
        machine::all().map(|(_, routines)| routines).chain([&machine::UNTRIED]).map(|it| it.copy as usize).collect();
    starts.sort_unstable();
    starts.dedup();
    assert!(starts.len() >= 2 && starts[0] == machine::base(), "{starts:x?}");
    for &start in &starts {
        let code: *const [u8; 4] = ptr::with_exposed_provenance(start);
        // SAFETY: a routine is longer than its landing pad, and nobody ever writes it.
        assert_eq!(unsafe { *code }, LANDING_PAD, "{start:#x}");
        assert_eq!(function_of(start), start);
    }
    let guarded = (machine::base()..machine::base() + 8192).filter(|&at| regions::exit_of(at).is_some());
    for at in guarded {
        let start = function_of(at);
        assert!((machine::base()..=at).contains(&start), "nothing unwinds {at:#x}, {start:#x}");
        // What this processor cannot run is there all the same.
        let code: *const [u8; 4] = ptr::with_exposed_provenance(start);
        // SAFETY: a function begins here that holds a guarded instruction (checked above), and so more than four bytes of code,
        // which nobody writes.
        assert_eq!(unsafe { *code }, LANDING_PAD, "{start:#x}");
    }
}
