//! The system calls of each level of durability, as a tracer sees them.
// The calls are those of maps.
#![cfg(all(target_os = "linux", not(folio_heap)))]

use folio::{Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, page_size};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::Path;

#[path = "support/respawn.rs"]
mod respawn;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/stacked.rs"]
mod stacked;

/// Pages of the file under test.
const PAGES: usize = 8;

/// A call that brings bytes to a disk: its name, with [`ELSEWHERE`] if it was not made by the thread of the test, and its
/// numbers. Addresses count from the start of the view, in bytes.
type Call = (String, Vec<i64>);

const ELSEWHERE: &str = " on another thread";

/// Says in the trace that the calls from now on belong to `step`, and where the view under test lies.
fn mark(step: &str, address: usize) {
    // A link that does not exist: a call that nothing else in this program makes.
    fs::read_link(format!("/folio-test/{step}/{address}")).unwrap_err();
}

/// What the traced process does for one test: steps with marks before them.
type Steps = fn(&Path);

/// Runs `steps` in a traced child, and returns the calls of each step; `None` if there is no tracer here.
fn trace(test: &str, steps: Steps) -> Option<BTreeMap<String, Vec<Call>>> {
    if respawn::case().is_some() {
        let mut dir = tempfile::tempdir().unwrap();
        // There, no flush is ever started through a file.
        if stacked::is_stacked(dir.path()) {
            dir = tempfile::tempdir_in("/dev/shm").unwrap();
        }
        let path = dir.path().join("file");
        fs::write(&path, vec![1; PAGES * page_size()]).unwrap();
        steps(&path);
        mark("end", 0);
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("trace");
    let out_name = out.to_str().unwrap();
    match std::process::Command::new("strace").args(["-o", out_name, "true"]).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            skip::skip(test, format_args!("strace: {}", String::from_utf8_lossy(&output.stderr).trim()));
            return None;
        }
        Err(error) => {
            skip::skip(test, format_args!("strace: {error}"));
            return None;
        }
    }
    // `?`: not every system has every one of them.
    let calls = "trace=msync,fsync,fdatasync,sync,?syncfs,?sync_file_range,?sync_file_range2,?readlink,readlinkat";
    let strace = ["strace", "-f", "-q", "-e", calls, "-e", "signal=none", "-o", out_name];
    assert_eq!(respawn::run(&mut respawn::command(&strace, test, "traced")), respawn::End::Passed);
    let steps = parse(&fs::read_to_string(out).unwrap());
    assert!(steps.contains_key("end"), "the trace breaks off");
    Some(steps)
}

/// The calls of a trace, by step. What comes before the first step belongs to nobody.
fn parse(trace: &str) -> BTreeMap<String, Vec<Call>> {
    let mut steps = BTreeMap::new();
    let mut now: Option<(String, i64, &str)> = None;
    for line in trace.lines() {
        // `PID  name(argument, ...) = result`, or cut in two where threads meet: the first half has all that counts.
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        // The second half, which may have a bracket in its error.
        if call.trim().starts_with("<...") {
            continue;
        }
        let Some((name, rest)) = call.trim().split_once('(') else { continue };
        if name.starts_with("readlink") {
            let Some((_, path)) = rest.split_once("\"/folio-test/") else { continue };
            let (step, address) = path.split_once('"').unwrap().0.split_once('/').unwrap();
            assert!(steps.insert(step.to_owned(), Vec::new()).is_none(), "a step of this name has been");
            now = Some((step.to_owned(), address.parse().unwrap(), thread));
        } else if let Some((step, base, marked)) = &now {
            let arguments = rest.split(')').next().unwrap().replace("<unfinished ...>", "");
            let numbers = arguments.split(", ").map(|text| match text.trim() {
                "MS_SYNC" => i64::from(libc::MS_SYNC),
                "MS_ASYNC" => i64::from(libc::MS_ASYNC),
                "SYNC_FILE_RANGE_WRITE" => i64::from(libc::SYNC_FILE_RANGE_WRITE),
                text => match text.strip_prefix("0x") {
                    Some(address) => i64::from_str_radix(address, 16).unwrap() - base,
                    None => text.parse().unwrap_or_else(|_| panic!("{text} in {line}")),
                },
            });
            let place = if thread == *marked { "" } else { ELSEWHERE };
            steps.get_mut(step).unwrap().push((format!("{name}{place}"), numbers.collect()));
        }
    }
    steps
}

/// `msync(MS_SYNC)` of pages of the view, whose first one is page 0.
fn msync(first: usize, count: usize) -> Call {
    let bytes = |pages: usize| i64::try_from(pages * page_size()).unwrap();
    ("msync".into(), vec![bytes(first), bytes(count), libc::MS_SYNC.into()])
}

/// Checks that the steps made exactly these calls.
#[track_caller]
fn assert_calls(steps: &BTreeMap<String, Vec<Call>>, expected: &[(&str, &[Call])]) {
    for (step, calls) in expected {
        assert_eq!(steps.get(*step).map(Vec::as_slice), Some(*calls), "{step}");
    }
    // And the mark at the end.
    assert_eq!(steps.len(), expected.len() + 1, "{:?}", steps.keys());
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn view(path: &Path) -> MmapViewSync {
    let view = MmapViewSync::open(open(path), Protection::ReadWrite).unwrap();
    view.write_all_at(&vec![2; view.len()], 0).unwrap();
    view
}

/// memmap 0.5 gave `msync` the address as it was: EINVAL. One that rounds the wrong way leaves the last page out.
#[test]
fn flush_is_one_msync_of_the_pages_around_the_range() {
    let steps = trace("flush_is_one_msync_of_the_pages_around_the_range", |path| {
        let page = page_size();
        let whole = view(path);
        let base = whole.as_ptr().addr();
        mark("whole", base);
        whole.flush().unwrap();
        mark("first byte", base);
        whole.flush_range(0, 1).unwrap();
        mark("last byte", base);
        whole.flush_range(PAGES * page - 1, 1).unwrap();
        mark("inside of a page", base);
        whole.flush_range(page + 10, 10).unwrap();
        mark("over an edge", base);
        whole.flush_range(2 * page - 1, 2).unwrap();
        mark("up to an edge", base);
        whole.flush_range(page, page).unwrap();
        mark("nothing", base);
        whole.flush_range(page + 10, 0).unwrap();
        mark("past the end", base);
        whole.flush_range(PAGES * page, 1).unwrap_err();
        let (head, tail) = whole.split_at(3 * page + 10).unwrap();
        mark("head", base);
        head.flush().unwrap();
        mark("tail", base);
        tail.flush().unwrap();
        mark("range of tail", base);
        tail.flush_range(page - 10, page).unwrap();
        mark("empty", base);
        tail.split_at(5).unwrap().0.split_at(5).unwrap().1.flush().unwrap();
        mark("drop", base);
        drop(head);
    });
    let Some(steps) = steps else { return };
    assert_calls(
        &steps,
        &[
            ("whole", &[msync(0, PAGES)]),
            ("first byte", &[msync(0, 1)]),
            ("last byte", &[msync(PAGES - 1, 1)]),
            ("inside of a page", &[msync(1, 1)]),
            ("over an edge", &[msync(1, 2)]),
            ("up to an edge", &[msync(1, 1)]),
            ("nothing", &[]),
            ("past the end", &[]),
            ("head", &[msync(0, 4)]),
            ("tail", &[msync(3, PAGES - 3)]),
            ("range of tail", &[msync(4, 1)]),
            ("empty", &[]),
            ("drop", &[]),
        ],
    );
}

/// The numbers of a `sync_file_range`, without the descriptor: offset in the file and length.
fn ranges(calls: &[Call]) -> Vec<(usize, usize)> {
    let flag = i64::from(libc::SYNC_FILE_RANGE_WRITE);
    let number = |number: i64| usize::try_from(number).unwrap();
    let range = |(name, arguments): &Call| match (name.as_str(), &arguments[..]) {
        // The 32-bit call of some machines has its flags in the second place.
        ("sync_file_range", &[_, offset, len, flags]) | ("sync_file_range2", &[_, flags, offset, len]) => {
            assert_eq!(flags, flag);
            (number(offset), number(len))
        }
        call => panic!("{call:?}"),
    };
    // The question what the first call passed over (cachestat, 451) changes nothing.
    calls.iter().filter(|(name, _)| name != "cachestat" && name != "syscall_0x1c3").map(range).collect()
}

/// Offsets in the file and in the mapping differ, and pages in both.
#[test]
fn flush_async_with_a_kept_file_is_one_sync_file_range() {
    let steps = trace("flush_async_with_a_kept_file_is_one_sync_file_range", |path| {
        let page = page_size();
        let mut options = MmapOptions::new();
        let whole = options.keep_file().map_view(open(path), Protection::ReadWrite).unwrap();
        mark("whole", 0);
        whole.flush_async().unwrap();
        mark("inside of a page", 0);
        whole.flush_async_range(page + 10, 10).unwrap();
        mark("nothing", 0);
        whole.flush_async_range(10, 0).unwrap();
        mark("tail", 0);
        whole.split_at(3 * page + 10).unwrap().1.flush_async().unwrap();
        let part = options.offset(2 * page as u64 + 5).map_view(open(path), Protection::ReadWrite).unwrap();
        mark("part of the file", 0);
        part.flush_async().unwrap();
        mark("range of the part", 0);
        part.flush_async_range(page, 1).unwrap();
        let opened = MmapViewSync::open_path(path, Protection::ReadWrite).unwrap();
        mark("open_path", 0);
        opened.flush_async().unwrap();
        let created = MmapViewSync::create_new(path.with_extension("new"), page).unwrap();
        mark("create_new", 0);
        created.flush_async().unwrap();
        // SAFETY: nobody else uses the file.
        let frozen = unsafe { options.offset(0).map_mut(open(path)) }.unwrap().freeze();
        mark("frozen", 0);
        frozen.clone().flush_async().unwrap();
    });
    let Some(steps) = steps else { return };
    let page = page_size();
    for (step, expected) in [
        ("whole", &[(0, PAGES * page)][..]),
        ("inside of a page", &[(page, page)]),
        ("nothing", &[]),
        ("tail", &[(3 * page, (PAGES - 3) * page)]),
        ("part of the file", &[(2 * page, (PAGES - 2) * page)]),
        ("range of the part", &[(3 * page, page)]),
        ("open_path", &[(0, PAGES * page)]),
        ("create_new", &[(0, page)]),
        ("frozen", &[(0, PAGES * page)]),
    ] {
        assert_eq!(ranges(&steps[step]), expected, "{step}");
    }
}

/// `msync(MS_ASYNC)` is nothing; what waits for `MS_SYNC` has to be another thread.
#[test]
fn flush_async_without_a_file_is_an_msync_on_another_thread() {
    let steps = trace("flush_async_without_a_file_is_an_msync_on_another_thread", |path| {
        let page = page_size();
        let whole = view(path);
        let base = whole.as_ptr().addr();
        mark("whole", base);
        whole.flush_async().unwrap();
        // Waits for the thread.
        let whole = whole.whole().unwrap();
        mark("range", base);
        whole.flush_async_range(page + 10, page).unwrap();
        let whole = whole.whole().unwrap();
        mark("nothing", base);
        whole.flush_async_range(page, 0).unwrap();
        let whole = whole.whole().unwrap();
        mark("many", base);
        let (head, tail) = whole.split_at(page).unwrap();
        head.flush_async().unwrap();
        drop(head);
        tail.flush_async().unwrap();
        tail.unmap().unwrap();
    });
    let Some(steps) = steps else { return };
    let elsewhere = |first, count| {
        let (name, numbers) = msync(first, count);
        (name + ELSEWHERE, numbers)
    };
    // One that waits is made longer by one that touches it; whether it still waits is a matter of time.
    let many = match steps["many"].len() {
        1 => vec![elsewhere(0, PAGES)],
        _ => vec![elsewhere(0, 1), elsewhere(1, PAGES - 1)],
    };
    assert_calls(
        &steps,
        &[("whole", &[elsewhere(0, PAGES)]), ("range", &[elsewhere(1, 2)]), ("nothing", &[]), ("many", &many)],
    );
}

/// The data, then the metadata of the file: nothing else, and in this order.
#[test]
fn sync_all_is_an_msync_and_an_fsync() {
    let steps = trace("sync_all_is_an_msync_and_an_fsync", |path| {
        let file = open(path);
        file.set_len(2 * (PAGES * page_size()) as u64).unwrap();
        let whole = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite).unwrap();
        whole.write_all_at(&vec![2; whole.len()], 0).unwrap();
        let base = whole.as_ptr().addr();
        mark("whole", base);
        whole.sync_all().unwrap();
        let piece = whole.split_at(page_size()).unwrap().0;
        mark("piece", base);
        piece.sync_all().unwrap();
        let not_kept = view(path);
        mark("not kept", 0);
        not_kept.sync_all().unwrap_err();
    });
    let Some(steps) = steps else { return };
    for step in ["whole", "piece"] {
        let [first, (name, descriptor)] = &steps[step][..] else { panic!("{:?}", steps[step]) };
        assert_eq!(*first, msync(0, 2 * PAGES), "{step}: of the entire mapping");
        assert_eq!((name.as_str(), descriptor.len()), ("fsync", 1), "{step}");
    }
    assert_eq!(steps["not kept"], []);
}

/// A flush of what reaches no file took the time of a disk, or failed; for what was written before it was one too few.
#[test]
fn whether_anything_is_flushed_is_the_mappings_business() {
    fn everything<A: folio::Access>(step: &str, view: folio::View<A>) {
        mark(step, view.as_ptr().addr());
        view.flush().unwrap();
        view.flush_async().unwrap();
        view.flush_range(0, 1).unwrap();
        view.flush_async_range(0, 1).unwrap();
        view.sync_all().unwrap();
        view.whole().unwrap();
    }
    let steps = trace("whether_anything_is_flushed_is_the_mappings_business", |path| {
        let read_only = File::open(path).unwrap();
        let file = open(path);
        everything("anonymous", MmapMut::map_anon(page_size()).unwrap());
        everything("anonymous, shared", MmapViewSync::anonymous(page_size()).unwrap());
        everything("read", MmapViewSync::open(&file, Protection::Read).unwrap());
        everything("read, kept", MmapViewSync::open_path(path, Protection::Read).unwrap());
        everything("private", MmapViewSync::open(&file, Protection::ReadCopy).unwrap());
        everything("private, kept", MmapOptions::new().keep_file().map_view(&file, Protection::ReadCopy).unwrap());
        // SAFETY, of these: nobody else uses the file.
        // SAFETY: as in the call above.
        everything("map", unsafe { Mmap::map(&read_only) }.unwrap());
        // SAFETY: as in the call above.
        let mut copy = unsafe { MmapOptions::new().map_copy(&read_only) }.unwrap();
        copy.fill(3);
        everything("map_copy", copy.freeze());
        // SAFETY: as in the call above.
        everything("map_copy_read_only", unsafe { MmapOptions::new().map_copy_read_only(&read_only) }.unwrap());

        // SAFETY: as in the call above.
        let mut map = unsafe { MmapMut::map_mut(&file) }.unwrap();
        map.fill(3);
        let frozen = map.freeze();
        mark("frozen", frozen.as_ptr().addr());
        frozen.clone().flush().unwrap();
        let read_only = frozen.make_mut().unwrap().make_read_only().unwrap();
        mark("made read-only", read_only.as_ptr().addr());
        read_only.slice(1..2).flush().unwrap();
    });
    let Some(steps) = steps else { return };
    let silent =
        ["anonymous", "anonymous, shared", "read", "read, kept", "private", "private, kept", "map", "map_copy"];
    for step in silent.into_iter().chain(["map_copy_read_only"]) {
        assert_eq!(steps[step], [], "{step}");
    }
    assert_eq!(steps["frozen"], [msync(0, PAGES)]);
    assert_eq!(steps["made read-only"], [msync(0, 1)]);
}
