//! Real blocks for a file before it is mapped, so that a full disk is an error now and not a fault later.

#![forbid(unsafe_code)]

use crate::sys;
use std::io;

/// Blocks that a file has been given, and the length that it grew to. Taken back when this is dropped, unless they are kept.
pub(super) struct Allocation<'a> {
    file: sys::FileRef<'a>,
    /// The length before.
    old_len: u64,
    /// The length after; the same if the file did not grow.
    new_len: u64,
}

impl<'a> Allocation<'a> {
    /// Gives every byte of `offset .. offset + len` its block and makes the file reach to the end of that range at least. On
    /// failure the file has the length and the bytes that it had.
    pub(super) fn new(file: sys::FileRef<'a>, info: &sys::FileInfo, offset: u64, len: u64) -> io::Result<Self> {
        let old_len = info.len;
        let mut this = Allocation { file, old_len, new_len: old_len };
        if len > 0 {
            let end = offset + len;
            if end > old_len && end > sys::file_len_limit() {
                return Err(sys::file_too_long());
            }
            match sys::allocate(file, offset, len)? {
                sys::Allocated::Done => this.new_len = end.max(old_len),
                sys::Allocated::NotSupported => this.write_zeros(info, offset, end)?,
            }
        }
        Ok(this)
    }

    /// The same for a file system that cannot: zeros behind the end of the file. Holes inside of it cannot be filled without
    /// a race against those who write there, so they are an error.
    fn write_zeros(&mut self, info: &sys::FileInfo, offset: u64, end: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        if offset < info.len && info.allocated < info.len {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the file has holes, and its file system has no call to fill them",
            ));
        }
        // From the old end on, also if the range starts behind it: a hole in between would have no blocks.
        while self.new_len < end {
            let want = usize::try_from(end - self.new_len).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            match sys::write_at(self.file, &ZEROS[..want], self.new_len)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.new_len += count as u64,
            }
        }
        Ok(())
    }

    /// The file is to stay as it is.
    pub(super) fn keep(mut self) {
        self.new_len = self.old_len;
    }
}

impl Drop for Allocation<'_> {
    fn drop(&mut self) {
        // Not if somebody else has lengthened the file meanwhile. What failed first is what is reported, so a failure here is not.
        if self.new_len > self.old_len && sys::inspect(self.file).is_ok_and(|now| now.len == self.new_len) {
            let _ = sys::set_len(self.file, self.old_len);
        }
    }
}
