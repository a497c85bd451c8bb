//! The time of a program that maps files: `b3sum`, over one large file and over many small ones.

use super::list::TIMED;
use super::{With, folder};
use crate::report;
use crate::workspace::{cargo, execute};
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use xshell::cmd;

/// Builds it both ways and runs the two in turn, `rounds` times, on the same files.
///
/// A further copy of the program with memmap2 runs in turn with them: how far its times are from those of the first is what this machine
/// cannot tell apart.
pub(super) fn run(rounds: usize) -> Result<()> {
    let client = TIMED;
    let mut programs = Vec::new();
    for (with, name) in [(With::Memmap2, "theirs"), (With::Ours, "ours"), (With::Memmap2, "again")] {
        let copy = client.prepare(with)?;
        let shell = client.shell(&copy)?;
        let cargo = cargo();
        execute(cmd!(shell, "nice -n 5 {cargo} build --release"))?;
        let built = folder().join("build/release/b3sum");
        let program = folder().join(format!("timed-{name}"));
        fs::copy(&built, &program).with_context(|| built.display().to_string())?;
        programs.push(program);
    }
    let data = folder().join("data");
    let cases = [
        ("one file of 1 GiB", files(&data, "large", 1, 1 << 30)?),
        ("4,000 files of 64 KiB", files(&data, "small", 4000, 1 << 16)?),
    ];
    let mut rows = Vec::new();
    for (name, files) in cases {
        let mut sums = Vec::new();
        let mut times = Vec::new();
        for round in 0..=rounds {
            let mut took = [Took::default(); 3];
            for turn in 0..3 {
                let which = (round + turn) % 3;
                let output;
                (took[which], output) = hash(&programs[which], &files)?;
                sums.push(output);
            }
            // The first round brings the files into memory.
            if round > 0 {
                times.push(took);
            }
        }
        ensure!(sums.windows(2).all(|pair| pair[0] == pair[1]), "they do not agree");
        for (kind, of) in [("all", Took::wall as fn(Took) -> Duration), ("of the processor", Took::processor)] {
            let seconds = |which: usize| times.iter().map(move |took: &[Took; 3]| of(took[which]).as_secs_f64());
            let ms = |which| format!("{:.1}", median(seconds(which)) * 1000.0);
            let ratio =
                |which| format!("{:.3}", median(seconds(which).zip(seconds(0)).map(|(one, other)| one / other)));
            rows.push([name.to_owned(), kind.to_owned(), ms(0), ms(1), ratio(1), ratio(2)]);
        }
    }
    println!("\nb3sum --num-threads 1, medians of {rounds} rounds, in each of which all run in turn");
    report::table(["files", "time", "with memmap2, ms", "with ours, ms", "ratio", "memmap2 again"], &rows);
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long a run took.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    wall: Duration,
    /// In the program and in the kernel for it.
    processor: Duration,
}

impl Took {
    fn wall(self) -> Duration {
        self.wall
    }

    fn processor(self) -> Duration {
        self.processor
    }
}

/// One run, and how long it took.
fn hash(program: &Path, files: &[PathBuf]) -> Result<(Took, Vec<u8>)> {
    let (before, start) = (processor()?, Instant::now());
    let output = Command::new(program).args(["--num-threads", "1"]).args(files).stdin(Stdio::null()).output()?;
    let took = Took { wall: start.elapsed(), processor: processor()? - before };
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((took, output.stdout))
}

/// What the processor has spent on children that have ended.
fn processor() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let spent = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(spent.num_microseconds().try_into()?))
}

/// Files to hash.
fn files(data: &Path, name: &str, count: usize, len: usize) -> Result<Vec<PathBuf>> {
    let folder = data.join(name);
    fs::create_dir_all(&folder)?;
    let file = |number: usize| {
        let path = folder.join(number.to_string());
        if fs::metadata(&path).map(|found| found.len()).ok() != Some(len as u64) {
            let bytes: Vec<_> = (0..len).map(|at| (at * 31 + at / 251 + number).to_le_bytes()[0]).collect();
            fs::write(&path, bytes)?;
        }
        Ok(path)
    };
    (0..count).map(file).collect()
}
