//! How fast folio is, beside what programs use today.
//!
//! ```sh
//! cargo run --release --manifest-path bench/Cargo.toml [--] [--quick] [FILTER...]
//! ```
//!
//! Every row compares two ways to do the same with the same data in the same process. Each is first checked to give the
//! right result. Then the two are timed in turns, in many short pairs; what is printed is the median time of one operation
//! of each, and the median of the ratios of the pairs, which other work on the machine disturbs least. Nothing depends on
//! a time: a goal that is missed is printed as such, and the program ends well.
//!
//! With `--quick` every row is checked and run once, and no times are worth reading. A filter runs the rows whose group or
//! name contains it.

mod data;
mod machine;
mod measure;
mod rows;

use anyhow::{Result, bail};
use measure::Table;
use std::env;

fn main() -> Result<()> {
    let mut quick = false;
    let mut filters = Vec::new();
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--quick" => quick = true,
            "--help" | "-h" => {
                println!("usage: folio-bench [--quick] [FILTER...]");
                return Ok(());
            }
            other if other.starts_with('-') => bail!("unknown option {other}; there is --quick"),
            _ => filters.push(argument),
        }
    }
    machine::print_head(quick);
    let mut table = Table::new(quick, filters);
    rows::run_all(&mut table)?;
    table.finish()
}
