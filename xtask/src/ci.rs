//! `cargo xtask ci`: what is checked on every change.

use crate::foreign::{self, Scope};
use crate::workspace::{self, cargo, execute};
use crate::{bench, compat, cross, heap, minimal, model, optimized, packages, report, rules, wasi};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use std::fs;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;
use xshell::cmd;

/// What makes the tests of random cases short, where it is not the code of those cases that is another one.
pub(crate) const FEW_CASES: (&str, &str) = ("FOLIO_TEST_ONE_IN", "20");

/// A step, in the order in which they run: what fails fast comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The programs that tests run: installed, where they are missing
    Tools,
    /// The house rules
    Rules,
    /// Formatting
    Fmt,
    /// Lints with every feature, warnings denied; of the library's crate those are in `release`
    Clippy,
    /// Lints without any feature, warnings denied
    ClippyBare,
    /// Documentation of what is public, warnings denied
    Docs,
    /// Documentation of everything, warnings denied
    DocsPrivate,
    /// The tests of features, and of the documentation with every feature
    Features,
    /// The tests of arithmetic, access and races as users run the library: optimized, overflow unchecked; with every feature, and lints
    Release,
    /// The library's lock-free parts under a model checker
    Model,
    /// The tests over ordinary memory instead of maps, for which some are not
    Heap,
    /// What happens when threads meet, in many of the orders in which they can
    Interleavings,
    /// The example that shows the library at work
    Tour,
    /// The benchmarks: formatting, lints, and every row once, for its result
    Bench,
    /// Types and lints on an Apple system
    CheckApple,
    /// Types and lints on a BSD
    CheckFreebsd,
    /// Types and lints on Windows, as programs of Microsoft's compiler; those of the tests are in `cross`
    CheckWindows,
    /// The crates that stand in for memmap2 and memmap: their APIs, their tests and those of what they stand in for
    Compat,
    /// Lints, and the tests that can run, on WebAssembly with a system interface
    Wasi,
    /// The oldest dependencies that the manifest allows
    Minimal,
    /// The package as users get it
    Package,
    /// The tests on another system and on other processors
    Cross,
}

/// Runs `steps` one after the other, or all side by side if there are none, each to its end whatever
/// became of the others.
///
/// # Errors
///
/// If a step fails; its own complaint is printed where it happens.
pub(crate) fn run(steps: &[Step]) -> Result<()> {
    let done = if steps.is_empty() { side_by_side()? } else { steps.iter().map(|&step| Done::by(step)).collect() };
    if let [_, _, ..] = done[..] {
        println!();
        report::table(["step", "result", "seconds"], &done.iter().map(Done::row).collect::<Vec<_>>());
    }
    let failed: Vec<_> = done.iter().filter(|done| !done.well).map(|done| done.step.name()).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// What came of a step.
struct Done {
    step: Step,
    well: bool,
    seconds: f64,
}

impl Done {
    fn by(step: Step) -> Done {
        eprintln!("\n=== {}", step.name());
        Done::after(step, || step.run())
    }

    fn after(step: Step, work: impl FnOnce() -> Result<()>) -> Done {
        let start = Instant::now();
        let result = work();
        if let Err(error) = &result {
            eprintln!("error: {}: {error:#}", step.name());
        }
        Done { step, well: result.is_ok(), seconds: start.elapsed().as_secs_f64() }
    }

    fn row(&self) -> [String; 3] {
        let verdict = if self.well { "ok" } else { "FAILED" };
        [self.step.name(), verdict.to_owned(), format!("{:.1}", self.seconds)]
    }
}

/// The steps that run side by side: much of one is done by one thread, or waits. Cargo lets one at a time build in a folder, so the first
/// two lanes wait for each other, and for the tests, while they build; the others have folders of their own.
const LANES: [&[Step]; 4] = {
    use Step::*;
    [
        &[Rules, Fmt, Clippy, ClippyBare, Docs, DocsPrivate, Features, Compat, Package, Model, Interleavings],
        &[Release, Tour, Bench, Heap, Minimal],
        &[CheckApple, CheckFreebsd, CheckWindows, Wasi],
        &[Cross],
    ]
};

/// Runs all [`LANES`]. Each step is a process, whose output is shown when it has ended.
fn side_by_side() -> Result<Vec<Done>> {
    let logs = workspace::target_dir().join("ci");
    fs::create_dir_all(&logs)?;
    let screen = Mutex::new(());
    let run = |step: Step| {
        let name = step.name();
        let log = logs.join(&name).with_extension("log");
        eprintln!("started: {name}");
        let done = Done::after(step, || workspace::run_again(["ci", &name], &log));
        let said = fs::read(&log).unwrap_or_default();
        let _whole = screen.lock().unwrap_or_else(PoisonError::into_inner);
        print!("{}", String::from_utf8_lossy(&said));
        done
    };
    // What installs comes before all else.
    let mut done = vec![run(Step::Tools)];
    thread::scope(|scope| {
        let lanes = LANES.map(|lane| scope.spawn(|| lane.iter().map(|&step| run(step)).collect::<Vec<_>>()));
        lanes.into_iter().for_each(|lane| done.extend(lane.join().unwrap_or_else(|panic| resume_unwind(panic))));
    });
    done.sort_by_key(|done| Step::value_variants().iter().position(|&step| step == done.step));
    Ok(done)
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn run(self) -> Result<()> {
        let shell = workspace::shell()?;
        let cargo = cargo();
        match self {
            Step::Tools => packages::install(&["e2fsprogs", "mount", "strace"]),
            Step::Rules => {
                let violations = rules::violations()?;
                violations.iter().for_each(|violation| eprintln!("{violation}"));
                ensure!(violations.is_empty(), "{} violations", violations.len());
                Ok(())
            }
            Step::Fmt => {
                component("rustfmt")?;
                execute(cmd!(shell, "{cargo} fmt --all --check"))
            }
            Step::Clippy => {
                component("clippy")?;
                let others = ["--exclude", "folio"];
                execute(cmd!(
                    shell,
                    "{cargo} clippy --workspace {others...} --all-targets --all-features -- -Dwarnings"
                ))
            }
            Step::ClippyBare => {
                component("clippy")?;
                execute(cmd!(shell, "{cargo} clippy --workspace --all-targets --no-default-features -- -Dwarnings"))
            }
            Step::Docs => {
                shell.set_var("RUSTDOCFLAGS", "-Dwarnings");
                let stand_ins = compat::STAND_INS.iter().flat_map(|crate_| ["--package".to_owned(), crate_.spec()]);
                execute(cmd!(shell, "{cargo} doc --package folio --no-deps --all-features").args(stand_ins))
            }
            Step::DocsPrivate => {
                // The marks of invariants stand in brackets and look like links.
                shell.set_var("RUSTDOCFLAGS", "-Dwarnings -Arustdoc::broken-intra-doc-links");
                execute(cmd!(shell, "{cargo} doc --workspace --no-deps --all-features --document-private-items"))
            }
            Step::Features => {
                // The tests that ask for a feature. Most others run with every feature when they are optimized, or over the heap.
                let tests = ["--lib", "--test", "claims", "--test", "differences"];
                execute(
                    cmd!(shell, "{cargo} test --workspace --all-features").args(tests).env(FEW_CASES.0, FEW_CASES.1),
                )?;
                execute(cmd!(shell, "{cargo} test --workspace --all-features --doc"))
            }
            Step::Release => {
                component("clippy")?;
                optimized::tests()
            }
            Step::Model => {
                component("clippy")?;
                model::run()
            }
            Step::Heap => {
                component("clippy")?;
                heap::tests()
            }
            Step::Interleavings => {
                component("clippy")?;
                heap::interleavings()
            }
            Step::Tour => {
                component("clippy")?;
                optimized::tour()
            }
            Step::Bench => {
                component("rustfmt")?;
                component("clippy")?;
                bench::check()
            }
            Step::CheckApple => foreign::lint("aarch64-apple-darwin", Scope::Everything),
            // What the tests say of systems that are not Linux, they say on Apple's.
            Step::CheckFreebsd => foreign::lint("x86_64-unknown-freebsd", Scope::Library),
            // The tests are the same for both kinds of Windows programs, and are linted where they are compiled to be run.
            Step::CheckWindows => foreign::lint("x86_64-pc-windows-msvc", Scope::Library),
            Step::Compat => compat::run(),
            Step::Wasi => wasi::run(),
            Step::Minimal => minimal::run(),
            Step::Package => package(),
            Step::Cross => cross::run(&cross::Request {
                targets: cross::OF_THE_STEP.iter().map(|&triple| triple.to_owned()).collect(),
                short: true,
                ..cross::Request::default()
            }),
        }
    }
}

/// Makes sure that the toolchain has a part that small installations leave out.
fn component(name: &str) -> Result<()> {
    let shell = workspace::shell()?;
    let cargo = cargo();
    let subcommand = if name == "rustfmt" { "fmt" } else { name };
    if cmd!(shell, "{cargo} {subcommand} --version").quiet().ignore_stdout().ignore_stderr().run().is_ok() {
        return Ok(());
    }
    execute(cmd!(shell, "rustup component add {name}")).with_context(|| format!("{name} is not installed"))
}

/// Packages the library, builds the package, and looks for what must be in it.
fn package() -> Result<()> {
    let shell = workspace::shell()?;
    let cargo = cargo();
    // Whether everything is committed is for the one who publishes to ask, not for the one who checks a change.
    let list = cmd!(shell, "{cargo} package --package folio --allow-dirty --list").read()?;
    for file in ["README.md", "LICENSE-APACHE", "LICENSE-MIT", "src/lib.rs"] {
        ensure!(list.lines().any(|line| line == file), "{file} is not in the package");
    }
    let command = cmd!(shell, "{cargo} package --package folio --allow-dirty").ignore_status();
    eprintln!("$ {command}");
    let output = command.quiet().output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    eprint!("{said}");
    ensure!(output.status.success(), "the package cannot be built");
    if let Some(warning) = said.lines().find(|line| line.starts_with("warning")) {
        bail!("cargo is not content: {warning}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_in_one_lane_but_what_installs() {
        for step in Step::value_variants() {
            let times = LANES.iter().flat_map(|lane| lane.iter()).filter(|other| *other == step).count();
            assert_eq!(times, usize::from(*step != Step::Tools), "{step:?}");
        }
    }
}
