//! Errors: that of `map_if_safe`, and those that give a map back.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::io;

/// Why a file was not mapped without `unsafe` ([`MmapOptions::map_if_safe`](crate::MmapOptions::map_if_safe)): the system has
/// no proof to give, it does not give it for this file, or the file could not be mapped.
///
/// It converts into [`io::Error`].
pub struct MapIfSafeError {
    reason: Reason,
}

#[derive(Debug)]
pub(crate) enum Reason {
    NotSupported,
    NotSafe(io::Error),
    MapFailed(io::Error),
}

impl MapIfSafeError {
    pub(crate) fn new(reason: Reason) -> MapIfSafeError {
        MapIfSafeError { reason }
    }

    /// Whether this platform has no proof to give for any file.
    pub fn not_supported(&self) -> bool {
        matches!(self.reason, Reason::NotSupported)
    }

    /// Whether this file can be changed, or is too short for what was asked for.
    pub fn not_safe(&self) -> bool {
        matches!(self.reason, Reason::NotSafe(_))
    }

    /// Whether the file passed, but could not be mapped.
    pub fn map_failed(&self) -> bool {
        matches!(self.reason, Reason::MapFailed(_))
    }
}

impl Error for MapIfSafeError {}

impl fmt::Display for MapIfSafeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::NotSupported => fmt::Display::fmt(&io::Error::from(io::ErrorKind::Unsupported), f),
            Reason::NotSafe(error) | Reason::MapFailed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl fmt::Debug for MapIfSafeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reason, f)
    }
}

impl From<MapIfSafeError> for io::Error {
    fn from(error: MapIfSafeError) -> io::Error {
        match error.reason {
            Reason::NotSupported => io::ErrorKind::Unsupported.into(),
            Reason::NotSafe(error) | Reason::MapFailed(error) => error,
        }
    }
}

/// What is inside the [`io::Error`] of a `make_*` call that failed: the system's error, and the map, which memmap2 has lost at
/// this point. (memmap2 does not have this type; a program that does not know it drops the map with the error.)
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # std::fs::write(&path, b"bytes")?;
/// use memmap2::{FailedConversion, Mmap};
///
/// let file = std::fs::File::open(&path)?; // for reading only
/// // SAFETY: nobody writes the file.
/// let map = unsafe { Mmap::map(&file)? };
/// # if cfg!(not(target_os = "linux")) { return Ok(()) }
/// let error = map.make_mut().unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
///
/// let inside = error.into_inner().unwrap().downcast::<FailedConversion<Mmap>>().unwrap();
/// assert_eq!(&inside.into_map()[..], b"bytes");
/// # std::io::Result::Ok(())
/// ```
pub struct FailedConversion<M> {
    error: io::Error,
    map: M,
}

impl<M: Send + Sync + 'static> FailedConversion<M> {
    /// An error of the same kind and text, with the map inside.
    pub(crate) fn wrap(error: io::Error, map: M) -> io::Error {
        io::Error::new(error.kind(), FailedConversion { error, map })
    }

    /// The map, unharmed.
    pub fn into_map(self) -> M {
        self.map
    }

    /// Why it could not be converted.
    pub fn error(&self) -> &io::Error {
        &self.error
    }
}

impl<M> fmt::Debug for FailedConversion<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl<M> fmt::Display for FailedConversion<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<M> Error for FailedConversion<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
