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
}

/// A program with all of its suite and its default features.
const fn client(name: &'static str, version: &'static str) -> Client {
    Client { name, version, tests: &[], arguments: &[] }
}

pub(super) const CLIENTS: [Client; 8] = [
    // A search engine: segments are read through maps.
    Client { tests: &["--lib"], ..client("tantivy", "0.27.0") },
    // The searcher of ripgrep.
    client("grep-searcher", "0.1.17"),
    // A hash of files.
    client("b3sum", "1.8.7"),
    // A reader of object files and their debug information.
    Client { tests: &["--all-features"], ..client("addr2line", "0.26.0") },
    // A database of fonts.
    client("fontdb", "0.24.0"),
    // A format for tensors.
    Client { tests: &["--lib", "--tests"], ..client("safetensors", "0.8.0") },
    // A database with a log and tables in maps that are written.
    Client { tests: &["--lib"], ..client("parity-db", "0.5.7") },
    // Reads files of debug information.
    client("symbolic-common", "13.9.0"),
];
