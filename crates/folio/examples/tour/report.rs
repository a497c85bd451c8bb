//! What the user sees: one line of a table per step, and a line of progress while it works, on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Says what the tour is of, and prints the head of the table.
pub(crate) fn begin(subject: &str) -> io::Result<()> {
    say(&format!("folio tour: {subject}\n"))?;
    say(&format!("{:<32} {:>9} {:>10} {:>12}", "step", "MiB", "seconds", "speed"))
}

/// Does a step that moves `bytes` bytes (0: it moves none), takes its time, and prints its line of the table.
///
/// The work counts what it has done on the progress bar that it is given. An error says which step it is of.
pub(crate) fn step<T>(name: &str, bytes: usize, work: impl FnOnce(&ProgressBar) -> io::Result<T>) -> io::Result<T> {
    let progress = progress(name, bytes);
    let start = Instant::now();
    let result = work(&progress);
    let took = start.elapsed();
    progress.finish_and_clear();
    let value = result.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    say(&line(name, bytes, took.as_secs_f64()))?;
    Ok(value)
}

/// Prints text. A closed pipe is an error, where `println!` panics.
pub(crate) fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// One line of the table. Speeds are in GiB/s, but for those that would be less than one.
fn line(name: &str, bytes: usize, seconds: f64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    let (size, speed) = match mib / seconds {
        _ if bytes == 0 => ("-".to_owned(), "-".to_owned()),
        slow if slow < 1024.0 => (format!("{mib:.2}"), format!("{slow:.0} MiB/s")),
        fast => (format!("{mib:.2}"), format!("{:.2} GiB/s", fast / 1024.0)),
    };
    format!("{name:<32} {size:>9} {seconds:>10.6} {speed:>12}")
}

/// A bar on the terminal, hidden if output or error output is none.
fn progress(name: &str, bytes: usize) -> ProgressBar {
    let target = if io::stdout().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg:32} [{bar:30}] {percent:>3} % {elapsed:>5}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let progress = ProgressBar::with_draw_target(Some(bytes as u64), target)
        .with_style(style.progress_chars("=> "))
        .with_message(name.to_owned());
    if !progress.is_hidden() {
        // So that the clock goes on also where one call does all the work.
        progress.enable_steady_tick(Duration::from_millis(100));
    }
    progress
}
