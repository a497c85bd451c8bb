//! Memory that one process hands to another, which reads it as a plain `&[u8]`, in its place and without `unsafe`:
//! `cargo run --example sealed`.
//!
//! A slice of shared memory is a promise that nobody changes it. The sender cannot give that promise, for the receiver need not
//! believe it; the kernel can. So the sender *seals* the memory, and the receiver asks the kernel for the seals before it
//! makes a slice.
//!
//! The program starts itself a second time as the receiver, with one end of a Unix socket for its standard input, and is the
//! sender itself. What it sends first is refused, each for another reason; what is sealed is read. `sender.rs` and
//! `receiver.rs` are the two sides, `post.rs` is how a descriptor goes through a socket.
//!
//! The receiver by itself, `sealed receive`, makes do with any sender that has the other end of its standard input.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod post;
#[cfg(unix)]
mod receiver;
#[cfg(unix)]
mod sender;

// Where cargo runs programs through an emulator, the receiver too has to be started so.
#[cfg(unix)]
#[allow(dead_code, reason = "not everybody uses all of it")]
#[path = "../../tests/support/runner.rs"]
mod runner;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealed: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(unix)]
fn run() -> io::Result<()> {
    use std::env;

    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => sender::run(),
        ["receive"] => receiver::run(),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: sealed [receive]")),
    }
}

#[cfg(not(unix))]
fn run() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this example sends descriptors through Unix sockets"))
}
