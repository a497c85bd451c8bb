//! The library over ordinary memory (`--cfg folio_heap`): its tests, and the orders in which threads can meet.

use crate::suite::Counts;
use crate::workspace::{cargo, root, shell, target_dir, tee};
use crate::{lints, minimal};
use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};
use xshell::cmd;

/// Bytes are copied one by one there, which is slow without optimization. Checks stay on.
const OPTIMIZED: &str = "profile.dev.package.folio.opt-level=1";

/// Lints the library and its tests for the heap, and runs them. Documentation tests are left out: their examples are about
/// the maps of a system.
///
/// # Errors
///
/// If there is a complaint, or a test fails.
pub(crate) fn tests() -> Result<()> {
    let shell = shell()?;
    let cargo = cargo();
    lints::while_compiling(&shell, lints::DRIVER, &["--cfg", "folio_heap"]);
    run(cmd!(shell, "{cargo} test --config {OPTIMIZED} --package folio --all-features --lib --tests --no-fail-fast"))
}

/// Runs the tests of what happens when threads meet, under Shuttle, with lints. Among them are some that make a mistake and have to
/// find it.
///
/// # Errors
///
/// If there is a complaint, a test fails, or there is none.
pub(crate) fn interleavings() -> Result<()> {
    let shell = shell()?;
    let cargo = cargo();
    // The dependency on Shuttle hangs on a flag. If cargo knew of it, every crate would be built once more, so it sees a copy of the library
    // that depends on Shuttle in any case.
    let copy = target_dir().join("interleavings");
    let mut manifest = minimal::copy_library(&shell, &copy, "interleavings/folio")?;
    always(&mut manifest, "cfg(folio_shuttle)")?;
    shell.write_file(copy.join("interleavings/folio/Cargo.toml"), manifest.to_string())?;
    shell.copy_file(root().join("Cargo.lock"), &copy)?;
    shell.change_dir(&copy);
    shell.set_var("CARGO_TARGET_DIR", target_dir());
    lints::while_compiling(&shell, lints::DRIVER, &["--cfg", "folio_heap", "--cfg", "folio_shuttle"]);
    run(cmd!(shell, "{cargo} test --config {OPTIMIZED} --package folio --lib interleavings::"))
}

/// Makes what the tests depend on under `condition` what they depend on.
fn always(manifest: &mut Table, condition: &str) -> Result<()> {
    let conditions = manifest.get_mut("target").and_then(Value::as_table_mut);
    let tables = conditions.and_then(|conditions| conditions.remove(condition));
    let Some(Value::Table(more)) = tables.and_then(|mut tables| tables.as_table_mut()?.remove("dev-dependencies"))
    else {
        bail!("the tests depend on nothing under {condition}");
    };
    let all = manifest.entry("dev-dependencies").or_insert_with(|| Value::Table(Table::new()));
    all.as_table_mut().context("dev-dependencies are a table")?.extend(more);
    Ok(())
}

/// Runs tests and prints how many there were.
fn run(command: xshell::Cmd<'_>) -> Result<()> {
    let outcome = tee(command)?;
    let counts = Counts::of(&outcome.stdout);
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    ensure!(outcome.success && counts.passed > 0, "{} tests failed", counts.failed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_under_a_condition_becomes_one_without() {
        let mut manifest = "[dev-dependencies]\na = '1'\n[target.'cfg(x)'.dev-dependencies]\nb = '2'\n[target.'cfg(y)'.dependencies]\nc = '3'\n"
            .parse()
            .unwrap();
        always(&mut manifest, "cfg(x)").unwrap();
        let expected = "[dev-dependencies]\na = '1'\nb = '2'\n[target.'cfg(y)'.dependencies]\nc = '3'\n";
        assert_eq!(manifest, expected.parse().unwrap());
        assert!(always(&mut manifest, "cfg(x)").is_err());
        assert!(always(&mut manifest, "cfg(y)").is_err());
    }
}
