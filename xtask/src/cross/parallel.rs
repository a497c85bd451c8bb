//! Several targets at a time, each by a process of its own whose output is shown when it has ended.

use super::rows::{self, Row};
use super::table::{Level, Std, Target};
use super::{prepare, ready};
use crate::{foreign, packages, wasi, workspace};
use anyhow::{Result, ensure};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// What one process does, one target after the other.
type Job<'a> = Vec<&'a Target>;

/// How many targets are built and run at a time: programs under an emulator spend time waiting, and much of a standard
/// library is built by one thread.
const AT_A_TIME: usize = 2;

/// Does what can be done for each of `targets`, or the `short` of it, in processes that share `folder`.
///
/// # Errors
///
/// If what all of them need is not there and cannot be installed. What goes wrong for a target is in its row.
pub(super) fn run(targets: &[&Target], short: bool, folder: &Path) -> Result<Vec<Row>> {
    // Two processes that install at once would be in each other's way.
    install(targets)?;
    let queue = Mutex::new(jobs(targets));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let screen = Mutex::new(());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(job) = next() {
                    do_job(&job, short, folder, &screen);
                }
            });
        }
    });
    let rows_of = |target: &&Target| match rows::read(&folder.join(target.triple)) {
        Ok(rows) => rows,
        Err(error) => vec![Row::untested(target.triple, Err(error.context("its process came to no result")))],
    };
    Ok(targets.iter().flat_map(rows_of).collect())
}

fn install(targets: &[&Target]) -> Result<()> {
    let shell = foreign::toolchain()?;
    for target in targets {
        match &target.level {
            Level::Run(how) => {
                packages::install(how.packages)?;
                if how.std == Std::Ready {
                    ready::toolchain()?;
                }
            }
            Level::Wasi => wasi::install()?,
            Level::Link => prepare::zigbuild(&shell)?,
            Level::Check(_) => {}
        }
    }
    Ok(())
}

/// One job for those targets that are built for in one folder, one for each other that is built for, and one for all those that
/// are only looked at, each of which is little work.
fn jobs<'a>(targets: &[&'a Target]) -> VecDeque<Job<'a>> {
    let in_one_folder = |target: &&Target| matches!(&target.level, Level::Run(how) if how.std == Std::Ready);
    let (together, apart): (Vec<_>, Vec<_>) = targets.iter().copied().partition(in_one_folder);
    let (looked_at, built): (Vec<_>, Vec<_>) =
        apart.into_iter().partition(|target| matches!(target.level, Level::Check(_)));
    let jobs = [together].into_iter().chain(built.into_iter().map(|target| vec![target])).chain([looked_at]);
    jobs.filter(|job| !job.is_empty()).collect()
}

fn do_job(job: &[&Target], short: bool, folder: &Path, screen: &Mutex<()>) {
    let start = Instant::now();
    let names: Vec<&str> = job.iter().map(|target| target.triple).collect();
    let log = folder.join(names[0]).with_extension("log");
    let arguments = ["cross".as_ref(), "--part-of".as_ref(), folder.as_os_str()];
    let short = short.then_some("--short".as_ref());
    let arguments = arguments.into_iter().chain(short).chain(names.iter().map(OsStr::new));
    let ended = names
        .iter()
        .try_for_each(|name| remove(&folder.join(name).with_extension("toml")))
        .and_then(|()| workspace::run_again(arguments, &log));
    let said = fs::read(&log).unwrap_or_default();
    let _whole = screen.lock().unwrap_or_else(PoisonError::into_inner);
    print!("{}", String::from_utf8_lossy(&said));
    if let Err(error) = ended {
        println!("error: {error:#}");
    }
    println!("=== {} took {:.0} seconds", names.join(", "), start.elapsed().as_secs_f64());
}

/// Removes a result of an earlier time.
fn remove(path: &Path) -> Result<()> {
    ensure!(!path.exists() || fs::remove_file(path).is_ok(), "cannot remove {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cross::table::TARGETS;

    #[test]
    fn every_target_is_in_one_job() {
        let all: Vec<&Target> = TARGETS.iter().collect();
        let jobs = jobs(&all);
        let mut in_jobs: Vec<&str> = jobs.iter().flatten().map(|target| target.triple).collect();
        let mut triples: Vec<&str> = all.iter().map(|target| target.triple).collect();
        in_jobs.sort_unstable();
        triples.sort_unstable();
        assert_eq!(in_jobs, triples);
        let shared = jobs.iter().filter(|job| job.iter().any(|target| matches!(target.level, Level::Check(_))));
        assert_eq!(shared.count(), 1);
    }
}
