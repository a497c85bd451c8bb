//! The programs.

/// A published program or library that uses memmap2.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Arguments of `cargo test`: which features, and which parts of the suite.
    pub(super) tests: &'static [&'static str],
    /// Arguments of the test programs.
    pub(super) arguments: &'static [&'static str],
    /// For one whose own suite maps nothing: a test of ours, of what it does with a map, held against what it does without.
    pub(super) ours: Option<&'static str>,
}

/// A program with all of its suite and its default features.
const fn client(name: &'static str, version: &'static str) -> Client {
    Client { name, version, tests: &[], arguments: &[], ours: None }
}

/// Most of the others index into memory.
const PARTS_OF_TANTIVY: [&str; 5] = ["compat_tests::", "core::", "directory::", "functional_test::", "index::"];

pub(super) const CLIENTS: [Client; 11] = [
    // A search engine: segments are read through maps. Of its suite of 1,400 tests the parts that open folders.
    Client { tests: &["--lib"], arguments: &PARTS_OF_TANTIVY, ..client("tantivy", "0.27.0") },
    // A searcher of files, and the library of it that maps them.
    client("ripgrep", "15.2.0"),
    Client { ours: Some(include_str!("ours/grep-searcher.rs")), ..client("grep-searcher", "0.1.17") },
    // A hash of files. (The library that maps for it, `blake3`, is published without what its tests need.)
    Client { ours: Some(include_str!("ours/b3sum.rs")), ..client("b3sum", "1.8.7") },
    // Databases: one that is written through maps, one with a log and tables in them, one that is only read.
    client("jammdb", "0.11.0"),
    Client { tests: &["--lib"], ..client("parity-db", "0.5.7") },
    Client { tests: &["--all-features"], ..client("cdb64", "0.2.0") },
    // Memory that processes share.
    client("mmap-sync", "2.0.4"),
    // A reader of object files and their debug information.
    Client { tests: &["--lib"], ours: Some(include_str!("ours/addr2line.rs")), ..client("addr2line", "0.27.1") },
    // Fonts.
    Client { ours: Some(include_str!("ours/fontdb.rs")), ..client("fontdb", "0.24.0") },
    // Tensors.
    client("safetensors", "0.8.0"),
];

/// A hash of files, which is timed.
pub(super) const TIMED: Client = client("b3sum", "1.8.7");
