//! Errors that give back what the failed call consumed, and the texts of those that folio makes itself.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::io;

/// The error of a call that consumes a view and failed: the reason, and the view, unharmed.
///
/// `?` turns it into the [`io::Error`] and drops the view where that is the error to return. Where it is a `Box<dyn Error>` or the like,
/// the error goes along as it is, so that the view lives as long as it does; the [`io::Error`] is its [source](Error::source), and the text is
/// that of the reason, for those who print no sources.
///
/// # Examples
///
/// ```
/// use folio::MmapViewSync;
///
/// let view = MmapViewSync::anonymous(10)?;
/// let failed = view.split_at(11).unwrap_err();
/// assert_eq!(failed.error().kind(), std::io::ErrorKind::InvalidInput);
/// let view = failed.into_view();
/// assert_eq!(view.len(), 10);
/// # std::io::Result::Ok(())
/// ```
pub struct ViewError<V> {
    error: io::Error,
    view: V,
}

impl<V> ViewError<V> {
    pub(crate) fn new(error: io::Error, view: V) -> Self {
        ViewError { error, view }
    }

    /// Why the call failed.
    #[must_use]
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    /// The view that the call had consumed, as it was before.
    #[must_use = "to drop the view, drop the error"]
    pub fn into_view(self) -> V {
        self.view
    }

    /// The reason and the view.
    #[must_use = "to drop the view, convert into `io::Error`"]
    pub fn into_parts(self) -> (io::Error, V) {
        (self.error, self.view)
    }
}

impl<V> From<ViewError<V>> for io::Error {
    /// Keeps the reason and drops the view.
    fn from(failed: ViewError<V>) -> io::Error {
        failed.error
    }
}

impl<V> fmt::Debug for ViewError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<V> fmt::Display for ViewError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<V> Error for ViewError<V> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

pub(crate) fn invalid_input(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

pub(crate) fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the mapping is read-only")
}

pub(crate) fn not_unique() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "other views of the mapping are alive")
}
