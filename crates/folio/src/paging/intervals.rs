//! Values for stretches of numbers: a map from every number to a value or none, kept as few pieces.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ops::Range;

/// Pieces, none of which is empty, overlaps another or touches one of the same value.
#[derive(Debug)]
pub(super) struct Intervals<T> {
    /// From the start of each piece to its end and value.
    pieces: BTreeMap<usize, (usize, T)>,
}

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Intervals { pieces: BTreeMap::new() }
    }
}

impl<T: Copy + PartialEq> Intervals<T> {
    /// Every part of a range that has one value, or none, in order.
    pub(super) fn parts(&self, range: Range<usize>) -> Vec<(Range<usize>, Option<T>)> {
        let mut parts = Vec::new();
        let mut at = range.start;
        // The piece that begins before the range may reach into it.
        let before = self.pieces.range(..range.start).next_back();
        for (&start, &(end, value)) in before.into_iter().chain(self.pieces.range(range.clone())) {
            let (start, end) = (start.max(range.start), end.min(range.end));
            if start >= end {
                continue;
            }
            if at < start {
                parts.push((at..start, None));
            }
            parts.push((start..end, Some(value)));
            at = end;
        }
        if at < range.end {
            parts.push((at..range.end, None));
        }
        parts
    }

    /// Gives every number of a range another value, or none, made of the one that it has.
    pub(super) fn edit(&mut self, range: Range<usize>, change: impl Fn(Option<T>) -> Option<T>) {
        let parts = self.parts(range.clone());
        self.cut(range.start);
        self.cut(range.end);
        // Neighbours of an equal value are one piece, those at the edges of the range too.
        let mut last = self.pieces.range(..range.start).next_back().map(|(&start, &(end, value))| (start..end, value));
        for (part, value) in parts {
            self.pieces.remove(&part.start);
            if let Some(value) = change(value) {
                self.put(&mut last, part, value);
            }
        }
        if let Some(&(end, value)) = self.pieces.get(&range.end) {
            self.pieces.remove(&range.end);
            self.put(&mut last, range.end..end, value);
        }
    }

    /// Takes `end` for the end of all numbers, which was `old_end`: what lies behind has no value, what is new has that of the
    /// last one before.
    pub(super) fn continue_to(&mut self, old_end: usize, end: usize) {
        if end < old_end {
            self.edit(end..old_end, |_| None);
        } else if let Some(before) = old_end.checked_sub(1).filter(|_| end > old_end) {
            let last = self.parts(before..old_end).pop().and_then(|(_, value)| value);
            self.edit(old_end..end, |_| last);
        }
    }

    /// Adds a piece, or makes the last one longer.
    fn put(&mut self, last: &mut Option<(Range<usize>, T)>, part: Range<usize>, value: T) {
        let piece = match last.take() {
            Some((before, same)) if before.end == part.start && same == value => before.start..part.end,
            _ => part,
        };
        self.pieces.insert(piece.start, (piece.end, value));
        *last = Some((piece, value));
    }

    /// Makes two pieces of one that has `at` inside.
    fn cut(&mut self, at: usize) {
        let Some((&start, &(end, value))) = self.pieces.range(..at).next_back() else {
            return;
        };
        if end > at {
            self.pieces.insert(start, (at, value));
            self.pieces.insert(at, (end, value));
        }
    }

    /// Whether no number has a value.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(all(test, not(target_family = "wasm")))] // where there is no proptest
mod tests {
    use super::*;
    use proptest::prelude::*;

    const END: usize = 40;

    /// What `Intervals` is, kept the simple way.
    fn parts_of(twin: &[Option<u8>], range: Range<usize>) -> Vec<(Range<usize>, Option<u8>)> {
        let mut parts: Vec<(Range<usize>, Option<u8>)> = Vec::new();
        for at in range {
            match parts.last_mut() {
                Some((part, value)) if *value == twin[at] => part.end = at + 1,
                _ => parts.push((at..at + 1, twin[at])),
            }
        }
        parts
    }

    proptest! {
        /// Pieces that are lost, doubled or not joined show in the parts of some range.
        #[test]
        fn pieces_are_those_of_a_plain_list(edits in prop::collection::vec((0..=END, 0..=END, 0..3_u8), 1..40)) {
            let mut intervals = Intervals::default();
            let mut twin = [None; END];
            for (a, b, what) in edits {
                let range = a.min(b)..a.max(b);
                let change = |value: Option<u8>| match (what, value) {
                    (0, value) => Some(value.unwrap_or(0) + 1),
                    (1, Some(value)) if value > 1 => Some(value - 1),
                    _ => None,
                };
                intervals.edit(range.clone(), change);
                twin[range.clone()].iter_mut().for_each(|value| *value = change(*value));
                prop_assert_eq!(intervals.parts(0..END), parts_of(&twin, 0..END));
                prop_assert_eq!(intervals.parts(range.clone()), parts_of(&twin, range));
                let pieces = parts_of(&twin, 0..END).iter().filter(|(_, value)| value.is_some()).count();
                prop_assert_eq!(intervals.pieces.len(), pieces);
                prop_assert_eq!(intervals.is_empty(), pieces == 0);
            }
        }

        /// A value that is not cut off with the numbers, or not continued, shows behind the old end.
        #[test]
        fn the_end_of_the_numbers_moves(
            pieces in prop::collection::vec((0..END, 1..=END), 1..5), old in 1..=END, new in 1..=END,
        ) {
            let mut intervals = Intervals::default();
            for (start, len) in pieces {
                intervals.edit(start.min(old)..(start + len).min(old), |value: Option<u8>| Some(value.unwrap_or(0) + 1));
            }
            let last = intervals.parts(old - 1..old)[0].1;
            let kept = intervals.parts(0..old.min(new));
            intervals.continue_to(old, new);
            prop_assert_eq!(intervals.parts(0..old.min(new)), kept);
            if new > old {
                prop_assert_eq!(intervals.parts(old..new), [(old..new, last)]);
            }
            prop_assert_eq!(intervals.parts(new..2 * END), [(new..2 * END, None)]);
        }
    }
}
