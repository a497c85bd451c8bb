//! The reader, whose process has to live on whatever the writer does.

use crate::patience::Patience;
use crate::ring::{MEMORY, Reader};
use crate::{runner, say, writer};
use folio::{Fault, MmapViewSync, Protection};
use std::collections::BTreeMap;
use std::env;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// All three acts.
pub(crate) fn run(messages: u64, time: Duration) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ring");
    let memory = MmapViewSync::create_new(&path, MEMORY)?;
    let empty_ring = || Reader::new(MmapViewSync::open_path(&path, Protection::ReadWrite)?);
    say(&format!("{MEMORY} bytes of memory that two processes share.\n"))?;

    let speed = honest(empty_ring()?, &path, messages)?;
    say(&format!("An honest writer: {messages} messages, all as they were sent, {speed:.0} per ms."))?;

    let met = hostile(empty_ring()?, &path)?;
    say(&format!("\nA hostile writer, for {} s. What the reader met, and how often:\n", time.as_secs()))?;
    for (what, count) in &met {
        say(&format!("{count:>10}  {what}"))?;
    }

    // The memory as it was, as far as its length goes.
    OpenOptions::new().write(true).open(&path)?.set_len(MEMORY as u64)?;
    let speed = honest(empty_ring()?, &path, messages)?;
    say(&format!("\nAn honest writer again: {messages} messages, all as they were sent, {speed:.0} per ms."))?;
    memory.load::<u8>(MEMORY - 1)?;
    say("The reader lives, has believed nothing, and its oldest mapping is as good as new.")
}

/// Reads what an honest writer sends: every message, in order, as it was sent. How many there were in a millisecond.
fn honest(mut ring: Reader, path: &Path, messages: u64) -> io::Result<f64> {
    let start = Instant::now();
    let mut writer = start_writer("honest", path)?;
    for number in 0..messages {
        let (mut patience, mut ended) = (Patience::default(), false);
        loop {
            if let Some(message) = ring.receive()? {
                if message == writer::message(number) {
                    break;
                }
                return Err(io::Error::other(format!("message {number} arrived as another one")));
            }
            // What a writer has put in before its end is still there, so it is looked at once more.
            if ended {
                return Err(io::Error::other(format!("the writer ended before message {number}")));
            }
            ended = patience.wait() && writer.try_wait()?.is_some();
        }
    }
    well(&mut writer)?;
    Ok(messages as f64 / start.elapsed().as_secs_f64() / 1e3)
}

/// Reads what a hostile writer leaves, until it ends. What it met, and how often.
fn hostile(mut ring: Reader, path: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut writer = start_writer("hostile", path)?;
    let (mut met, mut patience) = (BTreeMap::new(), Patience::default());
    while writer.try_wait()?.is_none() {
        let what = match ring.receive() {
            Ok(None) => {
                patience.wait();
                continue;
            }
            Ok(Some(_)) => "a message with the right checksum, of a stranger all the same".to_owned(),
            Err(error) if Fault::of(&error).is_some() => "a page was gone: an error, no signal".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
            Err(error) => return Err(error),
        };
        *met.entry(what).or_default() += 1;
        patience = Patience::default();
        // Whatever is in the ring is of no use. It may be that it cannot be skipped yet, if the page is gone.
        match ring.skip() {
            Err(error) if Fault::of(&error).is_none() => return Err(error),
            _ => {}
        }
    }
    well(&mut writer)?;
    Ok(met)
}

/// Starts this program as a writer.
fn start_writer(kind: &str, path: &Path) -> io::Result<Child> {
    runner::command(env::current_exe()?).arg(kind).arg(path).spawn()
}

/// Waits for the writer to end well.
fn well(writer: &mut Child) -> io::Result<()> {
    let status = writer.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the writer ended with {status}"))) }
}
