//! A disk of one test's own: ext4 in an image file, behind a loop device. Include it next to `support/mounts.rs`.

use super::mounts::{Mount, run};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// An ext4 file system that is mounted. Its device goes with the mount.
pub(crate) struct Disk {
    mount: Option<Mount>,
    image: PathBuf,
    options: &'static str,
    _dir: Option<TempDir>,
}

impl Disk {
    /// A new disk of `bytes` bytes, or why there is none. Its journal waits longer than any test runs, so that nothing
    /// reaches the disk unless somebody asks for it.
    pub(crate) fn new(bytes: u64) -> Result<Disk, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let disk = Disk::at(dir.path().join("image"), bytes, &[], "loop,commit=600")?;
        Ok(Disk { _dir: Some(dir), ..disk })
    }

    /// A new disk whose image is this file, made with more options of `mkfs.ext4`, and mounted with these.
    pub(crate) fn at(image: PathBuf, bytes: u64, make: &[&str], options: &'static str) -> Result<Disk, String> {
        let file = File::create_new(&image).map_err(|error| error.to_string())?;
        file.set_len(bytes).map_err(|error| error.to_string())?;
        // No blocks for root alone, and all of it written now, not by a thread of the kernel later.
        let fixed = ["-q", "-F", "-m", "0", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
        let mut arguments: Vec<_> = fixed.iter().chain(make).map(|option| option.as_ref()).collect();
        arguments.push(image.as_os_str());
        run("mkfs.ext4", &arguments)?;
        let mount = Some(Mount::new("ext4", options, &image)?);
        Ok(Disk { mount, image, options, _dir: None })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.mount.as_ref().expect("a mounted disk").path()
    }

    /// Mounts it anew, so that what can be read comes from the disk. No file of it may be open or mapped.
    #[track_caller]
    pub(crate) fn remount(&mut self) {
        let point = self.path().to_owned();
        // Between `fork` and `exec` the processes that other tests start have our files open, too.
        let unmount = || run("umount", &[point.as_ref()]).map_err(|_| thread::sleep(Duration::from_millis(20)));
        (0..100).find(|_| unmount().is_ok()).expect("nothing uses the disk any more");
        self.mount = None;
        self.mount = Some(Mount::new("ext4", self.options, &self.image).unwrap());
    }
}
