//! What is no regular file is mapped only if it is asked for, with a length.
#![cfg(all(target_os = "linux", not(folio_heap)))] // the heap reads what it maps, and devices are mapped to be more than read

use folio::{MmapOptions, Protection};
use std::fs::File;
use std::io::ErrorKind;

fn zeros() -> File {
    File::options().read(true).write(true).open("/dev/zero").unwrap()
}

/// memmap2 maps `/dev/zero` without a length as an empty map, and so reads nothing of it.
#[test]
fn a_device_has_no_length_to_go_by() {
    let device = zeros();
    let mut options = MmapOptions::new();
    assert_eq!(options.len(100).map_view(&device, Protection::Read).unwrap_err().kind(), ErrorKind::InvalidInput);
    let mut options = MmapOptions::new();
    // SAFETY: mappings of this device are memory of their own (zero(4)).
    unsafe { options.allow_device() };
    assert_eq!(options.map_view(&device, Protection::Read).unwrap_err().kind(), ErrorKind::InvalidInput);
    let view = options.len(10_000).offset(3).map_view(&device, Protection::ReadWrite).unwrap();
    view.write_all_at(&[7; 9_997], 3).unwrap();
    assert_eq!((view.len(), view.load::<u8>(2).unwrap(), view.load::<u8>(9_999).unwrap()), (10_000, 0, 7));
    view.flush().unwrap();

    // By its name too, and still only if it is asked for.
    let view = options.open_path("/dev/zero", Protection::ReadWrite).unwrap();
    view.store(9_999, 7_u8).unwrap();
    assert_eq!(view.load::<u16>(9_998).unwrap(), u16::from_ne_bytes([0, 7]));
    let refused = MmapOptions::new().len(100).open_path("/dev/zero", Protection::ReadWrite);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// The option is for devices: what cannot be mapped, and what is said of the others, stay as they are.
#[test]
fn what_cannot_be_mapped_is_refused_all_the_same() {
    let mut options = MmapOptions::new();
    // SAFETY: none of these can be mapped, and the regular file is none.
    unsafe { options.len(10).allow_device() };
    let dir = tempfile::tempdir().unwrap();
    let folder = File::open(dir.path()).unwrap();
    assert_eq!(options.map_view(&folder, Protection::Read).unwrap_err().kind(), ErrorKind::IsADirectory);
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    assert!(options.map_view(&reader, Protection::Read).is_err());
    assert!(options.map_view(File::open("/dev/null").unwrap(), Protection::Read).is_err());
    assert!(options.map_if_safe(zeros()).is_err());
    let short = options.map_view(tempfile::tempfile().unwrap(), Protection::Read);
    assert_eq!(short.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(
        options.allocate().map_view(zeros(), Protection::ReadWrite).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}
