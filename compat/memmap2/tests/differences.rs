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

#[path = "../../../crates/folio/tests/support/fork.rs"]
mod fork;
#[path = "../../../crates/folio/tests/support/hugepages.rs"]
mod hugepages;
#[path = "../../../crates/folio/tests/support/seccomp.rs"]
mod seccomp;
#[path = "../../../crates/folio/tests/support/skip.rs"]
mod skip;

use skip::skip;

fn file(len: usize) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; len]).unwrap();
    file
}

/// Runs `body` in a process of its own: the calling test, started again and alone. In the child it does not return.
fn in_child(test: &str, body: impl FnOnce()) -> Output {
    in_child_for(test, "", body)
}

/// [`in_child`] for a test that has several children, each with a case of its own.
fn in_child_for(test: &str, case: &str, body: impl FnOnce()) -> Output {
    const MARK: &str = "MEMMAP2_TEST_CHILD";
    let mark = format!("{test} {case}");
    if std::env::var_os(MARK).is_some_and(|child| child == mark.as_str()) {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: only reads the structure.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
        body();
        std::process::exit(0);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--test-threads=1", "--nocapture"]).env(MARK, mark).output().unwrap();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        if let Some((test, reason)) = line.strip_prefix("skipped: ").and_then(|skipped| skipped.split_once(": ")) {
            skip(test, reason);
        }
    }
    output
}

/// Bytes that this process has locked in memory.
fn locked() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// A page right behind a map is missing in a child that memmap2's safe advice, with a range that ends behind the map, has taken it from.
#[test]
fn advice_stays_inside_the_map() {
    let output = in_child("advice_stays_inside_the_map", || {
        let page = folio::page_size();
        macro_rules! outcome {
            ($krate:ident) => {{
                let mut map = $krate::MmapMut::map_anon(3 * page).unwrap();
                // SAFETY: the memory belongs to no file.
                unsafe { map.remap(2 * page, $krate::RemapOptions::new()) }.unwrap();
                // Somebody else's page, where the last one of the map was.
                let (end, kind) = (map.as_ptr().wrapping_add(2 * page), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
                let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, kind | libc::MAP_FIXED_NOREPLACE);
                // SAFETY: the call takes away nothing that is mapped.
                let canary = unsafe { libc::mmap(end.cast_mut().cast(), page, rights, kind, -1, 0) }.cast::<u8>();
                assert_eq!(canary.cast_const(), end);
                // SAFETY: mapped above, and nobody else's.
                unsafe { canary.write(42) };
                let result = map.advise_range($krate::Advice::DontFork, 2 * page, page);
                // SAFETY: as above, or, in a child that has it no more, a signal.
                let status = fork::in_fork(|| unsafe { canary.read_volatile() } == 42);
                // SAFETY: this test mapped the page above.
                assert_eq!(unsafe { libc::munmap(canary.cast(), page) }, 0);
                (result.map_err(|error| error.kind()), status)
            }};
        }
        assert_eq!(outcome!(memmap2), (Err(ErrorKind::InvalidInput), 0));
        assert_eq!(outcome!(published), (Ok(()), libc::SIGSEGV));

        let map = MmapMut::map_anon(2 * page).unwrap();
        for (offset, len) in [(2 * page, 2 * page), (1, 2 * page), (page, page + 1), (2 * page, 1)] {
            assert_eq!(map.advise_range(Advice::Sequential, offset, len).unwrap_err().kind(), ErrorKind::InvalidInput);
            // SAFETY: refused, or a hint that changes no byte.
            let ours = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, len) };
            assert_eq!(ours.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    });
    assert!(output.status.success(), "{output:?}");
}

/// `munmap` of a length that is no multiple of the huge page fails, and memmap2 ignores that.
#[test]
fn huge_pages_are_given_back() {
    let _pool = match hugepages::Pool::set(1) {
        Ok(pool) => pool,
        Err(reason) => return skip("huge_pages_are_given_back", reason),
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
        _ => return skip(TEST, "the kernel does not count the dirty pages of this file system"),
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
    const TEST: &str = "a_conversion_that_fails_gives_the_map_back";
    let output = in_child(TEST, || {
        if !seccomp::is_there() {
            return skip(TEST, "no filters of system calls");
        }
        let mut writable = [7, 8].map(|byte| {
            let mut map = MmapMut::map_anon(10).unwrap();
            map.fill(byte);
            Some(map)
        });
        let mut read = MmapMut::map_anon(10).unwrap().make_read_only().ok();
        let theirs = published::MmapMut::map_anon(10).unwrap();
        // The system refuses every change of what pages allow.
        seccomp::fail(&[libc::SYS_mprotect], libc::EACCES);
        let theirs = theirs.make_exec().unwrap_err();
        assert_eq!(theirs.raw_os_error(), Some(libc::EACCES));
        let same = |error: &std::io::Error| {
            assert_eq!((error.kind(), error.to_string()), (theirs.kind(), theirs.to_string()));
            assert_eq!(error.raw_os_error(), None);
        };
        let [one, two] = &mut writable;
        for (error, byte) in
            [(one.take().unwrap().make_read_only().unwrap_err(), 7), (two.take().unwrap().make_exec().unwrap_err(), 8)]
        {
            same(&error);
            let inside = error.into_inner().unwrap().downcast::<FailedConversion<MmapMut>>().unwrap();
            assert_eq!(inside.error().raw_os_error(), Some(libc::EACCES));
            let mut map = inside.into_map();
            assert_eq!(map[..], [byte; 10]);
            map.fill(9);
        }
        let error = read.take().unwrap().make_mut().unwrap_err();
        same(&error);
        let inside = error.into_inner().unwrap().downcast::<FailedConversion<Mmap>>().unwrap();
        assert_eq!(inside.into_map()[..], [0; 10]);
    });
    assert!(output.status.success(), "{output:?}");

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
        let file = file(4 * page);
        // SAFETY: nobody else touches the file.
        let map = unsafe { MmapOptions::new().offset(5).len(page).map_mut(&file).unwrap() };
        map.lock().unwrap();
        map.lock().unwrap();
        assert_eq!(locked(), 2 * page);
        let map = map.make_read_only().unwrap();
        let mut map = MmapRaw::from(map.make_mut().unwrap());
        assert_eq!(locked(), 2 * page);
        // What it loses is not locked, what it grows by is.
        for pages in [1, 3] {
            // SAFETY: the file is long enough, and nobody uses an address.
            unsafe { map.remap(pages * page - 5, memmap2::RemapOptions::new().may_move(true)) }.unwrap();
            assert_eq!(locked(), pages * page);
        }
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
        skip("the_limit_of_locks_is_named", "takes root, to become somebody without rights");
    }
}

/// A page that is lost is an error when it is to be brought in; memmap2 gives a bare `EFAULT`. With `zero-fill` none is lost.
#[cfg(not(feature = "zero-fill"))]
#[test]
fn populating_a_lost_page_says_which() {
    let page = folio::page_size();
    let file = file(4 * page);
    let map = MmapRaw::map_raw(&file).unwrap();
    file.set_len(page as u64).unwrap();
    let error = map.advise(Advice::PopulateRead).unwrap_err();
    assert_eq!(folio::Fault::of(&error).map(|fault| fault.offset), Some(page));
    let theirs = published::MmapOptions::new().len(4 * page).map_raw(&file).unwrap();
    let error = theirs.advise(published::Advice::PopulateRead).unwrap_err();
    assert!(matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EINVAL)), "{error}");
}

/// With the feature a map outlives a file that is cut short, however it was made and whatever has become of it since, and a flush says
/// so; without it the process ends by SIGBUS, as in memmap2.
#[test]
fn maps_survive_truncation_with_zero_fill_alone() {
    const TEST: &str = "maps_survive_truncation_with_zero_fill_alone";
    let page = folio::page_size();
    let cut = |file: &File| file.set_len(2 * page as u64).unwrap();
    // The bytes around the new end, by address: some of these maps are no slice.
    let look = |ptr: *const u8| {
        let at = [0, 2 * page - 1, 2 * page, 3 * page];
        // SAFETY: inside the map (every one has four pages), which nobody writes meanwhile.
        assert_eq!(at.map(|at| unsafe { ptr.wrapping_add(at).read_volatile() }), [7, 7, 0, 0]);
    };
    let flushed = |result: std::io::Result<()>| assert!(folio::Fault::of(&result.unwrap_err()).is_some());
    type Case<'a> = (&'a str, &'a dyn Fn(&File));
    // SAFETY: nobody writes the files but this test, by one map each.
    let cases: [Case<'_>; 10] = unsafe {
        [
            ("map", &|file| {
                let map = Mmap::map(file).unwrap();
                cut(file);
                look(map.as_ptr());
            }),
            ("map_mut", &|file| {
                let mut map = MmapMut::map_mut(file).unwrap();
                map[3 * page] = 1;
                cut(file);
                look(map.as_ptr());
                map[2 * page] = 9;
                flushed(map.flush());
                let raw = MmapRaw::from(map);
                flushed(raw.flush());
            }),
            ("map_copy", &|file| {
                let mut map = MmapOptions::new().map_copy(file).unwrap();
                cut(file);
                look(map.as_ptr());
                map[2 * page] = 9;
                assert_eq!(map[2 * page], 9);
            }),
            ("map_copy_read_only", &|file| {
                let map = MmapOptions::new().map_copy_read_only(file).unwrap();
                cut(file);
                look(map.as_ptr());
            }),
            ("map_exec", &|file| {
                let map = MmapOptions::new().map_exec(file).unwrap();
                cut(file);
                look(map.as_ptr());
            }),
            ("map_raw", &|file| {
                let map = MmapRaw::map_raw(file).unwrap();
                cut(file);
                look(map.as_ptr());
                map.as_mut_ptr().wrapping_add(2 * page).write_volatile(9);
                flushed(map.flush());
            }),
            ("map_raw_read_only", &|file| {
                let map = MmapOptions::new().map_raw_read_only(file).unwrap();
                cut(file);
                look(map.as_ptr());
            }),
            ("converted", &|file| {
                let map = MmapMut::map_mut(file).unwrap().make_read_only().unwrap().make_mut().unwrap();
                let map = MmapRaw::from(map.make_exec().unwrap());
                cut(file);
                look(map.as_ptr());
                flushed(map.flush());
            }),
            ("longer", &|file| {
                let mut map = MmapOptions::new().len(page).map_mut(file).unwrap();
                map.remap(4 * page, memmap2::RemapOptions::new().may_move(true)).unwrap();
                cut(file);
                look(map.as_ptr());
                flushed(map.flush());
                // The page that stands in for the lost one would stay behind.
                map.remap(8 * page, memmap2::RemapOptions::new().may_move(true)).unwrap_err();
                assert_eq!(map.len(), 4 * page);
            }),
            ("empty before", &|file| {
                file.set_len(0).unwrap();
                let mut map = MmapMut::map_mut(file).unwrap();
                file.write_all_at(&vec![7; 4 * page], 0).unwrap();
                map.remap(4 * page, memmap2::RemapOptions::new().may_move(true)).unwrap();
                cut(file);
                look(map.as_ptr());
                flushed(map.flush());
            }),
        ]
    };
    for (name, case) in cases {
        let output = in_child_for(TEST, name, || case(&file(4 * page)));
        if cfg!(feature = "zero-fill") {
            assert!(output.status.success(), "{name}: {output:?}");
        } else {
            assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{name}: {output:?}");
        }
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

/// A mapping that reaches out of the offsets of files, or of memory, is an error with a kind. memmap2 asks the system, and the sum
/// of a length and the place in the page wraps.
#[test]
fn ranges_that_wrap_are_refused() {
    let file = file(10);
    for (offset, len, code) in [
        (u64::MAX, 10, libc::EOVERFLOW),
        (u64::MAX - 5, isize::MAX as usize, libc::ENOMEM),
        (i64::MAX as u64 - 5, 100, libc::EOVERFLOW),
    ] {
        let (mut ours, mut theirs) = (MmapOptions::new(), published::MmapOptions::new());
        let (ours, theirs) = (ours.offset(offset).len(len), theirs.offset(offset).len(len));
        // SAFETY: the calls are refused before they do anything.
        let (ours, theirs) = unsafe { (ours.map(&file).unwrap_err(), theirs.map(&file).unwrap_err()) };
        assert_eq!((ours.kind(), theirs.raw_os_error()), (ErrorKind::InvalidInput, Some(code)), "{offset} {len}");
    }
    macro_rules! map {
        ($krate:ident) => {
            // SAFETY: nobody writes the file.
            unsafe { $krate::MmapOptions::new().offset(5).map(&file).unwrap() }
        };
    }
    let mut map = map!(memmap2);
    // SAFETY: the call is refused before it does anything.
    let result = unsafe { map.remap(usize::MAX, memmap2::RemapOptions::new().may_move(true)) };
    assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidData);
    // SAFETY: refused, or there is no room.
    unsafe { map.remap(isize::MAX as usize, memmap2::RemapOptions::new().may_move(true)) }.unwrap_err();
    if cfg!(debug_assertions) {
        let mut map = map!(published);
        // Without its checks it would be a map of four bytes that says it has `usize::MAX`.
        let remap = std::panic::AssertUnwindSafe(|| {
            // SAFETY: panics before it does anything.
            unsafe { map.remap(usize::MAX, published::RemapOptions::new().may_move(true)) }
        });
        assert!(std::panic::catch_unwind(remap).is_err());
    }
}

/// The system reports a failure once, and memmap2 hands on what the system says: the next flush is fine.
#[test]
fn a_flush_that_fails_is_reported_by_every_later_one() {
    const TEST: &str = "a_flush_that_fails_is_reported_by_every_later_one";
    if !seccomp::is_there() {
        return skip(TEST, "no filters of system calls");
    }
    let files = [file(10), file(10)];
    // SAFETY: nobody else touches the files.
    let (ours, theirs) =
        unsafe { (MmapMut::map_mut(&files[0]).unwrap(), published::MmapMut::map_mut(&files[1]).unwrap()) };
    // One thread whose calls fail, as if the disk did: that of the filter.
    let failed = std::thread::scope(|threads| {
        let flush = || {
            seccomp::fail(&[libc::SYS_msync], libc::EIO);
            [ours.flush(), theirs.flush()].map(|result| result.unwrap_err().raw_os_error())
        };
        threads.spawn(flush).join().unwrap()
    });
    assert_eq!(failed, [Some(libc::EIO); 2]);
    theirs.flush().unwrap();
    for _ in 0..3 {
        assert_eq!(ours.flush().unwrap_err().raw_os_error(), Some(libc::EIO));
        assert_eq!(ours.flush_range(3, 4).unwrap_err().raw_os_error(), Some(libc::EIO));
    }
    let raw = MmapRaw::from(ours.make_read_only().unwrap());
    assert_eq!(raw.flush().unwrap_err().raw_os_error(), Some(libc::EIO));
}

/// A map of these many bytes of a file on a disk, if there is one here, all of them to be written.
fn to_be_written(len: usize) -> MmapMut {
    let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    file.set_len(len as u64).unwrap();
    // SAFETY: nobody else has the file.
    let mut map = unsafe { MmapMut::map_mut(&file).unwrap() };
    map.fill(7);
    map
}

/// Whether something is mapped at an address.
fn is_mapped(address: usize) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().any(|line| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| usize::from_str_radix(number, 16).unwrap());
        (start..end).contains(&address)
    })
}

/// The thread that flushes holds the map; what needs it alone waits, and does not fail of it. When it is done with a map that was
/// dropped meanwhile, nothing of it stays.
#[test]
fn a_flush_that_runs_is_waited_for() {
    let output = in_child("a_flush_that_runs_is_waited_for", || {
        for _ in 0..5 {
            let len = 1 << 20;
            let map = to_be_written(len);
            map.flush_async().unwrap();
            let map = map.make_read_only().unwrap().make_mut().unwrap();
            map.flush_async().unwrap();
            let mut map = map.make_exec().unwrap().make_mut().unwrap();
            map.flush_async().unwrap();
            // SAFETY: the file is longer.
            unsafe { map.remap(len / 2, memmap2::RemapOptions::new()) }.unwrap();
            map.flush_async().unwrap();
            let raw = MmapRaw::from(map.make_read_only().unwrap());
            raw.flush_async().unwrap();
            let address = raw.as_ptr().addr();
            drop(raw);
            while is_mapped(address) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    assert!(output.status.success(), "{output:?}");
}

/// A child has the thread's share of the map, and no thread that would give it back.
#[test]
fn a_child_cannot_convert_what_its_parent_was_flushing() {
    const TEST: &str = "a_child_cannot_convert_what_its_parent_was_flushing";
    let mut about = std::mem::MaybeUninit::<libc::statfs>::uninit();
    let folder = std::ffi::CString::new(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // SAFETY: the name ends with a zero, and the call fills the structure.
    assert_eq!(unsafe { libc::statfs(folder.as_ptr(), about.as_mut_ptr()) }, 0);
    // SAFETY: the call has filled it.
    if unsafe { about.assume_init() }.f_type == libc::TMPFS_MAGIC {
        return skip(TEST, "flushes of files in memory end at once");
    }
    let output = in_child(TEST, || {
        let busy = |error: std::io::Error| error.kind() == ErrorKind::ResourceBusy;
        let seen = (0..100).any(|_| {
            // The thread has something else to do first.
            let (other, map) = (to_be_written(1 << 24), to_be_written(1 << 20));
            let theirs = published::MmapMut::map_anon(10).unwrap();
            theirs.flush_async().unwrap();
            other.flush_async().unwrap();
            map.flush_async().unwrap();
            let status = fork::in_fork(|| {
                assert!(theirs.make_read_only().is_ok());
                let Err(error) = map.make_read_only() else { return false };
                let inside = error.into_inner().unwrap().downcast::<FailedConversion<MmapMut>>().unwrap();
                let mut map = inside.into_map();
                // SAFETY: refused before anything is done.
                let remapped = unsafe { map.remap(10, memmap2::RemapOptions::new()) };
                busy(remapped.unwrap_err()) && map.make_exec().is_err_and(busy)
            });
            // 1: the thread was done already, which is as good as it never having been there.
            assert!(matches!(libc::WEXITSTATUS(status), 0 | 1) && libc::WIFEXITED(status), "{status:x}");
            status == 0
        });
        assert!(seen, "a hundred times the disk was faster than a fork");
    });
    assert!(output.status.success(), "{output:?}");
}

/// `munlock` takes back what `mlockall` has locked; here what the map has not locked stays.
#[test]
fn unlocking_what_is_not_locked_does_nothing() {
    const TEST: &str = "unlocking_what_is_not_locked_does_nothing";
    let output = in_child(TEST, || {
        let page = folio::page_size();
        // SAFETY: the call takes a number.
        if unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
            return skip(TEST, "the process may not lock its memory");
        }
        let ours = MmapMut::map_anon(3 * page).unwrap();
        let theirs = published::MmapMut::map_anon(3 * page).unwrap();
        let before = locked();
        ours.unlock().unwrap();
        assert_eq!(locked(), before);
        theirs.unlock().unwrap();
        assert_eq!(locked(), before - 3 * page);
    });
    assert!(output.status.success(), "{output:?}");
}

/// What a map is made of.
#[test]
fn a_map_is_four_words() {
    const WORD: usize = size_of::<usize>();
    assert_eq!([size_of::<Mmap>(), size_of::<MmapMut>(), size_of::<MmapRaw>()], [4 * WORD, 4 * WORD, 5 * WORD]);
    assert_eq!(size_of::<published::Mmap>(), 2 * WORD);
}

/// Where a length is given, memmap2 does not look at the file.
#[test]
fn a_file_is_looked_at_before_it_is_mapped() {
    const TEST: &str = "a_file_is_looked_at_before_it_is_mapped";
    if !seccomp::is_there() {
        return skip(TEST, "no filters of system calls");
    }
    let file = file(10);
    let look = || {
        seccomp::forbid(&[libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx]);
        // SAFETY: nobody writes the file.
        unsafe { (MmapOptions::new().len(10).map(&file), published::MmapOptions::new().len(10).map(&file)) }
    };
    let (ours, theirs) = std::thread::scope(|threads| threads.spawn(look).join().unwrap());
    assert_eq!(ours.unwrap_err().raw_os_error(), Some(libc::EPERM));
    assert_eq!(theirs.unwrap()[..], [7; 10]);
}

/// What can grow from nothing is a page of its file in both; memory needs none for that.
#[test]
fn an_empty_map_of_memory_has_no_page() {
    let file = file(10);
    let is_mapped = |map: &[u8]| is_mapped(map.as_ptr().addr());
    for offset in [0, 10] {
        let (mut ours, mut theirs) = (MmapOptions::new(), published::MmapOptions::new());
        let (ours, theirs) = (ours.offset(offset).len(0), theirs.offset(offset).len(0));
        // SAFETY: nobody else touches the file.
        let (ours, theirs) = unsafe { (ours.map(&file).unwrap(), theirs.map(&file).unwrap()) };
        assert!(is_mapped(&ours) && is_mapped(&theirs));
    }
    let (ours, theirs) = (MmapMut::map_anon(0).unwrap(), published::MmapMut::map_anon(0).unwrap());
    assert_eq!((is_mapped(&ours), is_mapped(&theirs)), (false, true));
}

/// After advice or a lock for a part of a map its pages are several stretches for the system, which gives no other length to those.
#[test]
fn maps_of_unlike_pages_do_not_grow() {
    let page = folio::page_size();
    macro_rules! outcome {
        ($krate:ident) => {{
            let mut map = $krate::MmapMut::map_anon(4 * page).unwrap();
            map.fill(7);
            map.advise_range($krate::Advice::DontDump, page, page).unwrap();
            // SAFETY: the memory belongs to no file.
            let result = unsafe { map.remap(8 * page, $krate::RemapOptions::new().may_move(true)) };
            assert_eq!((map.len(), map[4 * page - 1]), (4 * page, 7));
            result.unwrap_err().raw_os_error()
        }};
    }
    assert_eq!((outcome!(memmap2), outcome!(published)), (Some(libc::EFAULT), Some(libc::EFAULT)));
}

/// The system tells by pages what is mapped, so bytes that have only their page in common count as the same.
#[test]
fn make_mut_goes_by_whole_pages() {
    let page = folio::page_size();
    let file = file(page);
    macro_rules! outcome {
        ($krate:ident) => {{
            // SAFETY: the two have no byte in common, and nobody else touches the file.
            let (head, _tail) = unsafe {
                (
                    $krate::MmapOptions::new().len(10).map(&file).unwrap(),
                    $krate::MmapOptions::new().offset(100).len(10).map(&file).unwrap(),
                )
            };
            head.make_mut().map(drop).map_err(|error| error.kind())
        }};
    }
    assert_eq!(outcome!(memmap2), Err(ErrorKind::ResourceBusy));
    assert_eq!(outcome!(published), Ok(()));
}

/// Kinds of errors are memmap2's, and where two crates would have to agree on sentences, these are ours.
#[test]
fn texts_of_errors_are_our_own() {
    let file = file(10);
    let (ours, theirs) = (Mmap::map_if_safe(&file).unwrap_err(), published::Mmap::map_if_safe(&file).unwrap_err());
    let start = "NotSafe(Custom { kind: InvalidInput, error: \"";
    assert!(format!("{ours:?}").starts_with(start) && format!("{theirs:?}").starts_with(start), "{ours:?} {theirs:?}");
    assert_ne!(ours.to_string(), theirs.to_string());
    // The one that programs have come to know.
    let (mut ours, mut theirs) = (MmapOptions::new(), published::MmapOptions::new());
    // SAFETY: refused before anything is done.
    let (ours, theirs) = unsafe { (ours.len(usize::MAX).map(&file), theirs.len(usize::MAX).map(&file)) };
    assert_eq!(ours.unwrap_err().to_string(), theirs.unwrap_err().to_string());
}
