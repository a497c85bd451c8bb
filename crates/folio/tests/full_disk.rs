//! No room left: an error before anything is mapped, or a fault that checked access survives; never half of a file.
#![cfg(target_os = "linux")]

#[cfg(not(folio_heap))]
use folio::Fault;
use folio::{MmapOptions, MmapViewSync, Protection, page_size};
use std::fs::{self, File, OpenOptions};
#[cfg(not(folio_heap))]
use std::io::Write;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[path = "support/disk.rs"]
mod disk;
#[path = "support/fill.rs"]
mod fill;
#[path = "support/mounts.rs"]
mod mounts;
#[path = "support/respawn.rs"]
mod respawn;
#[path = "support/seccomp.rs"]
mod seccomp;
#[path = "support/skip.rs"]
mod skip;

use disk::Disk;
use fill::fill;
use mounts::Mount;
use respawn::End;
use skip::skip;

/// Length, bytes on the disk and contents of a file.
fn state(path: &Path) -> (u64, u64, Vec<u8>) {
    let data = fs::metadata(path).unwrap();
    (data.len(), data.blocks() * 512, fs::read(path).unwrap())
}

/// Bytes that are free on the file system of this folder.
fn free(path: &Path) -> u64 {
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let mut room = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path is a C string; the structure is of the type that the call fills.
    assert_eq!(unsafe { libc::statvfs(name.as_ptr(), room.as_mut_ptr()) }, 0);
    // SAFETY: the call succeeded and so filled it.
    let room = unsafe { room.assume_init() };
    #[allow(clippy::useless_conversion, reason = "the widths of these fields differ by target")]
    (u64::from(room.f_bfree) * u64::from(room.f_frsize))
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// How many mappings this process has of files in a folder.
fn mappings_in(dir: &Path) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(dir.to_str().unwrap())).count()
}

#[track_caller]
fn assert_full(result: io::Result<MmapViewSync>, dir: &Path) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(mappings_in(dir), 0);
}

/// `set_len` makes a file of any length on a full disk, and the first write to its map is a signal.
fn creating_on_a_full_disk_is_refused(dir: &Path) {
    let before = free(dir);
    let new = dir.join("new");
    assert_full(MmapViewSync::create_new(&new, usize::try_from(before).unwrap() + (1 << 20)), dir);
    assert!(!new.exists());
    assert_eq!(free(dir), before);
}

/// `allocate` that fails half-way had kept what it found before the disk was full.
#[track_caller]
fn allocating_more_than_there_is_leaves_the_file_as_it_was(dir: &Path, path: &Path, offset: u64, len: u64) {
    // What is written late counts its blocks late.
    open(path).sync_all().unwrap();
    let (before, room) = (state(path), free(dir));
    let mut options = MmapOptions::new();
    options.offset(offset).len(usize::try_from(len).unwrap()).allocate();
    assert_full(options.map_view(open(path), Protection::ReadWrite), dir);
    let after = state(path);
    assert_eq!(after.0, before.0, "length");
    assert!(after.2 == before.2, "contents");
    // ext4 does not give back the block in which it notes where more blocks are than fit into the inode.
    let more = after.1 - before.1;
    assert!(more <= 4096, "{more} bytes of blocks more");
    assert_eq!(free(dir), room - more, "room on the disk");
}

/// Memory that can become full.
fn tmpfs(bytes: usize) -> Result<Mount, String> {
    Mount::new("tmpfs", &format!("size={bytes}"), Path::new("folio-test"))
}

/// A file system that takes back what a failed `fallocate` has got.
#[test]
fn a_full_tmpfs_is_an_error_before_anything_is_mapped() {
    let mount = match tmpfs(1 << 20) {
        Ok(mount) => mount,
        Err(reason) => return skip("a_full_tmpfs_is_an_error_before_anything_is_mapped", reason),
    };
    let dir = mount.path();
    creating_on_a_full_disk_is_refused(dir);
    let path = dir.join("file");
    fs::write(&path, vec![7; 300_000]).unwrap();
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 0, 1 << 21);
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 300_000, 900_000);
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 1 << 21, 1 << 20);
    open(&path).set_len(1 << 21).unwrap();
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 0, 1 << 21);
    fill(&mount.path().join("filler"));
    creating_on_a_full_disk_is_refused(dir);
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 0, 1 << 21);
}

/// Where the blocks of the view have to be written, nothing is written before it.
#[test]
fn what_is_before_the_view_of_a_new_file_is_a_hole() {
    const BEFORE: u64 = 1 << 28;
    if !seccomp::is_there() {
        return skip("what_is_before_the_view_of_a_new_file_is_a_hole", "no filters of system calls");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    // In a thread of its own, for which the file system has no such call.
    let view = std::thread::scope(|threads| {
        let create = || {
            seccomp::fail(&[libc::SYS_fallocate], libc::EOPNOTSUPP);
            MmapOptions::new().offset(BEFORE).len(1 << 16).create_new(&path)
        };
        threads.spawn(create).join().unwrap().unwrap()
    });
    view.store(0, 7_u8).unwrap();
    view.flush().unwrap();
    let file = fs::metadata(&path).unwrap();
    assert_eq!(file.len(), BEFORE + (1 << 16));
    assert!((1 << 16..1 << 20).contains(&(file.blocks() * 512)), "{} blocks", file.blocks());
}

const DISK: u64 = 32 << 20;

/// A disk, with a file of this many bytes on it.
fn disk_with_file(test: &str, bytes: usize) -> Option<(Disk, std::path::PathBuf)> {
    match Disk::new(DISK) {
        Ok(disk) => {
            let path = disk.path().join("file");
            fs::write(&path, vec![7; bytes]).unwrap();
            Some((disk, path))
        }
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

/// The common case: somebody asks for more than the disk has.
#[test]
fn a_full_ext4_is_an_error_before_anything_is_mapped() {
    let Some((disk, path)) = disk_with_file("a_full_ext4_is_an_error_before_anything_is_mapped", 300_000) else {
        return;
    };
    let dir = disk.path();
    creating_on_a_full_disk_is_refused(dir);
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 0, 2 * DISK);
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 300_000, 2 * DISK);
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 2 * DISK, 2 * DISK);
    fill(&disk.path().join("filler"));
    creating_on_a_full_disk_is_refused(dir);
    allocating_more_than_there_is_leaves_the_file_as_it_was(dir, &path, 0, 1 << 20);
}

/// ext4 keeps the blocks that it found before it ran out; asking for the free room first does not see all of it when the
/// file itself has many blocks.
#[test]
fn a_big_file_on_a_nearly_full_ext4_keeps_its_blocks_and_gets_no_others() {
    let Some((disk, path)) =
        disk_with_file("a_big_file_on_a_nearly_full_ext4_keeps_its_blocks_and_gets_no_others", 10 << 20)
    else {
        return;
    };
    let room = free(disk.path());
    allocating_more_than_there_is_leaves_the_file_as_it_was(disk.path(), &path, 0, (10 << 20) + room + (4 << 20));
    allocating_more_than_there_is_leaves_the_file_as_it_was(disk.path(), &path, 10 << 20, room + (4 << 20));
}

/// The same where the file is long already, and the missing blocks are holes inside of it.
#[test]
fn holes_that_a_nearly_full_ext4_cannot_fill_stay_holes() {
    let Some((disk, path)) = disk_with_file("holes_that_a_nearly_full_ext4_cannot_fill_stay_holes", 300_000) else {
        return;
    };
    open(&path).set_len(2 * DISK).unwrap();
    allocating_more_than_there_is_leaves_the_file_as_it_was(disk.path(), &path, 0, 2 * DISK);
}

/// On ext4 there is room: all of it is there before anything is mapped, and none of it can be missing later.
#[test]
fn allocated_blocks_are_the_files_when_the_disk_is_full() {
    let Some((mut disk, path)) = disk_with_file("allocated_blocks_are_the_files_when_the_disk_is_full", 300_000) else {
        return;
    };
    open(&path).set_len(4 << 20).unwrap();
    let view = MmapOptions::new().allocate().map_view(open(&path), Protection::ReadWrite).unwrap();
    assert_eq!(view.len(), 4 << 20);
    let longer =
        MmapOptions::new().offset(3 << 20).len(2 << 20).allocate().map_view(open(&path), Protection::ReadWrite);
    let longer = longer.unwrap();
    assert_eq!((longer.len(), fs::metadata(&path).unwrap().len()), (2 << 20, 5 << 20));
    let new = MmapViewSync::create_new(disk.path().join("new"), 1 << 20).unwrap();
    fill(&disk.path().join("filler"));
    assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 5 << 20);
    for view in [view, longer, new] {
        view.write_all_at(&vec![0xaa; view.len()], 0).unwrap();
        view.flush().unwrap();
    }
    disk.remount();
    assert!(fs::read(disk.path().join("file")).unwrap() == vec![0xaa; 5 << 20]);
    assert!(fs::read(disk.path().join("new")).unwrap() == vec![0xaa; 1 << 20]);
}

/// A sparse file promises bytes that the disk does not have: writing one is a signal, or an error by checked access.
#[cfg(not(folio_heap))] // whose holes are memory, until they are flushed
#[test]
fn a_hole_that_cannot_be_filled_is_a_fault() {
    const TEST: &str = "a_hole_that_cannot_be_filled_is_a_fault";
    let page = page_size();
    let mount = match tmpfs(16 * page) {
        Ok(mount) => mount,
        Err(reason) => return skip(TEST, reason),
    };
    let path = mount.path().join("sparse");
    let mut file = File::create_new(&path).unwrap();
    file.write_all(&vec![7; 2 * page]).unwrap();
    file.set_len(8 * page as u64).unwrap();
    fill(&mount.path().join("filler"));

    let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
    let fault = |result: io::Result<()>| Fault::of(&result.unwrap_err()).expect("a fault").offset;
    if respawn::case().is_some() {
        // SAFETY: nobody else uses the file. The worst outcome is the end of this process, which is the case under test.
        let mut map = unsafe { view.assume_exclusive() }.unwrap();
        map[2 * page - 1] = 1;
        map[2 * page] = 1;
        panic!("there was room for a page");
    }
    assert_eq!(fault(view.write_all_at(&vec![8; 8 * page], 0)), 2 * page);
    assert_eq!(fault(view.store(2 * page - 3, 1_u64)), 2 * page);
    // Reading a hole in memory takes a page, too.
    assert_eq!(fault(view.load::<u8>(5 * page).map(drop)), 5 * page);
    assert_eq!(view.load::<u8>(2 * page - 4).unwrap(), 8);

    assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "plain slice")), End::Signal(libc::SIGBUS));

    // With room again, everything works again.
    fs::remove_file(mount.path().join("filler")).unwrap();
    view.write_all_at(&vec![9; 8 * page], 0).unwrap();
    assert!(fs::read(&path).unwrap() == vec![9; 8 * page]);
}

/// The same on a disk, where a hole can be read without a block.
#[cfg(not(folio_heap))] // as above
#[test]
fn a_hole_on_a_full_ext4_is_a_fault_when_it_is_written() {
    let Some((disk, path)) = disk_with_file("a_hole_on_a_full_ext4_is_a_fault_when_it_is_written", 2 * page_size())
    else {
        return;
    };
    let page = page_size();
    open(&path).set_len(8 * page as u64).unwrap();
    fill(&disk.path().join("filler"));
    let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
    assert_eq!(view.load::<u64>(5 * page).unwrap(), 0);
    let error = view.write_all_at(&vec![8; 8 * page], 0).unwrap_err();
    assert_eq!(Fault::of(&error).expect("a fault").offset, 2 * page);
    assert_eq!((view.load::<u8>(2 * page - 1).unwrap(), view.load::<u8>(2 * page).unwrap()), (8, 0));
    view.flush().unwrap();
    fs::remove_file(disk.path().join("filler")).unwrap();
    // ext4 gives blocks back when its journal has written that they are free.
    let mut tries = 0;
    while let Err(error) = view.write_all_at(&vec![9; 8 * page], 0) {
        tries += 1;
        assert!(tries < 1000, "there is room, and {error}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    view.flush().unwrap();
}

/// A file system in memory without a limit and without `fallocate`.
fn ramfs(test: &str) -> Option<Mount> {
    Mount::new("ramfs", "mode=700", Path::new("folio-test")).map_err(|reason| skip(test, reason)).ok()
}

/// A library gave up, or called `set_len` instead and promised blocks that were not there.
#[test]
fn a_file_system_without_fallocate_gets_zeros() {
    let Some(mount) = ramfs("a_file_system_without_fallocate_gets_zeros") else {
        return;
    };
    let page = page_size();
    let len = 200_000;
    let path = mount.path().join("new");
    let view = MmapViewSync::create_new(&path, len).unwrap();
    assert_eq!(view.len(), len);
    let (file_len, blocks, bytes) = state(&path);
    assert_eq!(file_len, len as u64);
    assert!(blocks >= len as u64 && bytes == vec![0; len]);
    view.write_all_at(b"bytes", len - 5).unwrap();
    view.flush().unwrap();

    // Longer, from inside, from the end and from behind it, where what lies between gets zeros too.
    for (offset, more) in [(len - 10, 20), (len + 10, page), (len + 10 * page, page)] {
        let mut options = MmapOptions::new();
        options.offset(offset as u64).len(more).allocate();
        let view = options.map_view(open(&path), Protection::ReadWrite).unwrap();
        assert_eq!(view.len(), more);
        let (file_len, blocks, bytes) = state(&path);
        assert_eq!(file_len, (offset + more) as u64);
        assert!(blocks >= file_len);
        assert_eq!(&bytes[len - 5..len], b"bytes");
        assert!(bytes[len..].iter().all(|&byte| byte == 0));
    }
    let short = MmapOptions::new().len(10).allocate().map_view(open(&path), Protection::ReadWrite).unwrap();
    assert_eq!(short.len(), 10);
    assert_eq!(fs::metadata(&path).unwrap().len(), (len + 11 * page) as u64, "no file becomes shorter");
}

/// Zeros over a hole could go over bytes that somebody has written there in the meantime.
#[test]
fn holes_without_fallocate_are_unsupported() {
    let Some(mount) = ramfs("holes_without_fallocate_are_unsupported") else {
        return;
    };
    let path = mount.path().join("sparse");
    fs::write(&path, b"bytes").unwrap();
    open(&path).set_len(1 << 20).unwrap();
    let before = fs::metadata(&path).unwrap().blocks();
    for len in [100_000, 1 << 20, 1 << 21] {
        let result = MmapOptions::new().len(len).allocate().map_view(open(&path), Protection::ReadWrite);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
        let data = fs::metadata(&path).unwrap();
        assert_eq!((data.len(), data.blocks()), (1 << 20, before));
    }
    assert_eq!(mappings_in(mount.path()), 0);
}

/// Makes files longer than 100,000 bytes an error in this process.
fn limit_files() {
    let limit = libc::rlimit { rlim_cur: 100_000, rlim_max: 100_000 };
    // SAFETY: the call reads the structure, which lives until after it.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
    // SAFETY: ignoring a signal runs no code. A write beyond the limit gives an error then.
    assert_ne!(unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) }, libc::SIG_ERR);
}

/// Makes it an error for this thread to shorten or remove a file.
fn forbid_clean_up() {
    seccomp::forbid(&[
        libc::SYS_ftruncate,
        #[cfg(target_pointer_width = "32")]
        libc::SYS_ftruncate64,
        libc::SYS_unlinkat,
        #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "loongarch64")))]
        libc::SYS_unlink,
    ]);
}

/// The clean-up after a failed call sets the error number anew: to what it ran into itself, or to "Success".
#[test]
fn the_error_reported_is_that_of_the_call_that_failed() {
    const TEST: &str = "the_error_reported_is_that_of_the_call_that_failed";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "limited")), End::Passed);
        return;
    }
    let mount = ramfs(TEST);
    limit_files();
    let ordinary = tempfile::tempdir().unwrap();
    for dir in [Some(ordinary.path()), mount.as_ref().map(Mount::path)].into_iter().flatten() {
        let path = dir.join("file");
        fs::write(&path, b"bytes").unwrap();
        let new = dir.join("new");
        let allocate = || MmapOptions::new().len(1 << 20).allocate().map_view(open(&path), Protection::ReadWrite);
        let create = || MmapViewSync::create_new(&new, 1 << 20);

        assert_eq!(allocate().unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(fs::read(&path).unwrap(), b"bytes");
        assert_eq!(create().unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(!new.exists());

        // On a thread, so that what the test leaves behind can be cleaned up.
        std::thread::scope(|threads| {
            threads.spawn(|| {
                forbid_clean_up();
                assert_eq!(fs::remove_file(&path).unwrap_err().kind(), ErrorKind::PermissionDenied);
                assert_eq!(open(&path).set_len(1).unwrap_err().kind(), ErrorKind::PermissionDenied);
                assert_eq!(allocate().unwrap_err().kind(), ErrorKind::FileTooLarge);
                assert_eq!(create().unwrap_err().kind(), ErrorKind::FileTooLarge);
            });
        });
        assert!(new.exists());
    }
}

/// Blocks behind the end of a file count for no limit of its length; when the length then cannot follow, they must go.
#[test]
fn a_file_that_may_not_grow_keeps_no_blocks_behind_its_end() {
    const TEST: &str = "a_file_that_may_not_grow_keeps_no_blocks_behind_its_end";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "limited")), End::Passed);
        return;
    }
    let Some((disk, path)) = disk_with_file(TEST, 5000) else {
        return;
    };
    open(&path).sync_all().unwrap();
    limit_files();
    let before = (state(&path), free(disk.path()));
    let result = MmapOptions::new().len(1 << 20).allocate().map_view(open(&path), Protection::ReadWrite);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::FileTooLarge);
    let after = (state(&path), free(disk.path()));
    assert_eq!((after.0.0, after.0.1, after.1), (before.0.0, before.0.1, before.1), "length, blocks and room");
}
