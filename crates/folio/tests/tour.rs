//! The tour as a user meets it: its output, its exit code, and what it leaves behind.

// The tour cuts a mapped file short, which nothing on the heap notices.
#![cfg(all(unix, not(folio_heap)))]

#[allow(dead_code, reason = "not every test uses all of it")]
#[path = "support/runner.rs"]
mod runner;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::str::from_utf8;
use tempfile::TempDir;

#[path = "support/example.rs"]
mod example;

/// One run of the tour, with a temporary folder of its own.
struct Tour {
    temp: TempDir,
    command: Command,
}

impl Tour {
    fn new() -> Tour {
        let temp = tempfile::tempdir().unwrap();
        let mut command = runner::command(example::binary("tour"));
        command
            .env("TMPDIR", temp.path())
            .env("FOLIO_TOUR_MIB", "1")
            .env_remove("FOLIO_TOUR_SPOIL")
            .stdin(Stdio::null());
        Tour { temp, command }
    }

    fn of(path: &Path) -> Tour {
        let mut tour = Tour::new();
        tour.command.arg(path);
        tour
    }

    fn env(mut self, variable: &str, value: &str) -> Tour {
        self.command.env(variable, value);
        self
    }

    fn run(mut self) -> Output {
        let output = self.command.output().unwrap();
        self.assert_clean();
        output
    }

    fn assert_clean(&self) {
        assert_eq!(fs::read_dir(self.temp.path()).unwrap().count(), 0, "something is left in the temporary folder");
    }
}

/// The run went well and said nothing on standard error. Its output.
fn success(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
    from_utf8(&output.stdout).unwrap()
}

/// The run failed with exit code 1 and one line of plain words. That line.
fn failure(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = from_utf8(&output.stderr).unwrap();
    assert!(line.starts_with("tour: ") && line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
    line
}

/// The names of the steps in the table, whose lines are all of one width.
fn steps(output: &str) -> Vec<&str> {
    let table = output.lines().skip_while(|line| !line.starts_with("step ")).take_while(|line| !line.is_empty());
    let (names, widths): (Vec<_>, Vec<_>) = table.map(|line| (line[..32].trim_end(), line.len())).unzip();
    assert!(widths.iter().all(|&width| width == widths[0]), "{output}");
    names[1..].to_vec()
}

#[test]
fn without_a_file_every_step_is_in_the_table_and_every_byte_is_right() {
    let output = Tour::new().run();
    let output = success(&output);
    let steps = steps(output);
    assert_eq!(steps[..2], ["allocate and map", "split, one view per core"]);
    assert!(steps[2].starts_with("write, ") && steps[3].starts_with("flush, "));
    assert_eq!(
        steps[4..],
        [
            "join again by unsplit",
            "check every byte by read",
            "sum by read",
            "sum by one view",
            "sum by one view per core",
            "sum by a plain slice (unsafe)",
            "cut short, read up to there"
        ]
    );
    assert!(output.contains("Fault { offset: 524288 }"), "{output}");
    assert!(output.ends_with("\nEvery byte was right, and nothing is left behind.\n"), "{output}");
    assert!(!output.contains(['\r', '\x1b']), "progress was shown where there is no terminal: {output:?}");
}

#[test]
fn a_single_wrong_byte_is_found_and_named() {
    for offset in ["0", "262143", "262144", "1048575"] {
        let output = Tour::new().env("FOLIO_TOUR_SPOIL", offset).run();
        let line = failure(&output);
        assert!(line.contains(&format!("byte {offset} of the file is 0x")), "{line}");
        assert!(!from_utf8(&output.stdout).unwrap().contains("right"));
    }
}

#[test]
fn a_given_file_is_summed_and_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    for len in [1, 7, 4096, 300_001] {
        let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
        fs::write(&path, &bytes).unwrap();
        let before = fs::metadata(&path).unwrap();

        let output = Tour::of(&path).run();
        let output = success(&output);
        assert_eq!(
            steps(output),
            [
                "read once, so that it is cached",
                "sum by read",
                "sum by one view",
                "sum by one view per core",
                "cut short, read up to there"
            ]
        );
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before.modified().unwrap());
    }
}

#[test]
fn an_empty_file_is_summed_too() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Tour::of(file.path()).run();
    assert_eq!(steps(success(&output)).len(), 5);
}

#[test]
fn what_cannot_be_mapped_is_an_error_in_plain_words() {
    let dir = tempfile::tempdir().unwrap();
    for (path, reason) in [
        (dir.path().join("missing"), "No such file or directory"),
        (dir.path().to_owned(), "a directory cannot be mapped"),
        (PathBuf::from("/dev/null"), "only regular files can be mapped"),
    ] {
        let output = Tour::of(&path).run();
        let line = failure(&output);
        assert!(line.contains(&format!("{}: {reason}", path.display())), "{line}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn a_missing_temporary_folder_is_named() {
    let line = Tour::new().env("TMPDIR", "/nowhere/at/all").run();
    assert!(failure(&line).contains("/nowhere/at/all: No such file or directory"));
}

#[test]
fn wrong_arguments_and_sizes_are_errors_in_plain_words() {
    let mut two = Tour::of(Path::new("a"));
    two.command.arg("b");
    assert!(failure(&two.run()).contains("usage: tour [FILE]"));
    for size in ["0", "-1", "many", "18446744073709551615"] {
        assert!(failure(&Tour::new().env("FOLIO_TOUR_MIB", size).run()).contains("FOLIO_TOUR_MIB"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error_and_no_panic() {
    let mut tour = Tour::new();
    tour.command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert!(failure(&tour.run()).contains("No space left"));
}

/// Looks into a running tour by `/proc`.
#[cfg(target_os = "linux")]
mod interrupted {
    use super::Tour;
    use std::fs;
    use std::io::{ErrorKind, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::PathBuf;
    use std::thread;
    use std::time::Duration;

    /// Also by SIGKILL, against which no handler helps: the file has no name.
    #[test]
    fn an_interrupted_tour_leaves_nothing_behind() {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
            let mut tour = Tour::new();
            let default = move || {
                // A shell starts what runs in its background with SIGINT ignored, and tests may be run so.
                // SAFETY: the call takes numbers, and is one of those that are allowed between `fork` and `exec`.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
                Ok(())
            };
            // SAFETY: the function makes one system call and nothing else.
            unsafe { tour.command.pre_exec(default) };
            // Nobody reads, so the tour waits at its first line for good. It has made its file by then.
            let (_reader, full) = full_stream();
            let mut child = tour.command.stdout(OwnedFd::from(full)).spawn().unwrap();
            let files = format!("/proc/{}/fd", child.id());
            // One without a name: a run-time library may have a file there for a moment, ThreadSanitizer's has.
            let is_of_tour = |file: fs::DirEntry| {
                let nameless =
                    |to: PathBuf| to.starts_with(tour.temp.path()) && to.to_string_lossy().ends_with(" (deleted)");
                fs::read_link(file.path()).is_ok_and(nameless)
            };
            while !fs::read_dir(&files).is_ok_and(|mut files| files.any(|file| file.is_ok_and(is_of_tour))) {
                assert_eq!(child.try_wait().unwrap(), None, "the tour has ended before");
                thread::sleep(Duration::from_millis(2));
            }

            // SAFETY: the child is ours, and has not been waited for.
            assert_eq!(unsafe { libc::kill(child.id().try_into().unwrap(), signal) }, 0);
            assert_eq!(child.wait().unwrap().signal(), Some(signal));
            tour.assert_clean();
        }
    }

    /// A stream that takes no more before somebody has read from its other end, which is the first of the two.
    fn full_stream() -> (UnixStream, UnixStream) {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        let error = loop {
            if let Err(error) = writer.write(&[b'-'; 512]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        writer.set_nonblocking(false).unwrap();
        (reader, writer)
    }
}
