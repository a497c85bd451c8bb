//! Flushing dirty pages of a real file.

use super::MIB;
use crate::data::Data;
use crate::measure::{Goal, Table};
use anyhow::Result;
use folio::{MmapOptions, MmapViewSync, Protection};
use std::time::Instant;

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let data = Data::new(MIB)?;
    let view = MmapViewSync::open(&data.file, Protection::ReadWrite)?;
    let keeps = MmapOptions::new().keep_file().map_view(&data.file, Protection::ReadWrite)?;
    let other = Data::new(MIB)?;
    // SAFETY: nobody else uses the file while this lives.
    let mut peer = unsafe { memmap2::MmapMut::map_mut(&other.file)? };

    // Each is timed without the write that makes the page dirty.
    let mut value = 0_u8;
    let mut ours = |flush: &dyn Fn(&MmapViewSync) -> std::io::Result<()>, view: &MmapViewSync, data: &Data| {
        value = value.wrapping_add(1);
        view.write_all_at(&[value; 64], 4096).unwrap();
        let start = Instant::now();
        flush(view).unwrap();
        let took = start.elapsed();
        check(data, value);
        took
    };
    let mut peer_value = 0_u8;
    let mut theirs = |flush: &dyn Fn(&memmap2::MmapMut) -> std::io::Result<()>| {
        peer_value = peer_value.wrapping_add(1);
        peer[4096..4160].fill(peer_value);
        let start = Instant::now();
        flush(&peer).unwrap();
        let took = start.elapsed();
        check(&other, peer_value);
        took
    };

    table.group("flushes", "memmap2");
    table.timed("flush, one dirty page", 1, Goal::None, &mut || ours(&|view| view.flush(), &view, &data), &mut || {
        theirs(&|map| map.flush())
    });
    // What memmap2 calls so does nothing on Linux: the page stays dirty until the kernel finds the time.
    table.timed(
        "flush_async, one dirty page, by a kept file",
        1,
        Goal::None,
        &mut || ours(&|view| view.flush_async(), &keeps, &data),
        &mut || theirs(&|map| map.flush_async()),
    );
    table.timed(
        "flush_async, one dirty page, in the background",
        1,
        Goal::None,
        &mut || ours(&|view| view.flush_async(), &view, &data),
        &mut || theirs(&|map| map.flush_async()),
    );
    view.flush()?;
    Ok(())
}

/// The file shows what was written.
fn check(data: &Data, value: u8) {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; 64];
    data.file.read_exact_at(&mut bytes, 4096).unwrap();
    assert_eq!(bytes, [value; 64]);
}
