//! How long tests go on that try the same thing again and again.

/// How many of `all` tries to make: fewer if `FOLIO_TEST_ONE_IN` says so, for emulators, which take many times as long.
pub(crate) fn tries(all: usize) -> usize {
    let one_in = std::env::var("FOLIO_TEST_ONE_IN").ok().and_then(|number| number.parse().ok());
    all.div_ceil(one_in.unwrap_or(1))
}
