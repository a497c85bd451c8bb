//! Tests that cannot run on this machine say so by name, past the output capture of the test harness.

use std::fmt::Display;
use std::io::{self, Write};

/// Reports that a test, or a part of it, did not run. The line is the same for all, so that it can be counted.
pub(crate) fn skip(test: &str, reason: impl Display) {
    // `eprintln!` would be captured and thrown away, because the test passes. In one piece, for tests run side by side.
    let _ = io::stderr().write_all(format!("skipped: {test}: {reason}\n").as_bytes());
}
