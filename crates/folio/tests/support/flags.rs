//! What the kernel says of a mapping in `/proc/self/smaps`.

use std::fs;

/// The two-letter flags of the mapping that holds an address.
pub(crate) fn flags_at(address: *const u8) -> Vec<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in smaps.lines() {
        let first = line.split(' ').next().unwrap();
        if let Some((start, end)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            inside = (number(start)..number(end)).contains(&address.addr());
        } else if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
            return flags.split_ascii_whitespace().map(str::to_owned).collect();
        }
    }
    panic!("nothing is mapped at {address:p}");
}
