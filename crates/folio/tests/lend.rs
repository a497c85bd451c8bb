//! Slices that are lent to a closure survive the loss of a page, and what they leave behind is in order.

// No page of the heap is ever lost.
#![cfg(all(unix, not(folio_heap)))]

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "not every test uses all of it")]
#[path = "support/respawn.rs"]
mod respawn;
#[allow(dead_code, reason = "not every test uses all of it")]
#[path = "support/runner.rs"]
mod runner;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/tries.rs"]
mod tries;

#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
use folio::MmapOptions;
use folio::{Fault, MmapViewSync, Protection};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;

/// A file of `pages` pages, every byte of page `n` being `n + 1`, open for reading and writing.
fn file(pages: u8) -> File {
    let file = tempfile::tempfile().unwrap();
    refill(&file, pages);
    file
}

fn refill(file: &File, pages: u8) {
    for page in 0..pages {
        file.write_all_at(&vec![page + 1; folio::page_size()], page as u64 * folio::page_size() as u64).unwrap();
    }
}

fn offset_of<T: std::fmt::Debug>(result: std::io::Result<T>) -> usize {
    Fault::of(&result.unwrap_err()).expect("a fault").offset
}

/// Reads every byte of a slice, so that no page is left out.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

const ALL: [Protection; 3] = [Protection::Read, Protection::ReadWrite, Protection::ReadCopy];

/// Whether slices are the view's own memory here; elsewhere they are copies, which show nothing of what happens meanwhile.
fn lends_memory(protection: Protection) -> bool {
    // QEMU 7.2 cannot double a page, which a shared mapping takes; that of a private one is moved.
    let exchanges = protection == Protection::ReadCopy || !runner::is_emulated();
    cfg!(any(target_os = "linux", target_os = "android")) && folio::fault::ATOMIC_WIDTH > 1 && exchanges
}

/// Those with which slices are the view's own memory; of the others it is said that `test` does without them.
fn that_lend_memory(test: &str, protections: &[Protection]) -> Vec<Protection> {
    let (lend, copy): (Vec<_>, Vec<_>) = protections.iter().partition(|&&protection| lends_memory(protection));
    for protection in copy {
        // What does not run at all goes by the name of the test.
        let name = if lend.is_empty() { test.to_owned() } else { format!("{test} ({protection:?})") };
        skip::skip(&name, "slices are copies here");
    }
    lend
}

#[test]
fn a_closure_sees_the_bytes() {
    for protection in ALL {
        let view = MmapViewSync::open(file(3), protection).unwrap();
        // SAFETY: nobody else has the file.
        let sum = unsafe { view.with_slice(sum) }.unwrap();
        assert_eq!(sum, 6 * folio::page_size() as u64);
        assert_eq!(view.fault(), None);
    }
    let mut view = MmapViewSync::anonymous(100).unwrap();
    // SAFETY: nobody else has the memory.
    unsafe { view.with_slice_mut(|bytes| bytes.fill(3)) }.unwrap();
    assert_eq!(view.load::<u8>(99).unwrap(), 3);
    let mut empty = MmapViewSync::anonymous(0).unwrap();
    // SAFETY: there are no bytes.
    assert!(unsafe { empty.with_slice_mut(|bytes| bytes.is_empty()) }.unwrap());
}

#[test]
fn a_read_only_view_lends_nothing_to_write() {
    let mut view = MmapViewSync::open(file(1), Protection::Read).unwrap();
    // SAFETY: nobody else has the file.
    let error = unsafe { view.with_slice_mut::<()>(|_| unreachable!()) }.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
}

/// The file is cut under the slice: zeros, an error with the first lost page, and the file's data again when it is long.
#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn a_page_lost_under_a_closure_is_an_error_and_comes_back() {
    for protection in that_lend_memory("a_page_lost_under_a_closure_is_an_error_and_comes_back", &ALL) {
        let page = folio::page_size();
        let file = file(4);
        let view = MmapViewSync::open(&file, protection).unwrap();
        for round in 0..100 {
            // SAFETY: nobody writes the file while the closure runs; it is cut short.
            let result = unsafe {
                view.with_slice(|bytes| {
                    file.set_len(page as u64 + 10).unwrap();
                    let seen = (bytes[page], bytes[2 * page], bytes[4 * page - 1]);
                    assert_eq!(seen, (2, 0, 0), "{round}");
                    assert_eq!(view.fault().map(|fault| fault.offset), Some(2 * page));
                })
            };
            assert_eq!(offset_of(result), 2 * page);
            assert_eq!(view.fault(), None, "brought back");
            assert_eq!(offset_of(view.load::<u8>(2 * page)), 2 * page, "and lost, because the file is short");
            refill(&file, 4);
            assert_eq!(view.load::<u8>(2 * page).unwrap(), 3);
            // SAFETY: nobody else has the file.
            assert_eq!(unsafe { view.with_slice(sum) }.unwrap(), 10 * page as u64);
        }
    }
}

#[test]
fn bytes_written_to_a_lost_page_are_gone_and_others_stay() {
    let page = folio::page_size();
    let file = file(3);
    let mut view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    // SAFETY: nobody else touches the bytes.
    let result = unsafe {
        view.with_slice_mut(|bytes| {
            file.set_len(page as u64).unwrap();
            bytes.fill(9);
        })
    };
    assert_eq!(offset_of(result), page);
    file.set_len(3 * page as u64).unwrap();
    assert_eq!((view.load::<u8>(page - 1).unwrap(), view.load::<u8>(page).unwrap()), (9, 0));
}

/// What a mapping allows can change between two closures: zeros that could not be written ended the process.
#[test]
fn a_mapping_that_was_made_writable_lends_slices_to_write() {
    let page = folio::page_size();
    let file = file(2);
    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    assert_eq!(sum_of(&view).unwrap(), 3 * page as u64);
    // SAFETY: nobody else touches the file.
    let mut view = unsafe { view.assume_exclusive() }.unwrap().into_view_sync();
    file.set_len(page as u64).unwrap();
    // SAFETY: nobody else touches the bytes.
    assert_eq!(offset_of(unsafe { view.with_slice_mut(|bytes| bytes.fill(9)) }), page);
    // A copy is not lent, so not written, where a part of it cannot be read.
    assert_eq!(view.load::<u8>(page - 1).unwrap(), if lends_memory(Protection::ReadWrite) { 9 } else { 1 });
}

/// The offset counts from the view, not from the mapping, and a page that the view shares with its neighbour counts from the
/// view's first byte.
#[test]
fn the_fault_of_a_piece_counts_from_the_piece() {
    let page = folio::page_size();
    let file = file(4);
    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    let (_head, tail) = view.split_at(page + 100).unwrap();
    file.set_len(0).unwrap();
    // SAFETY: nobody writes the file.
    let result = unsafe { tail.with_slice(|bytes| bytes[0]) };
    assert_eq!(offset_of(result), 0);
    refill(&file, 4);
    file.set_len(page as u64 * 2).unwrap();
    // SAFETY: nobody writes the file.
    let result = unsafe { tail.with_slice(sum) };
    assert_eq!(offset_of(result), page - 100);
}

/// What stands in the place of a lost page is not the file's: no checked access takes it for data, or writes into it.
#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn checked_access_does_not_take_the_zeros_for_data() {
    let both = [Protection::ReadWrite, Protection::ReadCopy];
    for protection in that_lend_memory("checked_access_does_not_take_the_zeros_for_data", &both) {
        zeros_are_not_taken_for_data(protection);
    }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
fn zeros_are_not_taken_for_data(protection: Protection) {
    let page = folio::page_size();
    let file = file(3);
    let view = MmapViewSync::open(&file, protection).unwrap();
    // SAFETY: checked copies of one of the two views only, after the closure has read what it reads.
    let other = unsafe { view.clone() };
    // SAFETY: nobody writes the file while the slice is read.
    let result = unsafe {
        view.with_slice(|bytes| {
            file.set_len(page as u64).unwrap();
            assert_eq!(bytes[page + 5], 0);
            let mut buf = vec![7; 2 * page];
            assert_eq!(offset_of(other.read_exact_at(&mut buf, 0)), page);
            assert_eq!(buf[..page], vec![1; page], "the bytes before the fault are copied");
            assert_eq!(offset_of(other.load::<u32>(page + 8)), page + 8);
            assert_eq!(offset_of(other.store(page + 8, 7u32)), page + 8);
            assert_eq!(offset_of(other.write_all_at(&buf, 100)), page);
            assert_eq!(offset_of(other.fetch_add(page + 8, 1u64)), page + 8);
            assert_eq!(offset_of(other.compare_exchange(page + 8, 0u64, 1)), page + 8);
            assert_eq!(offset_of(other.load_acquire::<u64>(page + 8)), page + 8);
            assert_eq!(offset_of(other.store_release(page + 8, 1u64)), page + 8);
            // Nothing of a private copy is to be flushed.
            if protection == Protection::ReadWrite {
                assert!(Fault::of(&other.flush().unwrap_err()).is_some(), "what the page held cannot be flushed");
            }
            // A thread's first access is begun before it knows of any exchange.
            let accesses: [&(dyn Fn() -> std::io::Result<()> + Sync); 7] = [
                &|| other.read_exact_at(&mut [7; 16], page + 8),
                &|| other.load::<u32>(page + 8).map(drop),
                &|| other.load::<u128>(page + 8).map(drop),
                &|| other.load_acquire::<u64>(page + 8).map(drop),
                &|| other.store(page + 8, 7u32),
                &|| other.store(page + 8, 7u128),
                &|| other.fetch_add(page + 8, 1u64).map(drop),
            ];
            for access in accesses {
                let result = thread::scope(|scope| scope.spawn(access).join()).unwrap();
                assert_eq!(offset_of(result), page + 8);
            }
        })
    };
    assert_eq!(offset_of(result), page);
    refill(&file, 3);
    assert_eq!(other.load::<u8>(page + 8).unwrap(), 2);
    assert_eq!(other.fetch_add(page + 8, 1u64).unwrap(), 0x0202_0202_0202_0202);
    other.flush().unwrap();
}

/// From the first exchange of a process on, every access looks at its mapping: all go on as before, and what is not to be made twice is
/// made once.
#[test]
fn after_a_loss_access_to_all_mappings_goes_on() {
    let file = file(3);
    let view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    let other = MmapViewSync::anonymous(100).unwrap();
    // SAFETY: nobody writes the file while the slice is read.
    let result = unsafe {
        view.with_slice(|bytes| {
            file.set_len(folio::page_size() as u64).unwrap();
            sum(bytes)
        })
    };
    assert_eq!(result.is_err(), lends_memory(Protection::ReadWrite));
    refill(&file, 3);
    let all = |view: &MmapViewSync| {
        view.store(0, 5u8).unwrap();
        view.store(1, 0x0102u16).unwrap();
        view.store(4, 7u32).unwrap();
        view.store(8, 9u64).unwrap();
        view.store(16, 11u128).unwrap();
        assert_eq!(view.load::<u8>(0).unwrap(), 5);
        assert_eq!(view.load::<u16>(1).unwrap(), 0x0102);
        assert_eq!(view.load::<u32>(4).unwrap(), 7);
        assert_eq!(view.load::<u64>(8).unwrap(), 9);
        assert_eq!(view.load::<u128>(16).unwrap(), 11);
        for len in [0, 1, 3, 9, 20, 50u8] {
            let (written, mut read) = (vec![len + 1; len.into()], vec![0; len.into()]);
            view.write_all_at(&written, 40).unwrap();
            view.read_exact_at(&mut read, 40).unwrap();
            assert_eq!(read, written);
        }
        if folio::fault::ATOMIC_WIDTH > 1 {
            assert_eq!(view.fetch_add(8, 1u64).unwrap(), 9);
            assert_eq!(view.compare_exchange(8, 10u64, 12).unwrap(), Ok(10));
            view.store_release(4, 8u32).unwrap();
            assert_eq!((view.load_acquire::<u64>(8).unwrap(), view.load_acquire::<u32>(4).unwrap()), (12, 8));
        }
    };
    for view in [&view, &other] {
        all(view);
        // In a thread that has not made an access yet.
        thread::scope(|scope| scope.spawn(|| all(view)).join()).unwrap();
    }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cut_and_sum(view: &MmapViewSync, file: &File) -> std::io::Result<u64> {
    // SAFETY: nobody writes the file of a test while a closure runs.
    unsafe {
        view.with_slice(|bytes| {
            file.set_len(0).unwrap();
            sum(bytes)
        })
    }
}

fn sum_of(view: &MmapViewSync) -> std::io::Result<u64> {
    // SAFETY: nobody writes the file of a test while a closure runs.
    unsafe { view.with_slice(sum) }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn closures_can_be_nested_and_the_page_comes_back_after_the_last() {
    for protection in that_lend_memory("closures_can_be_nested_and_the_page_comes_back_after_the_last", &ALL) {
        let page = folio::page_size();
        let file = file(2);
        let view = MmapViewSync::open(&file, protection).unwrap();
        // SAFETY: nobody writes the file.
        let outer = unsafe {
            view.with_slice(|outer| {
                assert_eq!(offset_of(cut_and_sum(&view, &file)), 0);
                refill(&file, 2);
                assert_eq!(outer[page], 0, "the outer closure still uses the page");
                assert_eq!(offset_of(sum_of(&view)), 0, "and so it is lost to a third");
            })
        };
        assert_eq!(offset_of(outer), 0);
        // SAFETY: nobody writes the file.
        assert_eq!(unsafe { view.with_slice(sum) }.unwrap(), 3 * page as u64);
    }
}

/// A thread that is started in the closure has never made a checked access: the page that it touches is lost for the closure.
#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn a_thread_that_the_closure_starts_reads_a_lost_page() {
    let test = "a_thread_that_the_closure_starts_reads_a_lost_page";
    for protection in that_lend_memory(test, &ALL) {
        let page = folio::page_size();
        let file = file(4);
        let view = MmapViewSync::open(&file, protection).unwrap();
        for _ in 0..20 {
            // SAFETY: nobody writes the file while the closure runs; it is cut short.
            let result = unsafe {
                view.with_slice(|bytes| {
                    file.set_len(2 * page as u64).unwrap();
                    let sums = thread::scope(|scope| {
                        // Two at the same page, and one at another.
                        [2, 3, 2]
                            .map(|at| scope.spawn(move || sum(&bytes[at * page..][..page])))
                            .map(|t| t.join().unwrap())
                    });
                    assert_eq!((sums, sum(&bytes[page..2 * page])), ([0; 3], 2 * page as u64));
                    assert_eq!(view.fault().map(|fault| fault.offset), Some(2 * page));
                })
            };
            assert_eq!(offset_of(result), 2 * page);
            assert_eq!(view.fault(), None, "brought back");
            refill(&file, 4);
            assert_eq!(sum_of(&view).unwrap(), 10 * page as u64);
        }
    }
}

/// The kernel raises no signal for its own copies, so nothing takes the page's place.
#[test]
fn a_system_call_that_is_handed_a_lost_page_fails() {
    for protection in that_lend_memory("a_system_call_that_is_handed_a_lost_page_fails", &ALL) {
        let page = folio::page_size();
        let (file, other) = (file(2), tempfile::tempfile().unwrap());
        let view = MmapViewSync::open(&file, protection).unwrap();
        // SAFETY: nobody writes the file.
        let result = unsafe {
            view.with_slice(|bytes| {
                file.set_len(page as u64).unwrap();
                assert_eq!(other.write_at(&bytes[page..], 0).unwrap_err().raw_os_error(), Some(libc::EFAULT));
                assert!(other.write_at(bytes, 0).unwrap_or(0) <= page);
                sum(&bytes[..page])
            })
        };
        assert_eq!(result.unwrap(), page as u64, "no instruction has touched the lost page");
    }
}

#[test]
fn a_panic_leaves_the_pages_in_order() {
    let page = folio::page_size();
    let file = file(2);
    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: nobody writes the file.
        let _ = unsafe {
            view.with_slice(|bytes| {
                file.set_len(0).unwrap();
                assert_eq!(sum(bytes), 1, "a panic on purpose");
            })
        };
    }));
    assert!(panicked.is_err());
    refill(&file, 2);
    // SAFETY: nobody writes the file.
    assert_eq!(unsafe { view.with_slice(sum) }.unwrap(), 3 * page as u64);
}

/// One view, closures on many threads, a file that is cut and made longer all the time: a sum is right or an error, never
/// anything else, and the first page is never an error.
#[test]
fn closures_on_many_threads_are_right_or_an_error() {
    let page = folio::page_size();
    let file = file(8);
    let view = MmapViewSync::open(&file, Protection::Read).unwrap();
    let start = Barrier::new(4);
    // As many bytes, whatever the page size.
    let rounds = tries::tries(2000 * 4096 / page);
    let ended: usize = thread::scope(|threads| {
        let workers: Vec<_> = (0..4)
            .map(|n| {
                // SAFETY: closures that read, and checked copies that read.
                let view = unsafe { view.clone() };
                let (start, file) = (&start, &file);
                threads.spawn(move || {
                    start.wait();
                    let mut ended = 0;
                    for round in 0..rounds {
                        if n == 0 {
                            file.set_len((page * (1 + round % 8)) as u64).unwrap();
                            file.set_len(8 * page as u64).unwrap();
                        }
                        // SAFETY: nobody writes the file but by cutting it short and making it longer.
                        let sums = unsafe { view.with_slice(|bytes| (sum(&bytes[..page]), sum(&bytes[page..]))) };
                        match sums {
                            Ok((head, _)) => assert_eq!(head, page as u64),
                            Err(error) => assert!(Fault::of(&error).unwrap().offset >= page),
                        }
                        assert_eq!(view.load::<u8>(page - 1).unwrap(), 1);
                        ended += 1;
                    }
                    ended
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(ended, 4 * rounds);
    assert_eq!(view.fault(), None);
    refill(&file, 8);
    // SAFETY: nobody writes the file.
    assert_eq!(unsafe { view.with_slice(sum) }.unwrap(), 36 * page as u64);
}

#[cfg(all(any(target_os = "linux", target_os = "android"), any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn zero_fill_keeps_plain_slices_alive_and_says_so_for_good() {
    let page = folio::page_size();
    for private in [false, true] {
        let file = file(3);
        let mut options = MmapOptions::new();
        // SAFETY: the test reads bytes one by one and relies on nothing about them.
        unsafe { options.zero_fill_on_fault() };
        let map = if private {
            // SAFETY: nobody writes the file, but for the test, which cuts it short on purpose.
            unsafe { options.map_copy_read_only(&file) }.unwrap()
        } else {
            // SAFETY: as in the other case: the test only cuts the file short.
            unsafe { options.map(&file) }.unwrap()
        };
        assert_eq!((sum(&map), map.fault()), (6 * page as u64, None));
        file.set_len(page as u64).unwrap();
        assert_eq!(sum(&map), page as u64);
        assert_eq!(map.fault().map(|fault| fault.offset), Some(page));
        refill(&file, 3);
        assert_eq!(sum(&map), page as u64, "for good");
        assert_eq!(offset_of(map.load::<u8>(page + 1)), page + 1);
        assert_eq!(map.load::<u8>(page - 1).unwrap(), 1);
    }
    let file = file(2);
    let mut options = MmapOptions::new();
    // SAFETY: as in the call above.
    unsafe { options.zero_fill_on_fault() };
    let view = options.keep_file().map_view(&file, Protection::ReadWrite).unwrap();
    file.set_len(0).unwrap();
    // SAFETY: nobody writes the file.
    assert_eq!(unsafe { view.as_slice() }[page], 0);
    view.flush_range(0, page).unwrap();
    view.flush_async_range(0, page).unwrap();
    assert_eq!(offset_of(view.flush_range(page, 1)), page);
    assert_eq!(offset_of(view.flush()), page);
    assert_eq!(offset_of(view.flush_async_range(page, page)), page);
    assert_eq!(offset_of(view.flush_async()), page);
    assert_eq!(offset_of(view.sync_all()), page);
    assert_eq!(offset_of(view.read_exact_at(&mut [0; 9], page - 4)), page - 4, "and what is lost itself is lost");
    assert_eq!(offset_of(view.store(page, 1_u64)), page);
    assert_eq!(offset_of(view.fetch_add(page, 1_u64)), page);
}

/// The words for the pages of a long mapping, when there was no memory for them, ended the process in the very call that is there
/// to survive.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn no_memory_for_the_pages_of_a_long_mapping_is_an_error() {
    const TEST: &str = "no_memory_for_the_pages_of_a_long_mapping_is_an_error";
    /// Bytes of the mapping. Its words take a thousandth of that, or less where pages are longer.
    const LEN: usize = 1 << 38;

    if !lends_memory(Protection::Read) {
        return skip::skip(TEST, "slices are copies here");
    }
    let Some(case) = respawn::case() else {
        for case in ["slice", "mutable slice", "zeros"] {
            assert_eq!(respawn::run(&mut respawn::command(&[], TEST, case)), respawn::End::Passed, "{case}");
        }
        return;
    };
    let page = folio::page_size();
    let file = tempfile::tempfile().unwrap();
    if let Err(error) = file.set_len(LEN as u64) {
        return skip::skip(TEST, error);
    }
    // Half of the words' memory is left, beside what has to be mapped before.
    let mapped = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').next().unwrap().parse::<usize>().unwrap() * page
    };
    let leave = |bytes: usize| limit_address_space((mapped() + bytes + LEN / page * 4 / 2) as libc::rlim_t);
    let unlimited = || limit_address_space(libc::RLIM_INFINITY);
    let kind = |error: std::io::Error| error.kind();

    if case == "zeros" {
        leave(LEN);
        let mut options = MmapOptions::new();
        // SAFETY: nobody has a slice of the file.
        let options = unsafe { options.zero_fill_on_fault() };
        let error = options.map_view(&file, Protection::ReadWrite).unwrap_err();
        assert_eq!(kind(error), std::io::ErrorKind::OutOfMemory);
        unlimited();
        options.map_view(&file, Protection::ReadWrite).unwrap();
        return;
    }
    let mut view = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
    let mut lend = || match case.as_str() {
        // SAFETY: nobody writes the file.
        "slice" => unsafe { view.with_slice(|bytes| bytes[0]) },
        // SAFETY: nobody else has the file.
        _ => unsafe { view.with_slice_mut(|bytes| bytes[0]) },
    };
    leave(LEN + page);
    assert_eq!(kind(lend().unwrap_err()), std::io::ErrorKind::OutOfMemory);
    // What was reserved before is given back, and there is nothing that stays failed.
    assert!(mapped() < LEN + LEN / 2);
    unlimited();
    assert_eq!(lend().unwrap(), 0);
}

/// Sets `RLIMIT_AS` of this process.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn limit_address_space(bytes: libc::rlim_t) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call fills the structure, which lives until after it.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) }, 0);
    limit.rlim_cur = bytes.min(limit.rlim_max);
    // SAFETY: the call reads the structure, which lives until after it.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}
