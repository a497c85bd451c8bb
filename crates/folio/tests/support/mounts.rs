//! Small file systems for one test, in a mount namespace of its own: they are gone with the test's thread at the latest,
//! however it ends, and nobody else sees them.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A mounted file system.
pub(crate) struct Mount {
    point: TempDir,
}

impl Mount {
    /// Mounts `source`, or says why that cannot be done.
    pub(crate) fn new(kind: &str, options: &str, source: &Path) -> Result<Mount, String> {
        private_namespace().map_err(|error| format!("no mount namespace: {error}"))?;
        let point = tempfile::tempdir().map_err(|error| error.to_string())?;
        run(
            "mount",
            &["-t".as_ref(), kind.as_ref(), "-o".as_ref(), options.as_ref(), source.as_ref(), point.path().as_ref()],
        )?;
        Ok(Mount { point })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.point.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Before the folder is removed. Lazily, for a test that failed may still have files open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

/// Runs a tool, whose name and complaint are the reason if it cannot do its work.
pub(crate) fn run(tool: &str, arguments: &[&OsStr]) -> Result<Output, String> {
    let output = Command::new(tool).args(arguments).output().map_err(|error| format!("{tool}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!("{tool}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// Gives this thread, and the threads and processes that it starts from now on, mounts that nobody else sees.
fn private_namespace() -> io::Result<()> {
    thread_local! { static PRIVATE: Cell<bool> = const { Cell::new(false) } }
    if PRIVATE.get() {
        return Ok(());
    }
    // SAFETY: the call takes a number and changes what this thread sees of the file system.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let (nothing, root) = (std::ptr::null(), c"/");
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the path is a C string; the other pointers may be null when only propagation changes (mount(2)).
    if unsafe { libc::mount(nothing, root.as_ptr(), nothing, flags, nothing.cast()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    PRIVATE.set(true);
    Ok(())
}
