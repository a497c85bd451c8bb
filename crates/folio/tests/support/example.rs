//! The examples, as cargo has built them along with the tests. Cargo does so when it builds all tests; before
//! `cargo test --test NAME` alone, run `cargo build --examples`.

use std::env;
use std::path::PathBuf;

/// The path of an example: it lies in `examples`, beside the folder `deps` of the running test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(binary.exists(), "{} is missing: run `cargo build --example {name}`", binary.display());
    binary
}
