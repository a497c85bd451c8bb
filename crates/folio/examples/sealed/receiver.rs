//! The receiver, which believes nobody but the kernel.

use crate::post;
use folio::{Mmap, MmapOptions};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

/// More than this the receiver does not take. Holes in what is sent are filled here, at the receiver's cost, so it is not
/// the sender's to say how much that may be.
const MOST: usize = 64 << 20;

/// Answers with a line for every descriptor that comes in, until there are no more.
pub(crate) fn run() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    while let Some(parcel) = post::receive(&socket)? {
        let outcome = match parcel {
            Ok(descriptor) => open(descriptor).map_err(|error| error.to_string()),
            Err(reason) => Err(reason.to_owned()),
        };
        match outcome {
            Ok(map) => writeln!(socket, "accepted: {}", look_at(&map))?,
            Err(reason) => writeln!(socket, "refused: {reason}")?,
        }
    }
    Ok(())
}

/// The memory behind a descriptor, if the kernel proves that nobody can change it.
fn open(descriptor: OwnedFd) -> io::Result<Mmap> {
    let memory = File::from(descriptor);
    // Asked once. If it is another one by the next line, the map is of this one all the same, or there is none.
    let len = usize::try_from(memory.metadata()?.len()).ok().filter(|&len| len <= MOST);
    let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "more than the receiver takes"))?;
    MmapOptions::new().len(len).map_if_safe(&memory)
}

/// Works with the bytes where they are. What has been checked once stays so: text is text for as long as the map lives.
fn look_at(map: &Mmap) -> String {
    let Ok(text) = std::str::from_utf8(map) else {
        return format!("{} bytes, {}", map.len(), read_twice(map));
    };
    let (lines, longest) = (text.lines().count(), text.lines().max_by_key(|line| line.len()).unwrap_or_default());
    format!("{} bytes, {lines} lines of text, the longest {:?}, {}", map.len(), longest, read_twice(map))
}

/// Nobody could have written in between; if somebody has, this says so.
fn read_twice(map: &Mmap) -> &'static str {
    let first = sum(map);
    thread::yield_now();
    if sum(map) == first { "read twice and the same" } else { "CHANGED WHILE IT WAS READ" }
}

/// A number that depends on each byte and its place (FNV-1a).
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
