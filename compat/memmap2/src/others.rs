//! Whether a file is mapped by somebody else in this process: what `make_mut` has to ask.

#![forbid(unsafe_code)]

use std::ops::Range;

/// Whether another mapping of this process shows bytes of the same file that lie at `address .. address + len` (not empty) in
/// this one. As the system lists them now: on Linux and Android `/proc/self/maps`; elsewhere, and where that cannot be read, no.
pub(crate) fn show_the_same(address: usize, len: usize) -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
        && std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| shown_elsewhere(&maps, address, len))
}

/// One line of the list.
struct Region<'a> {
    addresses: Range<usize>,
    /// The offset in the file of the first address.
    offset: u64,
    /// Device and inode.
    file: (&'a str, &'a str),
}

impl Region<'_> {
    fn parse(line: &str) -> Option<Region<'_>> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let _permissions = fields.next()?;
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let file = (fields.next()?, fields.next()?);
        let addresses = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        // Memory that belongs to no file has the inode 0 (proc_pid_maps(5)).
        (file.1 != "0").then_some(Region { addresses, offset, file })
    }

    /// The bytes of the file that a part of the addresses shows; nothing if it does not lie here.
    fn bytes_at(&self, addresses: &Range<usize>) -> Range<u64> {
        let start = self.addresses.start.max(addresses.start);
        let end = self.addresses.end.min(addresses.end);
        if start >= end {
            return 0..0;
        }
        let at = |address: usize| self.offset + (address - self.addresses.start) as u64;
        at(start)..at(end)
    }
}

fn shown_elsewhere(maps: &str, address: usize, len: usize) -> bool {
    let own = address..address + len;
    let regions: Vec<_> = maps.lines().filter_map(Region::parse).collect();
    // The mapping may be several lines, if its pages are not all treated alike.
    let shown =
        regions.iter().map(|region| (region.file, region.bytes_at(&own))).filter(|(_, bytes)| !bytes.is_empty());
    shown.into_iter().any(|(file, bytes)| {
        regions.iter().any(|other| {
            let elsewhere = other.addresses.end <= own.start || own.end <= other.addresses.start;
            let theirs = other.bytes_at(&other.addresses);
            elsewhere && other.file == file && theirs.start < bytes.end && bytes.start < theirs.end
        })
    })
}

#[cfg(test)]
mod tests {
    use super::shown_elsewhere;

    const MAPS: &str = "\
7f0000000000-7f0000002000 r--s 00001000 fe:00 42  /data
7f0000002000-7f0000003000 rw-s 00003000 fe:00 42  /data
7f0000010000-7f0000011000 r--s 00003000 fe:00 42  /data
7f0000020000-7f0000021000 r--s 00001000 fe:01 42  /elsewhere
7f0000030000-7f0000031000 rw-p 00000000 00:00 0
7f0000040000-7f0000041000 rw-p 00000000 00:00 0 [heap]
";

    #[test]
    fn only_the_same_bytes_of_the_same_file_count() {
        let first = 0x7f00_0000_0000;
        assert!(!shown_elsewhere(MAPS, first, 0x2000));
        assert!(shown_elsewhere(MAPS, first, 0x2001));
        assert!(shown_elsewhere(MAPS, first + 0x2000, 1));
        assert!(shown_elsewhere(MAPS, first + 0x10000, 10));
        assert!(!shown_elsewhere(MAPS, first + 0x20000, 0x1000));
        assert!(!shown_elsewhere(MAPS, first + 0x30000, 0x1000));
        assert!(!shown_elsewhere(MAPS, 0x1000, 10));
        assert!(!shown_elsewhere("", first, 10));
    }
}
