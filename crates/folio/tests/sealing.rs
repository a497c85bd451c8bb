//! Memory that is filled, sealed, and handed to others.
#![cfg(all(target_os = "linux", not(folio_heap)))] // the heap is sealed by nobody

use folio::{Fault, Mmap, MmapOptions, MmapViewSync, Protection, ViewError, page_size, shm};
use std::ffi::c_int;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

#[path = "support/flags.rs"]
mod flags;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "only a part of it is used here")]
mod maps;
#[path = "support/respawn.rs"]
mod respawn;
#[path = "support/seccomp.rs"]
#[allow(dead_code, reason = "only a part of it is used here")]
mod seccomp;
#[path = "support/tries.rs"]
mod tries;

use respawn::End;

/// Memory of `len` bytes, each of which is 7.
fn sevens(len: usize) -> (File, MmapViewSync) {
    let (fd, view) = shm::memfd("folio-test", len).unwrap();
    view.write_all_at(&vec![7; len], 0).unwrap();
    (File::from(fd), view)
}

fn seals_of(fd: impl AsFd) -> c_int {
    // SAFETY: the command takes no pointer.
    unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GET_SEALS) }
}

fn add_seals(fd: impl AsFd, seals: c_int) {
    // SAFETY: the command takes a number.
    let result = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_ADD_SEALS, seals) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// How many pages of the machine the memory behind this file takes up.
fn pages_of(file: &File) -> usize {
    usize::try_from(file.metadata().unwrap().blocks()).unwrap() * 512 / machine::page_size()
}

/// The error, and the view, which still is what it was: at its address, and its bytes go to the memory and come from it.
#[track_caller]
fn refused(result: Result<Mmap, ViewError<MmapViewSync>>, at: *const u8) -> (ErrorKind, MmapViewSync) {
    let (error, view) = result.unwrap_err().into_parts();
    assert_eq!(view.as_ptr(), at);
    if view.protection().write() {
        let byte = view.load::<u8>(0).unwrap();
        view.store(0, byte.wrapping_add(1)).unwrap();
        assert_eq!(view.load::<u8>(0).unwrap(), byte.wrapping_add(1));
        view.store(0, byte).unwrap();
    }
    (error.kind(), view)
}

#[test]
fn memory_with_a_descriptor_is_shared_by_who_has_it() {
    let (fd, view) = shm::memfd("folio-test", 3 * page_size() + 5).unwrap();
    assert_eq!(view.len(), 3 * page_size() + 5);
    assert_eq!(view.protection(), Protection::ReadWrite);
    assert!(maps::at(view.as_ptr()).unwrap().name.starts_with("/memfd:folio-test"));
    // SAFETY: the command takes no pointer.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) }, libc::FD_CLOEXEC);

    let theirs = MmapViewSync::open(&fd, Protection::ReadWrite).unwrap();
    theirs.write_all_at(b"theirs", 10).unwrap();
    let file = File::from(fd);
    file.write_all_at(b"file's", 20).unwrap();
    let mut bytes = [0; 16];
    view.read_exact_at(&mut bytes, 10).unwrap();
    assert_eq!(&bytes, b"theirs\0\0\0\0file's");
    assert!(MmapOptions::new().map_if_safe(&file).is_err(), "not sealed yet");

    // Not even the metadata is anything to wait for, but it can be.
    view.flush().unwrap();
    view.sync_all().unwrap();
}

#[test]
fn names_and_lengths_that_cannot_be_are_invalid() {
    let kind = |name: &str, len| shm::memfd(name, len).unwrap_err().kind();
    assert_eq!(kind("a\0b", 1), ErrorKind::InvalidInput);
    assert_eq!(kind(&"x".repeat(250), 1), ErrorKind::InvalidInput);
    assert_eq!(kind("", usize::MAX), ErrorKind::InvalidInput);
    assert_eq!(kind("", isize::MAX as usize + 1), ErrorKind::InvalidInput);
    shm::memfd(&"x".repeat(249), 1).unwrap();
    assert!(shm::memfd("", 0).unwrap().1.is_empty());
}

/// Making a file longer than the process may raises SIGXFSZ, which ends it.
#[test]
fn a_limit_on_files_is_an_error() {
    const TEST: &str = "a_limit_on_files_is_an_error";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "limited")), End::Passed);
        return;
    }
    let limit = libc::rlimit { rlim_cur: 10_000, rlim_max: 10_000 };
    // SAFETY: the call reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
    shm::memfd("", 10_000).unwrap();
    assert_eq!(shm::memfd("", 10_001).unwrap_err().kind(), ErrorKind::FileTooLarge);
    let secret = MmapOptions::new().len(100_000).secret().map_anon_shared();
    assert!(matches!(secret.unwrap_err().kind(), ErrorKind::FileTooLarge | ErrorKind::Unsupported));
}

/// The kernel refuses to seal while there is a writable mapping, and one's own is one: it says `EBUSY`.
#[test]
fn sealing_leaves_the_bytes_in_their_place_and_nobody_changes_them() {
    for len in [1, page_size(), 5 * page_size() - 3] {
        let (file, view) = sevens(len);
        let at = view.as_ptr();
        let map = view.seal().unwrap();
        assert_eq!((map.as_ptr(), map.len(), map.protection()), (at, len, Protection::Read));
        assert!(map.iter().all(|&byte| byte == 7));
        assert_eq!(maps::at(at).unwrap().permissions, "r--p");
        let all = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        assert_eq!(seals_of(&file) & all, all);

        assert!(file.write_all_at(b"x", 0).is_err() && file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
        assert!(MmapViewSync::open(&file, Protection::ReadWrite).is_err());
        let theirs = MmapOptions::new().map_if_safe(&file).unwrap();
        assert_eq!(theirs[..], map[..]);

        // It is what `map_if_safe` gives: shared out, never written again.
        assert_eq!(map.clone().make_mut().unwrap_err().error().kind(), ErrorKind::ResourceBusy);
        assert_eq!(map.make_mut().unwrap_err().error().kind(), ErrorKind::PermissionDenied);
        drop(theirs);
    }
}

#[test]
fn memory_of_no_bytes_is_sealed_too() {
    let (fd, view) = shm::memfd("folio-test", 0).unwrap();
    assert!(view.seal().unwrap().is_empty());
    assert!(File::from(fd.try_clone().unwrap()).set_len(1).is_err());
    assert!(MmapOptions::new().map_if_safe(&fd).unwrap().is_empty());
}

/// The mapping has kept a duplicate of the descriptor; there is nothing left to do with it.
#[test]
fn sealing_lets_the_file_go_and_leaves_one_mapping() {
    maps::in_child("sealing_lets_the_file_go_and_leaves_one_mapping", || {
        let counts = || (maps::all().len(), maps::descriptors());
        let counts_while_sealed = || {
            let (file, view) = sevens(3 * page_size());
            // SAFETY: nobody writes meanwhile. Lending takes address space, in which lost pages are set aside.
            unsafe { view.with_slice(|bytes| bytes.len()) }.unwrap();
            let map = view.seal().unwrap();
            drop(file);
            let counts = counts();
            map.unmap().unwrap();
            counts
        };
        // What a process takes for good the first time is none of this, nor what the C library's allocator (musl's) takes and gives back.
        counts_while_sealed();
        let before = counts();
        for _ in 0..tries::tries(100) {
            assert_eq!(counts_while_sealed(), (before.0 + 1, before.1));
        }
        for _ in 0..tries::tries(100) {
            let (file, view) = sevens(3 * page_size());
            let other = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
            view.seal().unwrap_err();
            drop(other);
        }
        assert_eq!(counts(), before);
    });
}

/// Sealed memory that was written through a mapping which is still there would change under everybody's `&[u8]`.
#[test]
fn a_mapping_elsewhere_gives_the_view_back() {
    // One for reading counts as well: its descriptor can write, so it could be made writable.
    for protection in [Protection::ReadWrite, Protection::Read] {
        let (file, view) = sevens(2 * page_size());
        let at = view.as_ptr();
        let other = MmapViewSync::open(&file, protection).unwrap();
        let (kind, view) = refused(view.seal(), at);
        assert_eq!((kind, view.protection()), (ErrorKind::ResourceBusy, Protection::ReadWrite));
        view.store(0, 9_u8).unwrap();
        assert_eq!(other.load::<u8>(0).unwrap(), 9, "the view is no longer shared");
        assert_eq!(maps::at(at).unwrap().permissions, "rw-s");
        drop(other);
        assert_eq!(view.seal().unwrap()[..2], [9, 7]);
    }
}

#[test]
fn a_mapping_in_another_process_gives_the_view_back() {
    const TEST: &str = "a_mapping_in_another_process_gives_the_view_back";
    if respawn::case().is_some() {
        let view = MmapViewSync::open(std::io::stdin().as_fd(), Protection::ReadWrite).unwrap();
        view.store(page_size(), 8_u8).unwrap();
        println!("mapped");
        // Until somebody kills this process.
        thread::sleep(Duration::from_secs(60));
        return;
    }
    let (file, view) = sevens(2 * page_size());
    let at = view.as_ptr();
    let mut command = respawn::command(&[], TEST, "holds a mapping");
    command.stdin(Stdio::from(OwnedFd::from(file.try_clone().unwrap()))).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("mapped")), "the child has ended");

    let (kind, view) = refused(view.seal(), at);
    assert_eq!((kind, view.protection()), (ErrorKind::ResourceBusy, Protection::ReadWrite));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(view.seal().unwrap()[page_size()], 8);
}

#[test]
fn whatever_cannot_be_sealed_comes_back() {
    let page = page_size();
    // A part, and a whole that is not alone.
    let (_file, view) = sevens(2 * page);
    let at = view.as_ptr();
    let (head, tail) = view.split_at(page).unwrap();
    let (kind, head) = refused(head.seal(), at);
    assert_eq!(kind, ErrorKind::ResourceBusy);
    drop(tail);
    let (kind, head) = refused(head.seal(), at);
    assert_eq!(kind, ErrorKind::InvalidInput);
    head.whole().unwrap().seal().unwrap();

    // No memory with seals: none of a file, an ordinary file, a file of tmpfs, private pages.
    let anonymous = MmapViewSync::anonymous(page).unwrap();
    let at = anonymous.as_ptr();
    assert_eq!(refused(anonymous.seal(), at).0, ErrorKind::InvalidInput);
    let mut keep = MmapOptions::new();
    keep.keep_file();
    let ordinary = tempfile::tempfile().unwrap();
    ordinary.set_len(10).unwrap();
    let view = keep.map_view(&ordinary, Protection::ReadWrite).unwrap();
    let at = view.as_ptr();
    let refusal = refused(view.seal(), at).0;
    // On tmpfs every file has seals: the one against further ones.
    assert!(matches!(refusal, ErrorKind::InvalidInput | ErrorKind::PermissionDenied), "{refusal:?}");
    let (file, view) = sevens(10);
    drop(view);
    let view = keep.map_view(&file, Protection::ReadCopy).unwrap();
    let at = view.as_ptr();
    assert_eq!(refused(view.seal(), at).0, ErrorKind::InvalidInput);

    // A view that keeps no file.
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    let at = view.as_ptr();
    assert_eq!(refused(view.seal(), at).0, ErrorKind::Unsupported);

    // A descriptor that cannot write.
    let reader = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    let view = keep.map_view(&reader, Protection::Read).unwrap();
    let at = view.as_ptr();
    let (kind, view) = refused(view.seal(), at);
    assert_eq!((kind, view.load::<u8>(9).unwrap()), (ErrorKind::PermissionDenied, 7));
    drop(view);

    let mut zeros = keep.clone();
    // SAFETY: no plain slice is made.
    unsafe { zeros.zero_fill_on_fault() };
    if let Ok(view) = zeros.map_view(&file, Protection::ReadWrite) {
        let at = view.as_ptr();
        assert_eq!(refused(view.seal(), at).0, ErrorKind::InvalidInput);
    }

    // Somebody else had the last word on seals.
    let view = keep.map_view(&file, Protection::ReadWrite).unwrap();
    let at = view.as_ptr();
    add_seals(&file, libc::F_SEAL_GROW | libc::F_SEAL_SEAL);
    let (kind, view) = refused(view.seal(), at);
    assert_eq!((kind, view.protection()), (ErrorKind::PermissionDenied, Protection::ReadWrite));
}

/// Others have the descriptor, and can keep the memory from being mapped for writing a second time. What is mapped stays so.
#[test]
fn a_view_that_cannot_be_given_back_writable_comes_back_for_reading() {
    let (file, view) = sevens(3 * page_size());
    let at = view.as_ptr();
    let other = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    add_seals(&file, libc::F_SEAL_FUTURE_WRITE);
    let (kind, view) = refused(view.seal(), at);
    assert_eq!((kind, view.protection()), (ErrorKind::ResourceBusy, Protection::Read));
    assert_eq!(view.store(0, 1_u8).unwrap_err().kind(), ErrorKind::PermissionDenied);
    other.store(2 * page_size(), 8_u8).unwrap();
    assert_eq!(view.load::<u8>(2 * page_size()).unwrap(), 8);
}

/// A page that is missing when the last view is a plain slice is a signal, much later.
#[test]
fn holes_are_filled_or_an_error() {
    const PAGES: usize = 20;
    let (fd, view) = shm::memfd("folio-test", PAGES * page_size()).unwrap();
    let file = File::from(fd);
    assert_eq!(pages_of(&file), 0);
    let map = view.seal().unwrap();
    assert_eq!(pages_of(&file), PAGES);
    assert!(map.iter().all(|&byte| byte == 0));

    let (file, view) = sevens(PAGES * page_size());
    let at = view.as_ptr();
    file.set_len(10).unwrap();
    let (error, view) = view.seal().unwrap_err().into_parts();
    assert_eq!(Fault::of(&error).expect("a fault").offset, page_size());
    assert_eq!((view.as_ptr(), view.protection()), (at, Protection::ReadWrite));
    file.set_len((PAGES * page_size()) as u64).unwrap();
    assert_eq!(view.seal().unwrap()[..11], [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
}

/// Whoever has the descriptor cuts the memory short, again and again, while it is sealed.
#[test]
fn others_that_interfere_meanwhile_end_nothing() {
    const TEST: &str = "others_that_interfere_meanwhile_end_nothing";
    const PAGES: usize = 16;
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "in a child")), End::Passed);
        return;
    }
    let (mut sealed, mut lost, mut denied) = (0, 0, 0);
    let enough = tries::tries(400);
    for round in 0..400 {
        // Few rounds will do where they are slow, but not before a page was lost in one.
        if round >= enough && lost > 0 {
            break;
        }
        let (file, view) = sevens(PAGES * page_size());
        let (at, done, begun) = (view.as_ptr(), AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|threads| {
            threads.spawn(|| {
                for turn in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    // Now and then it is long enough for all of it to be touched, and then it is short again.
                    for _ in 0..(turn * 7919 + round * 104_729) % 20_000 {
                        std::hint::spin_loop();
                    }
                    let _ = file.set_len(page_size() as u64);
                    let _ = file.set_len((PAGES * page_size()) as u64);
                    begun.store(true, Ordering::Relaxed);
                    if round % 4 == 0 {
                        // SAFETY: the command takes a number.
                        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_FUTURE_WRITE) };
                    }
                    if round % 8 == 0 {
                        // SAFETY: the command takes a number.
                        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SEAL) };
                    }
                }
            });
            while !begun.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            match view.seal() {
                Ok(map) => {
                    sealed += 1;
                    let sum: usize = map.iter().map(|&byte| usize::from(byte)).sum();
                    assert!(sum >= 7 * page_size() && sum <= 7 * PAGES * page_size());
                    assert_eq!(map.as_ptr(), at);
                }
                Err(failed) => {
                    let (error, view) = failed.into_parts();
                    match Fault::of(&error) {
                        Some(fault) => {
                            lost += 1;
                            assert!(fault.offset >= page_size());
                        }
                        None => {
                            denied += 1;
                            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
                        }
                    }
                    assert_eq!((view.as_ptr(), view.load::<u8>(0).unwrap()), (at, 7));
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }
    println!("{sealed} sealed, {lost} lost a page, {denied} denied");
    assert!(lost > 0 && sealed + lost + denied >= enough);
}

/// Slices of the view were lent before, and its lost pages stood in zeros. The mapping is another one now.
#[test]
fn slices_are_lent_before_and_after() {
    let (file, view) = sevens(4 * page_size());
    file.set_len(page_size() as u64).unwrap();
    // SAFETY: nobody writes meanwhile, and the largest of some bytes is safe to look for.
    let lost = unsafe { view.with_slice(|bytes| bytes.iter().max().copied()) };
    assert_eq!(Fault::of(&lost.unwrap_err()).unwrap().offset, page_size());
    file.set_len(4 * page_size() as u64).unwrap();
    view.write_all_at(&vec![7; 4 * page_size()], 0).unwrap();

    let view = view.seal().unwrap().into_view_sync().unwrap();
    // SAFETY: it is sealed, so nobody writes.
    let sum = unsafe { view.with_slice(|bytes| bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>()) };
    assert_eq!(sum.unwrap(), 7 * 4 * page_size());
    assert_eq!(view.store(0, 1_u8).unwrap_err().kind(), ErrorKind::PermissionDenied);
    // There is nothing that a flush could write.
    view.flush().unwrap();
}

/// Whoever vouches that the bytes are theirs alone writes copies of the pages, not the memory.
#[test]
fn sealed_memory_stays_as_it_is_whoever_vouches() {
    let (file, view) = sevens(page_size());
    let map = view.seal().unwrap();
    // SAFETY: this is the only view of the mapping, and what is written to it shows in no other.
    let mut own = unsafe { map.assume_exclusive() }.unwrap();
    assert_eq!(own.protection(), Protection::ReadCopy);
    own[0] = 1;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).unwrap();
    assert_eq!(byte, [7]);
}

/// What takes the place of the mapping has new pages: locks of the old ones would have been lost without a word.
#[test]
fn locked_memory_is_not_sealed() {
    let (_file, view) = sevens(2 * page_size());
    view.lock().unwrap();
    let failed = view.seal().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::ResourceBusy);
    let view = failed.into_view();
    view.write_all_at(b"8", 0).unwrap();
    view.unlock().unwrap();
    assert_eq!(view.seal().unwrap()[..2], *b"8\x07");
}

#[test]
fn what_core_dumps_leave_out_they_leave_out_afterwards() {
    let (file, first) = sevens(2 * page_size());
    drop(first);
    let mut options = MmapOptions::new();
    options.keep_file().no_core_dump();
    let view = options.map_view(&file, Protection::ReadWrite).unwrap();
    let other = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    let view = view.seal().unwrap_err().into_view();
    assert!(flags::flags_at(view.as_ptr()).contains(&"dd".to_owned()));
    drop(other);
    let map = view.seal().unwrap();
    assert!(flags::flags_at(map.as_ptr()).contains(&"dd".to_owned()));
}

/// A view that the kernel cannot put another mapping in the place of is as before, and nothing is left elsewhere.
#[test]
fn a_kernel_that_does_not_help_changes_nothing() {
    const TEST: &str = "a_kernel_that_does_not_help_changes_nothing";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "in a child")), End::Passed);
        return;
    }
    let (file, view) = sevens(2 * page_size());
    let at = view.as_ptr();
    seccomp::forbid(&[libc::SYS_mremap]);
    let (kind, view) = refused(view.seal(), at);
    assert_eq!((kind, view.protection()), (ErrorKind::PermissionDenied, Protection::ReadWrite));
    assert_eq!(maps::at(at).unwrap().permissions, "rw-s");
    let of_memory = maps::all().into_iter().filter(|region| region.name.contains("folio-test")).count();
    assert_eq!((of_memory, seals_of(&file) & libc::F_SEAL_WRITE), (1, 0));
    drop(view);
}

/// A kernel that knows no such memory.
#[test]
fn a_kernel_without_memory_with_descriptors_says_so() {
    const TEST: &str = "a_kernel_without_memory_with_descriptors_says_so";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "in a child")), End::Passed);
        return;
    }
    seccomp::fail(&[libc::SYS_memfd_create], libc::ENOSYS);
    assert_eq!(shm::memfd("folio-test", 10).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// The proof is in the descriptor, not in who sends it: it is closed, passed on, and opened anew.
#[test]
fn the_proof_outlives_the_one_who_sealed() {
    let (file, view) = sevens(10);
    view.seal().unwrap();
    let mut again = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    drop(file);
    let map = MmapOptions::new().map_if_safe(&again).unwrap();
    assert_eq!(map[..], [7; 10]);
    assert!(again.write_all(b"x").is_err());
}
