//! Files that are hashed through a map and without one have the same hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program says of `files`.
fn b3sum(arguments: &[&str], files: &[PathBuf]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_b3sum")).args(arguments).args(files).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_map_is_hashed_as_the_file_is() {
    // What has less than 16 KiB is read.
    let lens = [0, 1, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, (1 << 20) + 5, 9 << 20];
    let bytes: Vec<_> = (0..9_usize << 20).map(|at| (at * 31 + at / 251).to_le_bytes()[0]).collect();
    let files = lens.map(|len| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(len.to_string());
        fs::write(&path, &bytes[..len]).unwrap();
        path
    });
    let expected: String = lens.iter().map(|len| format!("{}\n", blake3::hash(&bytes[..*len]).to_hex())).collect();
    for threads in ["1", "2"] {
        assert_eq!(b3sum(&["--no-names", "--num-threads", threads], &files), expected);
        assert_eq!(b3sum(&["--no-names", "--num-threads", threads, "--no-mmap"], &files), expected);
    }
    for (len, file) in lens.iter().zip(files) {
        // From the middle, where the map is sought in.
        let output = b3sum(&["--no-names", "--seek=1", "--length=40"], &[file]);
        let mut hash = [0; 40];
        let mut reader = blake3::Hasher::new().update(&bytes[..*len]).finalize_xof();
        reader.set_position(1);
        reader.fill(&mut hash);
        assert_eq!(output.trim_end(), hash.map(|byte| format!("{byte:02x}")).concat());
    }
}
