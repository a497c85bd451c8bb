//! Torture: a process cuts a file short and makes it long again, at random and as fast as it can, while four threads read and
//! write it by every call and closure there is. What is never cut always succeeds and is right; everything else is right
//! or a fault; and when the file is long at last, every page shows the file again.
//!
//! `FOLIO_TORTURE_SECONDS` says how long it takes, 20 if it does not say.

#![cfg(all(unix, not(folio_heap)))] // no page of the heap is lost

#[path = "support/say.rs"]
mod say;
mod support;
#[path = "support/tries.rs"]
mod tries;

use folio::{Fault, MmapViewSync, Protection, Scalar, fault};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, thread};
use support::child;

/// The file: its length, and how much of it is never cut.
const LEN: usize = 1 << 20;
const HEAD: usize = 64 << 10;
const THREADS: usize = 4;
/// Each piece begins with words for the atomic accesses; the rest are bytes that say where they are.
const WORDS: usize = 64;
/// The least number of accesses that have to succeed, and to end in a fault.
fn least() -> u64 {
    tries::tries(1000).try_into().unwrap()
}
/// Slow machines get as long as this to come to that, however short the torture was to be.
const PATIENCE: Duration = Duration::from_secs(100);

fn seconds() -> u64 {
    env::var("FOLIO_TORTURE_SECONDS").map_or(20, |text| text.parse().expect("a number of seconds"))
}

#[test]
fn everything_is_right_or_a_fault_while_a_file_is_cut_and_lengthened() {
    run("everything_is_right_or_a_fault_while_a_file_is_cut_and_lengthened", seconds());
}

#[test]
fn and_with_kernel_copies() {
    run("and_with_kernel_copies", seconds());
}

fn run(test: &str, seconds: u64) {
    let ended = child::run_for(Duration::from_secs(60 + seconds) + PATIENCE, test, || {
        if test.contains("kernel") {
            fault::use_kernel_copies().unwrap();
        }
        torture(Duration::from_secs(seconds), test.contains("kernel"));
    });
    ended.well();
    say::say(ended.said().trim_end());
}

/// What the byte at `at` of the file is; never 0.
fn pattern(at: usize) -> u8 {
    u8::try_from(at % 251).unwrap() + 1
}

fn torture(time: Duration, kernel_copies: bool) {
    let file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..LEN).map(pattern).collect();
    file.write_all_at(&bytes, 0).unwrap();
    let whole = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    // SAFETY: this one is used again when nobody uses the pieces of the other any more.
    let pieces = Piece::cut_up(unsafe { whole.clone() });
    let (own, common) = &pieces;
    for piece in own.iter().flatten().chain(common) {
        piece.view.write_all_at(&[0; WORDS], 0).unwrap();
    }
    let atomics = fault::ATOMIC_WIDTH == 8 && !kernel_copies;

    let cutter = Cutter::start(&file);
    let start = Instant::now();
    let go_on: &(dyn Fn(&AtomicU64, &AtomicU64) -> bool + Sync) = &|successes: &AtomicU64, faults: &AtomicU64| {
        let fewer = successes.load(Relaxed).min(faults.load(Relaxed));
        start.elapsed() < time || (fewer < least() && start.elapsed() < PATIENCE)
    };
    let tallies: Vec<Tally> = thread::scope(|scope| {
        // SAFETY: the pieces that all threads have are used by checked accesses alone.
        let share = |piece: &Piece| Piece { view: unsafe { piece.view.clone() }, ..*piece };
        let threads: Vec<_> = own
            .iter()
            .zip(1..)
            .map(|(own, seed)| {
                // SAFETY: the caller of this keeps the other one, and uses it when the threads have ended.
                let own = own.each_ref().map(|piece| Piece { view: unsafe { piece.view.clone() }, ..*piece });
                let common = common.each_ref().map(share);
                scope.spawn(move || {
                    Worker { own, common, atomics, dice: Dice(seed), tally: Tally::default() }.run(go_on)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let cuts = cutter.stop();

    let sum = |number: fn(&Tally) -> u64| tallies.iter().map(number).sum::<u64>();
    let (successes, faults) = (sum(|tally| tally.successes), sum(|tally| tally.faults));
    eprintln!("torture: {cuts} cuts, {successes} accesses succeeded, {faults} ended in a fault, for {time:?}");
    assert!(successes >= least() && faults >= least(), "{successes} successes, {faults} faults");
    assert!(sum(|tally| tally.head) >= least(), "of what is never cut");
    assert!(fault::count() >= faults);

    // What nobody has cut away, nobody has lost.
    if atomics {
        assert_eq!(common[0].view.load_acquire::<u64>(0).unwrap(), sum(|tally| tally.added));
    }
    file.set_len(LEN as u64).unwrap();
    every_page_shows_the_file(&whole, &file);
    for (at, byte) in bytes.iter().enumerate().step_by(1000) {
        whole.store(at, *byte).unwrap();
    }
    whole.write_all_at(&bytes, 0).unwrap();
    whole.flush().unwrap();
    let mut read = vec![0; LEN];
    file.read_exact_at(&mut read, 0).unwrap();
    assert!(read == bytes, "what is written to the view is in the file");
    every_page_shows_the_file(&whole, &file);
}

/// By every way of reading, the view shows what the file has.
fn every_page_shows_the_file(view: &MmapViewSync, file: &File) {
    assert_eq!(view.fault(), None);
    let (mut has, mut shows) = (vec![0; LEN], vec![1; LEN]);
    file.read_exact_at(&mut has, 0).unwrap();
    view.read_exact_at(&mut shows, 0).unwrap();
    assert!(shows == has, "read_exact_at shows what the file has");
    for at in (0..LEN).step_by(folio::page_size()) {
        assert_eq!(view.load::<u8>(at).unwrap(), has[at], "byte {at}");
    }
    // SAFETY: the other view of these bytes is not used before the threads have ended, so nobody shares them.
    assert!(unsafe { view.with_slice(|bytes| bytes == has) }.unwrap(), "with_slice shows what the file has");
}

/// A part of the file. Those of one thread and of all threads lie side by side, where no page begins.
struct Piece {
    view: MmapViewSync,
    /// Where it begins in the file.
    start: usize,
    /// Whether it can be lost.
    cut: bool,
}

impl Piece {
    /// For each thread a piece that is never cut and one that is, and two of that kind for all.
    fn cut_up(mut view: MmapViewSync) -> (Vec<[Piece; 2]>, [Piece; 2]) {
        let mut start = 0;
        let mut take = |len: usize, cut: bool| {
            let piece = Piece { view: view.split_to(len).unwrap(), start, cut };
            start += len;
            piece
        };
        // Multiples of a word, and of nothing else.
        let of = |len: usize| len / (THREADS + 1) / 8 * 8;
        let mut heads: Vec<_> = (0..THREADS).map(|_| take(of(HEAD), false)).collect();
        let common_head = take(HEAD - THREADS * of(HEAD), false);
        let mut tails: Vec<_> = (0..THREADS).map(|_| take(of(LEN - HEAD), true)).collect();
        let common_tail = take(LEN - HEAD - THREADS * of(LEN - HEAD), true);
        let own = heads.drain(..).zip(tails.drain(..)).map(|(head, tail)| [head, tail]).collect();
        (own, [common_head, common_tail])
    }

    /// What the byte at `at` of the piece is.
    fn byte(&self, at: usize) -> u8 {
        pattern(self.start + at)
    }

    fn bytes(&self, at: usize, len: usize) -> Vec<u8> {
        (at..at + len).map(|at| self.byte(at)).collect()
    }

    /// Bytes that were read are the right ones, or zeros where the file has been cut and made long again.
    #[track_caller]
    fn check(&self, at: usize, bytes: &[u8]) {
        for (at, &byte) in (at..).zip(bytes) {
            assert!(byte == self.byte(at) || (self.cut && byte == 0), "byte {at} of {self:?} is {byte}");
        }
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.start, self.start + self.view.len())
    }
}

#[derive(Default)]
struct Tally {
    successes: u64,
    /// Those of `successes` that were of what is never cut.
    head: u64,
    faults: u64,
    /// What was added to the common word that is never cut.
    added: u64,
    /// How often each word of the own piece that is never cut was changed.
    rounds: u64,
}

/// One of the four threads.
struct Worker {
    own: [Piece; 2],
    common: [Piece; 2],
    atomics: bool,
    dice: Dice,
    tally: Tally,
}

impl Worker {
    fn run(mut self, go_on: &dyn Fn(&AtomicU64, &AtomicU64) -> bool) -> Tally {
        static SUCCESSES: AtomicU64 = AtomicU64::new(0);
        static FAULTS: AtomicU64 = AtomicU64::new(0);
        while go_on(&SUCCESSES, &FAULTS) {
            let before = (self.tally.successes, self.tally.faults);
            for _ in 0..20 {
                self.access();
            }
            SUCCESSES.fetch_add(self.tally.successes - before.0, Relaxed);
            FAULTS.fetch_add(self.tally.faults - before.1, Relaxed);
        }
        self.tally
    }

    /// Makes one access of any kind to any piece.
    fn access(&mut self) {
        let which = self.dice.below(2);
        let shared = self.dice.below(2) == 0;
        let calls = if shared { 9 } else { 11 };
        let call = self.dice.below(calls);
        let piece = if shared { &mut self.common[which] } else { &mut self.own[which] };
        let range = any_range(&mut self.dice, piece.view.len());
        let (tally, dice) = (&mut self.tally, &mut self.dice);
        match call {
            0 | 1 => read(piece, range, tally),
            2 | 3 => write(piece, range, tally),
            4 => match dice.below(5) {
                0 => load(piece, range.0, u8::to_ne_bytes, tally),
                1 => load(piece, range.0, u16::to_ne_bytes, tally),
                2 => load(piece, range.0, u32::to_ne_bytes, tally),
                3 => load(piece, range.0, u64::to_ne_bytes, tally),
                _ => load(piece, range.0, u128::to_ne_bytes, tally),
            },
            5 => match dice.below(4) {
                0 => store(piece, range.0, u8::from_ne_bytes, tally),
                1 => store(piece, range.0, u32::from_ne_bytes, tally),
                2 => store(piece, range.0, u64::from_ne_bytes, tally),
                _ => store(piece, range.0, u128::from_ne_bytes, tally),
            },
            6 => reader(piece, range, tally),
            7 | 8 if self.atomics && shared => add_to_common(piece, tally),
            7 | 8 if self.atomics => own_words(piece, tally),
            7 | 8 => read(piece, range, tally),
            9 => with_slice(piece, range, tally),
            _ => with_slice_mut(piece, range, tally),
        }
    }
}

/// A range of the bytes of a piece, which is not empty.
fn any_range(dice: &mut Dice, len: usize) -> (usize, usize) {
    let longest = [20, 300, 9000][dice.below(3)].min(len - WORDS - 1);
    let count = 1 + dice.below(longest);
    (WORDS + dice.below(len - WORDS - count), count)
}

/// Counts an access to `len` bytes at `at`. What is never cut succeeds; everything else succeeds, or has a fault in these bytes.
/// `Ok` or `Err` with how many bytes come before the fault.
#[track_caller]
fn outcome<T>(piece: &Piece, at: usize, len: usize, result: io::Result<T>, tally: &mut Tally) -> Result<T, usize> {
    match result {
        Ok(value) => {
            tally.successes += 1;
            tally.head += u64::from(!piece.cut);
            Ok(value)
        }
        Err(error) => {
            let Some(Fault { offset, .. }) = Fault::of(&error) else { panic!("{error} in {piece:?}") };
            assert!(piece.cut, "{error} in {piece:?}, which is never cut");
            assert!((at..at + len).contains(&offset), "a fault at {offset} of an access to {len} bytes at {at}");
            tally.faults += 1;
            Err(offset - at)
        }
    }
}

fn read(piece: &Piece, (at, len): (usize, usize), tally: &mut Tally) {
    let mut buf = vec![0; len];
    let result = piece.view.read_exact_at(&mut buf, at);
    let reached = outcome(piece, at, len, result, tally).map_or_else(|reached| reached, |()| len);
    piece.check(at, &buf[..reached]);
}

fn write(piece: &Piece, (at, len): (usize, usize), tally: &mut Tally) {
    let result = piece.view.write_all_at(&piece.bytes(at, len), at);
    let _ = outcome(piece, at, len, result, tally);
}

fn load<T: Scalar, const N: usize>(piece: &Piece, at: usize, bytes: fn(T) -> [u8; N], tally: &mut Tally) {
    let at = at.min(piece.view.len() - N);
    if let Ok(value) = outcome(piece, at, N, piece.view.load::<T>(at), tally) {
        piece.check(at, &bytes(value));
    }
}

fn store<T: Scalar, const N: usize>(piece: &Piece, at: usize, number: fn([u8; N]) -> T, tally: &mut Tally) {
    let at = at.min(piece.view.len() - N);
    let value = number(std::array::from_fn(|n| piece.byte(at + n)));
    let _ = outcome(piece, at, N, piece.view.store(at, value), tally);
}

fn reader(piece: &Piece, (at, len): (usize, usize), tally: &mut Tally) {
    let mut reader = piece.view.reader();
    reader.seek(SeekFrom::Start(at as u64)).unwrap();
    let mut bytes = Vec::new();
    let result = reader.by_ref().take(len as u64).read_to_end(&mut bytes);
    let reached = outcome(piece, at, len, result, tally).unwrap_or_else(|reached| reached);
    assert_eq!(bytes.len(), reached);
    piece.check(at, &bytes);
}

/// Changes the words of a piece that belongs to this thread.
fn own_words(piece: &Piece, tally: &mut Tally) {
    let view = &piece.view;
    let counted = outcome(piece, 0, 8, view.fetch_add(0, 1_u64), tally);
    let exchanged = outcome(piece, 8, 8, view.compare_exchange(8, tally.rounds, tally.rounds + 1), tally);
    let loaded = outcome(piece, 16, 8, view.load_acquire::<u64>(16), tally);
    let stored = outcome(piece, 16, 8, view.store_release(16, tally.rounds + 1), tally);
    let narrow = outcome(piece, 24, 4, view.fetch_add(24, 1_u32), tally);
    if piece.cut {
        return;
    }
    assert_eq!((counted, exchanged, loaded), (Ok(tally.rounds), Ok(Ok(tally.rounds)), Ok(tally.rounds)));
    assert_eq!((stored, narrow.map(u64::from)), (Ok(()), Ok(tally.rounds)));
    tally.rounds += 1;
}

/// A word that all threads add to.
fn add_to_common(piece: &Piece, tally: &mut Tally) {
    if outcome(piece, 0, 8, piece.view.fetch_add(0, 3_u64), tally).is_ok() && !piece.cut {
        tally.added += 3;
    }
}

fn with_slice(piece: &Piece, (at, len): (usize, usize), tally: &mut Tally) {
    // SAFETY: nobody else has the piece; the file is only cut short and made long.
    let result = unsafe { piece.view.with_slice(|bytes| bytes[at..at + len].to_vec()) };
    if let Ok(bytes) = outcome(piece, 0, piece.view.len(), result, tally) {
        piece.check(at, &bytes);
    }
}

fn with_slice_mut(piece: &mut Piece, (at, len): (usize, usize), tally: &mut Tally) {
    let bytes = piece.bytes(at, len);
    // SAFETY: nobody else has the piece.
    let result = unsafe { piece.view.with_slice_mut(|slice| slice[at..at + len].copy_from_slice(&bytes)) };
    let _ = outcome(piece, 0, piece.view.len(), result, tally);
}

/// A process that changes the length of the file all the time.
struct Cutter {
    process: libc::pid_t,
    /// How often it has.
    count: MmapViewSync,
    counts: File,
}

impl Cutter {
    fn start(file: &File) -> Cutter {
        let counts = tempfile::tempfile().unwrap();
        counts.set_len(8).unwrap();
        let count = MmapViewSync::open(&counts, Protection::ReadWrite).unwrap();
        // SAFETY: this process has one thread, and the child makes system calls alone.
        match unsafe { libc::fork() } {
            0 => Cutter::cut(file, &counts),
            process => {
                assert_ne!(process, -1, "{}", io::Error::last_os_error());
                Cutter { process, count, counts }
            }
        }
    }

    /// Until the parent ends it, or is gone.
    fn cut(file: &File, counts: &File) -> ! {
        // SAFETY: the call has no preconditions.
        let parent = unsafe { libc::getppid() };
        let mut dice = Dice(99);
        let mut count = 0_u64;
        // SAFETY: as in the call above.
        while unsafe { libc::getppid() } == parent {
            let len = if dice.below(2) == 0 { LEN } else { HEAD + dice.below(LEN - HEAD) };
            // SAFETY: a descriptor that is open, and a number.
            unsafe { libc::ftruncate(file.as_raw_fd(), len.try_into().unwrap_or(0)) };
            count += 1;
            // SAFETY: a descriptor that is open, and eight bytes.
            unsafe { libc::pwrite(counts.as_raw_fd(), (&raw const count).cast(), 8, 0) };
            thread::sleep(Duration::from_micros(20));
        }
        // SAFETY: ends the process without running anything of the parent's.
        unsafe { libc::_exit(0) }
    }

    fn stop(self) -> u64 {
        // SAFETY: a child of ours that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.process, libc::SIGKILL) }, 0);
        let mut status = 0;
        // SAFETY: there is room for the answer.
        assert_eq!(unsafe { libc::waitpid(self.process, &raw mut status, 0) }, self.process);
        drop(self.counts);
        self.count.load(0).unwrap()
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // Marsaglia's xorshift with a multiplication behind it.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end
    }
}
