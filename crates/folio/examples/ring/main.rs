//! Two processes that talk through a ring of messages in shared memory, of which one cannot be trusted:
//! `cargo run --release --example ring`.
//!
//! The reader makes a file, maps it, and starts this program again as the writer. An honest writer first: every message arrives as
//! it was sent. Then a hostile one, which cuts the file short under the reader and writes rubbish over counters, lengths and
//! messages, for two seconds. The reader never dies of it and never believes it: a page that is gone is an error with a
//! [`Fault`](folio::Fault), and a number that has been read from the memory is checked, once it has been copied, before it
//! is used. Then an honest writer again, for all is as it was.
//!
//! `ring.rs` is the ring, `reader.rs` and `writer.rs` are the two sides.
//!
//! Two variables of the environment are there for tests: `FOLIO_RING_SECONDS`, how long the hostile writer goes on, and
//! `FOLIO_RING_MESSAGES`, how many messages the honest one sends.

#![forbid(unsafe_code)]

mod patience;
mod reader;
mod ring;
mod writer;

// Where cargo runs programs through an emulator, the writer too has to be started so.
#[allow(dead_code, reason = "not everybody uses all of it")]
#[path = "../../tests/support/runner.rs"]
mod runner;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ring: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let messages = number_from("FOLIO_RING_MESSAGES", 200_000)?;
    let time = Duration::from_secs(number_from("FOLIO_RING_SECONDS", 2)?);
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => reader::run(messages, time),
        ["honest", path] => writer::honest(Path::new(path), messages),
        ["hostile", path] => writer::hostile(Path::new(path), time),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: ring")),
    }
}

/// A number from the environment.
fn number_from(variable: &str, otherwise: u64) -> io::Result<u64> {
    let Some(text) = env::var_os(variable) else {
        return Ok(otherwise);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{variable} is not a whole number")))
}

/// Prints text. A closed pipe is an error, where `println!` panics.
fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}
