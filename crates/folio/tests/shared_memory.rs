//! Memory that is shared with children, and memory with a name.
#![cfg(all(unix, not(folio_heap)))] // two processes share no heap

use folio::{MmapOptions, MmapViewSync, Protection, page_size};
use std::io::ErrorKind;

#[path = "support/respawn.rs"]
mod respawn;

use respawn::End;

/// Runs `test` alone in a process of its own, whose only other thread waits: in a child that it makes by `fork`, more is
/// allowed than in one of a process with many threads.
#[track_caller]
fn alone(test: &str, body: impl FnOnce()) {
    match respawn::case() {
        None => assert_eq!(respawn::run(&mut respawn::command(&[], test, "alone")), End::Passed),
        Some(_) => body(),
    }
}

/// Makes a child that runs `work`, and waits for it to end well.
#[track_caller]
fn in_fork(work: impl FnOnce() -> bool) {
    // SAFETY: the child makes checked accesses, which neither allocate nor lock, and ends.
    match unsafe { libc::fork() } {
        // SAFETY: the call ends the process.
        0 => unsafe { libc::_exit(i32::from(!work())) },
        child => {
            assert!(child > 0, "{}", std::io::Error::last_os_error());
            let mut status = 0;
            // SAFETY: the call writes the status, a number of ours.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "the child did not end well");
        }
    }
}

/// Anonymous maps are private across `fork`, unless asked otherwise.
#[test]
fn children_share_what_was_asked_to_be_shared_and_nothing_else() {
    alone("children_share_what_was_asked_to_be_shared_and_nothing_else", || {
        let len = 3 * page_size() - 7;
        let shared = MmapOptions::new().len(len).map_anon_shared().unwrap();
        let private = MmapViewSync::anonymous(len).unwrap();
        assert_eq!((shared.len(), shared.protection()), (len, Protection::ReadWrite));
        assert_eq!(shared.load::<u8>(len - 1).unwrap(), 0);
        for view in [&shared, &private] {
            view.store(0, 1_u8).unwrap();
        }
        in_fork(|| {
            let seen = [&shared, &private].iter().all(|view| view.load::<u8>(0).is_ok_and(|byte| byte == 1));
            let written = [&shared, &private].iter().all(|view| view.store(2 * page_size(), 9_u8).is_ok());
            seen && written
        });
        assert_eq!(shared.load::<u8>(2 * page_size()).unwrap(), 9);
        assert_eq!(private.load::<u8>(2 * page_size()).unwrap(), 0);

        // Both ways, and through pieces.
        let (head, tail) = shared.split_at(page_size() + 1).unwrap();
        in_fork(|| head.store(0, 4_u8).and_then(|()| tail.store(0, 5_u8)).is_ok());
        assert_eq!((head.load::<u8>(0).unwrap(), tail.load::<u8>(0).unwrap()), (4, 5));
        tail.flush().unwrap();
    });
}

#[test]
fn counters_of_many_processes_lose_nothing() {
    if folio::fault::ATOMIC_WIDTH < 8 {
        return;
    }
    alone("counters_of_many_processes_lose_nothing", || {
        const ROUNDS: u64 = 20_000;
        let counter = MmapOptions::new().len(8).map_anon_shared().unwrap();
        counter.store(0, 0_u64).unwrap();
        let count = || (0..ROUNDS).all(|_| counter.fetch_add(0, 1_u64).is_ok());
        in_fork(|| {
            in_fork(count);
            count()
        });
        assert!(count());
        assert_eq!(counter.load::<u64>(0).unwrap(), 3 * ROUNDS);
    });
}

#[test]
fn nothing_and_too_much_can_be_shared_like_any_memory() {
    assert!(MmapOptions::new().map_anon_shared().unwrap().is_empty());
    let error = MmapOptions::new().len(usize::MAX).map_anon_shared().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let view = MmapOptions::new().len(page_size()).populate().no_reserve_swap().map_anon_shared().unwrap();
    view.store(page_size() - 8, 7_u64).unwrap();
    view.unmap().unwrap();
}

#[cfg(not(target_os = "android"))] // its C library has no such memory
mod named {
    use folio::{MmapViewSync, Protection, page_size};
    use std::ffi::CString;
    use std::fs::File;
    use std::io::ErrorKind;
    use std::os::fd::FromRawFd;
    use std::process;

    /// A name that nobody else uses, taken away at the end.
    struct Name(CString);

    impl Name {
        fn new(what: &str) -> Name {
            Name(CString::new(format!("/folio-test-{what}-{}", process::id())).unwrap())
        }

        fn open(&self, flags: libc::c_int) -> std::io::Result<File> {
            // SAFETY: the name is a C string.
            let fd = unsafe { libc::shm_open(self.0.as_ptr(), flags, 0o600) };
            if fd < 0 {
                return Err(std::io::Error::last_os_error());
            }
            // SAFETY: the descriptor is new, and nobody else's.
            Ok(unsafe { File::from_raw_fd(fd) })
        }
    }

    impl Drop for Name {
        fn drop(&mut self) {
            // SAFETY: the name is a C string.
            unsafe { libc::shm_unlink(self.0.as_ptr()) };
        }
    }

    /// POSIX shared memory is mapped by opening it; it need not be known here as anything else than a file.
    #[test]
    fn memory_with_a_name_is_mapped_like_a_file() {
        let name = Name::new("named");
        let file = name.open(libc::O_RDWR | libc::O_CREAT | libc::O_EXCL).unwrap();
        file.set_len(2 * page_size() as u64).unwrap();
        let ours = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        drop(file);

        let theirs = MmapViewSync::open(name.open(libc::O_RDWR).unwrap(), Protection::ReadWrite).unwrap();
        theirs.write_all_at(b"hello", page_size()).unwrap();
        let mut bytes = [0; 5];
        ours.read_exact_at(&mut bytes, page_size()).unwrap();
        assert_eq!(&bytes, b"hello");

        // The right to read is not the right to write.
        let reader = name.open(libc::O_RDONLY).unwrap();
        let error = MmapViewSync::open(&reader, Protection::ReadWrite).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(MmapViewSync::open(&reader, Protection::Read).unwrap().load::<u8>(page_size()).unwrap(), b'h');

        // The name goes, the memory stays as long as it is mapped.
        drop(name);
        ours.store(0, 1_u8).unwrap();
        assert_eq!(theirs.load::<u8>(0).unwrap(), 1);
    }

    /// Whoever may open it may cut it short.
    #[cfg(target_os = "linux")]
    #[test]
    fn memory_with_a_name_that_is_cut_short_is_an_error() {
        let name = Name::new("cut");
        let file = name.open(libc::O_RDWR | libc::O_CREAT | libc::O_EXCL).unwrap();
        file.set_len(2 * page_size() as u64).unwrap();
        let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        name.open(libc::O_RDWR).unwrap().set_len(page_size() as u64).unwrap();
        assert_eq!(folio::Fault::of(&view.load::<u32>(page_size() + 4).unwrap_err()).unwrap().offset, page_size() + 4);
        // It is no proof of anything, for it cannot be sealed.
        assert_eq!(folio::MmapOptions::new().map_if_safe(&file).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
