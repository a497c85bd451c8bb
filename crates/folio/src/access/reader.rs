//! A view as `Read` and `Seek`.

#![forbid(unsafe_code)]

use crate::error::invalid_input;
use crate::fault::Stop;
use crate::view::{Access, View};
use std::io::{self, Read, Seek, SeekFrom};

/// Reads a view from a position that moves along, by checked copies. Made by [`View::reader`].
///
/// Reading gives what can be reached before a lost page and then the error that carries the [`Fault`](crate::Fault).
/// The position may be moved past the end, where there is nothing to read.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead, BufReader, Read};
///
/// let view = folio::MmapViewSync::anonymous(100)?;
/// view.write_all_at(b"first\nsecond\n", 0)?;
/// // Every read is a checked copy: for many small ones, put a buffer in between.
/// let second = BufReader::new(view.reader().take(13)).lines().nth(1).unwrap()?;
/// assert_eq!(second, "second");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Reader<'a, A: Access> {
    view: &'a View<A>,
    position: u64,
}

impl<'a, A: Access> Reader<'a, A> {
    pub(super) fn new(view: &'a View<A>) -> Self {
        Reader { view, position: 0 }
    }

    /// The position in bytes from the start of the view.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The view that is read.
    #[must_use]
    pub fn get_ref(&self) -> &'a View<A> {
        self.view
    }

    fn offset(&self) -> usize {
        offset_at(self.position, self.view.len())
    }
}

/// Where a position is in a view of `len` bytes, at its end if it is past it.
pub(super) fn offset_at(position: u64, len: usize) -> usize {
    usize::try_from(position).map_or(len, |position| position.min(len))
}

/// The position that `to` says, in a view of `len` bytes.
pub(super) fn moved(position: u64, len: usize, to: SeekFrom) -> io::Result<u64> {
    let target = match to {
        SeekFrom::Start(position) => Some(position),
        SeekFrom::End(by) => (len as u64).checked_add_signed(by),
        SeekFrom::Current(by) => position.checked_add_signed(by),
    };
    target.ok_or_else(|| invalid_input("seek to a position before the start"))
}

impl<A: Access> Clone for Reader<'_, A> {
    fn clone(&self) -> Self {
        Reader { view: self.view, position: self.position }
    }
}

impl<A: Access> Read for Reader<'_, A> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let offset = self.offset();
        let len = buf.len().min(self.view.len() - offset);
        let count = match self.view.copy_out(&mut buf[..len], offset) {
            Ok(()) => len,
            Err(Stop::Fault(reached)) if reached > 0 => reached,
            Err(stop) => return Err(stop.into_error(offset)),
        };
        self.position += count as u64;
        Ok(count)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let left = self.view.len() - self.offset();
        buf.try_reserve(left)?;
        let start = buf.len();
        buf.resize(start + left, 0);
        let mut done = 0;
        while done < left {
            match self.read(&mut buf[start + done..]) {
                Ok(count) => done += count,
                Err(error) => {
                    buf.truncate(start + done);
                    return Err(error);
                }
            }
        }
        Ok(left)
    }
}

impl<A: Access> Seek for Reader<'_, A> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = moved(self.position, self.view.len(), to)?;
        Ok(self.position)
    }
}
