//! A ring of messages: one process puts them in, the other takes them out, and neither waits for a lock.
//!
//! In the memory stand two counters, of bytes put in and of bytes taken out since the beginning (they wrap around), and the bytes
//! themselves, byte `n` at `n % CAPACITY`. A message is its length, its checksum and its bytes. Whoever has written bytes
//! *releases* the counter that says so, and whoever *acquires* that counter sees them.
//!
//! Either side keeps its own counter to itself and only publishes it. What it reads of the other side is a number that a stranger
//! names: it can be wrong, and it can be another one when it is read again. So everything is copied once, and the copy is
//! checked and used.

use folio::MmapViewSync;
use std::io;
use std::mem;

/// Bytes of the ring: a power of two, so that the counters may wrap around.
pub(crate) const CAPACITY: u32 = 1 << 16;
/// Bytes of the longest message.
pub(crate) const LONGEST: u32 = 1000;

/// Where things are in the memory. The counters are on cache lines of their own.
pub(crate) const PUT_IN: usize = 0;
pub(crate) const TAKEN_OUT: usize = 128;
pub(crate) const BYTES: usize = 4096;
/// Bytes of all of it.
pub(crate) const MEMORY: usize = BYTES + CAPACITY as usize;

/// Bytes of a message's length and of its checksum, which come first.
const HEAD: u32 = 8;

/// The writing side.
pub(crate) struct Writer {
    memory: MmapViewSync,
    put_in: u32,
}

impl Writer {
    pub(crate) fn new(memory: MmapViewSync) -> Writer {
        Writer { memory, put_in: 0 }
    }

    /// Puts a message in; `false` if there is no room for it yet.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<bool> {
        let Some(len) = u32::try_from(message.len()).ok().filter(|&len| len <= LONGEST) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
        };
        let taken_out = self.memory.load_acquire(TAKEN_OUT)?;
        if HEAD + len > CAPACITY - amount(self.put_in, taken_out)? {
            return Ok(false);
        }
        let bytes = [&len.to_ne_bytes(), &checksum(message).to_ne_bytes(), message].concat();

        // In two parts, if the end of the ring is in between.
        let start = place(self.put_in);
        let (first, rest) = bytes.split_at(bytes.len().min(MEMORY - start));
        self.memory.write_all_at(first, start)?;
        self.memory.write_all_at(rest, BYTES)?;
        self.put_in = self.put_in.wrapping_add(HEAD + len);
        self.memory.store_release(PUT_IN, self.put_in)?;
        Ok(true)
    }
}

/// The reading side.
pub(crate) struct Reader {
    memory: MmapViewSync,
    taken_out: u32,
    /// The last message. It is ours alone.
    message: Vec<u8>,
}

impl Reader {
    /// Begins with an empty ring, whatever was in the memory.
    pub(crate) fn new(memory: MmapViewSync) -> io::Result<Reader> {
        memory.store_release(TAKEN_OUT, 0_u32)?;
        memory.store_release(PUT_IN, 0_u32)?;
        Ok(Reader { memory, taken_out: 0, message: Vec::new() })
    }

    /// Takes a message out, if there is one.
    ///
    /// An error that carries a [`Fault`](folio::Fault) says that a page of the memory is gone,
    /// [`InvalidData`](io::ErrorKind::InvalidData) that what is written there is no ring.
    pub(crate) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        let waiting = amount(self.memory.load_acquire(PUT_IN)?, self.taken_out)?;
        if waiting == 0 {
            return Ok(None);
        }
        // The length is read once, into memory that is ours. From here on it cannot become another one.
        let [mut len, mut expected] = [[0; 4]; 2];
        self.copy_out(0, &mut len)?;
        self.copy_out(4, &mut expected)?;
        let (len, expected) = (u32::from_ne_bytes(len), u32::from_ne_bytes(expected));
        if len > LONGEST || HEAD + len > waiting {
            return Err(rubbish("the length of a message cannot be"));
        }
        // So is the message, before its checksum is looked at: one that is right in the ring may be wrong a moment later.
        let mut message = mem::take(&mut self.message);
        message.resize(len as usize, 0);
        self.copy_out(HEAD, &mut message)?;
        if checksum(&message) != expected {
            return Err(rubbish("the checksum of a message is wrong"));
        }
        self.taken_out = self.taken_out.wrapping_add(HEAD + len);
        self.memory.store_release(TAKEN_OUT, self.taken_out)?;
        self.message = message;
        Ok(Some(&self.message))
    }

    /// Goes on behind whatever is waiting.
    pub(crate) fn skip(&mut self) -> io::Result<()> {
        self.taken_out = self.memory.load_acquire(PUT_IN)?;
        self.memory.store_release(TAKEN_OUT, self.taken_out)
    }

    /// Copies what begins `behind` bytes behind the start of the next message, in two parts if the end of the ring is in
    /// between.
    fn copy_out(&self, behind: u32, to: &mut [u8]) -> io::Result<()> {
        let start = place(self.taken_out.wrapping_add(behind));
        let (first, rest) = to.split_at_mut(to.len().min(MEMORY - start));
        self.memory.read_exact_at(first, start)?;
        self.memory.read_exact_at(rest, BYTES)
    }
}

/// Where in the memory the byte of this number is.
pub(crate) fn place(number: u32) -> usize {
    BYTES + (number % CAPACITY) as usize
}

/// How many bytes are in the ring, if a stranger's counter can be believed.
fn amount(put_in: u32, taken_out: u32) -> io::Result<u32> {
    let amount = put_in.wrapping_sub(taken_out);
    if amount <= CAPACITY { Ok(amount) } else { Err(rubbish("a counter cannot be")) }
}

fn rubbish(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// FNV-1a. It finds what went wrong by accident; a message that a stranger made on purpose has the right one.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
