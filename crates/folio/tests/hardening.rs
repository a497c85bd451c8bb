//! Guards around memory, memory that nobody else can read, memory that core dumps leave out, mappings that are final.
#![cfg(all(target_os = "linux", not(folio_heap)))] // the heap has no guards and no secrets

use folio::{Fault, MmapMut, MmapOptions, MmapViewSync, Protection, page_size};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::{env, io, process, ptr};

#[path = "support/flags.rs"]
mod flags;
#[path = "support/maps.rs"]
#[allow(dead_code, reason = "only a part of it is used here")]
mod maps;
#[path = "support/respawn.rs"]
mod respawn;
#[path = "support/seccomp.rs"]
#[allow(dead_code, reason = "only a part of it is used here")]
mod seccomp;
#[path = "support/skip.rs"]
mod skip;

use flags::flags_at;
use respawn::End;

fn errno() -> Option<i32> {
    io::Error::last_os_error().raw_os_error()
}

/// How many mappings this process has, and how many descriptors.
fn held() -> (usize, usize) {
    (maps::all().len(), maps::descriptors())
}

// Guards

#[test]
fn the_pages_beside_guarded_memory_cannot_be_touched() {
    const TEST: &str = "the_pages_beside_guarded_memory_cannot_be_touched";
    const CASES: [&str; 4] = ["read before", "write before", "read behind", "write behind"];
    let Some(case) = respawn::case() else {
        for case in CASES {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), End::Signal(libc::SIGSEGV), "{case}");
        }
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "nothing")), End::Passed);
        return;
    };
    let mut map = MmapOptions::new().len(3 * page_size()).guard_pages().map_anon().unwrap();
    // The view itself is all there.
    map.fill(7);
    let (before, behind) = (map.as_mut_ptr().wrapping_sub(1), map.as_mut_ptr().wrapping_add(3 * page_size()));
    match case.as_str() {
        // SAFETY: that there is nothing to read or write is what the test is about: the process ends here.
        "read before" => drop(unsafe { ptr::read_volatile(before) }),
        // SAFETY: as for the first access.
        "write before" => unsafe { ptr::write_volatile(before, 1) },
        // SAFETY: as for the first access.
        "read behind" => drop(unsafe { ptr::read_volatile(behind) }),
        // SAFETY: as for the first access.
        "write behind" => unsafe { ptr::write_volatile(behind, 1) },
        _ => {}
    }
}

/// What lies beside the guards is somebody else's: none of the calls of a guarded mapping reaches it.
#[test]
fn guards_come_and_go_with_their_memory_and_touch_nobody_else() {
    maps::in_child("guards_come_and_go_with_their_memory_and_touch_nobody_else", || {
        let page = page_size();
        for (len, shared) in [(1, false), (page, true), (3 * page - 1, false), (3 * page, true)] {
            let mut options = MmapOptions::new();
            options.len(len).guard_pages();
            let view =
                if shared { options.map_anon_shared().unwrap() } else { options.map_anon().unwrap().into_view_sync() };
            let (start, inner) = (view.as_ptr(), len.next_multiple_of(page));
            let (before, behind) = (start.wrapping_sub(1), start.wrapping_add(inner));
            for guard in [before, behind] {
                assert_eq!(maps::at(guard).unwrap().permissions, if shared { "---s" } else { "---p" }, "{len}");
            }
            // The kernel may have put the guards beside others of their kind; these ones are a page each.
            let canaries = [start.wrapping_sub(2 * page), behind.wrapping_add(page)].map(|at| canary(at.cast_mut()));
            view.write_all_at(&vec![3; len], 0).unwrap();
            view.flush().unwrap();

            // SAFETY: this is the only view, and the process makes no child.
            let map = unsafe { view.assume_exclusive() }.unwrap().make_read_only().unwrap();
            assert_eq!(maps::at(before).unwrap().permissions.as_bytes()[..3], *b"---");
            assert_eq!(map[len - 1], 3);
            let (head, tail) = map.into_view_sync().unwrap().split_at(len / 2).unwrap();
            drop(tail);
            assert!(maps::at(behind).is_some(), "the guard went before its memory");
            head.unmap().unwrap();

            for gone in [before, start, behind] {
                assert!(maps::at(gone).is_none(), "{len}");
            }
            for at in canaries.into_iter().flatten() {
                // SAFETY: the page was mapped by `canary`.
                assert_eq!(unsafe { ptr::read_volatile(at) }, 0xA5);
                // SAFETY: as above; nobody else knows it.
                unsafe { libc::munmap(at.cast(), page) };
            }
        }
    });
}

/// A marked page at this address, if nothing is there.
fn canary(at: *mut u8) -> Option<*mut u8> {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: the call takes nothing away that is mapped.
    let page = unsafe { libc::mmap(at.cast(), page_size(), libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if page != at.cast() {
        return None;
    }
    // SAFETY: the page is new and can be written.
    unsafe { ptr::write_volatile(at, 0xA5) };
    Some(at)
}

#[test]
fn guards_and_secrets_are_for_memory_of_no_file() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(10).unwrap();
    let kind = |options: &MmapOptions| options.map_view(&file, Protection::ReadWrite).unwrap_err().kind();
    assert_eq!(kind(MmapOptions::new().guard_pages()), ErrorKind::InvalidInput);
    assert_eq!(kind(MmapOptions::new().secret()), ErrorKind::InvalidInput);
    let huge = |options: &mut MmapOptions| options.len(10).huge(None).map_anon_shared().unwrap_err().kind();
    assert_eq!(huge(MmapOptions::new().guard_pages()), ErrorKind::InvalidInput);
    assert_eq!(huge(MmapOptions::new().secret()), ErrorKind::InvalidInput);
    // A child shares secret memory, so nobody has it alone.
    assert_eq!(MmapOptions::new().len(10).secret().map_anon().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn hardened_maps_that_fail_or_end_leave_nothing_behind() {
    maps::in_child("hardened_maps_that_fail_or_end_leave_nothing_behind", || {
        let mut all = MmapOptions::new();
        all.guard_pages().no_core_dump();
        let before = held();
        for len in [0, 1, page_size() + 1] {
            for _ in 0..100 {
                drop(all.clone().len(len).map_anon().unwrap());
                let _ = all.clone().secret().len(len).map_anon_shared();
                assert!(all.clone().secret().len(isize::MAX as usize).map_anon_shared().is_err());
                assert!(all.clone().len(isize::MAX as usize).map_anon().is_err());
                assert!(all.clone().len(isize::MAX as usize - 2 * page_size()).map_anon().is_err());
            }
        }
        assert_eq!(held(), before);
        // Each step that can fail does.
        for calls in [libc::SYS_madvise, libc::SYS_mprotect] {
            seccomp::forbid(&[calls]);
            let error = all.clone().len(10).map_anon().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        }
        assert_eq!(held(), before);
    });
}

// Secret memory

/// A page of secret memory, unless this kernel has none.
fn secret(test: &str) -> Option<MmapViewSync> {
    match MmapOptions::new().len(page_size()).secret().map_anon_shared() {
        Ok(view) => Some(view),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            skip::skip(test, error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Reads 8 bytes of a process: what a debugger does.
fn read_of_process(pid: i32, address: usize) -> io::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(address), iov_len: bytes.len() };
    // SAFETY: the call writes to the array, whose length it is told; the other address is looked at by the kernel alone.
    let count = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if count == 8 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn another_process_cannot_read_secret_memory() {
    const TEST: &str = "another_process_cannot_read_secret_memory";
    if respawn::case().is_some() {
        let number = |name: &str| env::var(name).unwrap().parse::<usize>().unwrap();
        let pid = i32::try_from(number("FOLIO_PID")).unwrap();
        match read_of_process(pid, number("FOLIO_ORDINARY")) {
            Ok(bytes) => assert_eq!(&bytes, b"ordinary"),
            // Without the right to look into other processes there is nothing to see.
            Err(error) => return skip::skip(TEST, error),
        }
        let error = read_of_process(pid, number("FOLIO_SECRET")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFAULT));
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes, number("FOLIO_ORDINARY") as u64).unwrap();
        assert_eq!(&bytes, b"ordinary");
        memory.read_exact_at(&mut bytes, number("FOLIO_SECRET") as u64).unwrap_err();
        return;
    }
    let Some(secret) = secret(TEST) else { return };
    let ordinary = MmapViewSync::anonymous(page_size()).unwrap();
    secret.write_all_at(b"a secret", 0).unwrap();
    ordinary.write_all_at(b"ordinary", 0).unwrap();
    let mut command = respawn::command(&[], TEST, "a curious process");
    command.env("FOLIO_PID", process::id().to_string());
    command.env("FOLIO_SECRET", secret.as_ptr().addr().to_string());
    command.env("FOLIO_ORDINARY", ordinary.as_ptr().addr().to_string());
    assert_eq!(respawn::run(&mut command), End::Passed);
}

/// The kernel has these pages in no map of its own: what becomes of calls that hand it the address?
#[test]
fn the_process_itself_uses_secret_memory_as_any_other() {
    const TEST: &str = "the_process_itself_uses_secret_memory_as_any_other";
    let Some(case) = respawn::case() else {
        for case in ["routines", "kernel copies"] {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), End::Passed, "{case}");
        }
        return;
    };
    if case == "kernel copies" {
        folio::fault::use_kernel_copies().unwrap();
    }
    let Some(view) = secret(TEST) else { return };
    view.write_all_at(b"a secret", 100).unwrap();
    view.store(0, 7_u64).unwrap();
    let mut bytes = [0; 8];
    view.read_exact_at(&mut bytes, 100).unwrap();
    assert_eq!((&bytes, view.load::<u64>(0).unwrap()), (b"a secret", 7));
    // SAFETY: nobody else has the memory.
    let sum = unsafe { view.with_slice(|bytes| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>()) };
    assert!(sum.unwrap() > 7);
    view.flush().unwrap();
    view.flush_async().unwrap();

    let flags = flags_at(view.as_ptr());
    assert!(flags.contains(&"lo".to_owned()) && flags.contains(&"dd".to_owned()), "{flags:?}");

    // SAFETY: this process makes no child.
    let mut map = unsafe { view.assume_exclusive() }.unwrap();
    map[0] = 8;
    let (receiver, sender) = rustix::pipe::pipe().unwrap();
    let (mut receiver, mut sender) = (File::from(receiver), File::from(sender));
    sender.write_all(&map[100..108]).unwrap();
    receiver.read_exact(&mut map[..8]).unwrap();
    assert_eq!(map[..8], *b"a secret");
    map.unmap().unwrap();
}

#[test]
fn secret_memory_beyond_the_limit_is_an_error_and_not_a_signal() {
    const TEST: &str = "secret_memory_beyond_the_limit_is_an_error_and_not_a_signal";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "an ordinary user")), End::Passed);
        return;
    }
    let limit = libc::rlimit { rlim_cur: 64 * 1024, rlim_max: 64 * 1024 };
    // SAFETY: the call reads the structure.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }, 0);
    // Root has no limit. SAFETY: the calls take numbers.
    unsafe { libc::setresuid(65534, 65534, 65534) };
    if secret(TEST).is_none() {
        return;
    }
    let error = MmapOptions::new().len(1 << 20).secret().map_anon_shared().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
}

#[test]
fn secret_memory_has_guards_too() {
    const TEST: &str = "secret_memory_has_guards_too";
    if secret(TEST).is_none() {
        return;
    }
    let view = MmapOptions::new().len(page_size()).secret().guard_pages().map_anon_shared().unwrap();
    view.store(page_size() - 8, 7_u64).unwrap();
    for guard in [view.as_ptr().wrapping_sub(1), view.as_ptr().wrapping_add(page_size())] {
        assert_eq!(maps::at(guard).unwrap().permissions, "---s");
    }
}

/// A kernel that is too old, or was not told to have any.
#[test]
fn a_kernel_without_these_calls_says_so() {
    const TEST: &str = "a_kernel_without_these_calls_says_so";
    if respawn::case().is_none() {
        assert_eq!(respawn::run(&mut respawn::command(&[], TEST, "in a child")), End::Passed);
        return;
    }
    // memfd_secret and mseal.
    seccomp::fail(&[447, 462], libc::ENOSYS);
    let error = MmapOptions::new().len(10).secret().map_anon_shared().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let mut map = MmapMut::map_anon(10).unwrap();
    assert_eq!(map.mseal().unwrap_err().kind(), ErrorKind::Unsupported);
    map[0] = 1;
    map.unmap().unwrap();
}

// Core dumps

#[test]
fn core_dumps_leave_out_what_they_were_told_to() {
    let left_out = |address| flags_at(address).contains(&"dd".to_owned());
    let mut options = MmapOptions::new();
    options.len(2 * page_size());
    assert!(!left_out(options.map_anon().unwrap().as_ptr()));
    options.no_core_dump();
    assert!(left_out(options.map_anon().unwrap().as_ptr()));
    assert!(left_out(options.map_anon_shared().unwrap().as_ptr()));
    let guarded = options.clone().guard_pages().map_anon().unwrap();
    assert!(left_out(guarded.as_ptr()));

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 2 * page_size()]).unwrap();
    for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
        let view = options.map_view(&file, protection).unwrap();
        assert!(left_out(view.as_ptr()), "{protection:?}");
    }
    // It stays so, whatever becomes of the protection.
    let map = options.map_anon().unwrap().make_read_only().unwrap();
    assert!(left_out(map.as_ptr()));
    assert!(left_out(map.make_mut().unwrap().as_ptr()));
    assert!(MmapOptions::new().no_core_dump().map_anon().unwrap().is_empty());
}

// Mappings that are final

/// Whether this kernel makes mappings final.
fn has_mseal(test: &str) -> bool {
    match MmapMut::map_anon(1).unwrap().mseal() {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            skip::skip(test, error);
            false
        }
    }
}

#[test]
fn a_final_mapping_cannot_be_taken_away_or_changed() {
    const TEST: &str = "a_final_mapping_cannot_be_taken_away_or_changed";
    if !has_mseal(TEST) {
        return;
    }
    let len = 3 * page_size();
    let mut map = MmapMut::map_anon(len).unwrap();
    map.fill(7);
    let mut map = map.make_read_only().unwrap();
    let before = map.clone();
    assert_eq!(map.mseal().unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(before);
    map.mseal().unwrap();
    map.mseal().unwrap();

    // A part of the program that goes wrong: all of it, or a page of it.
    let at = map.as_ptr().cast_mut();
    for (at, len) in [(at, len), (at.wrapping_add(page_size()), page_size())] {
        // SAFETY: the kernel refuses, which is what the test is about.
        assert_eq!((unsafe { libc::munmap(at.cast(), len) }, errno()), (-1, Some(libc::EPERM)));
        // SAFETY: the kernel refuses this one, too.
        let result = unsafe { libc::mprotect(at.cast(), len, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!((result, errno()), (-1, Some(libc::EPERM)));
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the kernel refuses this one, too.
        let result = unsafe { libc::mmap(at.cast(), len, libc::PROT_READ, flags, -1, 0) };
        assert_eq!((result, errno()), (libc::MAP_FAILED, Some(libc::EPERM)));
        // SAFETY: the kernel refuses this one, too.
        let result = unsafe { libc::mremap(at.cast(), len, 2 * len, libc::MREMAP_MAYMOVE) };
        assert_eq!((result, errno()), (libc::MAP_FAILED, Some(libc::EPERM)));
        // SAFETY: the kernel refuses this one, too.
        let result = unsafe { libc::madvise(at.cast(), len, libc::MADV_DONTNEED) };
        assert_eq!((result, errno()), (-1, Some(libc::EPERM)));
    }
    assert!(map.iter().all(|&byte| byte == 7));

    // And the program itself, by every call that would.
    let (error, map) = map.make_mut().unwrap_err().into_parts();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let (error, map) = map.unmap().unwrap_err().into_parts();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(map.iter().all(|&byte| byte == 7));
}

/// Nobody can unmap it, so it stays, and nothing pretends otherwise.
#[test]
fn a_final_mapping_stays_when_its_last_view_goes() {
    const TEST: &str = "a_final_mapping_stays_when_its_last_view_goes";
    if !has_mseal(TEST) {
        return;
    }
    maps::in_child(TEST, || {
        let descriptors = maps::descriptors();
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * page_size() as u64).unwrap();
        let mut view = MmapOptions::new().keep_file().map_view(&file, Protection::ReadWrite).unwrap();
        view.mseal().unwrap();
        drop(file);
        let (head, tail) = view.split_at(10).unwrap();
        let at = head.as_ptr();
        head.store(0, 7_u8).unwrap();
        tail.flush().unwrap();
        drop((head, tail));
        // SAFETY: the page is mapped for good, as the next line shows, and nobody writes it.
        assert_eq!(unsafe { ptr::read_volatile(at) }, 7);
        assert_eq!(maps::at(at).unwrap().permissions, "rw-s");
        assert_eq!(maps::descriptors(), descriptors, "the kept file goes with the view");

        let mut guarded = MmapOptions::new().len(10).guard_pages().map_anon().unwrap();
        guarded.mseal().unwrap();
        let at = guarded.as_ptr();
        drop(guarded);
        for at in [at.wrapping_sub(1), at, at.wrapping_add(page_size())] {
            assert!(maps::at(at).is_some());
            let page = at.wrapping_sub(at.addr() % page_size()).cast_mut();
            // SAFETY: the kernel refuses, which is what the test is about.
            assert_eq!((unsafe { libc::munmap(page.cast(), page_size()) }, errno()), (-1, Some(libc::EPERM)));
        }
        let mut empty = MmapMut::map_anon(0).unwrap();
        empty.mseal().unwrap();
        empty.unmap().unwrap();
    });
}

/// A page that is lost cannot be exchanged for zeros in a final mapping: a slice over it would end the process.
#[test]
fn slices_of_a_final_mapping_survive_as_copies() {
    const TEST: &str = "slices_of_a_final_mapping_survive_as_copies";
    if !has_mseal(TEST) {
        return;
    }
    // A slice that does not survive ends the process.
    maps::in_child(TEST, || {
        let file = tempfile::tempfile().unwrap();
        let len = 3 * page_size();
        let sum = |view: &MmapViewSync| {
            // SAFETY: nobody writes, and a sum is safe whatever the bytes are.
            unsafe { view.with_slice(|bytes| bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>()) }
        };
        for lent_before in [false, true] {
            file.write_all_at(&vec![7; len], 0).unwrap();
            let mut view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
            if lent_before {
                file.set_len(page_size() as u64).unwrap();
                assert!(sum(&view).is_err());
                file.set_len(len as u64).unwrap();
            }
            view.mseal().unwrap();
            view.write_all_at(&vec![7; len], 0).unwrap();
            assert_eq!(sum(&view).unwrap(), 7 * len);
            file.set_len(page_size() as u64).unwrap();
            assert_eq!(Fault::of(&sum(&view).unwrap_err()).unwrap().offset, page_size());
            assert_eq!(Fault::of(&view.load::<u8>(len - 1).unwrap_err()).unwrap().offset, len - 1);
        }
        let mut zeros = MmapOptions::new();
        // SAFETY: no plain slice is made.
        unsafe { zeros.zero_fill_on_fault() };
        if let Ok(mut view) = zeros.map_view(&file, Protection::Read) {
            assert_eq!(view.mseal().unwrap_err().kind(), ErrorKind::InvalidInput);
            view.unmap().unwrap();
        }
    });
}

/// The two kinds of seal: the one on the mapping keeps the other from being put on the memory.
#[test]
fn memory_whose_mapping_is_final_can_no_longer_be_sealed() {
    const TEST: &str = "memory_whose_mapping_is_final_can_no_longer_be_sealed";
    if !has_mseal(TEST) {
        return;
    }
    let (fd, mut view) = folio::shm::memfd("folio-test", page_size()).unwrap();
    view.mseal().unwrap();
    let (error, view) = view.seal().unwrap_err().into_parts();
    assert_eq!((error.kind(), view.protection()), (ErrorKind::PermissionDenied, Protection::ReadWrite));
    view.store(0, 7_u8).unwrap();
    assert_eq!(MmapViewSync::open(&fd, Protection::Read).unwrap().load::<u8>(0).unwrap(), 7);

    // The other way round both are on.
    let (_fd, view) = folio::shm::memfd("folio-test", page_size()).unwrap();
    let mut map = view.seal().unwrap();
    map.mseal().unwrap();
    assert!(map.iter().all(|&byte| byte == 0));
}
