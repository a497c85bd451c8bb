//! What may be done with the pages of a mapping.

#![forbid(unsafe_code)]

/// What may be done with the bytes of a mapping, and where changes go.
///
/// | | read | write | execute | changes reach the file | file must be open for |
/// |---|---|---|---|---|---|
/// | `Read` | yes | no | no | | reading |
/// | `ReadExecute` | yes | no | yes | | reading, on a file system not mounted `noexec`; on Windows executing too |
/// | `ReadWrite` | yes | yes | no | yes | reading and writing |
/// | `ReadCopy` | yes | yes | no | no | reading |
///
/// # Examples
///
/// ```
/// use folio::Protection;
///
/// assert!(Protection::ReadCopy.write());
/// assert!(!Protection::ReadExecute.write());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protection {
    // Those that allow writing are the last: access asks which side it is with one comparison.
    /// Reading only.
    Read,
    /// Reading and executing.
    ReadExecute,
    /// Reading and writing; what is written shows in the file at once for everybody who reads it or maps it (on OpenBSD after a
    /// flush: mmap(2) there; where mappings are copies, as on WebAssembly, after a flush or when the last view is gone), and is on
    /// stable storage after a flush.
    ReadWrite,
    /// Reading and writing a private copy (copy-on-write): what is written shows in this mapping only, and flushing does
    /// nothing. It is not a snapshot: a page that has not been written yet may show later changes of the file.
    ReadCopy,
}

impl Protection {
    /// Whether bytes may be written.
    #[must_use]
    pub const fn write(self) -> bool {
        matches!(self, Protection::ReadWrite | Protection::ReadCopy)
    }

    /// Whether what is written reaches the file.
    #[must_use]
    pub(crate) const fn write_shared(self) -> bool {
        matches!(self, Protection::ReadWrite)
    }
}
