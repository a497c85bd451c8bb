//! The processes: this program once more for each cause, and a fork of that for each cell.

use crate::cells::{Call, Cause, Cell, Kind, Place, Way};
use crate::{runner, stage, trial};
use folio::fault;
use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

/// The child's task: "cells" or "control", the number of the cause, and the directory of its stage.
const TASK: &str = "FOLIO_MATRIX_TASK";
/// Seconds after which a cell that hangs is ended by SIGALRM.
const PATIENCE: u32 = 600;

/// Why some places have no control.
pub(crate) const UNCONTROLLED: &str = "QEMU does not end a process that blocks the signal";

/// How a process ends that nobody saved from a lost page.
pub(crate) fn death() -> String {
    format!("signal {}", libc::SIGBUS)
}

/// Runs all cells of a cause. How each ended, by its name: "done", or what went wrong.
pub(crate) fn cells_in_child(cause: Cause, directory: &Path) -> HashMap<String, String> {
    in_child("cells", cause, directory)
}

/// Touches the lost page by plain slices. How each process ended, by its name.
pub(crate) fn controls_in_child(cause: Cause, directory: &Path) -> HashMap<String, String> {
    in_child("control", cause, directory)
}

pub(crate) fn control_name(cause: Cause, kind: Kind, place: Place) -> String {
    format!("plain slice x {cause} x {kind} x {place}")
}

fn in_child(task: &str, cause: Cause, directory: &Path) -> HashMap<String, String> {
    // With one test thread the harness runs the test on the main thread, and has no other.
    let output = runner::this_program()
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(TASK, format!("{task} {} {}", cause as usize, directory.display()))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the child for {cause} ended by {}:\n{text}", output.status);
    text.lines()
        .filter_map(|line| line.split_once("end of ")?.1.split_once(": "))
        .map(|(name, end)| (name.to_owned(), end.to_owned()))
        .collect()
}

/// What the child does. Nothing in a process that is no child.
pub(crate) fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut words = task.splitn(3, ' ');
    let what = words.next().unwrap().to_owned();
    let cause = Cause::ALL[words.next().unwrap().parse::<usize>().unwrap()];
    let directory = PathBuf::from(words.next().unwrap());
    no_core_files();
    if what == "cells" {
        warm_up(cause, &directory);
        for cells in processes(cause) {
            match cells[..] {
                [cell] => report(&cell.to_string(), in_fork(|| run_cell(&cell, &directory))),
                // Each reports itself. Those that the process does not come to are missed; how it ends is the end of the last, which
                // this says after the cell itself.
                _ => match in_fork(|| cells.iter().try_for_each(|cell| run_and_report(cell, &directory))) {
                    Ok(status) if status.success() => {}
                    end => report(&cells[cells.len() - 1].to_string(), end),
                },
            }
        }
    } else {
        for &kind in Kind::ALL {
            for &place in Place::ALL.iter().filter(|&&place| can_be_controlled(place)) {
                let cell = Cell { cause, call: Call::Load, kind, place, way: Way::Routines };
                let end = in_fork(|| trial::touch_by_plain_slice(&cell, &directory));
                report(&control_name(cause, kind, place), end);
            }
        }
    }
}

/// The cells of a cause, those together that share a process. Under an emulator some do, for it translates the program anew in each
/// process, which takes most of the time: the three kinds of mapping, and where there is no handler, which the first access of
/// a process would install, also the places.
fn processes(cause: Cause) -> Vec<Vec<Cell>> {
    let mut cells: Vec<Cell> = Cell::of(cause).collect();
    if !runner::is_emulated() {
        return cells.into_iter().map(|cell| vec![cell]).collect();
    }
    cells.sort_by_key(|cell| (cell.call as usize, cell.way as usize, cell.place as usize));
    let no_handler = |cell: &Cell| cell.way == Way::KernelCopies || fault::ATOMIC_WIDTH == 1;
    let together = |one: &Cell, next: &Cell| {
        one.call == next.call && one.way == next.way && (one.place == next.place || no_handler(one))
    };
    cells.chunk_by(together).map(<[Cell]>::to_vec).collect()
}

/// Does what every cell does before its access, once in the process that all others are forks of: what an emulator has translated
/// is inherited.
fn warm_up(cause: Cause, directory: &Path) {
    stage::patterned(0);
    if runner::is_emulated() {
        for &kind in Kind::ALL {
            let cell = Cell { cause, call: Call::Load, kind, place: Place::Main, way: Way::Routines };
            trial::prepare(&cell, directory).unwrap();
        }
    }
}

/// Whether a plain slice is known to end a process there. QEMU 7.2 tries the access again and again, for ever, where the kernel
/// ends a process that blocks the signal.
pub(crate) fn can_be_controlled(place: Place) -> bool {
    place != Place::Blocked || !runner::is_emulated()
}

fn run_cell(cell: &Cell, directory: &Path) -> Result<(), String> {
    // SAFETY: gettid(2) and getpid(2) by their C library names have no preconditions.
    #[cfg(target_os = "linux")]
    let (thread, process) = unsafe { (libc::gettid(), std::process::id()) };
    #[cfg(target_os = "linux")]
    if u32::try_from(thread) != Ok(process) {
        return Err("this is not the main thread of its process".to_owned());
    }
    trial::run(cell, directory)
}

fn run_and_report(cell: &Cell, directory: &Path) -> Result<(), String> {
    run_cell(cell, directory).map_err(|error| format!("{cell}: {error}"))?;
    println!("end of {cell}: done");
    Ok(())
}

fn report(name: &str, status: Result<ExitStatus, String>) {
    let end = match status {
        Ok(status) if status.success() => "done".to_owned(),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit {code}, see its message"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        },
        Err(error) => error,
    };
    println!("end of {name}: {end}");
}

/// Runs `f` in a fork of this process, which has one thread; the fork exits with 0 on `Ok`.
fn in_fork(f: impl FnOnce() -> Result<(), String>) -> Result<ExitStatus, String> {
    io::stdout().flush().unwrap();
    // SAFETY: this process has one thread, so the child may do all that the parent may.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(format!("fork: {}", io::Error::last_os_error())),
        0 => {
            // SAFETY: the call has no preconditions.
            unsafe { libc::alarm(PATIENCE) };
            let code = match catch_unwind(AssertUnwindSafe(f)) {
                Ok(Ok(())) => 0,
                Ok(Err(text)) => {
                    eprintln!("failed: {text}");
                    1
                }
                Err(_) => 101,
            };
            // SAFETY: no preconditions; the destructors of the parent's values are not for this process.
            unsafe { libc::_exit(code) }
        }
        _ => {
            let mut status = 0;
            // SAFETY: `status` has room for the answer.
            let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
            if waited == pid {
                Ok(ExitStatus::from_raw(status))
            } else {
                Err(format!("waitpid: {}", io::Error::last_os_error()))
            }
        }
    }
}

/// Many of the processes are meant to die by a signal.
fn no_core_files() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is initialised.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
}
