//! What may be done with the bytes of a map.

#![forbid(unsafe_code)]

/// What may be done with the bytes of a map, and where changes go. The same as [`folio::Protection`], but that it is exhaustive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Reading only. Writing ends the process by a signal.
    Read,
    /// Reading and writing; what is written shows in the file at once, and is on stable storage after a flush.
    ReadWrite,
    /// Reading and writing a private copy: what is written shows in this map only.
    ReadCopy,
    /// Reading and executing.
    ReadExecute,
}

impl Protection {
    /// Whether bytes may be written.
    pub fn write(self) -> bool {
        matches!(self, Protection::ReadWrite | Protection::ReadCopy)
    }

    pub(crate) fn folio(self) -> folio::Protection {
        match self {
            Protection::Read => folio::Protection::Read,
            Protection::ReadWrite => folio::Protection::ReadWrite,
            Protection::ReadCopy => folio::Protection::ReadCopy,
            Protection::ReadExecute => folio::Protection::ReadExecute,
        }
    }
}
