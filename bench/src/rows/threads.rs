//! Two threads at work on one view, beside one.

use super::{KIB, copies, numbers, slices};
use crate::data::{Buffer, Data, places};
use crate::measure::{Goal, Table};
use anyhow::Result;
use folio::{MmapViewSync, Protection};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// What two threads that share nothing would come to, and something for the noise.
const ALIKE: Goal = Goal::Ratio(1.1);

pub(crate) fn run(table: &mut Table) -> Result<()> {
    let data = Data::new(256 * KIB + 64)?;
    let view = MmapViewSync::open(&data.file, Protection::ReadWrite)?;
    let places = places(256 * KIB);
    let rounds = if table.is_quick() { 1 } else { 20 };

    table.group("threads", "one thread, per thread");
    let load = || (0..rounds).map(|_| numbers::loads(&view, &places)).fold(0, u64::wrapping_add);
    row(table, "load::<u64>, two threads", rounds * places.len(), &load);
    let read = || {
        let mut buffer = Buffer::new(64);
        (0..rounds).map(|_| copies::reads(&view, &places, &mut buffer.bytes()[..64])).sum()
    };
    row(table, "read_exact_at of 64 bytes, two threads", rounds * places.len(), &read);
    let slice = || (0..rounds * 200).map(|_| slices::first_byte(&view)).sum();
    row(table, "with_slice, two threads", rounds * 200, &slice);
    Ok(())
}

fn row(table: &mut Table, name: &str, operations: usize, work: &(dyn Fn() -> u64 + Sync)) {
    assert_eq!(work(), work());
    table.timed(name, operations, ALIKE, &mut || on_threads(2, work), &mut || on_threads(1, work));
}

/// How long each of `count` threads takes for the work, in the mean, when all begin at once.
fn on_threads(count: u32, work: &(dyn Fn() -> u64 + Sync)) -> Duration {
    let barrier = Barrier::new(count as usize);
    let timed = || {
        // What a thread does once is not part of it.
        work();
        barrier.wait();
        let start = Instant::now();
        std::hint::black_box(work());
        start.elapsed()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(timed)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<Duration>() / count
    })
}
