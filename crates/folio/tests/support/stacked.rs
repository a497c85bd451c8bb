//! File systems that lie on top of others, as the root of most containers does: the file that is mapped is another one below.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::path::Path;

/// Whether this path is on overlayfs.
pub(crate) fn is_stacked(path: &Path) -> bool {
    /// `OVERLAYFS_SUPER_MAGIC` (include/uapi/linux/magic.h).
    const OVERLAYFS: u32 = 0x794c_7630;
    let name = CString::new(path.to_str().unwrap()).unwrap();
    let mut answer = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path is a C string; the structure is of the type that the call fills.
    assert_eq!(unsafe { libc::statfs(name.as_ptr(), answer.as_mut_ptr()) }, 0);
    // SAFETY: the call succeeded and so filled it.
    let answer = unsafe { answer.assume_init() };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its width and sign differ by target")]
    let magic = answer.f_type as u32;
    magic == OVERLAYFS
}
