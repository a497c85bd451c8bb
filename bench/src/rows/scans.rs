//! A whole file, from its start to its end.

use super::slices::sum;
use super::{KIB, MIB, size};
use crate::data::Data;
use crate::measure::{Goal, Table};
use anyhow::Result;
use folio::{MmapViewSync, Protection};
use std::fs::File;
use std::hint::black_box;
use std::io::Read;

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let data = Data::new(64 * MIB)?;
    let view = MmapViewSync::open(&data.file, Protection::Read)?;
    // SAFETY: nobody changes the file while this lives.
    let peer = unsafe { memmap2::Mmap::map(&data.file)? };

    table.group("scans of 64 MiB", "a memmap2 slice");
    for chunk in [16 * KIB, 64 * KIB, MIB] {
        let mut buffer = vec![0; chunk];
        let name = format!("read_exact_at in chunks of {}, summed", size(chunk));
        table.row(&name, 1, Goal::None, &mut || by_copies(&view, &mut buffer), &mut || sum(black_box(&peer)));
    }
    // SAFETY: nobody writes to the file while the slice lives.
    let mut lent = || unsafe { view.with_slice(sum) }.unwrap();
    table.row("with_slice, summed", 1, Goal::None, &mut lent, &mut || sum(black_box(&peer)));

    table.group("scans of 64 MiB", "read");
    for chunk in [16 * KIB, 64 * KIB, MIB] {
        let (mut buffer, mut other) = (vec![0; chunk], vec![0; chunk]);
        let name = format!("read_exact_at in chunks of {}, summed", size(chunk));
        let mut file = File::open(&data.path)?;
        let mut read = || by_reads(&mut file, &mut other);
        table.row(&name, 1, Goal::None, &mut || by_copies(&view, &mut buffer), &mut read);
    }
    Ok(())
}

fn by_copies(view: &MmapViewSync, buffer: &mut [u8]) -> u64 {
    let chunks = (0..view.len()).step_by(buffer.len());
    chunks.fold(0, |total: u64, at| {
        view.read_exact_at(buffer, at).unwrap();
        total.wrapping_add(sum(buffer))
    })
}

fn by_reads(file: &mut File, buffer: &mut [u8]) -> u64 {
    use std::io::Seek;
    file.rewind().unwrap();
    let mut total = 0_u64;
    while file.read_exact(buffer).is_ok() {
        total = total.wrapping_add(sum(buffer));
    }
    total
}
