//! The writers: one that keeps to the rules, and one that does what it can to harm the reader.

use crate::patience::Patience;
use crate::ring::{BYTES, CAPACITY, LONGEST, MEMORY, PUT_IN, TAKEN_OUT, Writer, checksum, place};
use folio::{MmapViewSync, Protection};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The message of this number, which both sides know.
pub(crate) fn message(number: u64) -> Vec<u8> {
    format!("message {number}. ").repeat((number % 20) as usize).into_bytes()
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
    let mut dice = Dice(0x9e37_79b9);
    let start = Instant::now();
    while start.elapsed() < time {
        // Where a page is gone there is nothing to spoil, and on Windows nobody cuts short what is mapped.
        let _ = misdeed(&file, &memory, &mut dice);
    }
    file.set_len(MEMORY as u64)
}

/// One of the things that a reader must be ready for.
fn misdeed(file: &File, memory: &MmapViewSync, dice: &mut Dice) -> io::Result<()> {
    match dice.below(10) {
        // The file ends somewhere, or where it begins; and is long again.
        0 => file.set_len(u64::from(dice.roll()) % MEMORY as u64),
        1 => file.set_len(0),
        2..5 => file.set_len(MEMORY as u64),
        // A counter from anywhere.
        5 => memory.store(PUT_IN, dice.roll()),
        // A counter that could be, so that the reader looks at whatever is in the ring.
        6 => memory.store_release(PUT_IN, next(memory)?.wrapping_add(dice.below(CAPACITY))),
        // Rubbish all over the ring.
        7 => {
            let bytes: Vec<_> = (0..CAPACITY / 4).flat_map(|_| dice.roll().to_ne_bytes()).collect();
            memory.write_all_at(&bytes, BYTES)
        }
        // A length that is just right, or just too long; and it becomes another one while it is looked at.
        8 => {
            let next = next(memory)?;
            memory.store(place(next), LONGEST + dice.below(2))?;
            memory.store_release(PUT_IN, next.wrapping_add(2 * LONGEST))?;
            memory.store(place(next), dice.roll())
        }
        // A message that is in order. A stranger can make those, too.
        _ => {
            let (next, text) = (next(memory)?, b"trust me");
            memory.store(place(next), 8_u32)?;
            memory.store(place(next.wrapping_add(4)), checksum(text))?;
            memory.write_all_at(text, place(next.wrapping_add(8)))?;
            memory.store_release(PUT_IN, next.wrapping_add(16))
        }
    }
}

/// Where the reader is going to look for the next message, by what it says.
fn next(memory: &MmapViewSync) -> io::Result<u32> {
    memory.load_acquire(TAKEN_OUT)
}

/// Numbers that nobody expects, the same ones each time (xorshift).
struct Dice(u32);

impl Dice {
    fn roll(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number below `end`.
    fn below(&mut self, end: u32) -> u32 {
        self.roll() % end
    }
}
