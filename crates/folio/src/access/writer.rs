//! A view as `Write` and `Seek`.

#![forbid(unsafe_code)]

use super::reader::{moved, offset_at};
use crate::fault::Fault;
use crate::view::{Shared, View};
use std::io::{self, Seek, SeekFrom, Write};

/// Writes a view from a position that moves along, by checked copies. Made by [`View::writer`].
///
/// A view does not grow: at its end, and past it, nothing is written ([`Write::write_all`] gives
/// [`WriteZero`](io::ErrorKind::WriteZero)), as in a slice. Of a write that meets a lost page, what comes before the page is written,
/// and the next one gives the error that carries the [`Fault`].
///
/// [`Write::flush`] has nothing to do, as that of a [`File`](std::fs::File): there is no buffer. To make what was written durable,
/// flush the view.
///
/// # Examples
///
/// ```
/// use std::io::{Seek, SeekFrom, Write};
///
/// let view = folio::MmapViewSync::anonymous(100)?;
/// let mut writer = view.writer();
/// writer.seek(SeekFrom::Start(10))?;
/// write!(writer, "{} bytes", view.len())?;
/// assert_eq!(writer.position(), 19);
/// let mut text = [0; 9];
/// view.read_exact_at(&mut text, 10)?;
/// assert_eq!(&text, b"100 bytes");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Writer<'a> {
    view: &'a View<Shared>,
    position: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(view: &'a View<Shared>) -> Self {
        Writer { view, position: 0 }
    }

    /// The position in bytes from the start of the view.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The view that is written.
    #[must_use]
    pub fn get_ref(&self) -> &'a View<Shared> {
        self.view
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let offset = offset_at(self.position, self.view.len());
        let len = buf.len().min(self.view.len() - offset);
        let count = match self.view.write_all_at(&buf[..len], offset) {
            Ok(()) => len,
            Err(error) => match Fault::of(&error) {
                Some(fault) if fault.offset > offset => fault.offset - offset,
                _ => return Err(error),
            },
        };
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Writer<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = moved(self.position, self.view.len(), to)?;
        Ok(self.position)
    }
}
