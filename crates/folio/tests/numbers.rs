//! Numbers as single accesses of the machine: what other threads see of them, and in which order their bytes stand in the file.

use folio::{MmapViewSync, Protection, fault};
use std::io::{Read, Result};
use std::sync::Barrier;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};
use std::thread;

#[path = "support/skip.rs"]
mod skip;
#[path = "support/tries.rs"]
mod tries;

/// How often a number is written by each thread, and how often it is handed over. On the heap each access takes a lock.
fn rounds() -> usize {
    if cfg!(folio_heap) { 2000 } else { tries::tries(100_000) }
}

/// `ATOMIC_WIDTH` says so: half of one number and half of another are never seen, whatever the width and the access.
#[test]
fn aligned_numbers_are_never_torn() {
    if fault::ATOMIC_WIDTH < 8 {
        return skip::skip("aligned_numbers_are_never_torn", "the kernel does not say how it copies");
    }
    let file = tempfile::tempfile().unwrap();
    file.set_len(100).unwrap();
    let of_file = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    for view in [of_file, MmapViewSync::anonymous(100).unwrap()] {
        meet(|byte| view.store(2, u16::from_ne_bytes([byte; 2])), || view.load(2).map(u16::to_ne_bytes));
        meet(|byte| view.store(4, u32::from_ne_bytes([byte; 4])), || view.load(4).map(u32::to_ne_bytes));
        meet(|byte| view.store(8, u64::from_ne_bytes([byte; 8])), || view.load(8).map(u64::to_ne_bytes));
        meet(
            |byte| view.store_release(20, u32::from_ne_bytes([byte; 4])),
            || view.load_acquire(20).map(u32::to_ne_bytes),
        );
        meet(
            |byte| view.store_release(24, u64::from_ne_bytes([byte; 8])),
            || view.load_acquire(24).map(u64::to_ne_bytes),
        );
    }
}

/// Has two threads store numbers of equal bytes, each its own, while this one looks at them.
fn meet<const WIDTH: usize>(store: impl Fn(u8) -> Result<()> + Sync, load: impl Fn() -> Result<[u8; WIDTH]>) {
    let (start, done) = (Barrier::new(3), AtomicBool::new(false));
    thread::scope(|scope| {
        let (store, start, done) = (&store, &start, &done);
        store(0).unwrap();
        for byte in [0x55, 0xaa] {
            scope.spawn(move || {
                start.wait();
                while !done.load(Relaxed) {
                    store(byte).unwrap();
                }
            });
        }
        start.wait();
        let _done = SetAtEnd(done);
        for _ in 0..rounds() {
            let bytes = load().unwrap();
            assert_eq!(bytes, [bytes[0]; WIDTH]);
        }
    });
}

/// Sets it when it goes, by a panic too, so that the other side does not go on for ever.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

/// What was written before a release, by a copy or as numbers, is there after the acquire that sees it.
#[test]
fn a_release_carries_what_came_before() {
    if fault::ATOMIC_WIDTH < 8 {
        return skip::skip("a_release_carries_what_came_before", "the kernel's copies make no atomic access");
    }
    // Far from each other, in lines of the cache of their own.
    const GIVEN: usize = 0;
    const TAKEN: usize = 512;
    const NUMBERS: usize = 1024;
    const BYTES: usize = 2048;
    let view = MmapViewSync::anonymous(4096).unwrap();
    // Each is a turn of two threads, which a busy machine takes its time for.
    let rounds = (rounds() as u64 / 200).max(200);
    let mut early = None;
    let ended = [const { AtomicBool::new(false) }; 2];
    let wait_for = |at: usize, round: u64, other: &AtomicBool| {
        while view.load_acquire::<u64>(at).unwrap() != round {
            // It has ended, and what it wrote before is there to be seen.
            assert!(!other.load(Acquire) || view.load_acquire::<u64>(at).unwrap() == round, "the other is gone");
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ended = SetAtEnd(&ended[0]);
            for round in 1..=rounds {
                for at in 0..4 {
                    view.store(NUMBERS + 64 * at, round).unwrap();
                }
                view.write_all_at(&[round.to_le_bytes()[0]; 40], BYTES).unwrap();
                view.store_release(GIVEN, round).unwrap();
                wait_for(TAKEN, round, &ended[1]);
            }
        });
        let _ended = SetAtEnd(&ended[1]);
        for round in 1..=rounds {
            wait_for(GIVEN, round, &ended[0]);
            let mut bytes = [0; 40];
            view.read_exact_at(&mut bytes, BYTES).unwrap();
            let numbers: [u64; 4] = std::array::from_fn(|at| view.load(NUMBERS + 64 * at).unwrap());
            if (bytes, numbers) != ([round.to_le_bytes()[0]; 40], [round; 4]) {
                early.get_or_insert((round, bytes, numbers));
            }
            view.store_release(TAKEN, round).unwrap();
        }
    });
    assert_eq!(early, None);
}

/// Also what was not exchanged is `Ok` outside, for its page was there: only what is inside says whether the lock was taken.
#[test]
fn an_exchange_says_whether_it_was_made() {
    if fault::ATOMIC_WIDTH < 8 {
        return skip::skip("an_exchange_says_whether_it_was_made", "the kernel's copies make no atomic access");
    }
    let view = MmapViewSync::anonymous(64).unwrap();
    assert_eq!(view.compare_exchange(8, 0_u32, 7).unwrap(), Ok(0));
    assert_eq!(view.compare_exchange(8, 0_u32, 8).unwrap(), Err(7));
    assert_eq!(
        view.compare_exchange(8, 7_u64, 9).unwrap(),
        if cfg!(target_endian = "little") { Ok(7) } else { Err(7 << 32) }
    );

    // A lock as one writes it with std, around a sum that is not atomic.
    let add = || {
        for _ in 0..200 {
            while view.compare_exchange(16, 0_u32, 1).unwrap().is_err() {
                thread::yield_now();
            }
            let sum = view.load::<u64>(24).unwrap();
            thread::yield_now();
            view.store(24, sum + 1).unwrap();
            view.store_release(16, 0_u32).unwrap();
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(add);
        }
    });
    assert_eq!(view.load::<u64>(24).unwrap(), 400);
}

/// A number stands in the file as this machine has it in memory, which another machine may read the other way round.
#[test]
fn the_file_has_the_bytes_of_a_number_in_the_order_of_this_machine() {
    let mut file = tempfile::tempfile().unwrap();
    file.set_len(32).unwrap();
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    view.store(0, 0x0102_u16).unwrap();
    view.store(4, 0x0102_0304_u32).unwrap();
    view.store(8, 0x0102_0304_0506_0708_u64).unwrap();
    view.store(16, 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10_u128).unwrap();
    view.flush().unwrap();
    let mut bytes = [0; 32];
    file.read_exact(&mut bytes).unwrap();
    let numbers = [&bytes[..2], &bytes[4..8], &bytes[8..16], &bytes[16..]];
    for number in numbers {
        let mut expected: Vec<u8> = (1..=16).take(number.len()).collect();
        if cfg!(target_endian = "little") {
            expected.reverse();
        }
        assert_eq!(number, expected);
    }
}

/// The machine is never between two halves of a number: after each instruction of an access there is another number, of equal bytes.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(folio_heap)))]
mod in_steps {
    use super::*;
    use std::arch::asm;
    use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize};
    use std::{mem, ptr};

    /// The eight bytes that an access is about.
    static PLACE: AtomicPtr<u64> = AtomicPtr::new(ptr::null_mut());
    /// How many of those bytes.
    static WIDTH: AtomicUsize = AtomicUsize::new(0);
    /// What all of them are after the next instruction; 0 if they are left alone and looked at.
    static NEXT: AtomicU8 = AtomicU8::new(0);
    /// How many instructions there were, and after how many of them the bytes were of different numbers.
    static SEEN: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

    extern "C" fn look(_: libc::c_int) {
        // SAFETY: eight aligned bytes of a view, which only atomic accesses and those of the view touch.
        let place = unsafe { AtomicU64::from_ptr(PLACE.load(Relaxed)) };
        SEEN[0].fetch_add(1, Relaxed);
        match NEXT.load(Relaxed) {
            0 => {
                let bytes = place.load(Relaxed).to_ne_bytes();
                SEEN[1]
                    .fetch_add(usize::from(bytes[..WIDTH.load(Relaxed)].iter().any(|&byte| byte != bytes[0])), Relaxed);
            }
            byte => {
                place.store(u64::from_ne_bytes([byte; 8]), Relaxed);
                NEXT.store(byte % 251 + 1, Relaxed);
            }
        }
    }

    /// Runs `work` with a SIGTRAP after each instruction.
    fn in_steps(work: impl FnOnce()) {
        // SAFETY: sets one flag, and has the stack for it.
        unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
        work();
        // SAFETY: as above, and it clears the flag.
        unsafe { asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq") };
    }

    /// A store, or a change, of bytes that are 0 to bytes that are not.
    fn writes(width: usize, access: impl FnOnce()) {
        WIDTH.store(width, Relaxed);
        NEXT.store(0, Relaxed);
        // SAFETY: as in the handler.
        unsafe { AtomicU64::from_ptr(PLACE.load(Relaxed)) }.store(0, Relaxed);
        in_steps(access);
        let [steps, torn] = [0, 1].map(|which: usize| SEEN[which].swap(0, Relaxed));
        assert!(steps > 5, "{steps} steps");
        assert_eq!(torn, 0, "of {steps} steps, {width} bytes");
    }

    /// A load of bytes that are others after each instruction.
    fn reads<const WIDTH: usize>(access: impl FnOnce() -> [u8; WIDTH]) {
        NEXT.store(1, Relaxed);
        let mut bytes = [0; WIDTH];
        in_steps(|| bytes = access());
        let steps = SEEN[0].swap(0, Relaxed);
        assert!(steps > 5, "{steps} steps");
        assert_eq!(bytes, [bytes[0]; WIDTH], "after {steps} steps");
    }

    #[test]
    fn an_access_is_one_instruction() {
        let view = MmapViewSync::anonymous(64).unwrap();
        // The thread's first accesses do more than that.
        view.store(8, 0_u64).unwrap();
        PLACE.store(view.as_ptr().wrapping_add(8).cast_mut().cast(), Relaxed);
        // SAFETY: a C structure of integers, pointers and sets, for all of which zeros are valid.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = look as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        // SAFETY: the handler is a function of the right type, and touches atomics and what `PLACE` points to.
        assert_eq!(unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()) }, 0);

        writes(2, || view.store(8, 0x5555_u16).unwrap());
        writes(4, || view.store(8, 0x5555_5555_u32).unwrap());
        writes(8, || view.store(8, 0x5555_5555_5555_5555_u64).unwrap());
        writes(4, || view.store_release(8, 0x5555_5555_u32).unwrap());
        writes(8, || view.store_release(8, 0x5555_5555_5555_5555_u64).unwrap());
        writes(4, || assert_eq!(view.fetch_add(8, 0x5555_5555_u32).unwrap(), 0));
        writes(8, || assert_eq!(view.fetch_add(8, 0x5555_5555_5555_5555_u64).unwrap(), 0));
        writes(4, || assert_eq!(view.compare_exchange(8, 0, 0x5555_5555_u32).unwrap(), Ok(0)));
        writes(8, || assert_eq!(view.compare_exchange(8, 0, 0x5555_5555_5555_5555_u64).unwrap(), Ok(0)));
        reads(|| view.load(8).map(u16::to_ne_bytes).unwrap());
        reads(|| view.load(8).map(u32::to_ne_bytes).unwrap());
        reads(|| view.load(8).map(u64::to_ne_bytes).unwrap());
        reads(|| view.load_acquire(8).map(u32::to_ne_bytes).unwrap());
        reads(|| view.load_acquire(8).map(u64::to_ne_bytes).unwrap());
    }
}
