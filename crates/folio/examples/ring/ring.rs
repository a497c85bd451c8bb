//! A ring of messages: one process puts them in, the other takes them out, and neither waits for a lock.
//!
//! In the memory stand two counters, of bytes put in and of bytes taken out since the beginning, and the bytes themselves,
//! byte `n` at `n % CAPACITY`. A message is its length, its checksum and its bytes. Whoever has written bytes *releases* the
//! counter that says so, and whoever *acquires* that counter sees them.
//!
//! Either side keeps its own counter to itself and only publishes it. What it reads of the other side's is a number like any
//! other that a stranger names: it can be wrong, and be another one when it is read again. So everything is copied once, and the
//! copy is checked and used.

use folio::MmapViewSync;
use std::io;

/// Bytes of the ring. A power of two, so that the counters may wrap around.
pub(crate) const CAPACITY: usize = 1 << 16;
/// Bytes of the longest message.
pub(crate) const LONGEST: usize = 1000;

/// Where things are in the memory. The counters are on cache lines of their own.
pub(crate) const PUT_IN: usize = 0;
pub(crate) const TAKEN_OUT: usize = 128;
pub(crate) const BYTES: usize = 4096;
/// Bytes of all of it.
pub(crate) const MEMORY: usize = BYTES + CAPACITY;

/// Bytes of a message's length and its checksum.
const HEAD: usize = 8;

/// The writing side.
pub(crate) struct Writer {
    memory: MmapViewSync,
    put_in: u64,
}

impl Writer {
    pub(crate) fn new(memory: MmapViewSync) -> Writer {
        Writer { memory, put_in: 0 }
    }

    /// Puts a message in; `false` if there is no room for it yet.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<bool> {
        let taken_out = self.memory.load_acquire::<u64>(TAKEN_OUT)?;
        let used = amount(self.put_in, taken_out)?;
        let needed = HEAD + message.len();
        if needed > CAPACITY - used {
            return Ok(false);
        }
        let mut bytes = Vec::with_capacity(needed);
        bytes.extend_from_slice(&(message.len() as u32).to_ne_bytes());
        bytes.extend_from_slice(&checksum(message).to_ne_bytes());
        bytes.extend_from_slice(message);

        // In two parts, if the end of the ring is in between.
        let (first, rest) = bytes.split_at(bytes.len().min(CAPACITY - place(self.put_in)));
        self.memory.write_all_at(first, BYTES + place(self.put_in))?;
        self.memory.write_all_at(rest, BYTES)?;
        self.put_in = self.put_in.wrapping_add(needed as u64);
        self.memory.store_release(PUT_IN, self.put_in)?;
        Ok(true)
    }
}

/// The reading side.
pub(crate) struct Reader {
    memory: MmapViewSync,
    taken_out: u64,
    /// The last message, which is ours alone.
    message: Vec<u8>,
}

impl Reader {
    /// Begins with an empty ring, whatever was in the memory.
    pub(crate) fn new(memory: MmapViewSync) -> io::Result<Reader> {
        memory.store_release(TAKEN_OUT, 0_u64)?;
        memory.store_release(PUT_IN, 0_u64)?;
        Ok(Reader { memory, taken_out: 0, message: Vec::new() })
    }

    /// Takes a message out, if there is one.
    ///
    /// An error that carries a [`Fault`](folio::Fault) says that a page of the memory is gone,
    /// [`InvalidData`](io::ErrorKind::InvalidData) that what is written there is no ring.
    pub(crate) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        let put_in = self.memory.load_acquire::<u64>(PUT_IN)?;
        let waiting = amount(put_in, self.taken_out)?;
        if waiting == 0 {
            return Ok(None);
        }
        if waiting < HEAD {
            return Err(rubbish("less than a message is waiting"));
        }
        // The length is read once, into memory that is ours. From here on it cannot become another one.
        let mut head = [0; HEAD];
        self.copy_out(0, &mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let (len, expected) = (u32::from_ne_bytes([a, b, c, d]) as usize, u32::from_ne_bytes([e, f, g, h]));
        if len > LONGEST || len > waiting - HEAD {
            return Err(rubbish("the length of a message cannot be"));
        }
        // So is the message, before its checksum is looked at: one that is right in the ring may be wrong a moment later.
        let mut message = std::mem::take(&mut self.message);
        message.resize(len, 0);
        let copied = self.copy_out(HEAD, &mut message);
        self.message = message;
        copied?;
        if checksum(&self.message) != expected {
            return Err(rubbish("the checksum of a message is wrong"));
        }
        self.taken_out = self.taken_out.wrapping_add((HEAD + len) as u64);
        self.memory.store_release(TAKEN_OUT, self.taken_out)?;
        Ok(Some(&self.message))
    }

    /// Goes on behind whatever is waiting.
    pub(crate) fn skip(&mut self) -> io::Result<()> {
        self.taken_out = self.memory.load_acquire(PUT_IN)?;
        self.memory.store_release(TAKEN_OUT, self.taken_out)
    }

    /// Copies what is `behind` bytes behind the next message's start, in two parts if the end of the ring is in between.
    fn copy_out(&self, behind: usize, to: &mut [u8]) -> io::Result<()> {
        let start = place(self.taken_out.wrapping_add(behind as u64));
        let (first, rest) = to.split_at_mut(to.len().min(CAPACITY - start));
        self.memory.read_exact_at(first, BYTES + start)?;
        self.memory.read_exact_at(rest, BYTES)
    }
}

/// Where the byte of this number is in the ring.
fn place(number: u64) -> usize {
    (number % CAPACITY as u64) as usize
}

/// How many bytes are in the ring, one of whose two counters a stranger has written.
fn amount(put_in: u64, taken_out: u64) -> io::Result<usize> {
    let amount = put_in.wrapping_sub(taken_out);
    if amount <= CAPACITY as u64 { Ok(amount as usize) } else { Err(rubbish("the counters cannot be")) }
}

fn rubbish(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// FNV-1a. It shows what went wrong by accident; a message that a stranger made on purpose has the right one.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
