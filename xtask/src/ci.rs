//! `cargo xtask ci`: what is checked on every change.

use crate::foreign::{self, Scope};
use crate::workspace::{self, cargo, execute};
use crate::{bench, compat, cross, heap, minimal, model, packages, report, rules, wasi};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use std::time::Instant;
use xshell::cmd;

/// A step, in the order in which they run: what fails fast comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The programs that tests run: installed, where they are missing
    Tools,
    /// The house rules
    Rules,
    /// Formatting
    Fmt,
    /// Lints with every feature, warnings denied
    Clippy,
    /// Lints without any feature, warnings denied
    ClippyBare,
    /// Documentation of what is public, warnings denied
    Docs,
    /// Documentation of everything, warnings denied
    DocsPrivate,
    /// The tests with every feature
    Features,
    /// The library's tests as users run the library: optimized, overflow unchecked
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
    /// Types and lints on Windows
    CheckWindows,
    /// Types and lints on WebAssembly with a system interface
    CheckWasi,
    /// Types and lints on WebAssembly without one
    CheckWasm,
    /// The crates that stand in for memmap2 and memmap: their APIs, their tests and those of what they stand in for
    Compat,
    /// The tests that can run on WebAssembly with a system interface
    Wasi,
    /// The oldest dependencies that the manifest allows
    Minimal,
    /// The package as users get it
    Package,
    /// The tests on another system and on other processors; only if named, for it takes long
    Cross,
}

/// Runs `steps`, or all but [`Step::Cross`] if there are none, each to its end whatever became of the ones before it.
///
/// # Errors
///
/// If a step fails; its own complaint is printed where it happens.
pub(crate) fn run(steps: &[Step]) -> Result<()> {
    let every_change = Step::value_variants().iter().copied().filter(|&step| step != Step::Cross);
    let steps: Vec<_> = if steps.is_empty() { every_change.collect() } else { steps.to_vec() };
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for step in steps {
        let name = step.name();
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let result = step.run();
        if let Err(error) = &result {
            eprintln!("error: {name}: {error:#}");
            failed.push(name.clone());
        }
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        rows.push([name, verdict.to_owned(), format!("{:.1}", start.elapsed().as_secs_f64())]);
    }
    println!();
    report::table(["step", "result", "seconds"], &rows);
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
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
                execute(cmd!(shell, "{cargo} clippy --workspace --all-targets --all-features -- -Dwarnings"))
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
            Step::Features => execute(cmd!(shell, "{cargo} test --workspace --all-features")),
            Step::Release => {
                // Tests run the examples, which `cargo test` only builds if it is to run the documentation too.
                execute(cmd!(shell, "{cargo} build --package folio --all-features --release --examples"))?;
                execute(cmd!(shell, "{cargo} test --package folio --all-features --release --lib --tests"))
            }
            Step::Model => model::run(),
            Step::Heap => heap::tests(),
            Step::Interleavings => heap::interleavings(),
            Step::Tour => execute(cmd!(shell, "{cargo} run --package folio --release --example tour")),
            Step::Bench => {
                component("rustfmt")?;
                component("clippy")?;
                bench::check()
            }
            Step::CheckApple => foreign::lint("aarch64-apple-darwin", Scope::Everything),
            Step::CheckFreebsd => foreign::lint("x86_64-unknown-freebsd", Scope::Everything),
            Step::CheckWindows => foreign::lint("x86_64-pc-windows-msvc", Scope::Everything),
            Step::CheckWasi => foreign::lint("wasm32-wasip1", Scope::Library),
            Step::CheckWasm => foreign::lint("wasm32-unknown-unknown", Scope::Library),
            Step::Compat => compat::run(),
            Step::Wasi => wasi::run(),
            Step::Minimal => minimal::run(),
            Step::Package => package(),
            Step::Cross => cross::run(&cross::Request {
                targets: cross::OF_THE_STEP.iter().map(|&triple| triple.to_owned()).collect(),
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
