//! What is different where mappings are copies in ordinary memory; what is the same there, all other tests show.
#![cfg(any(folio_heap, target_os = "wasi"))]

use folio::{Advice, Fault, Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, fault, page_size};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const LEN: usize = 300;

/// A file that goes with the test.
struct Data(PathBuf);

impl Data {
    /// `LEN` bytes of 7. WASI has no folder for temporary files, and the runner lends it one.
    fn new(name: &str) -> Data {
        let folder = if cfg!(target_os = "wasi") { PathBuf::from("/") } else { std::env::temp_dir() };
        let path =
            folder.join(format!("folio-heap-{}-{name}", if cfg!(target_os = "wasi") { 0 } else { std::process::id() }));
        fs::write(&path, [7; LEN]).unwrap();
        Data(path)
    }

    fn view(&self) -> MmapViewSync {
        MmapViewSync::open_path(&self.0, Protection::ReadWrite).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.0).unwrap()
    }

    fn cut(&self, len: u64) {
        OpenOptions::new().write(true).open(&self.0).unwrap().set_len(len).unwrap();
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Where each of the bytes is that are not 7.
fn changes(bytes: &[u8]) -> Vec<(usize, u8)> {
    bytes.iter().copied().enumerate().filter(|&(_, byte)| byte != 7).collect()
}

/// A flush that wrote its whole range would put what it read long ago over what the other mapping has flushed since.
#[test]
fn a_flush_writes_what_has_changed_and_no_more() {
    let data = Data::new("changes");
    let (one, other) = (data.view(), data.view());
    one.store(10, 1_u8).unwrap();
    one.store(20, 1_u8).unwrap();
    other.store(11, 2_u8).unwrap();
    other.store(299, 2_u8).unwrap();
    one.flush().unwrap();
    other.flush().unwrap();
    assert_eq!(changes(&data.bytes()), [(10, 1), (11, 2), (20, 1), (299, 2)]);
    assert_eq!((one.load::<u8>(11).unwrap(), other.load::<u8>(10).unwrap()), (7, 7), "they do not see each other");
    assert_eq!(data.view().load::<u8>(11).unwrap(), 2, "the next one does");

    // What has been flushed is not written again.
    data.cut(0);
    fs::write(&data.0, [9; LEN]).unwrap();
    one.flush().unwrap();
    one.store(0, 1_u8).unwrap();
    one.flush().unwrap();
    assert_eq!(data.bytes()[..3], [1, 9, 9]);
}

/// The byte beside a view may be somebody's `&mut [u8]`: no call on behalf of the view may look at it.
#[test]
fn flushing_a_piece_leaves_its_neighbours_alone() {
    let data = Data::new("pieces");
    for (round, flush) in
        [MmapViewSync::flush, MmapViewSync::flush_async, MmapViewSync::sync_all].into_iter().enumerate()
    {
        let round = u8::try_from(round).unwrap() + 1;
        let (head, rest) = data.view().split_at(100).unwrap();
        let (middle, tail) = rest.split_at(100).unwrap();
        for piece in [&head, &middle, &tail] {
            piece.write_all_at(&[round + 10; 100], 0).unwrap();
        }
        fs::write(&data.0, [7; LEN]).unwrap();
        flush(&middle).unwrap();
        let expected: Vec<_> = (100..200).map(|at| (at, round + 10)).collect();
        assert_eq!(changes(&data.bytes()), expected);
    }
}

/// With a map of a system what is written is the file's at once. Here the last one to go has to see to it.
#[test]
fn the_last_drop_hands_over_what_was_not_flushed() {
    let data = Data::new("drop");
    let (head, tail) = data.view().split_at(100).unwrap();
    head.store(0, 1_u8).unwrap();
    tail.store(0, 2_u8).unwrap();
    drop(head);
    assert_eq!(changes(&data.bytes()), []);
    drop(tail);
    assert_eq!(changes(&data.bytes()), [(0, 1), (100, 2)]);

    let view = data.view();
    view.store(1, 3_u8).unwrap();
    view.unmap().unwrap();
    assert_eq!(changes(&data.bytes()), [(0, 1), (1, 3), (100, 2)]);
    // What is private stays so.
    let copy = MmapViewSync::open_path(&data.0, Protection::ReadCopy).unwrap();
    copy.store(2, 4_u8).unwrap();
    copy.flush().unwrap();
    copy.unmap().unwrap();
    assert_eq!(data.bytes()[2], 7);
}

/// The bytes that were read are still here, and nobody may lengthen a file that its user has cut. So it is an error, which says
/// where, when something is to be written there.
#[test]
fn a_file_that_was_cut_short_is_noticed_by_a_flush() {
    let data = Data::new("cut");
    let (head, tail) = data.view().split_at(100).unwrap();
    data.cut(150);
    assert_eq!(tail.load::<u8>(199).unwrap(), 7);
    tail.flush().unwrap();
    tail.write_all_at(&[1; 150], 10).unwrap();
    let lost = |result: std::io::Result<()>| Fault::of(&result.unwrap_err()).expect("a fault").offset;
    assert_eq!(lost(tail.flush()), 50);
    assert_eq!(lost(tail.flush_range(60, 10)), 60);
    assert_eq!(lost(tail.flush_async_range(20, 100)), 50);
    assert_eq!(lost(tail.sync_all()), 50);
    assert_eq!(data.bytes().len(), 150);
    let expected: Vec<_> = (110..150).map(|at| (at, 1)).collect();
    assert_eq!(changes(&data.bytes()), expected, "what has a place is written");
    head.store(0, 2_u8).unwrap();
    head.flush().unwrap();

    drop(head);
    let failed = tail.unmap().unwrap_err();
    assert!(Fault::of(failed.error()).is_some());
    // Once there is room it goes where it belongs.
    data.cut(400);
    failed.into_view().unmap().unwrap();
    let bytes = data.bytes();
    assert_eq!((bytes.len(), bytes[259], bytes[260]), (400, 1, 0));
}

/// `pwrite` to such a file lands at its end whatever the offset (Linux), so a flush would not write where it should.
#[test]
fn a_file_open_for_appending_is_not_mapped_for_writing() {
    let data = Data::new("append");
    let file = OpenOptions::new().read(true).append(true).open(&data.0).unwrap();
    let error = MmapViewSync::open(&file, Protection::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(MmapViewSync::open(&file, Protection::Read).unwrap().len(), LEN);
    MmapViewSync::open(&file, Protection::ReadCopy).unwrap().store(0, 1_u8).unwrap();
    assert_eq!(changes(&data.bytes()), []);
}

/// The error is that of any system, not one that comes with the first flush.
#[test]
fn a_handle_gives_no_more_than_it_was_opened_for() {
    let data = Data::new("access");
    let reading = File::open(&data.0).unwrap();
    let writing = OpenOptions::new().write(true).open(&data.0).unwrap();
    let kind = |file, protection| MmapViewSync::open(file, protection).map_err(|error| error.kind()).map(drop);
    assert_eq!(kind(&reading, Protection::ReadWrite), Err(ErrorKind::PermissionDenied));
    assert_eq!(kind(&writing, Protection::Read), Err(ErrorKind::PermissionDenied));
    assert_eq!(kind(&writing, Protection::ReadWrite), Err(ErrorKind::PermissionDenied));
    kind(&reading, Protection::Read).unwrap();
    data.cut(0);
    assert_eq!(kind(&reading, Protection::ReadWrite), Err(ErrorKind::PermissionDenied), "without bytes, too");
    assert_eq!(kind(&writing, Protection::Read), Err(ErrorKind::PermissionDenied));
}

/// No success is reported for what memory of the allocator is not.
#[test]
fn what_takes_a_system_is_unsupported() {
    let data = Data::new("unsupported");
    let file = File::open(&data.0).unwrap();
    let options = MmapOptions::new();
    // SAFETY: nobody writes the file meanwhile.
    assert_eq!(unsafe { options.map_exec(&file) }.unwrap_err().kind(), ErrorKind::Unsupported);
    let failed = MmapMut::map_anon(10).unwrap().make_exec().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::Unsupported);
    let mut map = failed.into_view();
    map[0] = 1;
    assert_eq!(options.map_if_safe(&file).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(MmapOptions::new().len(10).huge(None).map_anon().unwrap_err().kind(), ErrorKind::Unsupported);
    let mut zero_fill = MmapOptions::new();
    // SAFETY: the call is refused, so no slice shows a byte that could become zero.
    unsafe { zero_fill.zero_fill_on_fault() };
    assert_eq!(zero_fill.map_view(&file, Protection::Read).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fault::install().unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(!fault::is_installed());
    assert_eq!(fault::ATOMIC_WIDTH, 8);
    fault::prepare_thread().unwrap();
    fault::use_kernel_copies().unwrap();
}

/// Mappings begin where pages would, and hold zeros, whatever the allocator had there before.
#[test]
fn memory_is_aligned_and_zero() {
    for len in [1, 100, page_size(), page_size() + 1, 3 * page_size()] {
        let mut map = MmapMut::map_anon(len).unwrap();
        assert_eq!(map.as_ptr().addr() % page_size(), 0);
        assert!(map.iter().all(|&byte| byte == 0));
        map.fill(0xff);
    }
    let data = Data::new("aligned");
    // SAFETY: nobody writes the file meanwhile.
    let map = unsafe { Mmap::map(File::open(&data.0).unwrap()) }.unwrap();
    assert_eq!((map.as_ptr().addr() % page_size(), &map[..]), (0, &[7; LEN][..]));
}

/// A mapping that was made for reading is for the file from the moment that it can be written.
#[test]
fn a_map_that_becomes_writable_writes_back() {
    let data = Data::new("writable");
    let view = {
        // SAFETY: nobody else has the file.
        let map = unsafe { data.view().assume_exclusive() }.unwrap().make_read_only().unwrap();
        map.into_view_sync().unwrap()
    };
    assert_eq!(view.store(0, 1_u8).unwrap_err().kind(), ErrorKind::PermissionDenied);
    // SAFETY: nobody else has the file.
    let mut map = unsafe { view.assume_exclusive() }.unwrap();
    map[0] = 1;
    map.flush().unwrap();
    assert_eq!(changes(&data.bytes()), [(0, 1)]);
    // A file that was opened for reading does not become writable so.
    let view = MmapViewSync::open_path(Path::new(&data.0), Protection::Read).unwrap();
    // SAFETY: nobody else has the file, as above.
    let failed = unsafe { view.assume_exclusive() }.unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
}

#[cfg(not(target_os = "wasi"))] // where there are no threads
mod threads {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    const ROUNDS: u32 = 2000;

    /// Numbers of both widths in the same eight bytes' neighbourhood, changed in place by many, while others copy the bytes
    /// and flush them: none of the changes is lost.
    #[test]
    fn atomic_changes_are_never_lost() {
        let data = Data::new("atomic");
        let view = data.view();
        view.write_all_at(&[0; 24], 0).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let add = || {
                for _ in 0..ROUNDS {
                    view.fetch_add(0, 1_u32).unwrap();
                    view.fetch_add(4, 1_u32).unwrap();
                    view.fetch_add(8, 1_u64).unwrap();
                    let mut seen = view.load_acquire::<u64>(16).unwrap();
                    while let Err(other) = view.compare_exchange(16, seen, seen + 1).unwrap() {
                        seen = other;
                    }
                }
            };
            let adders = [scope.spawn(add), scope.spawn(add), scope.spawn(add)];
            scope.spawn(|| {
                let mut bytes = [0; 24];
                while !done.load(Ordering::Relaxed) {
                    view.read_exact_at(&mut bytes, 0).unwrap();
                    view.flush().unwrap();
                }
            });
            adders.into_iter().for_each(|adder| adder.join().unwrap());
            done.store(true, Ordering::Relaxed);
        });
        let sum = 3 * ROUNDS;
        assert_eq!((view.load::<u32>(0).unwrap(), view.load::<u32>(4).unwrap()), (sum, sum));
        assert_eq!((view.load::<u64>(8).unwrap(), view.load::<u64>(16).unwrap()), (sum.into(), sum.into()));
    }
}

/// A mapping that gets another length is made anew, of what is in the file: what was written and not flushed was lost by that, and
/// so was what lay behind the new end when it became shorter.
#[test]
fn what_was_written_is_handed_over_before_the_length_changes() {
    let data = Data::new("remap");
    let file = OpenOptions::new().write(true).open(&data.0).unwrap();
    let mut view = data.view();
    view.store(290, 1_u8).unwrap();
    view.remap(100).unwrap();
    assert_eq!(changes(&data.bytes()), [(290, 1)]);

    file.set_len(3 * page_size() as u64).unwrap();
    view.store(10, 2_u8).unwrap();
    view.remap(3 * page_size()).unwrap();
    view.store(2 * page_size(), 3_u8).unwrap();
    assert_eq!((view.load::<u8>(10).unwrap(), view.load::<u8>(290).unwrap()), (2, 1));
    drop(view);
    let bytes = data.bytes();
    assert_eq!((bytes[10], bytes[290], bytes[2 * page_size()]), (2, 1, 3));

    let mut view = data.view();
    assert_eq!(view.remap_in_place(4 * page_size()).unwrap_err().kind(), ErrorKind::Unsupported);
    let mut memory = MmapMut::map_anon(10).unwrap();
    memory.fill(4);
    // SAFETY: memory of no file, whose bytes nobody else can reach.
    unsafe { memory.remap(page_size() + 1) }.unwrap();
    assert!(memory.iter().take(10).all(|&byte| byte == 4) && memory[10..].iter().all(|&byte| byte == 0));
}

/// What is asked of pages is answered, for there are none: they need not be brought in, and cannot be locked or looked at.
#[test]
fn there_are_no_pages() {
    let data = Data::new("pages");
    let view = data.view();
    view.populate_read().unwrap();
    view.populate_write().unwrap();
    assert!(!view.advise(Advice::WillNeed).unwrap());
    assert_eq!(view.lock().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(view.residency().unwrap_err().kind(), ErrorKind::Unsupported);
    let mut memory = MmapMut::map_anon(10_000).unwrap();
    memory.fill(4);
    memory.discard().unwrap();
    assert!(memory.iter().all(|&byte| byte == 0));
    let unsupported = [
        MmapOptions::new().len(10).guard_pages().map_anon().map(drop),
        MmapOptions::new().len(10).map_anon_shared().map(drop),
        MmapOptions::new().len(10).secret().map_anon_shared().map(drop),
    ];
    assert!(unsupported.iter().all(|result| result.as_ref().unwrap_err().kind() == ErrorKind::Unsupported));
}
