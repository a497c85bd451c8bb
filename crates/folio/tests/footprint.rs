//! What views cost: three words each, no kernel mapping each, nothing left behind by what fails, and a `Drop` that never
//! panics.

use folio::{Mmap, MmapMut, MmapViewSync, Shared};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A view is passed around like a slice with an owner, and its `Option` like a view.
#[test]
fn a_view_and_its_option_are_three_words() {
    let words = 3 * size_of::<usize>();
    assert_eq!((size_of::<MmapViewSync>(), size_of::<Option<MmapViewSync>>()), (words, words));
    assert_eq!((size_of::<MmapMut>(), size_of::<Option<MmapMut>>()), (words, words));
    assert_eq!((size_of::<Mmap>(), size_of::<Option<Mmap>>()), (words, words));
    assert_eq!(size_of::<folio::IntoChunks<Shared>>(), 4 * size_of::<usize>());
}

/// A view may be used on after a panic that was caught: no call leaves it half done. A reference count or a lock in the wrong
/// place takes this from a type without a word.
#[test]
fn views_may_cross_a_caught_panic() {
    fn check<T: UnwindSafe + RefUnwindSafe>() {}
    check::<MmapViewSync>();
    check::<MmapMut>();
    check::<Mmap>();
    check::<folio::IntoChunks<Shared>>();
}

/// Empty, taken from, failed and huge: all are dropped like any other.
#[test]
fn dropping_never_panics() {
    drop(MmapViewSync::anonymous(0).unwrap());
    drop(MmapViewSync::anonymous(0).unwrap().into_chunks(1).unwrap());
    drop(MmapViewSync::anonymous(10).unwrap().split_at(11).unwrap_err());
    let mut map = MmapMut::map_anon(10).unwrap();
    drop(map.split_to(10).unwrap());
    drop(map);
    // Much address space, and no memory.
    let len = if cfg!(target_pointer_width = "64") { 1 << 36 } else { 1 << 28 };
    if let Ok(huge) = folio::MmapOptions::new().len(len).no_reserve_swap().map_anon() {
        drop(huge.into_view_sync().split_at(len / 2).unwrap());
    }
    // While a panic unwinds, too: a second one would end the process.
    let unwound = std::panic::catch_unwind(|| {
        let _view = MmapViewSync::anonymous(10).unwrap();
        let _pieces = MmapViewSync::anonymous(10).unwrap().into_chunks(3).unwrap();
        std::panic::panic_any(());
    });
    assert!(unwound.is_err());
}

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/skip.rs"]
mod skip;

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod maps;

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/machine.rs"]
mod machine;

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/tries.rs"]
mod tries;

#[cfg(all(target_os = "linux", not(folio_heap)))]
#[path = "support/filler.rs"]
mod filler;

/// What is counted, in a process of its own each.
// The kernel counts its mappings, and the heap has none.
#[cfg(all(target_os = "linux", not(folio_heap)))]
mod linux {
    use super::filler::{Filler, limit};
    use super::skip::skip;
    use super::tries::tries;
    use super::{machine, maps};
    use folio::{MmapMut, MmapOptions, MmapViewSync, Protection, page_size};
    use std::fs::{self, File};
    use std::io::{self, ErrorKind};
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::path::Path;

    /// Less where it would take too long: one mapping or descriptor too many is seen, however many views there are.
    fn million() -> usize {
        tries(1_000_000)
    }

    /// A crate that mapped anew for each piece met `vm.max_map_count` at 65,530 pieces.
    #[test]
    fn a_million_views_of_one_mapping_are_one_kernel_mapping() {
        maps::in_child("linux::a_million_views_of_one_mapping_are_one_kernel_mapping", || {
            let million = million();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            fs::write(&path, vec![0; million]).unwrap();
            let mut pieces = Vec::with_capacity(million);
            let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
            let (base, before) = (view.as_ptr(), (maps::all().len(), maps::descriptors()));
            pieces.extend(view.into_chunks(1).unwrap());
            assert_eq!(pieces.len(), million);
            assert_eq!((maps::all().len(), maps::descriptors()), before);
            assert_eq!(maps::of_file(&path).len(), 1);
            for at in [0, 1, million / 2, million - 1] {
                assert_eq!(pieces[at].as_ptr(), base.wrapping_add(at));
                pieces[at].store(0, 1_u8).unwrap();
            }
            let mut pieces = pieces.into_iter();
            let mut whole = pieces.next().unwrap();
            pieces.for_each(|piece| whole.unsplit(piece).unwrap());
            assert_eq!((whole.len(), whole.load::<u8>(million - 1).unwrap()), (million, 1));
            whole.unmap().unwrap();
            assert_eq!(maps::of_file(&path), []);
        });
    }

    /// A million clones and parts are the same.
    #[test]
    fn a_million_clones_of_a_map_are_one_kernel_mapping() {
        maps::in_child("linux::a_million_clones_of_a_map_are_one_kernel_mapping", || {
            let million = million();
            let mut clones = Vec::with_capacity(million);
            let map = MmapMut::map_anon(page_size()).unwrap().freeze();
            let before = maps::all().len();
            clones.extend((0..million).map(|at| map.slice(at % page_size()..)));
            assert_eq!(maps::all().len(), before);
            drop(clones);
            assert!(map.is_unique());
        });
    }

    /// A FIFO and a socket, made where there is a folder for them.
    fn odd_files(dir: &Path) -> Vec<File> {
        let fifo = dir.join("fifo");
        let name = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
        // SAFETY: the path is a C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut files = vec![
            fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap(),
            File::from(OwnedFd::from(socket)),
            File::open(dir).unwrap(),
        ];
        let names = [
            "/dev/null",
            "/dev/zero",
            "/proc/self/status",
            "/proc/cpuinfo",
            "/sys/kernel/mm/transparent_hugepage/enabled",
        ];
        files.extend(names.iter().filter_map(|name| File::open(name).ok()));
        files
    }

    /// A memory file that is sealed, so that the system's own mapping call refuses to map it for writing.
    fn sealed() -> File {
        // SAFETY: the name is a C string.
        let descriptor = unsafe { libc::memfd_create(c"folio-test".as_ptr(), libc::MFD_ALLOW_SEALING) };
        assert!(descriptor >= 0);
        // SAFETY: just made, and nobody else's.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
        file.set_len(100).unwrap();
        // SAFETY: the descriptor is open; the command takes a number.
        assert_eq!(unsafe { libc::fcntl(descriptor, libc::F_ADD_SEALS, libc::F_SEAL_WRITE) }, 0);
        file
    }

    /// One failing call of each kind, with the kind of error that it gives.
    fn failures(dir: &Path, files: &[File], sealed: &File) -> Vec<(&'static str, ErrorKind, io::Result<usize>)> {
        let path = dir.join("data");
        let read_only = File::open(&path).unwrap();
        let write_only = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let both = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let options = MmapOptions::new;
        let len = |view: MmapViewSync| view.len();
        let rw = Protection::ReadWrite;
        let mut all = vec![
            ("offset past the end", ErrorKind::InvalidInput, options().offset(101).map_view(&both, rw).map(len)),
            ("length past the end", ErrorKind::InvalidInput, options().len(101).map_view(&both, rw).map(len)),
            (
                "the sum wraps",
                ErrorKind::InvalidInput,
                options().offset(u64::MAX).len(2).allow_past_end().map_view(&both, rw).map(len),
            ),
            (
                "above isize::MAX",
                ErrorKind::InvalidInput,
                options().len(usize::MAX).allow_past_end().keep_file().map_view(&both, rw).map(len),
            ),
            ("not writable", ErrorKind::PermissionDenied, options().keep_file().map_view(&read_only, rw).map(len)),
            ("not readable", ErrorKind::PermissionDenied, options().keep_file().map_view(&write_only, rw).map(len)),
            ("sealed", ErrorKind::PermissionDenied, options().keep_file().map_view(sealed, rw).map(len)),
            ("no proof", ErrorKind::InvalidInput, options().map_if_safe(&both).map(|map| map.len())),
            (
                "blocks for what writes no file",
                ErrorKind::InvalidInput,
                options().allocate().map_view(&both, Protection::ReadCopy).map(len),
            ),
            (
                "blocks for what is no file",
                ErrorKind::InvalidInput,
                options().len(10).allocate().map_anon().map(|map| map.len()),
            ),
            ("no such file", ErrorKind::NotFound, MmapViewSync::open_path(dir.join("none"), rw).map(len)),
            ("a folder", ErrorKind::IsADirectory, MmapViewSync::open_path(dir, Protection::Read).map(len)),
            ("it exists", ErrorKind::AlreadyExists, MmapViewSync::create_new(&path, 10).map(len)),
            ("no slice is that long", ErrorKind::InvalidInput, MmapViewSync::anonymous(usize::MAX).map(len)),
            (
                "no huge page is that big",
                ErrorKind::InvalidInput,
                options().len(1).huge(Some(3)).map_anon().map(|map| map.len()),
            ),
        ];
        // Longer than any disk and any address space, and still a length: where there are such.
        if let Ok(long) = usize::try_from(1_u64 << 50) {
            let file = options().len(long).allow_past_end().keep_file().map_view(&both, rw).map(len);
            all.push(("no address space for a file", ErrorKind::OutOfMemory, file));
            all.push(("no address space", ErrorKind::OutOfMemory, MmapViewSync::anonymous(long).map(len)));
            let new = MmapViewSync::create_new(dir.join("new"), long).map(len);
            all.push(("a disk is smaller", ErrorKind::StorageFull, new));
        }
        for file in files {
            let folder = file.metadata().unwrap().is_dir();
            let kind = if folder { ErrorKind::IsADirectory } else { ErrorKind::InvalidInput };
            let result = options().keep_file().map_view(file, Protection::Read).map(len);
            all.push(("what is no ordinary file", kind, result));
        }
        all
    }

    /// A failing map left a descriptor or a mapping behind, and a server that retried ran out of them.
    #[test]
    fn ten_thousand_failing_maps_leave_nothing_behind() {
        let test = "linux::ten_thousand_failing_maps_leave_nothing_behind";
        let longer_pages = machine::page_size() < page_size();
        if longer_pages {
            let reason = "an emulator of longer pages than the machine's refuses every empty file in the same way";
            skip(&format!("{test} (what is no ordinary file)"), reason);
        }
        maps::in_child(test, || {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("data"), [7; 100]).unwrap();
            let (mut files, sealed) = (odd_files(dir.path()), sealed());
            if longer_pages {
                // They are taken for empty files.
                files.clear();
            }
            let round = || {
                let failures = failures(dir.path(), &files, &sealed);
                for (what, expected, result) in &failures {
                    let error = result.as_ref().expect_err(what);
                    assert_eq!(error.kind(), *expected, "{what}: {error}");
                }
                failures.len()
            };
            // Once before counting, for what is made at the first call only.
            round();
            let before = (maps::all().len(), maps::descriptors());
            let mut count = 0;
            while count < tries(10_000) {
                count += round();
            }
            assert_eq!((maps::all().len(), maps::descriptors()), before, "after {count} failures");
            assert_eq!(fs::read(dir.path().join("data")).unwrap(), [7; 100]);
            assert!(!dir.path().join("new").exists());
        });
    }

    /// Calls that consume a view and fail leave no owner, so no mapping, behind.
    #[test]
    fn ten_thousand_failing_calls_on_views_leave_nothing_behind() {
        maps::in_child("linux::ten_thousand_failing_calls_on_views_leave_nothing_behind", || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            fs::write(&path, [7; 100]).unwrap();
            let before = (maps::all().len(), maps::descriptors());
            let mut other = MmapViewSync::anonymous(1).unwrap();
            for round in 0..tries(1_500) {
                let view = MmapViewSync::open_path(&path, Protection::Read).unwrap();
                let view = view.split_at(101).unwrap_err().into_view();
                let view = view.into_chunks(0).unwrap_err().into_view();
                let view = view.split_ranges(&[0..2, 1..3]).unwrap_err().into_view();
                let (view, rest) = view.split_at(50).unwrap();
                let view = view.whole().unwrap_err().into_view();
                let view = view.unmap().unwrap_err().into_view();
                let view = other.unsplit(view).unwrap_err().into_view();
                // SAFETY: nobody writes the file of this test.
                let map = unsafe { view.assume_immutable() };
                let map = map.into_view_sync().unwrap_err().into_view();
                // By `?`, as it were: the view goes with the error.
                let error: io::Error = map.make_mut().unwrap_err().into();
                assert_eq!(error.kind(), ErrorKind::ResourceBusy, "round {round}");
                assert!(rest.is_unique());
            }
            drop(other);
            assert_eq!((maps::all().len(), maps::descriptors()), before);
        });
    }

    /// Fills the process with mappings until the next one fails, and gives them and the error.
    fn exhaust(path: &Path) -> (Vec<MmapViewSync>, io::Error) {
        let file = File::open(path).unwrap();
        let mut views = Vec::with_capacity(limit() + 1);
        loop {
            // Each of the first page, so that no two can be one mapping for the kernel.
            match MmapViewSync::open(&file, Protection::Read) {
                Ok(view) => views.push(view),
                Err(error) => return (views, error),
            }
        }
    }

    /// `vm.max_map_count` showed as a crash, or as an error that had lost its cause.
    #[test]
    fn too_many_mappings_are_an_error_with_its_cause() {
        if limit() > 300_000 {
            return skip(
                "linux::too_many_mappings_are_an_error_with_its_cause",
                "this system allows too many mappings to try",
            );
        }
        maps::in_child("linux::too_many_mappings_are_an_error_with_its_cause", || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            fs::write(&path, [7; 100]).unwrap();
            let (mut views, error) = exhaust(&path);
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::OutOfMemory, Some(libc::ENOMEM)));
            assert!(views.len() > limit() / 2);
            // Views cost none, and what there is goes on working.
            let (head, tail) = views.pop().unwrap().split_at(50).unwrap();
            assert_eq!((head.load::<u8>(49).unwrap(), tail.load::<u8>(49).unwrap()), (7, 7));
            drop((head, tail));
            // Where one was given back, there is room for one.
            views.push(MmapViewSync::open_path(&path, Protection::Read).unwrap());
            drop(views);
            assert_eq!(maps::of_file(&path), []);
        });
    }

    /// To unmap the middle of what the kernel holds as one mapping makes two of it, one too many. The error comes with the view;
    /// to `drop` it there does not panic.
    #[test]
    fn an_unmap_that_fails_gives_the_view_back_and_a_drop_that_fails_does_not_panic() {
        if limit() > 300_000 {
            return skip(
                "linux::an_unmap_that_fails_gives_the_view_back_and_a_drop_that_fails_does_not_panic",
                "this system allows too many mappings to try",
            );
        }
        maps::in_child("linux::an_unmap_that_fails_gives_the_view_back_and_a_drop_that_fails_does_not_panic", || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            fs::write(&path, [7; 100]).unwrap();
            // Anonymous memory side by side, which the kernel joins.
            let page = page_size();
            let mut row: Vec<_> = (0..64).map(|_| MmapViewSync::anonymous(page).unwrap()).collect();
            row.sort_by_key(MmapViewSync::as_ptr);
            let inner = |view: &MmapViewSync| {
                let at = view.as_ptr().addr();
                maps::at(view.as_ptr()).is_some_and(|region| region.range.start < at && at + page < region.range.end)
            };
            // Not next to each other, so that each is in the middle also when the other is gone.
            let first = row.iter().position(inner).expect("the kernel joins none of 64 neighbours");
            let (stuck, dropped) = (row.remove(first + 4), row.remove(first));
            assert!(inner(&stuck) && inner(&dropped));

            let filler = Filler::new(limit() - maps::all().len() - 1000);
            let (views, _) = exhaust(&path);
            assert!(views.len() < limit() / 2, "the filler was meant to take most");
            stuck.store(0, 9_u8).unwrap();
            let failed = stuck.unmap().unwrap_err();
            assert_eq!(
                (failed.error().kind(), failed.error().raw_os_error()),
                (ErrorKind::OutOfMemory, Some(libc::ENOMEM))
            );
            let stuck = failed.into_view();
            assert!(stuck.is_unique());
            assert_eq!((stuck.len(), stuck.load::<u8>(0).unwrap()), (page, 9));
            let place = dropped.as_ptr();
            drop(dropped);

            // Reading the lines of that many mappings takes memory, which there is again now.
            drop((views, filler));
            assert!(maps::at(place).is_some(), "the unmap was meant to fail");
            let place = stuck.as_ptr();
            stuck.unmap().unwrap();
            assert_eq!(maps::at(place), None);
        });
    }

    /// A protection that cannot be changed, for the same reason, leaves the view as it was.
    #[test]
    fn a_protection_change_that_fails_gives_the_view_back() {
        if limit() > 300_000 {
            return skip(
                "linux::a_protection_change_that_fails_gives_the_view_back",
                "this system allows too many mappings to try",
            );
        }
        maps::in_child("linux::a_protection_change_that_fails_gives_the_view_back", || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("data");
            fs::write(&path, [7; 100]).unwrap();
            let page = page_size();
            let mut row: Vec<_> = (0..64).map(|_| MmapMut::map_anon(page).unwrap()).collect();
            row.sort_by_key(MmapMut::as_ptr);
            let inner = |map: &MmapMut| {
                let at = map.as_ptr().addr();
                maps::at(map.as_ptr()).is_some_and(|region| region.range.start < at && at + page < region.range.end)
            };
            let first = row.iter().position(inner).expect("the kernel joins none of 64 neighbours");
            let map = row.remove(first);
            let filler = Filler::new(limit() - maps::all().len() - 1000);
            let (views, _) = exhaust(&path);
            assert!(views.len() < limit() / 2, "the filler was meant to take most");
            let failed = map.make_read_only().unwrap_err();
            assert_eq!(failed.error().kind(), ErrorKind::OutOfMemory);
            let mut map = failed.into_view();
            assert_eq!(map.protection(), Protection::ReadWrite);
            map[0] = 1;
            drop((views, filler));
            assert_eq!(map.make_read_only().unwrap()[0], 1);
        });
    }
}
