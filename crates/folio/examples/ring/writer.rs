//! The writers: one that keeps to the rules, and one that does what it can to harm the reader.

use crate::reader::Patience;
use crate::ring::{BYTES, CAPACITY, LONGEST, MEMORY, PUT_IN, TAKEN_OUT, Writer, checksum};
use folio::{MmapViewSync, Protection};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The message of this number: both sides know it.
pub(crate) fn message(number: u64) -> Vec<u8> {
    format!("message {number} ").into_bytes().into_iter().cycle().take((number % 200) as usize).collect()
}

/// Sends `messages` messages.
pub(crate) fn honest(path: &Path, messages: u64) -> io::Result<()> {
    let mut ring = Writer::new(MmapViewSync::open_path(path, Protection::ReadWrite)?);
    for number in 0..messages {
        let (message, mut patience) = (message(number), Patience::default());
        while !ring.send(&message)? {
            patience.wait();
        }
    }
    Ok(())
}

/// Cuts the file short and writes rubbish, for as long as it is told to.
pub(crate) fn hostile(path: &Path, time: Duration) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    // Its own view survives what it does to the file, too.
    let memory = MmapViewSync::open_path(path, Protection::ReadWrite)?;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let start = Instant::now();
    while start.elapsed() < time {
        // Where a page is gone there is nothing to spoil; on Windows nobody cuts short what is mapped.
        let _ = misdeed(&file, &memory, &mut dice);
    }
    file.set_len(MEMORY as u64)
}

/// One of the things that a reader must be ready for.
fn misdeed(file: &File, memory: &MmapViewSync, dice: &mut Dice) -> io::Result<()> {
    match dice.below(10) {
        // The file ends somewhere, or before it has begun.
        0 => file.set_len(dice.below(MEMORY as u64)),
        1 => file.set_len(0),
        2..5 => file.set_len(MEMORY as u64),
        // Counters from anywhere.
        5 => memory.store(PUT_IN, dice.roll()),
        // A little more than there is, so that the reader looks at what was there before.
        6 => memory.store(PUT_IN, memory.load::<u64>(TAKEN_OUT)?.wrapping_add(dice.below(CAPACITY as u64))),
        // Rubbish all over the ring.
        7 => {
            let bytes: Vec<u8> = (0..dice.below(CAPACITY as u64)).map(|_| dice.roll() as u8).collect();
            memory.write_all_at(&bytes, BYTES)
        }
        // A length that is just too long, or is not, where the next message begins; and it becomes another one at once.
        8 => {
            let next = memory.load::<u64>(TAKEN_OUT)?;
            memory.store(BYTES + (next % (CAPACITY as u64 - 4)) as usize, LONGEST as u32 + dice.below(2) as u32)?;
            memory.store(PUT_IN, next.wrapping_add(LONGEST as u64 + 8))?;
            memory.store(BYTES + (next % (CAPACITY as u64 - 4)) as usize, dice.roll() as u32)
        }
        // A message that is in order: a stranger can make those, too.
        _ => {
            let (next, bytes) = (memory.load::<u64>(TAKEN_OUT)?, *b"trust me");
            let at = BYTES + (next % (CAPACITY as u64 - 16)) as usize;
            memory.store(at, bytes.len() as u32)?;
            memory.store(at + 4, checksum(&bytes))?;
            memory.write_all_at(&bytes, at + 8)?;
            memory.store_release(PUT_IN, next.wrapping_add(16))
        }
    }
}

/// Numbers that nobody expects, the same ones each time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}
