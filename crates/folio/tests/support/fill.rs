//! A file system without any room left.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Takes every bit of room that is left on the file system, by making this file of it.
pub(crate) fn fill(path: &Path) {
    let mut filler = File::create_new(path).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        let error = loop {
            if let Err(error) = filler.write_all(&vec![0xff; size]).and_then(|()| filler.sync_all()) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
