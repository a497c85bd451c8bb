//! Where ours does better than memmap2 0.9.12, or other: one test for each line of `compat/DIFFERENCES.md`, which names it.
#![cfg(target_os = "linux")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "one promise for the same calls of two crates")]

use memmap2::{Advice, FailedConversion, Mmap, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

#[path = "../../../crates/folio/tests/support/hugepages.rs"]
mod hugepages;

fn file(len: usize) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; len]).unwrap();
    file
}

/// Runs `body` in a process of its own: the calling test, started again and alone. In the child it does not return.
fn in_child(test: &str, body: impl FnOnce()) -> Output {
    const MARK: &str = "MEMMAP2_TEST_CHILD";
    if std::env::var_os(MARK).is_some_and(|child| child == test) {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: only reads the structure.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
        body();
        std::process::exit(0);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--test-threads=1", "--nocapture"]).env(MARK, test).output().unwrap()
}

/// A page right behind a map is in a child that memmap2's safe advice, with a range that ends behind the map, has taken it from.
#[test]
fn advice_stays_inside_the_map() {
    let page = folio::page_size();
    let map = MmapMut::map_anon(2 * page).unwrap();
    let theirs = published::MmapMut::map_anon(2 * page).unwrap();
    for (offset, len) in [(2 * page, 2 * page), (1, 2 * page), (page, page + 1), (2 * page, 1)] {
        assert_eq!(map.advise_range(Advice::Sequential, offset, len).unwrap_err().kind(), ErrorKind::InvalidInput);
        // SAFETY: refused, or a hint that changes no byte.
        let ours = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len) };
        assert_eq!(ours.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    // Behind the map, where there may be nothing: the check lets it through to the system.
    let result = theirs.advise_range(published::Advice::Sequential, 2 * page, 2 * page);
    assert_ne!(result.map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
}

/// `munmap` of a length that is no multiple of the huge page fails, and memmap2 ignores that.
#[test]
fn huge_pages_are_given_back() {
    let _pool = match hugepages::Pool::set(1) {
        Ok(pool) => pool,
        Err(reason) => return println!("skipped: huge_pages_are_given_back: {reason}"),
    };
    // More than an ordinary page less than a huge one: `munmap` itself rounds up to ordinary pages.
    let len = hugepages::count("Hugepagesize") * 1024 - folio::page_size() - 5;
    let mut map = MmapOptions::new().huge(None).len(len).map_anon().unwrap();
    map.fill(7);
    assert_eq!((map.len(), hugepages::count("HugePages_Free")), (len, 0));
    drop(map);
    assert_eq!(hugepages::count("HugePages_Free"), 1);
}

/// How many pages of a file are dirty, not on their way to the disk (cachestat, Linux 6.5).
fn dirty(file: &File, len: u64) -> Option<u64> {
    use std::os::fd::AsRawFd;
    let range = [0_u64, len];
    let mut counts = [0_u64; 5];
    // SAFETY: the range is two words, which the call reads, the counts are five, which it fills.
    let result = unsafe { libc::syscall(451, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0) };
    (result == 0).then_some(counts[1])
}

/// `msync(MS_ASYNC)` of memmap2 leaves every page dirty.
#[test]
fn flush_async_starts_to_write() {
    const TEST: &str = "flush_async_starts_to_write";
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = File::options().read(true).write(true).create_new(true).open(dir.path().join("data")).unwrap();
    let len = 256 * folio::page_size();
    file.set_len(len as u64).unwrap();
    // SAFETY: nobody else touches the file.
    let mut map = unsafe { MmapMut::map_mut(&file).unwrap() };
    map.fill(7);
    match dirty(&file, len as u64) {
        Some(pages) if pages > 0 => {}
        _ => return println!("skipped: {TEST}: the kernel does not count the dirty pages of this file system"),
    }
    map.flush_async().unwrap();
    let start = Instant::now();
    while dirty(&file, len as u64) != Some(0) {
        // The kernel's own write-back begins after five seconds at the earliest (vm.dirty_writeback_centisecs) and does not
        // take pages younger than thirty (vm.dirty_expire_centisecs).
        assert!(start.elapsed() < Duration::from_secs(20), "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// memmap2 drops the map with the error.
#[test]
fn a_conversion_that_fails_gives_the_map_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, b"bytes").unwrap();
    // SAFETY: nobody writes the file.
    let map = unsafe { Mmap::map(&File::open(&path).unwrap()).unwrap() };
    let address = map.as_ptr();
    let error = map.make_mut().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.to_string(), std::io::Error::from_raw_os_error(libc::EACCES).to_string());
    let inside = error.into_inner().unwrap().downcast::<FailedConversion<Mmap>>().unwrap();
    assert_eq!(inside.error().raw_os_error(), Some(libc::EACCES));
    let map = inside.into_map();
    assert_eq!((&map[..], map.as_ptr()), (&b"bytes"[..], address));
}

/// In memmap2 a safe `make_mut` of one map writes under the slices of another.
#[test]
fn make_mut_is_refused_beside_another_map_of_the_same_bytes() {
    let page = folio::page_size();
    let file = file(4 * page);
    let mut options = MmapOptions::new();
    // SAFETY: nobody writes the file, but for what this test asks to be refused.
    let (one, two) = unsafe { (Mmap::map(&file).unwrap(), options.offset(page as u64).len(page).map(&file).unwrap()) };
    let error = two.make_mut().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    let two = error.into_inner().unwrap().downcast::<FailedConversion<Mmap>>().unwrap().into_map();
    drop(one);
    // Other bytes of the file do not matter.
    // SAFETY: as for the call above.
    let other = unsafe { MmapOptions::new().offset(2 * page as u64).map(&file).unwrap() };
    two.make_mut().unwrap()[0] = 8;
    assert_eq!(other[0], 7);

    // A map that was vouched for as the only one is converted whatever there is.
    // SAFETY: the slices of the two are not used at the same time.
    let (only, _read) = unsafe { (MmapMut::map_mut(&file).unwrap(), Mmap::map(&file).unwrap()) };
    only.make_read_only().unwrap().make_mut().unwrap()[1] = 9;
}

/// memmap2 maps `/dev/zero` as an empty map.
#[test]
fn a_device_without_a_length_is_refused() {
    let device = File::open("/dev/zero").unwrap();
    // SAFETY: mappings of this device are memory of their own.
    let (ours, theirs) = unsafe { (Mmap::map(&device), published::Mmap::map(&device)) };
    assert_eq!(ours.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(theirs.unwrap().len(), 0);
}

/// What cannot be mapped is said in words; memmap2 gives the number of an error without a kind.
#[test]
fn what_cannot_be_mapped_has_an_error_with_a_kind() {
    for (path, kind) in [
        ("/proc/self", ErrorKind::IsADirectory),
        ("/proc/cpuinfo", ErrorKind::InvalidInput),
        ("/dev/null", ErrorKind::InvalidInput),
    ] {
        let file = File::open(path).unwrap();
        // SAFETY: these cannot be mapped.
        let (ours, theirs) =
            unsafe { (MmapOptions::new().len(10).map(&file), published::MmapOptions::new().len(10).map(&file)) };
        assert_eq!(ours.unwrap_err().kind(), kind, "{path}");
        let theirs = theirs.unwrap_err();
        assert!(matches!(theirs.raw_os_error(), Some(libc::ENODEV | libc::EIO)), "{path}: {theirs}");
    }
}

/// memmap2's `unlock` fails to unlock the pages around a map that begins inside a page on kernels that want whole pages; ours locks
/// and unlocks exactly the pages of the map.
#[test]
fn locks_do_not_count_and_are_taken_along() {
    let output = in_child("locks_do_not_count_and_are_taken_along", || {
        let page = folio::page_size();
        let locked = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
        };
        let file = file(4 * page);
        // SAFETY: nobody else touches the file.
        let map = unsafe { MmapOptions::new().offset(5).len(page).map_mut(&file).unwrap() };
        map.lock().unwrap();
        map.lock().unwrap();
        assert_eq!(locked(), 2 * page);
        let map = map.make_read_only().unwrap();
        let map = MmapRaw::from(map.make_mut().unwrap());
        map.unlock().unwrap();
        assert_eq!(locked(), 0);
        map.unlock().unwrap();
    });
    assert!(output.status.success(), "{output:?}");
}

/// A limit that stops a lock is named; memmap2 says "Cannot allocate memory".
#[test]
fn the_limit_of_locks_is_named() {
    let output = in_child("the_limit_of_locks_is_named", || {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: reads the structure; then a number.
        unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none) };
        // SAFETY: changes the user of this process only.
        assert_eq!(unsafe { libc::setresuid(65534, 65534, 65534) }, 0);
        let error = MmapMut::map_anon(100).unwrap().lock().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::OutOfMemory));
        assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
    });
    // SAFETY: asks who the process is.
    if unsafe { libc::geteuid() } == 0 {
        assert!(output.status.success(), "{output:?}");
    } else {
        println!("skipped: the_limit_of_locks_is_named: takes root, to become somebody without rights");
    }
}

/// A page that is lost is an error when it is to be brought in; memmap2 gives a bare `EFAULT`.
#[test]
fn populating_a_lost_page_says_which() {
    let page = folio::page_size();
    let file = file(4 * page);
    let map = MmapRaw::map_raw(&file).unwrap();
    file.set_len(page as u64).unwrap();
    if cfg!(feature = "zero-fill") {
        return; // nothing is lost then
    }
    let error = map.advise(Advice::PopulateRead).unwrap_err();
    assert_eq!(folio::Fault::of(&error).map(|fault| fault.offset), Some(page));
}

/// With the feature a map outlives a file that is cut short, and a flush says so; without it the process ends by SIGBUS, as in memmap2.
#[test]
fn maps_survive_truncation_with_zero_fill_alone() {
    let output = in_child("maps_survive_truncation_with_zero_fill_alone", || {
        let page = folio::page_size();
        let file = file(4 * page);
        // SAFETY: nobody writes the file but this test, whose slices are only compared.
        let mut map = unsafe { MmapMut::map_mut(&file).unwrap() };
        map[3 * page] = 1;
        file.set_len(2 * page as u64).unwrap();
        assert_eq!((map[0], map[2 * page - 1], map[2 * page], map[3 * page]), (7, 7, 0, 0));
        map[2 * page] = 9;
        assert!(folio::Fault::of(&map.flush().unwrap_err()).is_some());
        let raw = MmapRaw::from(map);
        assert!(raw.flush().is_err());
    });
    if cfg!(feature = "zero-fill") {
        assert!(output.status.success(), "{output:?}");
    } else {
        assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
    }
}

/// A hole in sealed memory that cannot be filled is found before the map is there.
#[test]
fn sealed_memory_is_brought_in() {
    use std::os::fd::FromRawFd;
    // SAFETY: the name ends with a zero.
    let fd = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING) };
    // SAFETY: a new descriptor that nobody else has.
    let file = unsafe { File::from_raw_fd(fd) };
    let len = 64 * folio::page_size();
    file.set_len(len as u64).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    // SAFETY: the command takes no pointer.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK) }, 0);
    let map = Mmap::map_if_safe(&file).unwrap();
    let mut pages = vec![0_u8; 64];
    // SAFETY: the map lies at this address; the vector has one byte for each of its pages.
    assert_eq!(unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), len, pages.as_mut_ptr()) }, 0);
    assert!(pages.iter().all(|page| page & 1 == 1));
}

/// A mapping that reaches out of the offsets of files is an error; the sum wraps in memmap2.
#[test]
fn ranges_that_wrap_are_refused() {
    let file = file(10);
    for (offset, len) in [(u64::MAX, 10), (u64::MAX - 5, isize::MAX as usize), (i64::MAX as u64 - 5, 100)] {
        let mut options = MmapOptions::new();
        // SAFETY: the call is refused before it does anything.
        let map = unsafe { options.offset(offset).len(len).map(&file) };
        assert_eq!(map.unwrap_err().kind(), ErrorKind::InvalidInput, "{offset} {len}");
    }
    let mut map = MmapMut::map_anon(10).unwrap();
    // SAFETY: the call is refused before it does anything.
    let result = unsafe { map.remap(usize::MAX, memmap2::RemapOptions::new().may_move(true)) };
    assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidData);
    // SAFETY: refused, or there is no room.
    unsafe { map.remap(isize::MAX as usize, memmap2::RemapOptions::new().may_move(true)) }.unwrap_err();
}
