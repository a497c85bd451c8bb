//! The processes: this program once more for some cells of a cause at a time, for there is no fork, and starting one takes long.

use crate::cells::{Call, Cause, Cell, Kind, Place, Way};
use crate::stage;
use crate::trial::{self, Trial};
use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use windows_sys::Win32::Foundation::EXCEPTION_ACCESS_VIOLATION;

/// The child's task: "cells" or "control", the number of the cause, that of what is done of it, and the directory of its stage.
const TASK: &str = "FOLIO_MATRIX_TASK";

/// Why some places have no control.
pub(crate) const UNCONTROLLED: &str = "no thread can block an exception";

/// How a process ends that nobody saved from a lost page.
pub(crate) fn death() -> String {
    end_by(EXCEPTION_ACCESS_VIOLATION)
}

fn end_by(code: i32) -> String {
    format!("exit {code:#x}")
}

/// Runs all cells of a cause. How each ended, by its name: "done", or what went wrong.
pub(crate) fn cells_in_child(cause: Cause, directory: &Path) -> HashMap<String, String> {
    let mut ends = HashMap::new();
    for (number, cells) in processes(cause).iter().enumerate() {
        let (status, said) = in_child("cells", cause, number, directory);
        let told = said.lines().filter_map(|line| line.split_once("end of ")?.1.split_once(": "));
        ends.extend(told.map(|(name, end)| (name.to_owned(), end.to_owned())));
        if !status.success() {
            // Those that the process did not come to, and that it came to last.
            let last = cells.iter().map(Cell::to_string).filter(|name| !ends.contains_key(name)).collect::<Vec<_>>();
            ends.extend(last.into_iter().map(|name| (name, format!("its process ended by {status}"))));
        }
    }
    ends
}

/// Touches the lost page by plain slices. How each process ended, by its name.
pub(crate) fn controls_in_child(cause: Cause, directory: &Path) -> HashMap<String, String> {
    let end = |(number, (kind, place)): (usize, (Kind, Place))| {
        let (status, said) = in_child("control", cause, number, directory);
        let end = status.code().map_or_else(|| status.to_string(), end_by);
        assert!(said.contains("about to die"), "{end}: {said}");
        (control_name(cause, kind, place), end)
    };
    controls().into_iter().enumerate().map(end).collect()
}

pub(crate) fn control_name(cause: Cause, kind: Kind, place: Place) -> String {
    format!("plain slice x {cause} x {kind} x {place}")
}

/// Whether there is a plain slice to touch there.
pub(crate) fn can_be_controlled(place: Place) -> bool {
    place != Place::Blocked
}

fn controls() -> Vec<(Kind, Place)> {
    let places = || Place::ALL.iter().copied().filter(|&place| can_be_controlled(place));
    Kind::ALL.iter().flat_map(|&kind| places().map(move |place| (kind, place))).collect()
}

/// The cells of a cause, those together that share a process: those of one call by the routines, the first of which has the first
/// checked access of the process; and all by the kernel's copies, which have no handler to install.
fn processes(cause: Cause) -> Vec<Vec<Cell>> {
    let possible = || Cell::of(cause).filter(|cell| cell.impossible().is_none());
    let mut processes: Vec<Vec<Cell>> = Vec::new();
    for (number, &call) in Call::ALL.iter().enumerate() {
        let mut cells: Vec<Cell> = possible().filter(|cell| cell.call == call && cell.way == Way::Routines).collect();
        // Not always the same place comes first.
        let first = number % cells.len();
        cells.rotate_left(first);
        processes.push(cells);
    }
    processes.push(possible().filter(|cell| cell.way == Way::KernelCopies).collect());
    processes.retain(|cells| !cells.is_empty());
    processes
}

fn in_child(task: &str, cause: Cause, number: usize, directory: &Path) -> (ExitStatus, String) {
    // With one test thread the harness runs the test on the main thread, and has no other.
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(TASK, format!("{task} {} {number} {}", cause as usize, directory.display()))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("running 1 test"), "the child for {cause} ended by {}: {said}", output.status);
    (output.status, said)
}

/// What the child does. Nothing in a process that is no child.
pub(crate) fn child() {
    let Ok(task) = env::var(TASK) else { return };
    let mut words = task.splitn(4, ' ');
    let what = words.next().unwrap().to_owned();
    let mut number = || words.next().unwrap().parse::<usize>().unwrap();
    let (cause, number) = (Cause::ALL[number()], number());
    let directory = PathBuf::from(words.next().unwrap());
    if what == "control" {
        let (kind, place) = controls()[number];
        let cell = Cell { cause, call: Call::Load, kind, place, way: Way::Routines };
        println!("about to die");
        panic!("{:?}", trial::touch_by_plain_slice(&cell, &directory));
    }
    let cells = processes(cause).swap_remove(number);
    // All are staged before the first is tried: files are cut by a program, and starting one takes long.
    let trials: Vec<(Cell, Result<Option<Trial>, String>)> = cells
        .into_iter()
        .enumerate()
        .map(|(at, cell)| {
            let own = directory.join(format!("{number}-{at}"));
            fs::create_dir(&own).unwrap();
            (cell, Trial::new(&cell, &own))
        })
        .collect();
    let staged = trials.iter().filter_map(|(_, trial)| Some(trial.as_ref().ok()?.as_ref()?.staged()));
    stage::lose(&staged.collect::<Vec<_>>());
    for (cell, trial) in trials {
        let end = trial.and_then(|trial| trial.map_or(Ok(()), Trial::conclude));
        println!("end of {cell}: {}", end.err().unwrap_or_else(|| "done".to_owned()));
    }
}
