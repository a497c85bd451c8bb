//! The names and lines of this program's functions, read from a map of it, are those that the compiler knows.

use std::{env, fs};

/// A function that is looked for.
#[inline(never)]
fn sought() -> u32 {
    line!()
}

/// Where the program is in memory: position-independent, it begins at the address 0 of its file.
fn base() -> u64 {
    let program = env::current_exe().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let first = maps.lines().find(|line| line.ends_with(program.to_str().unwrap())).unwrap();
    u64::from_str_radix(first.split_once('-').unwrap().0, 16).unwrap()
}

#[test]
fn a_function_of_a_mapped_program_is_found() {
    let loader = addr2line::Loader::new(env::current_exe().unwrap()).unwrap();
    let address = sought as fn() -> u32 as usize as u64 - base();
    assert!(loader.find_symbol(address).unwrap().contains("sought"));
    let location = loader.find_location(address).unwrap().unwrap();
    assert!(location.file.unwrap().ends_with("tests/ours.rs"), "{:?}", location.file);
    // Its three lines.
    assert!((sought() - 1..=sought() + 1).contains(&location.line.unwrap()), "{:?}", location.line);
}
