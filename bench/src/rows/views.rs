//! Making, splitting, joining and cloning views.

use super::KIB;
use crate::data::{Data, places};
use crate::measure::{Goal, Table};
use anyhow::Result;
use bytes::{Bytes, BytesMut};
use folio::{MmapViewSync, Protection};
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

const OPERATIONS: usize = 1000;

/// What programs build today to own a part of a map.
#[derive(Clone)]
struct Part {
    map: Arc<memmap2::Mmap>,
    range: Range<usize>,
}

impl Part {
    fn split_off(&mut self, at: usize) -> Part {
        let middle = self.range.start + at;
        let tail = Part { map: Arc::clone(&self.map), range: middle..self.range.end };
        self.range.end = middle;
        tail
    }

    fn unsplit(&mut self, tail: Part) {
        assert!(Arc::ptr_eq(&self.map, &tail.map) && self.range.end == tail.range.start);
        self.range.end = tail.range.end;
    }

    fn bytes(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }
}

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let data = Data::new(64 * KIB)?;
    let mut view = MmapViewSync::open(&data.file, Protection::ReadWrite)?;
    // SAFETY: nobody changes the file while this lives.
    let map = unsafe { folio::Mmap::map(&data.file)? };
    // SAFETY: as in the call above.
    let mut part = Part { map: Arc::new(unsafe { memmap2::Mmap::map(&data.file)? }), range: 0..data.len };
    let bytes = Bytes::copy_from_slice(part.bytes());
    let mut bytes_mut = BytesMut::from(part.bytes());
    let len = data.len;
    let middles: Vec<usize> = places(len).into_iter().take(OPERATIONS).collect();

    table.group("views", "Arc<memmap2::Mmap> and a range");
    table.row(
        "split_off and unsplit",
        OPERATIONS,
        Goal::None,
        &mut || each(&middles, |at| split_and_join(&mut view, at)),
        &mut || {
            each(&middles, |at| {
                let tail = part.split_off(at);
                let first = black_box(&tail).bytes()[0];
                part.unsplit(tail);
                first
            })
        },
    );
    table.row(
        "clone of an Mmap, and drop",
        OPERATIONS,
        Goal::None,
        &mut || each(&middles, |at| black_box(map.clone())[at]),
        &mut || each(&middles, |at| black_box(part.clone()).bytes()[at]),
    );
    table.row(
        "slice of an Mmap, and drop",
        OPERATIONS,
        Goal::None,
        &mut || each(&middles, |at| black_box(map.slice(at..len))[0]),
        &mut || each(&middles, |at| black_box(Part { map: Arc::clone(&part.map), range: at..len }).bytes()[0]),
    );

    table.group("views", "bytes");
    table.row(
        "split_off and unsplit, BytesMut",
        OPERATIONS,
        Goal::None,
        &mut || each(&middles, |at| split_and_join(&mut view, at)),
        &mut || {
            each(&middles, |at| {
                let tail = bytes_mut.split_off(at);
                let first = black_box(&tail)[0];
                bytes_mut.unsplit(tail);
                first
            })
        },
    );
    table.row(
        "clone of an Mmap, and drop, Bytes",
        OPERATIONS,
        Goal::None,
        &mut || each(&middles, |at| black_box(map.clone())[at]),
        &mut || each(&middles, |at| black_box(bytes.clone())[at]),
    );

    table.group("views", "memmap2");
    table.row(
        "Mmap::map of 64 KiB, one page read, and drop",
        1,
        Goal::None,
        // SAFETY: nobody changes the file while the mapping lives.
        &mut || unsafe { folio::Mmap::map(&data.file) }.unwrap()[0].into(),
        // SAFETY: nobody changes the file while the mapping lives.
        &mut || unsafe { memmap2::Mmap::map(&data.file) }.unwrap()[0].into(),
    );
    table.row(
        "MmapViewSync::open of 64 KiB, one page read, and drop",
        1,
        Goal::None,
        &mut || MmapViewSync::open(&data.file, Protection::ReadWrite).unwrap().load::<u8>(0).unwrap().into(),
        // SAFETY: nobody changes the file while the mapping lives.
        &mut || unsafe { memmap2::MmapMut::map_mut(&data.file) }.unwrap()[0].into(),
    );
    Ok(())
}

fn split_and_join(view: &mut MmapViewSync, at: usize) -> u8 {
    let tail = view.split_off(at).unwrap();
    let first = black_box(&tail).load::<u8>(0).unwrap();
    view.unsplit(tail).map_err(|failed| failed.into_parts().0).unwrap();
    first
}

fn each(middles: &[usize], mut operation: impl FnMut(usize) -> u8) -> u64 {
    middles.iter().map(|&at| u64::from(operation(at))).sum()
}
