//! The reader, whose process has to live on whatever the writer does.

use crate::ring::{MEMORY, Reader};
use crate::{say, writer};
use folio::{Fault, MmapViewSync, Protection};
use std::collections::BTreeMap;
use std::env;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// All three acts.
pub(crate) fn run(messages: u64, time: Duration) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ring");
    let memory = MmapViewSync::create_new(&path, MEMORY)?;
    say(&format!("{MEMORY} bytes of memory that this process shares with another one.\n"))?;

    // Both ways to see the memory are of one mapping each; this one is made anew for each act.
    let ring = || Reader::new(MmapViewSync::open_path(&path, Protection::ReadWrite)?);
    say(&format!("An honest writer: {}", honest(ring()?, &path, messages)?))?;

    let seen = hostile(ring()?, &path)?;
    say(&format!("\nA hostile writer, for {} s. What the reader has met, and how often:", time.as_secs()))?;
    for (what, count) in &seen {
        say(&format!("  {count:>10}  {what}"))?;
    }

    // The file is as long as it was, and its old bytes are of no interest.
    OpenOptions::new().write(true).open(&path)?.set_len(MEMORY as u64)?;
    say(&format!("\nAn honest writer again: {}", honest(ring()?, &path, messages)?))?;
    memory.load::<u8>(MEMORY - 1)?;
    say("The reader is alive, has believed nothing, and its first mapping is as good as new.")
}

/// Reads what an honest writer sends: every message, in order, as it was sent.
fn honest(mut ring: Reader, path: &Path, messages: u64) -> io::Result<String> {
    let start = Instant::now();
    let mut writer = start_writer("honest", path)?;
    let (mut bytes, mut patience) = (0, Patience::default());
    for number in 0..messages {
        loop {
            if let Some(message) = ring.receive()? {
                if message != writer::message(number) {
                    return Err(io::Error::other(format!("message {number} arrived as another one")));
                }
                bytes += message.len();
                patience = Patience::default();
                break;
            }
            if patience.wait() && writer.try_wait()?.is_some_and(|status| !status.success()) {
                return Err(io::Error::other("the writer has failed"));
            }
        }
    }
    let status = writer.wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("the writer ended with {status}")));
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!("{messages} messages, {bytes} bytes, all as they were sent, {:.0} each ms", messages as f64 / seconds / 1e3))
}

/// Reads what a hostile writer leaves, until it ends; what happened, and how often.
fn hostile(mut ring: Reader, path: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut writer = start_writer("hostile", path)?;
    let mut seen = BTreeMap::new();
    let mut patience = Patience::default();
    loop {
        let event = match ring.receive() {
            Ok(Some(_)) => "a message whose checksum is right, of a stranger all the same".to_owned(),
            Ok(None) => {
                if patience.wait() && writer.try_wait()?.is_some() {
                    break;
                }
                continue;
            }
            Err(error) if Fault::of(&error).is_some() => {
                thread::yield_now();
                "a page that is gone: an error, no signal".to_owned()
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
            Err(error) => return Err(error),
        };
        *seen.entry(event).or_default() += 1;
        // What is in the ring is of no use, if it can be reached at all.
        match ring.skip() {
            Err(error) if Fault::of(&error).is_none() => return Err(error),
            _ => {}
        }
        if writer.try_wait()?.is_some() {
            break;
        }
    }
    let status = writer.wait()?;
    if status.success() { Ok(seen) } else { Err(io::Error::other(format!("the writer ended with {status}"))) }
}

/// Starts this program as a writer.
fn start_writer(kind: &str, path: &Path) -> io::Result<Child> {
    Command::new(env::current_exe()?).arg(kind).arg(path).spawn()
}

/// How long to wait for the other side: not at all, then a little, then a little longer.
#[derive(Default)]
pub(crate) struct Patience(u32);

impl Patience {
    /// Waits. `true` if it has become long enough to look whether the other side is still there.
    pub(crate) fn wait(&mut self) -> bool {
        self.0 += 1;
        match self.0 {
            0..100 => std::hint::spin_loop(),
            100..200 => thread::yield_now(),
            _ => thread::sleep(Duration::from_micros(50)),
        }
        self.0 >= 200
    }
}
