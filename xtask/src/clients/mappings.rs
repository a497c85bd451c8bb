//! How many files a test suite maps, by the system calls that it makes.

use crate::workspace::{cargo, tee};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use xshell::{Shell, cmd};

/// Runs the suite again under `strace`, and counts. Its results do not count: some tests mind being watched.
pub(super) fn count(shell: &Shell, tests: &[&str], arguments: &[&str], copy: &Path) -> Result<usize> {
    let trace = copy.join("mappings.txt");
    let runner =
        format!("strace --follow-forks --quiet=all --decode-fds=path --trace=mmap --output={}", trace.display());
    let _append =
        shell.push_env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", format!("{runner} --output-append-mode"));
    let cargo = cargo();
    shell.remove_path(&trace)?;
    tee(cmd!(shell, "nice -n 5 {cargo} test --jobs 2 --no-fail-fast").args(tests).arg("--").args(arguments))?;
    let text = fs::read(&trace).with_context(|| trace.display().to_string())?;
    Ok(String::from_utf8_lossy(&text).lines().filter(|line| maps_a_file(line)).count())
}

/// Whether a line shows a file being mapped as these crates do it. The dynamic loader maps too, and so does the report of a panic:
/// privately, what it does not write.
fn maps_a_file(line: &str) -> bool {
    let Some((_, call)) = line.split_once("mmap(") else {
        return false;
    };
    let mut arguments = call.split(", ").skip(2);
    let (Some(protection), Some(flags), Some(file)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return false;
    };
    let of_program = flags.contains("MAP_SHARED") || protection.contains("PROT_WRITE");
    of_program && !flags.contains("MAP_DENYWRITE") && file.contains("</") && !call.contains(") = -1 ")
}

#[cfg(test)]
mod tests {
    use super::maps_a_file;

    #[test]
    fn only_maps_of_files_that_a_program_makes_count() {
        assert!(maps_a_file("12 mmap(NULL, 6, PROT_READ, MAP_SHARED, 3</tmp/a>, 0) = 0x7f"));
        assert!(maps_a_file("12 mmap(NULL, 6, PROT_READ|PROT_WRITE, MAP_PRIVATE, 3</tmp/a>, 0) = 0x7f"));
        assert!(maps_a_file("12 mmap(NULL, 6, PROT_READ, MAP_SHARED, 3</tmp/a>, 0 <unfinished ...>"));
        for line in [
            "12 mmap(NULL, 6, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f",
            "12 mmap(0x7f, 6, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3</lib/libc.so.6>, 0) = 0x7f",
            "12 mmap(NULL, 6, PROT_READ, MAP_PRIVATE, 3</tmp/test>, 0) = 0x7f",
            "12 mmap(NULL, 6, PROT_READ, MAP_SHARED, 3</tmp>, 0) = -1 ENODEV (No such device)",
            "12 <... mmap resumed>) = 0x7f",
            "12 +++ exited with 0 +++",
        ] {
            assert!(!maps_a_file(line), "{line}");
        }
    }
}
