//! Every way to lose a page, against every way to meet it: an error, never the end of the process.
//!
//! The matrix is {cause} x {call} x {kind of mapping} x {thread} x {routines or kernel copies}. This program starts itself again for
//! each cause, and that child forks for each cell, so that every cell has a process of its own, whose first checked access is
//! the one that is tested, and that has to exit with 0. (On Windows and under emulators some cells share a
//! process.) A cell that folio refuses by design is asserted to be refused, and listed with the reason; so is one that this system or
//! machine cannot stage. None is silently absent.

// No page of the heap is ever lost.
#![cfg(all(any(unix, windows), not(folio_heap)))]

mod cells;
#[cfg_attr(windows, path = "place_windows.rs")]
mod place;
#[cfg_attr(windows, path = "process_windows.rs")]
mod process;
#[cfg(unix)]
#[path = "../support/runner.rs"]
#[allow(dead_code, reason = "not every test uses all of it")]
mod runner;
#[path = "../support/say.rs"]
mod say;
#[path = "../support/skip.rs"]
mod skip;
mod stage;
#[cfg(target_os = "linux")]
mod system;
mod trial;
#[cfg(windows)]
#[path = "../support/wine.rs"]
mod wine;

use cells::{Cause, Cell, Kind, Place};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One cause is staged at a time: some change the state of the whole machine.
static STAGE: Mutex<()> = Mutex::new(());

/// How the cells ended that were run and those that were not.
#[derive(Default)]
struct Tally {
    survived: usize,
    /// By reason.
    listed: BTreeMap<String, usize>,
    failed: Vec<String>,
}

impl Tally {
    fn cells(&self) -> usize {
        self.survived + self.listed.values().sum::<usize>() + self.failed.len()
    }
}

#[test]
fn every_lost_page_is_an_error_in_every_cell() {
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let start = Instant::now();
    let mut tally = Tally::default();
    for &cause in Cause::ALL {
        let staged = match stage::Stage::new(cause) {
            Ok(staged) => staged,
            Err(reason) => {
                skip::skip(&cause.to_string(), &reason);
                *tally.listed.entry(format!("{cause}: {reason}")).or_default() += Cell::of(cause).count();
                continue;
            }
        };
        let ends = process::cells_in_child(cause, staged.directory());
        for cell in Cell::of(cause) {
            if let Some(reason) = cell.impossible() {
                *tally.listed.entry(reason.to_owned()).or_default() += 1;
                continue;
            }
            match (ends.get(&cell.to_string()).map(String::as_str), cell.refusal()) {
                (Some("done"), None) => tally.survived += 1,
                (Some("done"), Some((_, reason))) => *tally.listed.entry(reason.to_owned()).or_default() += 1,
                (Some(end), _) => tally.failed.push(format!("{cell}: {end}")),
                (None, _) => tally.failed.push(format!("{cell}: not reported")),
            }
        }
    }
    let took = start.elapsed();
    let mut report = format!("matrix: {} cells in {took:.1?}: {} survived, listed are", tally.cells(), tally.survived);
    for (reason, count) in &tally.listed {
        report += &format!("\nmatrix: {count:5} because {reason}");
    }
    say::say(report);
    let product: usize = Cause::ALL.iter().map(|&cause| Cell::of(cause).count()).sum();
    assert_eq!(tally.cells(), product, "a cell is absent");
    assert!(tally.failed.is_empty(), "{} cells failed:\n{}", tally.failed.len(), tally.failed.join("\n"));
}

/// The control: the same file, the same loss, the same threads, and a plain slice. The process ends by SIGBUS or what is its like, so
/// the matrix is known to test something.
#[test]
fn a_plain_slice_dies_of_each_cause() {
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut died = 0;
    for &cause in Cause::ALL {
        let staged = match stage::Stage::new(cause) {
            Ok(staged) => staged,
            Err(reason) => {
                skip::skip(&format!("plain slice, {cause}"), &reason);
                continue;
            }
        };
        let ends = process::controls_in_child(cause, staged.directory());
        for &kind in Kind::ALL {
            for &place in Place::ALL {
                let name = process::control_name(cause, kind, place);
                if !process::can_be_controlled(place) {
                    skip::skip(&name, process::UNCONTROLLED);
                    continue;
                }
                let end = ends.get(&name).map_or("not reported", String::as_str);
                assert_eq!(end, process::death(), "{name}");
                died += 1;
            }
        }
    }
    say::say(format!("matrix: {died} plain slices ended by {}", process::death()));
    assert!(died > 0);
}

/// No test by itself: what this program does when another test has started it as a child.
#[test]
fn child() {
    process::child();
}
