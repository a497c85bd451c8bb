//! Views against a naive twin: random sequences of the whole algebra, the conversions and the checked access, done to real
//! views of a mapping and to plain indices into a `Vec<u8>`, must agree at every step.
//!
//! The twin knows no addresses and no reference counts: a view is a range and a kind, the owner count is the number of views.

use folio::{Access, Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, View, page_size};
use proptest::prelude::*;
use proptest::sample::Index;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
#[cfg(windows)]
use windows_sys::Win32::Foundation::{GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE};

/// A number to give to a call, relative to the length of the view: where the edges are is known only then.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// This part of the length, in 256ths.
    Part(u8),
    /// So much from the start.
    Start(u8),
    /// So much before the end, at most the length.
    End(u8),
    /// So much past the end, and one more.
    Past(u8),
    /// So much below the largest number there is.
    Huge(u8),
}

impl Number {
    fn of(self, len: usize) -> usize {
        match self {
            Number::Part(part) => len * usize::from(part) / 256,
            Number::Start(from) => usize::from(from),
            Number::End(before) => len.saturating_sub(usize::from(before)),
            Number::Past(by) => len + 1 + usize::from(by),
            Number::Huge(below) => usize::MAX - usize::from(below),
        }
    }
}

/// One thing to do to a view.
#[derive(Clone, Debug)]
enum Op {
    SplitAt(Number),
    SplitOff(Number),
    SplitTo(Number),
    Restrict(Number, Number),
    SplitRanges(Vec<(Number, Number)>),
    /// The length of the pieces, from which end each is taken, and whether the rest is kept.
    IntoChunks(Number, Vec<bool>, bool),
    /// With another view: the neighbour, if there is one and it is asked for, or any.
    Unsplit(Index, bool),
    Whole,
    Unmap,
    Clone,
    Slice(Number, Number),
    SliceRef(Number, Number),
    Freeze,
    MakeReadOnly,
    MakeExec,
    MakeMut,
    IntoViewSync,
    AssumeImmutable,
    AssumeExclusive,
    Write(Number, Vec<u8>),
    Store(Number, u64),
    Fill(Number, Number, u8),
    Read(Number, u8),
    Load(Number),
    Flush(Number, Number),
    Drop,
}

/// In the order of the strength of what is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Shared,
    Immutable,
    Exclusive,
}

/// What an operation leaves in the place of the view it was done to, and what it says.
type Outcome<V> = (Vec<V>, Result<(), ErrorKind>);

// The twin.

/// A view, naively.
#[derive(Clone, Copy, Debug)]
struct Span {
    kind: Kind,
    start: usize,
    end: usize,
}

impl Span {
    fn len(self) -> usize {
        self.end - self.start
    }

    fn part(self, start: usize, end: usize) -> Span {
        Span { start: self.start + start, end: self.start + end, ..self }
    }

    fn overlaps(self, other: Span) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }
}

/// A mapping, naively.
#[derive(Debug)]
struct Twin {
    bytes: Vec<u8>,
    views: Vec<Span>,
    /// What was vouched for when the mapping was made, and still holds.
    claim: Kind,
    /// Whether nobody else can touch the bytes at all. A private copy of a file shows what others write to the file.
    anonymous: bool,
    protection: Protection,
    /// The protection that `make_mut` gives.
    writable: Protection,
    /// Protections that the pages can never have: Windows gives a view of a file no more than it was mapped for.
    never: Vec<Protection>,
}

impl Twin {
    /// Whether an operation exists for a view, and its `unsafe` ones may be called: no other view has the same bytes.
    fn allows(&self, index: usize, op: &Op) -> bool {
        use Kind::{Exclusive, Immutable, Shared};
        let span = self.views[index];
        let own = || (0..self.views.len()).all(|other| other == index || !self.views[other].overlaps(span));
        match op {
            // The end of the sequence drops the last one.
            Op::Drop => self.views.len() > 1,
            Op::SplitAt(_) => span.kind == Shared,
            Op::Slice(..) | Op::SliceRef(..) | Op::MakeMut => span.kind == Immutable,
            Op::Freeze | Op::MakeReadOnly | Op::MakeExec => span.kind == Exclusive,
            Op::Clone | Op::AssumeImmutable if span.kind == Exclusive => false,
            Op::AssumeImmutable => span.kind == Shared && own(),
            Op::AssumeExclusive => own(),
            Op::IntoViewSync => span.kind != Shared,
            Op::Write(..) | Op::Store(..) => span.kind != Immutable,
            Op::Fill(..) => span.kind == Exclusive || (span.kind == Shared && self.protection.write() && own()),
            _ => true,
        }
    }

    fn apply(&mut self, span: Span, op: &Op) -> Outcome<Span> {
        let len = span.len();
        let alone = self.views.len() == 1;
        let unchanged = |result| (vec![span], result);
        let to = |kind| (vec![Span { kind, ..span }], Ok(()));
        let inside = |start: usize, count: usize| start.checked_add(count).is_some_and(|end| end <= len);
        let (busy, denied) = (Err(ErrorKind::ResourceBusy), Err(ErrorKind::PermissionDenied));
        let invalid = Err(ErrorKind::InvalidInput);
        match op {
            Op::SplitAt(at) | Op::SplitOff(at) | Op::SplitTo(at) => match at.of(len) {
                at if at > len => unchanged(invalid),
                at => (vec![span.part(0, at), span.part(at, len)], Ok(())),
            },
            Op::Restrict(start, count) => match (start.of(len), count.of(len)) {
                (start, count) if inside(start, count) => (vec![span.part(start, start + count)], Ok(())),
                _ => unchanged(invalid),
            },
            Op::SplitRanges(ranges) => {
                let mut taken = vec![false; len];
                let mut parts = Vec::new();
                for range in numbers(ranges, len) {
                    if range.start > range.end || range.end > len || taken[range.clone()].contains(&true) {
                        return unchanged(invalid);
                    }
                    taken[range.clone()].fill(true);
                    parts.push(span.part(range.start, range.end));
                }
                (parts, Ok(()))
            }
            Op::IntoChunks(piece, ends, keep) => {
                let piece = piece.of(len);
                if piece == 0 {
                    return unchanged(invalid);
                }
                let edges: Vec<usize> = (0..len).step_by(piece).collect();
                let mut left: std::collections::VecDeque<Span> =
                    edges.iter().map(|&start| span.part(start, start.saturating_add(piece).min(len))).collect();
                let mut parts = Vec::new();
                for &back in ends {
                    parts.extend(if back { left.pop_back() } else { left.pop_front() });
                }
                if let (true, Some(first), Some(last)) = (keep, left.front(), left.back()) {
                    parts.push(Span { end: last.end, ..*first });
                }
                (parts, Ok(()))
            }
            Op::Whole if !alone => unchanged(busy),
            Op::Whole if self.claim < span.kind => unchanged(denied),
            Op::Whole => (vec![Span { start: 0, end: self.bytes.len(), ..span }], Ok(())),
            Op::Unmap if !alone => unchanged(busy),
            Op::Unmap | Op::Drop => (vec![], Ok(())),
            Op::Clone => (vec![span, span], Ok(())),
            Op::Slice(start, end) | Op::SliceRef(start, end) => {
                let range = clamped(*start, *end, len);
                (vec![span, span.part(range.start, range.end)], Ok(()))
            }
            Op::Freeze => to(Kind::Immutable),
            Op::MakeReadOnly | Op::MakeExec if !alone => unchanged(busy),
            Op::MakeExec if self.never.contains(&Protection::ReadExecute) => unchanged(denied),
            Op::MakeReadOnly | Op::MakeExec => {
                self.protection = if matches!(op, Op::MakeExec) { Protection::ReadExecute } else { Protection::Read };
                to(Kind::Immutable)
            }
            Op::MakeMut if !alone => unchanged(busy),
            Op::MakeMut if self.claim != Kind::Exclusive => unchanged(denied),
            Op::MakeMut => {
                if !self.protection.write() {
                    self.protection = self.writable;
                }
                to(Kind::Exclusive)
            }
            Op::IntoViewSync if span.kind == Kind::Immutable && !alone => unchanged(busy),
            Op::IntoViewSync => {
                if !self.anonymous {
                    self.claim = Kind::Shared;
                }
                to(Kind::Shared)
            }
            Op::AssumeImmutable => to(Kind::Immutable),
            Op::AssumeExclusive if !self.protection.write() && !alone => unchanged(busy),
            Op::AssumeExclusive if !self.protection.write() && self.never.contains(&self.writable) => unchanged(denied),
            Op::AssumeExclusive => {
                if !self.protection.write() {
                    self.protection = self.writable;
                }
                to(Kind::Exclusive)
            }
            Op::Write(at, data) => unchanged(self.write(span, at.of(len), data)),
            Op::Store(at, value) => unchanged(self.write(span, at.of(len), &value.to_ne_bytes())),
            Op::Fill(start, end, value) => {
                let range = clamped(*start, *end, len);
                unchanged(self.write(span, range.start, &vec![*value; range.len()]))
            }
            Op::Read(at, count) => unchanged(if inside(at.of(len), usize::from(*count)) { Ok(()) } else { invalid }),
            Op::Load(at) => unchanged(if inside(at.of(len), 8) { Ok(()) } else { invalid }),
            Op::Flush(start, count) => unchanged(if inside(start.of(len), count.of(len)) { Ok(()) } else { invalid }),
            Op::Unsplit(..) => unreachable!("takes two views"),
        }
    }

    fn write(&mut self, span: Span, at: usize, data: &[u8]) -> Result<(), ErrorKind> {
        if at.checked_add(data.len()).is_none_or(|end| end > span.len()) {
            return Err(ErrorKind::InvalidInput);
        }
        if !self.protection.write() {
            return Err(ErrorKind::PermissionDenied);
        }
        self.bytes[span.start + at..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Ranges as they are given to `split_ranges`.
fn numbers(ranges: &[(Number, Number)], len: usize) -> Vec<Range<usize>> {
    ranges.iter().map(|(start, end)| start.of(len)..end.of(len)).collect()
}

/// A range that lies inside, for calls that panic of others.
fn clamped(start: Number, end: Number, len: usize) -> Range<usize> {
    let (start, end) = (start.of(len).min(len), end.of(len).min(len));
    start.min(end)..end
}

// The real views.

enum Real {
    Shared(MmapViewSync),
    Immutable(Mmap),
    Exclusive(MmapMut),
}

impl From<MmapViewSync> for Real {
    fn from(view: MmapViewSync) -> Real {
        Real::Shared(view)
    }
}

impl From<Mmap> for Real {
    fn from(view: Mmap) -> Real {
        Real::Immutable(view)
    }
}

impl From<MmapMut> for Real {
    fn from(view: MmapMut) -> Real {
        Real::Exclusive(view)
    }
}

/// Does the same with whichever view it is.
macro_rules! each {
    ($real:expr, $view:ident => $body:expr) => {
        match $real {
            Real::Shared($view) => $body,
            Real::Immutable($view) => $body,
            Real::Exclusive($view) => $body,
        }
    };
}

/// The outcome of a call that consumes a view and gives it back on failure.
fn consumed<V, W>(result: Result<W, folio::ViewError<V>>, parts: impl FnOnce(W) -> Vec<Real>) -> Outcome<Real>
where
    Real: From<V>,
{
    match result {
        Ok(done) => (parts(done), Ok(())),
        Err(failed) => {
            let (error, view) = failed.into_parts();
            (vec![view.into()], Err(error.kind()))
        }
    }
}

/// The outcome of a call that leaves the view where it is.
fn kept(view: impl Into<Real>, result: io::Result<()>) -> Outcome<Real> {
    (vec![view.into()], result.map_err(|error| error.kind()))
}

fn one(view: impl Into<Real>) -> Vec<Real> {
    vec![view.into()]
}

/// What every kind of view has.
fn algebra<A: Access>(mut view: View<A>, op: &Op, twin: &[u8]) -> Outcome<Real>
where
    Real: From<View<A>>,
{
    let len = view.len();
    match op {
        Op::SplitOff(at) => match view.split_off(at.of(len)) {
            Ok(tail) => (vec![view.into(), tail.into()], Ok(())),
            Err(error) => kept(view, Err(error)),
        },
        Op::SplitTo(at) => match view.split_to(at.of(len)) {
            Ok(head) => (vec![head.into(), view.into()], Ok(())),
            Err(error) => kept(view, Err(error)),
        },
        Op::Restrict(start, count) => {
            let result = view.restrict(start.of(len), count.of(len));
            kept(view, result)
        }
        Op::SplitRanges(ranges) => {
            consumed(view.split_ranges(&numbers(ranges, len)), |views| views.into_iter().map(Real::from).collect())
        }
        Op::IntoChunks(piece, ends, keep) => consumed(view.into_chunks(piece.of(len)), |mut chunks| {
            let mut parts = Vec::new();
            for &back in ends {
                let before = chunks.len();
                let part = if back { chunks.next_back() } else { chunks.next() };
                assert_eq!(chunks.len(), before.saturating_sub(1));
                parts.extend(part.map(Real::from));
            }
            parts.extend(chunks.into_rest().filter(|_| *keep).map(Real::from));
            parts
        }),
        Op::Whole => consumed(view.whole(), one),
        Op::Unmap => consumed(view.unmap(), |()| vec![]),
        Op::Drop => {
            drop(view);
            (vec![], Ok(()))
        }
        // SAFETY: the twin says that no other view has these bytes, and none can get them while this one lives.
        Op::AssumeExclusive => consumed(unsafe { view.assume_exclusive() }, one),
        Op::Read(at, count) => {
            let (at, mut bytes) = (at.of(len), vec![0; usize::from(*count)]);
            let result = view.read_exact_at(&mut bytes, at);
            assert!(result.is_err() || bytes == twin[at..at + bytes.len()]);
            kept(view, result)
        }
        Op::Load(at) => {
            let result = view.load::<u64>(at.of(len));
            kept(view, result.map(|value| assert_eq!(value.to_ne_bytes(), twin[at.of(len)..at.of(len) + 8])))
        }
        Op::Flush(start, count) => {
            let (start, count) = (start.of(len), count.of(len));
            let result = view.flush_async_range(start, count);
            let again = view.flush_range(start, count);
            assert_eq!(again.is_ok(), result.is_ok());
            kept(view, again)
        }
        other => unreachable!("{other:?} of {view:?}"),
    }
}

/// What each kind of view has for itself.
fn apply(real: Real, op: &Op, twin: &[u8]) -> Outcome<Real> {
    match (real, op) {
        (Real::Shared(view), Op::SplitAt(at)) => {
            let at = at.of(view.len());
            consumed(view.split_at(at), |(head, tail)| vec![head.into(), tail.into()])
        }
        (Real::Shared(view), Op::Clone) => {
            // SAFETY: the twin keeps the `unsafe` calls away from views that share bytes.
            let second = unsafe { view.clone() };
            (vec![view.into(), second.into()], Ok(()))
        }
        // SAFETY: the twin says that no other view has these bytes, and none can get them while this one lives.
        (Real::Shared(view), Op::AssumeImmutable) => (one(unsafe { view.assume_immutable() }), Ok(())),
        (Real::Shared(view), Op::Write(at, data)) => {
            let result = view.write_all_at(data, at.of(view.len()));
            kept(view, result)
        }
        (Real::Shared(view), Op::Store(at, value)) => {
            let result = view.store(at.of(view.len()), *value);
            kept(view, result)
        }
        (Real::Shared(mut view), Op::Fill(start, end, value)) => {
            let range = clamped(*start, *end, view.len());
            // SAFETY: the twin says that the pages can be written and no other view has these bytes.
            let bytes = unsafe { view.as_mut_slice() };
            bytes[range].fill(*value);
            kept(view, Ok(()))
        }
        (Real::Immutable(view), Op::Clone) => {
            let second = view.clone();
            (vec![view.into(), second.into()], Ok(()))
        }
        (Real::Immutable(view), Op::Slice(start, end)) => {
            let part = view.slice(clamped(*start, *end, view.len()));
            (vec![view.into(), part.into()], Ok(()))
        }
        (Real::Immutable(view), Op::SliceRef(start, end)) => {
            let part = view.slice_ref(&view[clamped(*start, *end, view.len())]).unwrap();
            (vec![view.into(), part.into()], Ok(()))
        }
        (Real::Immutable(view), Op::MakeMut) => consumed(view.make_mut(), one),
        (Real::Immutable(view), Op::IntoViewSync) => consumed(view.into_view_sync(), one),
        (Real::Exclusive(view), Op::IntoViewSync) => (one(view.into_view_sync()), Ok(())),
        (Real::Exclusive(view), Op::Freeze) => (one(view.freeze()), Ok(())),
        (Real::Exclusive(view), Op::MakeReadOnly) => consumed(view.make_read_only(), one),
        (Real::Exclusive(view), Op::MakeExec) => consumed(view.make_exec(), one),
        (Real::Exclusive(mut view), Op::Write(at, data)) => {
            let result = view.write_all_at(data, at.of(view.len()));
            kept(view, result)
        }
        (Real::Exclusive(mut view), Op::Store(at, value)) => {
            let result = view.store(at.of(view.len()), *value);
            kept(view, result)
        }
        (Real::Exclusive(mut view), Op::Fill(start, end, value)) => {
            let range = clamped(*start, *end, view.len());
            view[range].fill(*value);
            kept(view, Ok(()))
        }
        (real, op) => each!(real, view => algebra(view, op, twin)),
    }
}

fn unsplit(first: Real, second: Real) -> Outcome<Real> {
    fn join<A: Access>(mut first: View<A>, second: View<A>) -> Outcome<Real>
    where
        Real: From<View<A>>,
    {
        match first.unsplit(second) {
            Ok(()) => (vec![first.into()], Ok(())),
            Err(failed) => {
                let (error, second) = failed.into_parts();
                (vec![first.into(), second.into()], Err(error.kind()))
            }
        }
    }
    match (first, second) {
        (Real::Shared(first), Real::Shared(second)) => join(first, second),
        (Real::Immutable(first), Real::Immutable(second)) => join(first, second),
        (Real::Exclusive(first), Real::Exclusive(second)) => join(first, second),
        _ => unreachable!("of one kind"),
    }
}

/// Whether this comes true: a flush that runs in the background owns the mapping, too, until it is done. All questions together
/// wait for ten seconds at most, so that a failing case is soon made small.
fn soon(condition: impl Fn() -> bool) -> bool {
    static LEFT: AtomicUsize = AtomicUsize::new(10_000);
    loop {
        if condition() {
            return true;
        }
        if LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The two of them.
struct Model {
    twin: Twin,
    real: Vec<Real>,
    base: *const u8,
}

impl Model {
    fn new(first: Real, bytes: Vec<u8>, kind: Kind, claim: Kind, writable: Protection, anonymous: bool) -> Model {
        let (base, protection) = each!(&first, view => (view.as_ptr(), view.protection()));
        let views = vec![Span { kind, start: 0, end: bytes.len() }];
        let model = Model {
            twin: Twin { bytes, views, claim, anonymous, protection, writable, never: vec![] },
            real: vec![first],
            base,
        };
        model.check();
        model
    }

    fn step(&mut self, which: Index, op: &Op) {
        let index = which.index(self.real.len());
        if !self.twin.allows(index, op) {
            return;
        }
        if let Op::Unsplit(other, neighbour) = op {
            return self.unsplit(index, *other, *neighbour);
        }
        let span = self.twin.views[index];
        let (spans, expected) = self.twin.apply(span, op);
        let (views, result) = apply(self.real.remove(index), op, &self.twin.bytes[span.start..span.end]);
        assert_eq!(result, expected, "{op:?} of {span:?}");
        assert_eq!(views.len(), spans.len(), "{op:?} of {span:?}");
        self.twin.views.splice(index..=index, spans);
        self.real.splice(index..index, views);
    }

    fn unsplit(&mut self, first: usize, other: Index, neighbour: bool) {
        let span = self.twin.views[first];
        let fits = |index: &usize| *index != first && self.twin.views[*index].kind == span.kind;
        let candidates: Vec<usize> = (0..self.real.len()).filter(fits).collect();
        let is_next = |index: &&usize| self.twin.views[**index].start == span.end;
        let second = match candidates.iter().find(is_next).filter(|_| neighbour) {
            Some(&next) => next,
            None if candidates.is_empty() => return,
            None => candidates[other.index(candidates.len())],
        };
        let next = self.twin.views[second];
        let (spans, expected) = if span.end == next.start {
            (vec![Span { end: next.end, ..span }], Ok(()))
        } else {
            (vec![span, next], Err(ErrorKind::InvalidInput))
        };
        // The later one first, so that the earlier one stays where it is.
        let (high, low) = (first.max(second), first.min(second));
        let (upper, lower) = (self.real.remove(high), self.real.remove(low));
        self.twin.views.remove(high);
        self.twin.views.remove(low);
        let (views, result) = if first < second { unsplit(lower, upper) } else { unsplit(upper, lower) };
        assert_eq!(result, expected, "{span:?} and {next:?}");
        assert_eq!(views.len(), spans.len(), "{span:?} and {next:?}");
        self.twin.views.extend(spans);
        self.real.extend(views);
    }

    /// Every view is what the twin says.
    fn check(&self) {
        for (real, span) in self.real.iter().zip(&self.twin.views) {
            let bytes = &self.twin.bytes[span.start..span.end];
            each!(real, view => {
                assert_eq!((view.len(), view.is_empty()), (span.len(), bytes.is_empty()));
                assert_eq!(view.as_ptr(), self.base.wrapping_add(span.start), "{span:?}");
                assert_eq!(view.protection(), self.twin.protection);
                let alone = self.real.len() == 1;
                assert!(if alone { soon(|| view.is_unique()) } else { !view.is_unique() }, "{} views", self.real.len());
                let mut copy = vec![0; view.len()];
                view.read_exact_at(&mut copy, 0).unwrap();
                assert_eq!(copy, bytes, "{span:?}");
            });
            match real {
                Real::Shared(_) => assert_eq!(span.kind, Kind::Shared),
                Real::Immutable(map) => assert_eq!((span.kind, &map[..]), (Kind::Immutable, bytes)),
                Real::Exclusive(map) => assert_eq!((span.kind, &map[..]), (Kind::Exclusive, bytes)),
            }
        }
    }

    /// Does it all and ends with no view. Gives the bytes as they were last.
    fn run(mut self, ops: &[(Index, Op)]) -> Vec<u8> {
        for (which, op) in ops {
            if self.real.is_empty() {
                break;
            }
            self.step(*which, op);
            self.check();
        }
        // The last one goes with the others, or says that it was the last.
        let last = self.real.pop().filter(|_| ops.len() % 2 == 0);
        self.real.clear();
        if let Some(last) = last {
            each!(last, view => view.unmap().unwrap());
        }
        self.twin.bytes
    }
}

// What is tried.

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        12 => any::<u8>().prop_map(Number::Part),
        3 => (0..20_u8).prop_map(Number::Start),
        4 => (0..20_u8).prop_map(Number::End),
        1 => (0..20_u8).prop_map(Number::Past),
        1 => (0..200_u8).prop_map(Number::Huge),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let pair = || (number(), number());
    prop_oneof![
        3 => number().prop_map(Op::SplitAt),
        3 => number().prop_map(Op::SplitOff),
        3 => number().prop_map(Op::SplitTo),
        3 => pair().prop_map(|(start, count)| Op::Restrict(start, count)),
        3 => prop::collection::vec(pair(), 1..4).prop_map(Op::SplitRanges),
        3 => (number(), prop::collection::vec(any::<bool>(), 0..5), prop::bool::weighted(0.8))
            .prop_map(|(piece, ends, keep)| Op::IntoChunks(piece, ends, keep)),
        8 => (any::<Index>(), prop::bool::weighted(0.8)).prop_map(|(other, next)| Op::Unsplit(other, next)),
        2 => Just(Op::Whole),
        1 => Just(Op::Unmap),
        2 => Just(Op::Clone),
        2 => pair().prop_map(|(start, end)| Op::Slice(start, end)),
        2 => pair().prop_map(|(start, end)| Op::SliceRef(start, end)),
        2 => Just(Op::Freeze),
        2 => Just(Op::MakeReadOnly),
        // Ordinary memory cannot be executed.
        1 => Just(if cfg!(folio_heap) { Op::MakeReadOnly } else { Op::MakeExec }),
        4 => Just(Op::MakeMut),
        2 => Just(Op::IntoViewSync),
        2 => Just(Op::AssumeImmutable),
        2 => Just(Op::AssumeExclusive),
        4 => (number(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, data)| Op::Write(at, data)),
        2 => (number(), any::<u64>()).prop_map(|(at, value)| Op::Store(at, value)),
        3 => (number(), number(), any::<u8>()).prop_map(|(start, end, value)| Op::Fill(start, end, value)),
        2 => (number(), 0..40_u8).prop_map(|(at, count)| Op::Read(at, count)),
        1 => number().prop_map(Op::Load),
        1 => pair().prop_map(|(start, count)| Op::Flush(start, count)),
        5 => Just(Op::Drop),
    ]
}

fn ops() -> impl Strategy<Value = Vec<(Index, Op)>> {
    prop::collection::vec((any::<Index>(), op()), 0..48)
}

/// Mostly short, for the sake of time on large pages; some longer than a page.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![1 => 0..2_usize, 8 => 2..400_usize, 1 => page_size()..page_size() + 100]
}

/// How a mapping of a file is made.
#[derive(Clone, Copy, Debug)]
enum Source {
    Open(Protection),
    Map,
    MapExec,
    MapMut,
    MapCopy,
    MapCopyReadOnly,
}

fn source() -> impl Strategy<Value = Source> {
    use Source::{Map, MapCopy, MapCopyReadOnly, MapExec, MapMut, Open};
    prop_oneof![
        4 => Just(Open(Protection::ReadWrite)),
        1 => Just(Open(Protection::Read)),
        1 => Just(Open(Protection::ReadCopy)),
        1 => Just(Map),
        1 => Just(if cfg!(folio_heap) { Map } else { MapExec }),
        4 => Just(MapMut),
        2 => Just(MapCopy),
        2 => Just(MapCopyReadOnly),
    ]
}

/// Offsets in a file: on and around the edges of pages.
fn offset() -> impl Strategy<Value = usize> {
    let page = page_size();
    prop_oneof![Just(0), Just(1), page - 60..page + 3, Just(2 * page - 1)]
}

/// A model of `len` bytes at `offset` of a file that is the test's alone.
fn model_of_file(path: &Path, source: Source, kept: bool, offset: usize, bytes: Vec<u8>) -> Model {
    let mut access = OpenOptions::new();
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::access_mode(&mut access, GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE);
    let file = access.read(true).write(true).open(path).unwrap();
    let mut options = MmapOptions::new();
    options.offset(offset as u64).len(bytes.len());
    // Where flushing takes the file, only a mapping that keeps it becomes writable.
    if kept || cfg!(any(folio_heap, windows)) {
        options.keep_file();
    }
    let (first, kind, claim): (Real, Kind, Kind) = match source {
        Source::Open(protection) => (options.map_view(&file, protection).unwrap().into(), Kind::Shared, Kind::Shared),
        // SAFETY: nobody else touches the file while the map lives, here and below.
        Source::Map => (unsafe { options.map(&file) }.unwrap().into(), Kind::Immutable, Kind::Immutable),
        // SAFETY: as in the call above.
        Source::MapExec => (unsafe { options.map_exec(&file) }.unwrap().into(), Kind::Immutable, Kind::Immutable),
        // SAFETY: as in the call above.
        Source::MapMut => (unsafe { options.map_mut(&file) }.unwrap().into(), Kind::Exclusive, Kind::Exclusive),
        // SAFETY: as in the call above.
        Source::MapCopy => (unsafe { options.map_copy(&file) }.unwrap().into(), Kind::Exclusive, Kind::Exclusive),
        Source::MapCopyReadOnly => {
            // SAFETY: as in the call above.
            (unsafe { options.map_copy_read_only(&file) }.unwrap().into(), Kind::Immutable, Kind::Exclusive)
        }
    };
    let writable = match source {
        Source::MapCopy | Source::MapCopyReadOnly | Source::Open(Protection::ReadCopy) => Protection::ReadCopy,
        _ => Protection::ReadWrite,
    };
    let private = writable == Protection::ReadCopy;
    // Where there is no page, there is nothing to refuse.
    let limited = cfg!(windows) && !bytes.is_empty();
    let mut model = Model::new(first, bytes, kind, claim, writable, false);
    if limited {
        model.twin.never.push(Protection::ReadExecute);
        if !private && !model.twin.protection.write() {
            model.twin.never.push(writable);
        }
    }
    model
}

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;

proptest! {
    // A failing case is printed whole and small: it becomes a test with a name, not a line in a file of seeds. How many cases
    // are tried is `PROPTEST_CASES`' to say, for long runs and for slow emulators.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A file, at an offset that need not be a multiple of anything: the views agree with the twin, the file has what it should
    /// at the end, and the mapping is gone.
    #[test]
    fn views_of_a_file_are_ranges_of_its_bytes(
        source in source(),
        in_background in any::<bool>(),
        offset in offset(),
        len in length(),
        ops in ops(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let before: Vec<u8> = (0..3 * page_size() + 200).map(|index| u8::try_from(index % 251).unwrap()).collect();
        fs::write(&path, &before).unwrap();

        let bytes = model_of_file(&path, source, !in_background, offset, before[offset..offset + len].to_vec()).run(&ops);

        let mut expected = before;
        // A map for reading can have become writable by `assume_exclusive`; a private one never reaches the file.
        if !matches!(source, Source::Open(Protection::ReadCopy) | Source::MapCopy | Source::MapCopyReadOnly) {
            expected[offset..offset + len].copy_from_slice(&bytes);
        }
        prop_assert!(fs::read(&path).unwrap() == expected, "the file is not what the twin says");
        #[cfg(all(target_os = "linux", not(folio_heap)))]
        prop_assert!(soon(|| maps::of_file(&path).is_empty()), "{:?}", maps::of_file(&path));
    }

    /// Anonymous memory, shared or exclusive at first.
    #[test]
    fn views_of_memory_are_ranges_of_its_bytes(shared in any::<bool>(), len in length(), ops in ops()) {
        let map = MmapMut::map_anon(len).unwrap();
        let (first, kind) = match shared {
            true => (Real::from(map.into_view_sync()), Kind::Shared),
            false => (Real::from(map), Kind::Exclusive),
        };
        Model::new(first, vec![0; len], kind, Kind::Exclusive, Protection::ReadWrite, true).run(&ops);
    }
}
