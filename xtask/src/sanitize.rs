//! `cargo xtask sanitize`: the library's tests under ThreadSanitizer and AddressSanitizer.
//!
//! Everything is instrumented, the standard library too: with the shipped one, ThreadSanitizer reports races that are
//! none, for it does not see the synchronization inside.
//!
//! A sanitizer that was built in wrongly finds nothing and looks content. So each run also builds
//! `crates/folio/tests/deliberate.rs` with a defect in it, and fails if the sanitizer does not report that.
//!
//! Many tests run parts of themselves in child processes, some of which are meant to end by a signal; a report there
//! changes nothing of how they end. So all processes write their reports into one folder, and one report is a failure.

use crate::suite::{Counts, Suite};
use crate::workspace::{cargo, target_dir};
use crate::{foreign, packages, report, skips};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use std::fs::{self, DirEntry, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;
use xshell::{Shell, cmd};

const TARGET: &str = "x86_64-unknown-linux-gnu";

// The sanitizers' run-time parts are those of the LLVM version that the compiler is built on.
const PACKAGES: [&str; 3] = ["clang-22", "libclang-rt-22-dev", "llvm-22"];
const LINKER: &str = "clang-22";
const SYMBOLIZER: &str = "/usr/bin/llvm-symbolizer-22";

/// What makes the long tests short.
const FEW_CASES: [(&str, &str); 3] =
    [("PROPTEST_CASES", "32"), ("FOLIO_TEST_ONE_IN", "20"), ("FOLIO_TORTURE_SECONDS", "10")];

/// What a thread needs beside the smallest stack: AddressSanitizer's heap notes who allocates, with all callers, and does so there.
const MORE_STACK: (&str, &str) = ("FOLIO_TEST_MORE_STACK", "16384");

/// The file with the deliberate defects.
const FILE: &str = "tests/deliberate.rs";

/// What looks for defects at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sanitizer {
    /// ThreadSanitizer: data races
    Thread,
    /// AddressSanitizer: accesses outside of objects
    Address,
}

impl Sanitizer {
    fn name(self) -> &'static str {
        match self {
            Sanitizer::Thread => "thread",
            Sanitizer::Address => "address",
        }
    }

    /// The variable that holds its options.
    fn variable(self) -> &'static str {
        match self {
            Sanitizer::Thread => "TSAN_OPTIONS",
            Sanitizer::Address => "ASAN_OPTIONS",
        }
    }

    fn options(self) -> String {
        // The signals of faults are the subject of many tests: the sanitizer's own handlers would be one more predecessor, which
        // ends the process in a way of its own.
        let signals = "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0";
        let own = match self {
            // Of children that are forked beside threads, tests use what is allowed there.
            Sanitizer::Thread => ":die_after_fork=0",
            // Those who look for leaks stop the process, which a tracer does already in some tests, and take what a forked child has from
            // its parent's other threads for leaks. They say nothing about accesses.
            Sanitizer::Address => ":detect_leaks=0",
        };
        format!("external_symbolizer_path={SYMBOLIZER}:{signals}{own}")
    }

    /// The value of `folio_deliberate` that puts in the defect it must find.
    fn defect(self) -> &'static str {
        match self {
            Sanitizer::Thread => "race",
            Sanitizer::Address => "overflow",
        }
    }

    /// How its report of that defect begins.
    fn report(self) -> &'static str {
        match self {
            Sanitizer::Thread => "WARNING: ThreadSanitizer: data race",
            Sanitizer::Address => "ERROR: AddressSanitizer: heap-buffer-overflow",
        }
    }
}

/// Runs the tests under `sanitizers`, or under both if there are none.
///
/// # Errors
///
/// If a sanitizer reports anything, a test fails, or a deliberate defect goes unreported.
pub(crate) fn run(sanitizers: &[Sanitizer]) -> Result<()> {
    let sanitizers = if sanitizers.is_empty() { Sanitizer::value_variants() } else { sanitizers };
    packages::install(&PACKAGES)?;
    let mut rows = Vec::new();
    let mut complaints = Vec::new();
    for &sanitizer in sanitizers {
        let start = Instant::now();
        let name = sanitizer.name();
        let shell = toolchain(sanitizer)?;
        let tests = tests(&shell, sanitizer);
        let defect = deliberate_defect(&shell, sanitizer);
        if let Err(error) = &tests {
            complaints.push(format!("{name}: {error:#}"));
        }
        if let Err(error) = &defect {
            complaints.push(format!("{name}: {error:#}"));
        }
        let (counts, reports) = tests.unwrap_or_default();
        if counts.failed > 0 {
            complaints.push(format!("{name}: {} tests failed", counts.failed));
        }
        if reports > 0 {
            complaints.push(format!("{name}: {reports} processes with reports"));
        }
        rows.push([
            name.to_owned(),
            counts.passed.to_string(),
            counts.failed.to_string(),
            counts.skipped.to_string(),
            reports.to_string(),
            if defect.is_ok() { "reported" } else { "NOT REPORTED" }.to_owned(),
            format!("{:.1}", start.elapsed().as_secs_f64()),
        ]);
    }
    println!();
    report::table(["sanitizer", "passed", "failed", "skipped", "reports", "deliberate defect", "seconds"], &rows);
    ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    Ok(())
}

/// A shell in which cargo builds everything for `sanitizer`.
fn toolchain(sanitizer: Sanitizer) -> Result<Shell> {
    let name = sanitizer.name();
    let shell = foreign::toolchain()?;
    shell.set_var("CARGO_TARGET_DIR", target_dir().join(format!("sanitize-{name}")));
    shell.set_var(
        "RUSTFLAGS",
        format!("-Zsanitizer={name} -Zexternal-clangrt -Clinker={LINKER} -Clink-arg=-fsanitize={name}"),
    );
    shell.set_var(sanitizer.variable(), sanitizer.options());
    // Tests panic on purpose, and an instrumented program is slow with each such backtrace.
    shell.set_var("RUST_BACKTRACE", "0");
    // Instrumented programs are slow, and a race is found by threads that meet, not by many cases.
    for (name, value) in FEW_CASES {
        shell.set_var(name, value);
    }
    if sanitizer == Sanitizer::Address {
        shell.set_var(MORE_STACK.0, MORE_STACK.1);
    }
    Ok(shell)
}

/// Counts the tests, and the processes with a report.
fn tests(shell: &Shell, sanitizer: Sanitizer) -> Result<(Counts, usize)> {
    // Documentation tests are left out: rustdoc would have to build each of them for the sanitizer too.
    let suite = Suite { shell, target: TARGET, std: &foreign::BUILD_STD, parts: &["--lib", "--tests"] };
    suite.build(&[])?;
    let skips = skips::load()?;
    let known = suite.list()?;
    let left_out = skips::names(&skips, &["sanitizer", sanitizer.name()], &known, skips::Known::All)?;
    let folder = shell.create_temp_dir()?;
    // Some tests go on as a user who may do nothing.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777))?;
    let options = format!("{}:log_path={}", sanitizer.options(), folder.path().join("report").display());
    let _options = shell.push_env(sanitizer.variable(), options);
    let ran = suite.run(&left_out, &known);
    let reports = reports(folder.path())?;
    reports.iter().for_each(|report| println!("{report}"));
    let counts = ran?.counts;
    Ok((counts, reports.len()))
}

/// What processes have reported, one text for each.
fn reports(folder: &Path) -> Result<Vec<String>> {
    let read = |entry: io::Result<DirEntry>| Ok(String::from_utf8_lossy(&fs::read(entry?.path())?).into_owned());
    fs::read_dir(folder)?.map(read).collect()
}

/// Builds the test with a defect in it, runs it, and looks for the sanitizer's report.
fn deliberate_defect(shell: &Shell, sanitizer: Sanitizer) -> Result<()> {
    let cargo = cargo();
    let build_std = foreign::BUILD_STD;
    // As an argument for this one program: in RUSTFLAGS, the standard library would be built once more.
    let cfg = format!("folio_deliberate=\"{}\"", sanitizer.defect());
    let command = cmd!(
        shell,
        "{cargo} rustc --package folio --all-features --test deliberate --profile test
            {build_std...} --target {TARGET} --message-format json-render-diagnostics -- --cfg {cfg}"
    );
    eprintln!("$ {command}");
    let messages = command.quiet().read()?;
    let program = messages.lines().filter_map(executable).next_back().context("cargo names no test program")?;

    let command = cmd!(shell, "{program} --test-threads 1").ignore_status();
    eprintln!("$ {command}");
    let output = command.quiet().output()?;
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    // The report must be of this defect: a stack with the test's file in it, and an exit code that says so.
    let report = said.find(sanitizer.report()).map(|at| &said[at..]);
    let Some(report) = report.filter(|report| report.contains(FILE) && !output.status.success()) else {
        eprintln!("{said}");
        bail!("the deliberate {} was not reported", sanitizer.defect());
    };
    report.lines().take(12).for_each(|line| println!("| {line}"));
    println!("The deliberate {} was reported, as it must be.", sanitizer.defect());
    Ok(())
}

/// The program that a line of cargo's messages says was built.
fn executable(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("\"executable\":\"")?;
    rest.split_once('"').map(|(path, _)| path.to_owned())
}
