//! What a test has to say when it passes, past the output capture of the test harness.

use std::fmt::Display;
use std::io::{self, Write};

/// Says how much was tried, or how it went.
pub(crate) fn say(text: impl Display) {
    // As in `skip.rs`: what `eprintln!` says is thrown away, and lines of tests that run side by side stay whole.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
