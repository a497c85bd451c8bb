//! What the rows work on: random bytes in a file, and places in them.

use anyhow::Result;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use tempfile::TempDir;

/// Numbers that are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        // Marsaglia's xorshift with a multiplication behind it.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Random offsets below `end`, at any byte: enough of them to touch most cache lines of a large range, so that not just the
/// places of one round stay in a cache.
pub(crate) fn places(end: usize) -> Vec<usize> {
    let mut dice = Dice::new(end as u64 | 1);
    (0..(end / 64).max(4096)).map(|_| dice.below(end)).collect()
}

/// Offsets one after the other in steps of `step`, a divisor of `end`, from the start again at `end`.
pub(crate) fn in_order(end: usize, step: usize) -> Vec<usize> {
    (0..4096).map(|at| at * step % end).collect()
}

/// A file of random bytes in a folder of its own, which goes with it.
pub(crate) struct Data {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) len: usize,
    _dir: TempDir,
}

impl Data {
    /// `len` random bytes.
    pub(crate) fn new(len: usize) -> Result<Data> {
        let mut dice = Dice::new(0x5eed);
        Data::of(&(0..len.div_ceil(8)).map(|_| dice.next()).collect::<Vec<_>>(), len)
    }

    /// Offsets of 64-bit numbers: each is where the next one stands, at random, and back at the start only after all others.
    pub(crate) fn cycle(len: usize) -> Result<Data> {
        let mut dice = Dice::new(0x5eed);
        let mut next: Vec<u64> = (0..len as u64 / 8).map(|slot| slot * 8).collect();
        // Sattolo's shuffle: the permutation is a single cycle.
        for slot in (1..next.len()).rev() {
            next.swap(slot, dice.below(slot));
        }
        Data::of(&next, len)
    }

    fn of(numbers: &[u64], len: usize) -> Result<Data> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("data");
        let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
        for block in numbers.chunks(1 << 16) {
            file.write_all(&block.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>())?;
        }
        file.set_len(len as u64)?;
        // So that no write-back of the data disturbs the times.
        file.sync_all()?;
        Ok(Data { file, path, len, _dir: dir })
    }
}

/// A buffer whose first byte is where an allocator would put it: aligned to 16 bytes, and to no more.
pub(crate) struct Buffer {
    memory: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(crate) fn new(len: usize) -> Buffer {
        let memory = vec![1; len + 128];
        let start = (64 - memory.as_ptr().addr() % 64) + 16;
        Buffer { memory, start }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}
