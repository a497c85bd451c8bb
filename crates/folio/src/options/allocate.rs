//! Real blocks for a file before it is mapped, so that a full disk is an error now and not a fault later.

#![forbid(unsafe_code)]

use crate::sys;
use std::io;

/// Gives every byte of `offset .. offset + len` its block and makes the file reach to the end of that range at least. On
/// failure the file has the length and the bytes that it had.
pub(super) fn allocate(file: sys::FileRef<'_>, offset: u64, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match sys::allocate(file, offset, len)? {
        sys::Allocated::Done => Ok(()),
        sys::Allocated::NotSupported => write_zeros(file, offset, len),
    }
}

/// The same for a file system that cannot: zeros behind the end of the file. Holes inside of it cannot be filled without
/// a race against those who write there, so they are an error.
fn write_zeros(file: sys::FileRef<'_>, offset: u64, len: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let info = sys::inspect(file)?;
    let end = offset + len;
    if offset < info.len && info.allocated < info.len {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the file has holes, and its file system has no call to fill them",
        ));
    }
    // From the old end on, also if the range starts behind it: a hole in between would have no blocks.
    let mut at = info.len;
    while at < end {
        let want = usize::try_from(end - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        let written = match sys::write_at(file, &ZEROS[..want], at) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        match written {
            Ok(count) => at += count as u64,
            Err(error) => {
                // Back to the old length, unless somebody else has lengthened the file meanwhile. What failed first is what
                // is reported.
                if sys::inspect(file).is_ok_and(|now| now.len == at) {
                    let _ = sys::set_len(file, info.len);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}
