//! The rows, one file for each group of them.

mod copies;
mod flushes;
mod numbers;
mod scans;
mod slices;
mod threads;
mod views;

use crate::measure::Table;
use anyhow::Result;

/// Runs all that the table wants.
pub(crate) fn run_all(table: &mut Table) -> Result<()> {
    numbers::run(table)?;
    copies::run(table)?;
    slices::run(table)?;
    threads::run(table)?;
    views::run(table)?;
    flushes::run(table)?;
    scans::run(table)
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A length, for people.
fn size(len: usize) -> String {
    match len {
        len if len >= MIB => format!("{} MiB", len / MIB),
        len if len >= KIB => format!("{} KiB", len / KIB),
        len => format!("{len} B"),
    }
}
