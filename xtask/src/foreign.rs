//! A compiler for every platform.
//!
//! Building for a platform takes its standard library. Debian packages a current compiler (`rustc-web`) with the
//! library's source (`rust-web-src`) where cargo's `-Zbuild-std` looks for it, so cargo can build the standard library
//! for any target, and with any flag, without a further download of a toolchain.

use crate::compat::STAND_INS;
use crate::workspace::{cargo, execute, shell, target_dir};
use crate::{lints, packages};
use anyhow::Result;
use std::path::PathBuf;
use xshell::{Shell, cmd};

const PACKAGES: [&str; 4] = ["rustc-web", "libstd-rust-web-dev", "rust-web-src", "rust-web-clippy"];

/// Builds a standard library for programs that run. Without what turns a backtrace's addresses into names, which would be half a dozen
/// crates more: a panic says where it was all the same.
pub(crate) const BUILD_STD: [&str; 2] = ["-Zbuild-std=std,panic_unwind", "-Zbuild-std-features=panic-unwind"];

/// Builds a standard library for programs that are only looked at; one without unwinding exists for every target.
pub(crate) const CHECK_STD: [&str; 2] = ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="];

/// Where programs for other platforms are built: in a folder for each that is only looked at, so that several can be at once.
pub(crate) fn build_dir() -> PathBuf {
    target_dir().join("foreign")
}

/// A shell in which cargo uses that compiler.
///
/// # Errors
///
/// If it is not there and cannot be installed.
pub(crate) fn toolchain() -> Result<Shell> {
    packages::install(&PACKAGES)?;
    let shell = shell()?;
    shell.set_var("RUSTC", "/usr/bin/rustc");
    shell.set_var("RUSTDOC", "/usr/bin/rustdoc");
    // `-Zbuild-std` and the sanitizers' flags are not stable yet.
    shell.set_var("RUSTC_BOOTSTRAP", "1");
    shell.set_var("CARGO_TARGET_DIR", build_dir());
    // One set of flags for all runs, or the standard library is built again.
    shell.set_var("RUSTFLAGS", "");
    Ok(shell)
}

/// The lint driver of that compiler. `cargo clippy` cannot be used, for it insists on its own toolchain.
pub(crate) const LINT_DRIVER: &str = "/usr/bin/clippy-driver";

/// For that driver. The lint sees through the macro where the system has thread-local variables of its own, and elsewhere asks for the
/// `const` that is there.
pub(crate) const MISTAKEN_LINT: &str = "-Aclippy::missing_const_for_thread_local";

/// A shell in which cargo checks the workspace's crates for `target`, with lints.
///
/// # Errors
///
/// If the compiler is not there and cannot be installed.
pub(crate) fn checker(target: &str) -> Result<Shell> {
    let shell = toolchain()?;
    shell.set_var("CARGO_TARGET_DIR", build_dir().join(target));
    // Cargo would build the standard library to the end, as if for programs. What is checked is compiled for the processor that it
    // says, for what that can do decides what there is to check.
    shell.set_var("RUSTFLAGS", "-Zcodegen-backend=dummy");
    lints::while_compiling(&shell, LINT_DRIVER, &[MISTAKEN_LINT, "-Zcodegen-backend=llvm"]);
    Ok(shell)
}

/// What there is to check on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The libraries, their tests and examples.
    Everything,
    /// The libraries alone: what the tests depend on does not exist for this target.
    Library,
}

/// Checks types and lints for `target`, with every warning an error.
///
/// # Errors
///
/// If there is a complaint, or the compiler is not there and cannot be installed.
pub(crate) fn lint(target: &str, scope: Scope) -> Result<()> {
    let shell = checker(target)?;
    let cargo = cargo();
    let scope: &[&str] = match scope {
        Scope::Everything => &["--lib", "--tests", "--examples"],
        Scope::Library => &["--lib"],
    };
    // With the crates that stand in for others, whose names alone would not do.
    let stand_ins = STAND_INS.iter().flat_map(|crate_| ["--package".to_owned(), crate_.spec()]);
    let command = cmd!(shell, "{cargo} check --package folio --all-features {CHECK_STD...} --target {target}");
    execute(command.args(scope).args(stand_ins))
}
