//! What came of each target: the rows of the table at the end, and how one process tells them to another.

use crate::report;
use crate::suite::Counts;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How many of the host's tests, of those that there are on a target at all and that are not about Linux alone, have to run
/// there.
const ENOUGH_PERCENT: usize = 95;

/// A row of the table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) target: String,
    /// What was achieved: `checked`, `linked`, `run`; `None` if that failed.
    achieved: Option<String>,
    /// What went wrong.
    error: Option<String>,
    /// What came of running the tests.
    tests: Option<Tests>,
}

/// The tests of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tests {
    pub(super) counts: Counts,
    /// How many of the host's tests, but for those about Linux alone, ran here.
    pub(super) ran: usize,
    /// How many of these tests there are here. The others are about the host's kind of system or processor.
    pub(super) shared: usize,
    /// How many of these tests the host has.
    pub(super) host: usize,
}

impl Row {
    pub(super) fn untested(target: &str, achieved: Result<&str>) -> Row {
        let (achieved, error) = match achieved {
            Ok(achieved) => (Some(achieved.to_owned()), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        Row { target: target.to_owned(), achieved, error, tests: None }
    }

    pub(super) fn tested(target: &str, tests: Result<Tests>) -> Row {
        match tests {
            Err(error) => Row::untested(target, Err(error)),
            Ok(tests) => {
                let error = complaint(&tests);
                let achieved = error.is_none().then(|| "run".to_owned());
                Row { target: target.to_owned(), achieved, error, tests: Some(tests) }
            }
        }
    }
}

/// What is wrong with a run that came to its end.
fn complaint(tests: &Tests) -> Option<String> {
    if tests.counts.failed > 0 {
        Some(format!("{} tests failed", tests.counts.failed))
    } else if tests.ran * 100 < tests.shared * ENOUGH_PERCENT {
        Some(format!("only {} of {} tests ran, less than {ENOUGH_PERCENT} %", tests.ran, tests.shared))
    } else {
        None
    }
}

/// Prints the table and what went wrong.
///
/// # Errors
///
/// If something did.
pub(super) fn print(rows: &[Row]) -> Result<()> {
    let mut cells = Vec::new();
    let mut complaints = Vec::new();
    for row in rows {
        let mut cell = [""; 7].map(str::to_owned);
        cell[0].clone_from(&row.target);
        cell[1] = row.achieved.clone().unwrap_or_else(|| "FAILED".to_owned());
        if let Some(Tests { counts, ran, shared, host }) = &row.tests {
            let numbers = [counts.passed as usize, counts.failed as usize, counts.skipped as usize, *ran, *shared];
            cell[2..7].clone_from_slice(&numbers.map(|number| number.to_string()));
            cell[6] += &format!(" of {host}");
        }
        cells.push(cell);
        if let Some(error) = &row.error {
            complaints.push(format!("{}: {error}", row.target));
        }
    }
    println!();
    report::table(["target", "result", "passed", "failed", "skipped", "host's, run", "host's, there"], &cells);
    ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

/// Writes `rows` where [`read`] finds them.
pub(super) fn write(name: &Path, rows: Vec<Row>) -> Result<()> {
    fs::write(name.with_extension("toml"), toml::to_string(&Rows { rows })?).context("cannot write the results")
}

/// Reads what [`write`] wrote.
pub(super) fn read(name: &Path) -> Result<Vec<Row>> {
    Ok(toml::from_str::<Rows>(&fs::read_to_string(name.with_extension("toml"))?)?.rows)
}

const HOST_TESTS: &str = "host-tests";

/// Writes the names of the host's tests where [`read_names`] finds them.
pub(super) fn write_names(folder: &Path, names: &BTreeSet<String>) -> Result<()> {
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    fs::write(folder.join(HOST_TESTS), lines).context("cannot write the names of the tests")
}

/// Reads what [`write_names`] wrote.
pub(super) fn read_names(folder: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(folder.join(HOST_TESTS)).context("cannot read the names of the tests")?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(failed: u32, ran: usize) -> Tests {
        Tests { counts: Counts { passed: 90, failed, skipped: 3 }, ran, shared: 100, host: 120 }
    }

    #[test]
    fn a_run_of_too_few_tests_is_a_failure() {
        assert_eq!(complaint(&tests(0, 95)), None);
        assert!(complaint(&tests(0, 94)).unwrap().contains("94 of 100"));
        assert!(complaint(&tests(1, 100)).unwrap().contains("1 tests failed"));
    }

    #[test]
    fn rows_and_names_come_back_as_they_were_written() {
        let folder = std::env::temp_dir().join(format!("folio-xtask-rows-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let rows = || vec![Row::tested("a", Ok(tests(1, 97))), Row::untested("b", Ok("checked"))];
        write(&folder.join("a.b"), rows()).unwrap();
        let read = read(&folder.join("a.b")).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", rows()));
        let names = BTreeSet::from(["a::b".to_owned(), "src/lib.rs - f (line 3)".to_owned()]);
        write_names(&folder, &names).unwrap();
        assert_eq!(read_names(&folder).unwrap(), names);
        fs::remove_dir_all(&folder).unwrap();
    }
}
