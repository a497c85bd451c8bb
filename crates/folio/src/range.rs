//! The arithmetic of ranges: one place for bounds and for rounding to pages. Nothing here wraps, in release either.

#![forbid(unsafe_code)]

use crate::error::invalid_input;
use std::io;
use std::ops::Range;

/// Checks that `offset .. offset + len` lies inside `0 .. whole`.
#[inline]
pub(crate) fn check(offset: usize, len: usize, whole: usize) -> io::Result<()> {
    // How far back from the end: a number in which the offset has no part.
    match whole.checked_sub(len) {
        Some(last) if offset <= last => Ok(()),
        _ => Err(past_end()),
    }
}

/// The same for the bytes of a `T`, of which there are some: one comparison, with a number in which the offset has no part.
#[inline]
pub(crate) fn check_value<T>(offset: usize, whole: usize) -> io::Result<()> {
    const { assert!(size_of::<T>() > 0) };
    // How many offsets there are at which a `T` lies inside.
    if offset < whole.saturating_sub(size_of::<T>() - 1) { Ok(()) } else { Err(past_end()) }
}

#[cold]
fn past_end() -> io::Error {
    invalid_input("the range reaches past the end of the view")
}

/// Checks that a range is one, and lies inside `0 .. whole`.
pub(crate) fn check_range(range: &Range<usize>, whole: usize) -> io::Result<()> {
    let Some(len) = range.end.checked_sub(range.start) else {
        return Err(invalid_input("the range ends before it starts"));
    };
    check(range.start, len, whole)
}

/// Checks that no two of the ranges share a byte. Empty ranges share none, wherever they are.
pub(crate) fn check_disjoint(ranges: &[Range<usize>]) -> io::Result<()> {
    let mut sorted: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).collect();
    sorted.sort_unstable_by_key(|range| range.start);
    if sorted.windows(2).any(|pair| pair[0].end > pair[1].start) {
        return Err(invalid_input("the ranges overlap"));
    }
    Ok(())
}

/// The range of whole pages that holds `start .. start + len`, as start and length; an empty range stays empty.
/// `page` is a power of two, and the end of the last page must be a number that exists: ranges of mapped memory have one.
pub(crate) fn pages_around(start: usize, len: usize, page: usize) -> (usize, usize) {
    let first = round_down(start, page);
    if len == 0 {
        return (first, 0);
    }
    let last = round_down(start + (len - 1), page);
    (first, last - first + page)
}

/// The last multiple of `page` (a power of two) that is not above `value`.
pub(crate) fn round_down(value: usize, page: usize) -> usize {
    value & !(page - 1)
}

/// The first multiple of `page` (a power of two) that is not below `value`, if there is one.
pub(crate) fn round_up(value: usize, page: usize) -> Option<usize> {
    Some(round_down(value.checked_add(page - 1)?, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// memmap 0.5 added offset and length without a look at the carry: `restrict(usize::MAX, 2)` was `Ok` in release.
    #[test]
    fn sums_that_wrap_are_out_of_range() {
        for (offset, len) in [(usize::MAX, 2), (1, usize::MAX), (usize::MAX, usize::MAX), (11, 0), (10, 1), (0, 11)] {
            assert_eq!(check(offset, len, 10).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{offset} {len}");
        }
        for (offset, len) in [(0, 0), (0, 10), (10, 0), (3, 7)] {
            check(offset, len, 10).unwrap();
        }
    }

    #[test]
    fn a_value_is_inside_where_its_range_is() {
        let offsets = || (0..20).chain([usize::MAX - 8, usize::MAX - 7, usize::MAX - 1, usize::MAX]);
        for (whole, offset) in
            (0..20).chain([usize::MAX]).flat_map(|whole| offsets().map(move |offset| (whole, offset)))
        {
            let agrees =
                |of_value: io::Result<()>, len| assert_eq!(of_value.is_ok(), check(offset, len, whole).is_ok());
            agrees(check_value::<u8>(offset, whole), 1);
            agrees(check_value::<u32>(offset, whole), 4);
            agrees(check_value::<u64>(offset, whole), 8);
            agrees(check_value::<u128>(offset, whole), 16);
        }
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case under test")]
    fn a_range_that_ends_before_it_starts_is_refused() {
        assert!(check_range(&(5..4), 10).is_err());
        check_range(&(4..4), 10).unwrap();
    }

    #[test]
    fn only_shared_bytes_make_an_overlap() {
        check_disjoint(&[4..6, 0..2, 2..4, 5..5, 0..0]).unwrap();
        check_disjoint(&[]).unwrap();
        assert!(check_disjoint(&[4..6, 0..2, 1..2]).is_err());
        assert!(check_disjoint(&[0..10, 3..4]).is_err());
    }

    #[test]
    fn rounding_is_outward_and_exact() {
        assert_eq!(pages_around(4096, 4096, 4096), (4096, 4096));
        assert_eq!(pages_around(4095, 1, 4096), (0, 4096));
        assert_eq!(pages_around(4095, 2, 4096), (0, 8192));
        assert_eq!(pages_around(4097, 1, 65536), (0, 65536));
        assert_eq!(pages_around(8192, 0, 4096), (8192, 0));
        // The last page of the address space has no end that can be written down, but a length.
        assert_eq!(pages_around(usize::MAX - 4095, 4096, 4096), (usize::MAX - 4095, 4096));
        assert_eq!(round_up(1, 4096), Some(4096));
        assert_eq!(round_up(4096, 4096), Some(4096));
        assert_eq!(round_up(usize::MAX, 4096), None);
    }
}
