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

pub(super) const CLIENTS: [Client; 12] = [
    // A search engine: segments are read through maps.
    Client { tests: &["--lib"], ..client("tantivy", "0.27.0") },
    // The searcher of files, whose parts (grep-searcher) do not map by themselves.
    client("ripgrep", "15.2.0"),
    // Databases: one that is written through maps, one with a log and tables in them, one that is only read.
    client("jammdb", "0.11.0"),
    Client { tests: &["--lib"], ..client("parity-db", "0.5.7") },
    Client { tests: &["--all-features"], ..client("cdb64", "0.2.0") },
    // Memory that processes share.
    client("mmap-sync", "2.0.4"),
    // Archives of maps of the other kind.
    Client { tests: &["--features=mmap-async-tokio"], ..client("pmtiles", "0.26.0") },
    // Readers of object files and their debug information.
    Client { tests: &["--all-features"], ..client("addr2line", "0.27.1") },
    client("symbolic-common", "13.9.0"),
    client("blazesym", "0.2.7"),
    // Tensors.
    Client { tests: &["--lib", "--tests"], ..client("safetensors", "0.8.0") },
    Client { tests: &["--lib", "--tests"], ..client("candle-core", "0.11.1") },
];

/// A hash of files, which is timed. Its own suite has no file that is large enough to be mapped.
pub(super) const TIMED: Client = client("b3sum", "1.8.7");
