//! Pairs of times, and the table of them.

use anyhow::{Result, ensure};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long one sample of a pair takes, at least: long enough for the clock, short enough that a pair sees one machine.
const SAMPLE: Duration = Duration::from_micros(200);

/// How many pairs a row is made of, and for how long it goes on if they are slow.
const PAIRS: usize = 501;
const LONGEST: Duration = Duration::from_secs(3);
/// No fewer, however slow.
const LEAST_PAIRS: usize = 5;

/// What a row should come to.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// Ours takes at most this many times what the peer takes.
    Ratio(f64),
    /// One operation of ours takes at most so many nanoseconds.
    Time(f64),
    /// None was set: the row is there to be known.
    None,
}

/// One way to do it: runs a round of operations, and answers what depends on all of their results.
pub(crate) type Way<'a> = &'a mut dyn FnMut() -> u64;

/// The table, printed row by row.
pub(crate) struct Table {
    quick: bool,
    filters: Vec<String>,
    group: String,
    rows: usize,
    missed: Vec<String>,
}

impl Table {
    pub(crate) fn new(quick: bool, filters: Vec<String>) -> Table {
        Table { quick, filters, group: String::new(), rows: 0, missed: Vec::new() }
    }

    /// Whether every row is only run once.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    /// Begins a group of rows.
    pub(crate) fn group(&mut self, name: &str, peer: &str) {
        self.group = name.to_owned();
        if self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str())) {
            println!("\n{:<58} {:>10} {:>10} {:>7}  goal", format!("{name}, beside {peer}"), "ours", "peer", "ratio");
        }
    }

    /// Whether a row of the group is wanted.
    fn wants(&self, name: &str) -> bool {
        let wants = |filter: &String| self.group.contains(filter.as_str()) || name.contains(filter.as_str());
        self.filters.is_empty() || self.filters.iter().any(wants)
    }

    /// A row: `ours` and `peer` make `operations` each time, and answer the same.
    pub(crate) fn row(&mut self, name: &str, operations: usize, goal: Goal, ours: Way, peer: Way) {
        if !self.wants(name) {
            return;
        }
        assert_eq!(ours(), peer(), "{name}: the two ways do not give the same result");
        self.timed(name, operations, goal, &mut || sample(ours), &mut || sample(peer));
    }

    /// A row whose ways take their own times: of one round, without what they do before and after it.
    pub(crate) fn timed(
        &mut self,
        name: &str,
        operations: usize,
        goal: Goal,
        ours: &mut dyn FnMut() -> Duration,
        peer: &mut dyn FnMut() -> Duration,
    ) {
        if !self.wants(name) {
            return;
        }
        let (mut our_times, mut peer_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let start = Instant::now();
        let rounds = |way: &mut dyn FnMut() -> Duration| {
            let once = way().min(way());
            (SAMPLE.as_nanos() / once.as_nanos().max(1)) as u32 + 1
        };
        let (our_rounds, peer_rounds) = if self.quick { (1, 1) } else { (rounds(ours), rounds(peer)) };
        let pairs = if self.quick { 1 } else { PAIRS };
        for pair in 0..pairs {
            let mut time_ours = || our_times.push(mean(ours, our_rounds) / operations as f64);
            let mut time_peer = || peer_times.push(mean(peer, peer_rounds) / operations as f64);
            // Each is the first of the two as often as the other.
            if pair % 2 == 0 {
                time_ours();
                time_peer();
            } else {
                time_peer();
                time_ours();
            }
            ratios.push(our_times[pair] / peer_times[pair]);
            if pair + 1 >= LEAST_PAIRS && start.elapsed() > LONGEST {
                break;
            }
        }
        let (ours, peer, ratio) = (median(our_times), median(peer_times), median(ratios));
        let (goal, met) = match goal {
            Goal::Ratio(most) => (ratio_text(most), ratio <= most),
            Goal::Time(most) => (time_text(most), ours <= most),
            Goal::None => (String::new(), true),
        };
        let verdict = if goal.is_empty() || self.quick {
            ""
        } else if met {
            "met"
        } else {
            "MISSED"
        };
        let line = format!(
            "{name:<58} {:>10} {:>10} {:>7}  {goal:<8} {verdict}",
            time_text(ours),
            time_text(peer),
            ratio_text(ratio)
        );
        println!("{}", line.trim_end());
        self.rows += 1;
        if !met {
            self.missed.push(format!("{}: {name}", self.group));
        }
    }

    /// Sums up.
    pub(crate) fn finish(self) -> Result<()> {
        ensure!(self.rows > 0, "no row has a name like that");
        if self.quick {
            println!("\n{} rows, all results right", self.rows);
        } else {
            println!("\n{} rows, all results right, {} goals missed", self.rows, self.missed.len());
        }
        Ok(())
    }
}

/// The time of one round.
fn sample(way: Way) -> Duration {
    let start = Instant::now();
    black_box(way());
    start.elapsed()
}

/// The mean of so many rounds, in nanoseconds.
fn mean(way: &mut dyn FnMut() -> Duration, rounds: u32) -> f64 {
    let took: Duration = (0..rounds).map(|_| way()).sum();
    took.as_nanos() as f64 / f64::from(rounds)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ratio_text(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.4}") } else { format!("{ratio:.2}") }
}

fn time_text(nanoseconds: f64) -> String {
    match nanoseconds {
        below if below < 1e3 => format!("{below:.2} ns"),
        below if below < 1e6 => format!("{:.2} us", below / 1e3),
        more => format!("{:.2} ms", more / 1e6),
    }
}
