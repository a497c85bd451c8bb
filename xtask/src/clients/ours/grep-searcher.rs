//! Files that are searched through a map and without one give the same lines.

use grep_regex::RegexMatcher;
use grep_searcher::sinks::Lossy;
use grep_searcher::{MmapChoice, SearcherBuilder};
use std::fs;
use std::path::Path;

/// The lines with a seven, each with its number.
fn sevens(path: &Path, map: MmapChoice) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let matcher = RegexMatcher::new("7").unwrap();
    let sink = Lossy(|number, line| {
        found.push((number, line.to_owned()));
        Ok(true)
    });
    SearcherBuilder::new().memory_map(map).build().search_path(&matcher, path, sink).unwrap();
    found
}

#[test]
fn a_map_is_searched_as_the_file_is() {
    let page = 4096;
    // Each line has one, so that no byte can be missing and not be missed.
    let lines: String = (0..200_000).map(|number| format!("7 {number}\n")).collect();
    for len in [0, 1, page - 1, page, page + 1, lines.len()] {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(len.to_string());
        fs::write(&path, &lines[..len]).unwrap();
        // SAFETY: nobody writes the file while it is searched.
        let mapped = sevens(&path, unsafe { MmapChoice::auto() });
        assert_eq!(mapped, sevens(&path, MmapChoice::never()), "{len}");
        let expected = lines[..len].split_inclusive('\n').zip(1..).map(|(line, number)| (number, line.to_owned()));
        assert!(expected.eq(mapped), "{len}");
    }
}
