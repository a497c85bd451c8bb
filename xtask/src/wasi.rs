//! The tests that WebAssembly can run: those of the library itself and of what is different on ordinary memory, which is what
//! mappings are there.

use crate::foreign::{self, CHECK_STD};
use crate::suite::Counts;
use crate::workspace::{execute, root, target_dir, tee};
use crate::{lints, packages};
use anyhow::{Result, ensure};
use xshell::cmd;

const TARGET: &str = "wasm32-wasip1";

/// The C library, and a linker. What Debian packages for this is older than the standard library that is built, and lacks calls of
/// threads, of which there are none.
const PACKAGES: [&str; 3] = ["wasi-libc", "lld-22", "python3-venv"];

const FLAGS: &str = "-Clink-self-contained=no -Lnative=/usr/lib/wasm32-wasi \
    -Clink-arg=/usr/lib/wasm32-wasi/crt1-command.o -Clink-arg=--unresolved-symbols=ignore-all";

/// Installs what it takes beside the compiler.
///
/// # Errors
///
/// If that fails.
pub(crate) fn install() -> Result<()> {
    packages::install(&PACKAGES)
}

/// Builds the tests, with lints, and runs them in Wasmtime.
///
/// # Errors
///
/// If what that takes cannot be installed, there is a complaint, or a test fails.
pub(crate) fn run() -> Result<()> {
    install()?;
    let shell = foreign::toolchain()?;
    let folder = shell.create_dir(target_dir().join("wasmtime"))?;
    let (pip, python) = (folder.join("bin/pip"), folder.join("bin/python"));
    if cmd!(shell, "{python} -c").arg("import wasmtime").quiet().ignore_stderr().run().is_err() {
        execute(cmd!(shell, "python3 -m venv {folder}"))?;
        execute(cmd!(shell, "{pip} install --quiet wasmtime"))?;
    }
    let script = root().join("xtask/shims/run_wasi.py");
    shell.set_var("CARGO_TARGET_WASM32_WASIP1_RUNNER", format!("{} {}", python.display(), script.display()));
    shell.set_var("CARGO_TARGET_WASM32_WASIP1_LINKER", "wasm-ld-22");
    shell.set_var("RUSTFLAGS", FLAGS);
    lints::while_compiling(&shell, foreign::LINT_DRIVER, &[]);
    let cargo = crate::workspace::cargo();
    let test =
        cmd!(shell, "{cargo} test --package folio --all-features {CHECK_STD...} --target {TARGET} --lib --test heap");
    let outcome = tee(test)?;
    let counts = Counts::of(&outcome.stdout);
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    ensure!(outcome.success && counts.passed > 0, "the tests did not come to their end");
    Ok(())
}
