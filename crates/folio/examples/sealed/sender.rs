//! The sender: four descriptors that prove nothing, and one that does.

use crate::{post, runner};
use folio::shm;
use std::env;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

/// Starts the receiver, sends it what there is, and tells what it answers.
pub(crate) fn run() -> io::Result<()> {
    let text = (1..=20_000).fold(String::new(), |mut text, n| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "line {n}");
        text
    });

    // The memory, all zeros at first, and a view of it. It is for others to read and write as long as it is not sealed, so the
    // view is one for checked copies.
    let (descriptor, view) = shm::memfd("folio-example", text.len())?;
    view.write_all_at(text.as_bytes(), 0)?;

    let mut receiver = Receiver::start()?;
    say(&format!("{} bytes of text in memory, for a receiver in another process:\n", text.len()))?;
    receiver.tell("as it is, anybody could change it", &descriptor)?;
    receiver.tell("an ordinary file, open for reading", &File::open(env::current_exe()?)?)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        receiver.tell("sealed against future writes only", memory::half_sealed()?)?;
        receiver.tell("sealed, and 8 TiB of holes", memory::huge_and_sealed()?)?;
    }

    // From here on nobody changes a byte, this process included: the view is a `&[u8]` here too, at the same address.
    let map = view.seal()?;
    receiver.tell("sealed", &descriptor)?;
    if &map[..] != text.as_bytes() {
        return Err(io::Error::other("the sealed bytes are not those that were written"));
    }

    say("\nThe sender goes on trying:\n")?;
    let memory = File::from(descriptor);
    report("write to it", memory.write_all_at(b"changed", 0))?;
    report("cut it short", memory.set_len(0))?;
    report("map it for writing", folio::MmapViewSync::open(&memory, folio::Protection::ReadWrite).map(drop))?;
    receiver.tell("sealed, still", &memory)?;
    receiver.finish()
}

/// The receiving process.
struct Receiver {
    process: Child,
    socket: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Receiver {
    /// Starts this program again, with the other end of a socket for its standard input.
    fn start() -> io::Result<Receiver> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut command = runner::command(env::current_exe()?);
        let process = command.arg("receive").stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let answers = BufReader::new(socket.try_clone()?);
        Ok(Receiver { process, socket, answers })
    }

    /// Sends a descriptor, and prints what the receiver makes of it.
    fn tell(&mut self, what: &str, descriptor: impl AsFd) -> io::Result<()> {
        post::send(&self.socket, descriptor)?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the receiver is gone"));
        }
        say(&format!("  {what:<36} {}", answer.trim_end()))
    }

    /// Says that this was all, and sees the receiver end well.
    fn finish(mut self) -> io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Both)?;
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the receiver ended with {status}"))) }
    }
}

/// Memory that looks sealed to who does not look closely.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod memory {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    use std::io;
    use std::os::fd::OwnedFd;

    /// A mapping that was made before goes on writing to it.
    pub(super) fn half_sealed() -> io::Result<OwnedFd> {
        sealed(4096, SealFlags::FUTURE_WRITE | SealFlags::SHRINK)
    }

    /// Whoever touches all of it runs out of memory.
    pub(super) fn huge_and_sealed() -> io::Result<OwnedFd> {
        sealed(8 << 40, SealFlags::WRITE | SealFlags::SHRINK)
    }

    fn sealed(len: u64, seals: SealFlags) -> io::Result<OwnedFd> {
        let descriptor = memfd_create("folio-example", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&descriptor, len)?;
        fcntl_add_seals(&descriptor, seals)?;
        Ok(descriptor)
    }
}

/// Prints how an attempt ended that must not succeed.
fn report(attempt: &str, outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Ok(()) => Err(io::Error::other(format!("could {attempt} although it is sealed"))),
        Err(error) => say(&format!("  {attempt:<36} {error}")),
    }
}

/// Prints a line. A closed pipe is an error, where `println!` panics.
fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}
