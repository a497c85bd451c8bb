//! The project's own commands, run as `cargo xtask COMMAND`:
//!
//! - `ci`: everything that is checked on every change, as named steps;
//! - `bench`: the table of how fast it is;
//! - `sanitize`: the library's tests under ThreadSanitizer and AddressSanitizer;
//! - `clients`: the tests of published programs that use memmap2, with it and with the crate of ours that stands in for it;
//! - `cross`: the library's tests on other platforms, or as much of them as this machine can do.
//!
//! Each installs what it needs. That needs a Debian system and root; where nothing is missing, neither.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod clients;
mod compat;
mod cross;
mod foreign;
mod heap;
mod lints;
mod minimal;
mod model;
mod optimized;
mod packages;
mod report;
mod rules;
mod sanitize;
mod skips;
mod suite;
mod wasi;
mod workspace;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check what is checked on every change: all steps, or the named ones
    Ci {
        /// The steps to run
        #[arg(value_name = "STEP")]
        steps: Vec<ci::Step>,
    },
    /// Measure how fast the library is, beside what programs use today
    Bench {
        /// `--quick` (check every row and run it once), and filters: the rows whose group or name contains one
        #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the library's tests under a sanitizer, and show that it would have reported a defect
    Sanitize {
        /// The sanitizers to use (both, if none is named)
        #[arg(value_name = "SANITIZER")]
        sanitizers: Vec<sanitize::Sanitizer>,
    },
    /// Run the tests of published programs that use memmap2, with it and with the crate that stands in for it
    Clients {
        /// The programs (all on the list, if none is named)
        #[arg(value_name = "PROGRAM")]
        programs: Vec<String>,
        /// Instead of testing, time one of them both ways, this many times each
        #[arg(long, value_name = "ROUNDS")]
        time: Option<usize>,
    },
    /// Run, link or check the tests for other platforms
    Cross {
        /// Target triples, or the start of them (all in the table, if none is named)
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
        /// Print the table of targets and end
        #[arg(long)]
        list: bool,
        /// Do what is done on every change: one page size for each processor, and parts of the suite for aarch64
        #[arg(long)]
        short: bool,
        /// Do a part of what another of these commands does, which waits for the results in this folder
        #[arg(long, value_name = "FOLDER", hide = true)]
        part_of: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Ci { steps } => ci::run(&steps),
        Command::Bench { arguments } => bench::run(&arguments),
        Command::Sanitize { sanitizers } => sanitize::run(&sanitizers),
        Command::Clients { time: Some(rounds), .. } => clients::time(rounds),
        Command::Clients { programs, time: None } => clients::run(&programs),
        Command::Cross { targets, list, short, part_of } => {
            cross::run(&cross::Request { targets, list, short, part_of })
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
