//! What the system below Wine can do to a file that is mapped: cut it short, which Windows refuses.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The program of that system that cuts files. Wine shows the root of its file system as this drive.
const TRUNCATE: &str = r"Z:\usr\bin\truncate";

/// Where files are that both systems know by the same path: on the drive that is the root of the one below, as the program itself is.
pub(crate) fn folder() -> PathBuf {
    env::current_dir().unwrap().join(env!("CARGO_TARGET_TMPDIR"))
}

/// Whether there is such a system.
pub(crate) fn is_below() -> bool {
    Path::new(TRUNCATE).exists()
}

/// Cuts files short, whoever maps them. Their paths are absolute, and on the drive that is the root of the system below.
pub(crate) fn cut(files: &[&Path], len: usize) {
    let below: Vec<String> = files
        .iter()
        .map(|path| path.to_str().unwrap().replace('\\', "/").split_once(':').expect("a drive").1.to_owned())
        .collect();
    // The program is not one of Wine's, which starts it and says that it cannot wait for it.
    let _ = Command::new(TRUNCATE).arg("-s").arg(len.to_string()).args(&below).status();
    let is_cut = |path: &String| fs::metadata(Path::new("Z:").join(path)).is_ok_and(|file| file.len() == len as u64);
    for _ in 0..5000 {
        if below.iter().all(is_cut) {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("the files were not cut");
}
