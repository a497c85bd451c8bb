//! The time of a program that maps files: `b3sum`, over one large file and over many small ones.

use super::list::TIMED;
use super::{With, folder};
use crate::report;
use crate::workspace::{cargo, execute};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use xshell::cmd;

/// Builds it both ways and runs the two in turn, `rounds` times, on the same files.
pub(super) fn run(rounds: usize) -> Result<()> {
    let client = TIMED;
    let mut programs = Vec::new();
    for with in [With::Memmap2, With::Ours] {
        let copy = client.prepare(with)?;
        let shell = client.shell(&copy)?;
        let cargo = cargo();
        execute(cmd!(shell, "nice -n 5 {cargo} build --release"))?;
        let built = folder().join("build/release/b3sum");
        let program = copy.join("b3sum-to-time");
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
        let mut times = [Vec::new(), Vec::new()];
        let mut sums = Vec::new();
        for round in 0..=rounds {
            for which in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let (time, output) = hash(&programs[which], &files)?;
                sums.push(output);
                // The first round brings the files into memory.
                if round > 0 {
                    times[which].push(time);
                }
            }
        }
        ensure!(sums.windows(2).all(|pair| pair[0] == pair[1]), "the two do not agree");
        let [theirs, ours] = times.map(median);
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        rows.push([name.to_owned(), format!("{:.1}", ms(theirs)), format!("{:.1}", ms(ours)), format!("{ratio:.3}")]);
    }
    println!("\nb3sum --num-threads 1, medians of {rounds} runs each, in turn");
    report::table(["files", "with memmap2, ms", "with ours, ms", "ratio"], &rows);
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// One run, and how long it took.
fn hash(program: &Path, files: &[PathBuf]) -> Result<(Duration, Vec<u8>)> {
    let start = Instant::now();
    let output = Command::new(program).args(["--num-threads", "1"]).args(files).stdin(Stdio::null()).output()?;
    let time = start.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((time, output.stdout))
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
