//! A tour of folio: `cargo run --release --example tour [FILE]`.
//!
//! Without FILE it works on 256 MiB of its own, in the temporary folder: it writes them by one owned view per core,
//! flushes each view on its own thread, joins the views again and checks every byte by plain reads. Then it sums the
//! bytes by `read` and by views, cuts the file short under a live view, and shows the error that comes instead of a
//! signal. With FILE it sums that one, which it opens for reading only, and cuts short a small file of its own.
//!
//! The steps stand in the files beside this one, in the order of the tour: `write.rs`, `sum.rs`, `cut.rs`; `pieces.rs`
//! splits a view among threads. The exit code is 1 if anything failed or a single byte was wrong.
//!
//! Its own file has no name, so it goes with the program, however that ends: the mapping calls want an open file, not a
//! path.
//!
//! Two variables of the environment are there for tests: `FOLIO_TOUR_MIB` sets the size of its own file, and
//! `FOLIO_TOUR_SPOIL` an offset at which it spoils one byte before checking.

mod chunks;
mod cut;
mod pieces;
mod report;
mod sum;
mod write;

use folio::{Mmap, MmapViewSync, Protection};
use std::env;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let result = match (arguments.next(), arguments.next()) {
        (None, _) => tour_of_own_file(),
        (Some(path), None) if path != "--help" && path != "-h" => tour_of(Path::new(&path)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: tour [FILE]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tour: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole tour, on a file that nobody else can open.
fn tour_of_own_file() -> io::Result<()> {
    let len = number_from("FOLIO_TOUR_MIB")?.unwrap_or(256).checked_mul(1 << 20).filter(|&len| len > 0);
    let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "FOLIO_TOUR_MIB is out of range"))?;
    let file = nameless_file()?;
    let cores = thread::available_parallelism()?.get();
    report::begin(&format!("{} MiB of its own in {}, {cores} cores", len >> 20, env::temp_dir().display()))?;

    write::and_check(&file, len, cores, number_from("FOLIO_TOUR_SPOIL")?)?;

    // SAFETY: nobody writes this file, or cuts it short, while `map` or a slice of it lives. Others do not come by it:
    // it has no name, and nobody is given its handle. We do not either: the views that wrote it are unmapped, summing
    // only reads, and `map` is dropped before the file is cut. (For a file that a user names, which others may open,
    // that cannot be promised; so `tour_of` has no such line.)
    let map = unsafe { Mmap::map(&file) }?;
    sum::compare(&file, len, cores, Some(&map))?;
    drop(map);

    cut::and_read(&file)?;
    report::say("Every byte was right, and nothing is left behind.")
}

/// The reading half of the tour, on a file of the user, which is only read.
fn tour_of(path: &Path) -> io::Result<()> {
    let file = File::open(path).map_err(|error| about(path, &error))?;
    // Anything that cannot be mapped is an error here, before anything is read.
    let len = MmapViewSync::open(&file, Protection::Read).map_err(|error| about(path, &error))?.len();
    let cores = thread::available_parallelism()?.get();
    report::begin(&format!("{len} bytes of {}, {cores} cores", path.display()))?;

    report::step("read once, so that it is cached", len, |progress| sum::by_read(&file, len, progress))?;
    sum::compare(&file, len, cores, None)?;

    let own = nameless_file()?;
    own.set_len(8 * folio::page_size() as u64)?;
    cut::and_read(&own)?;
    report::say(&format!("All sums are equal, and {} was only read.", path.display()))
}

/// A file in the temporary folder that nobody can open by name.
fn nameless_file() -> io::Result<File> {
    tempfile::tempfile().map_err(|error| about(&env::temp_dir(), &error))
}

/// The error with the path that it is about.
fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A number from the environment.
fn number_from(variable: &str) -> io::Result<Option<usize>> {
    let Some(text) = env::var_os(variable) else {
        return Ok(None);
    };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{variable} is not a whole number"))),
    }
}
