//! A view as a stream of bytes: its reader and its writer.

use folio::{MmapViewSync, Protection};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;

/// What stands in the view: each byte tells its place.
fn bytes(range: Range<u8>) -> Vec<u8> {
    range.collect()
}

fn memory() -> MmapViewSync {
    let view = MmapViewSync::anonymous(100).unwrap();
    view.write_all_at(&bytes(0..100), 0).unwrap();
    view
}

/// All of it, by a checked copy.
fn all(view: &MmapViewSync) -> Vec<u8> {
    let mut copy = vec![0; view.len()];
    view.read_exact_at(&mut copy, 0).unwrap();
    copy
}

/// `Read` and `Seek` as a file has them: the position may lie past the end, but not before the start.
#[test]
fn reader_reads_and_seeks_as_a_file_does() {
    let view = memory();
    let mut reader = view.reader();
    let mut buf = [0; 40];
    assert_eq!(reader.read(&mut buf).unwrap(), 40);
    assert_eq!(buf[..], bytes(0..40));
    assert_eq!(reader.position(), 40);
    assert_eq!(reader.seek(SeekFrom::Current(50)).unwrap(), 90);
    assert_eq!(reader.read(&mut buf).unwrap(), 10);
    assert_eq!(buf[..10], bytes(90..100));
    assert_eq!(reader.read(&mut buf).unwrap(), 0);
    assert_eq!(reader.seek(SeekFrom::End(-100)).unwrap(), 0);
    let mut second = reader.clone();
    let mut rest = b"kept".to_vec();
    assert_eq!(reader.read_to_end(&mut rest).unwrap(), 100);
    assert_eq!((&rest[..4], &rest[4..]), (&b"kept"[..], &bytes(0..100)[..]));
    assert_eq!(second.position(), 0);
    assert_eq!(second.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(second.read(&mut buf).unwrap(), 0);
    assert_eq!(second.seek(SeekFrom::Current(1)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(second.seek(SeekFrom::End(-101)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(second.position(), u64::MAX);
    second.rewind().unwrap();
    assert_eq!(second.read_exact(&mut [0; 101]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert!(std::ptr::eq(second.get_ref(), &raw const view));
}

/// It ends where the view does, as a slice that is written, and stays where it was put.
#[test]
fn writer_writes_and_seeks_and_does_not_grow() {
    let view = memory();
    let mut writer = view.writer();
    assert_eq!(writer.write(&[1; 40]).unwrap(), 40);
    assert_eq!(writer.seek(SeekFrom::Current(50)).unwrap(), 90);
    assert_eq!(writer.write(&[2; 40]).unwrap(), 10);
    assert_eq!((writer.position(), writer.write(&[3]).unwrap()), (100, 0));
    assert_eq!(writer.write_all(&[3]).unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(all(&view), [&[1; 40], &bytes(40..90)[..], &[2; 10]].concat());
    let mut second = writer.clone();
    assert_eq!(second.seek(SeekFrom::End(-1)).unwrap(), 99);
    assert_eq!(second.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(second.write(&[4]).unwrap(), 0);
    assert_eq!(second.seek(SeekFrom::Current(1)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(second.seek(SeekFrom::End(-101)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!((second.position(), writer.position()), (u64::MAX, 100));
    writer.rewind().unwrap();
    write!(writer, "{}", 7).unwrap();
    writer.flush().unwrap();
    assert_eq!(all(&view)[..2], [b'7', 1]);
    assert!(std::ptr::eq(writer.get_ref(), &raw const view));

    let file = tempfile::tempfile().unwrap();
    file.set_len(10).unwrap();
    let unwritable = MmapViewSync::open(&file, Protection::Read).unwrap();
    assert_eq!(unwritable.writer().write(&[1]).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(unwritable.writer().write(&[]).unwrap(), 0);
}
