//! What happens when threads meet, in many of the orders in which they can: run by Shuttle, over the heap, by
//! `cargo xtask ci interleavings`.
//!
//! The runs replace what [`crate::sync`] is made of. All threads of a test take turns on one thread of the system, so what is
//! local to that thread is theirs alone ([`trouble`]), and plain atomics are enough for what they tell each other.

#![forbid(unsafe_code)]

use crate::background;
use crate::flushes::Flushes;
use crate::sync::thread;
use crate::sys::trouble;
use crate::view::{Mmap, MmapMut, MmapViewSync};
use crate::{Protection, ViewError};
use std::io;
use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs};
use tempfile::{NamedTempFile, TempPath};

/// Orders tried of each test, for each way of choosing them.
const RUNS: usize = 1000;

/// An input/output error of a disk.
const EIO: i32 = 5;

/// Runs a test in many orders: by chance, and with few changes of threads, which finds other mistakes.
fn explore(test: impl Fn() + Send + Sync + 'static) {
    // The queue of the background is the process's, so one test at a time has it. One that failed leaves it in order.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let test = Arc::new(test);
    let run = || {
        let test = Arc::clone(&test);
        move || {
            // A queue of its own for each run, as a child made by `fork` has one: the last run's threads are no more.
            background::forget();
            trouble::start();
            test();
        }
    };
    shuttle::check_random(run(), RUNS);
    shuttle::check_pct(run(), RUNS, 3);
}

/// Whether such runs fail. What they say of it is of no interest.
fn is_found(test: impl Fn() + Send + Sync + 'static + panic::UnwindSafe) -> bool {
    panic::catch_unwind(|| explore(test)).is_err()
}

/// A file for all runs of a test, in memory where there is such a place: it is flushed some thousand times.
fn file(len: usize) -> Arc<TempPath> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
    let file = NamedTempFile::new_in(place).unwrap();
    fs::write(file.path(), vec![0; len]).unwrap();
    Arc::new(file.into_temp_path())
}

fn open(path: &TempPath) -> MmapViewSync {
    MmapViewSync::open_path(path, Protection::ReadWrite).unwrap()
}

/// A flag that says whether what it stands for still lives.
#[derive(Clone, Default)]
struct Gone(Arc<AtomicBool>);

impl Gone {
    fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

fn kind<T, V>(result: Result<T, ViewError<V>>) -> Result<T, io::ErrorKind> {
    result.map_err(|failed| failed.error().kind())
}

/// Pieces go on the threads that hold them, in any order; the mapping goes with the last, and once.
#[test]
fn the_last_piece_alone_unmaps() {
    explore(|| {
        let pieces = MmapMut::map_anon(30).unwrap().into_chunks(10).unwrap();
        let hold = |mut piece: MmapMut| {
            thread::spawn(move || {
                piece[9] = 1;
                let rest = piece.split_off(5).unwrap();
                drop(piece);
                assert_eq!(rest[4], 1);
                assert_eq!(trouble::unmapped(), 0, "with a piece in use");
            })
        };
        let threads: Vec<_> = pieces.map(hold).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(trouble::unmapped(), 1);
    });
}

/// Two owners say at the same time that theirs is the last view. One of them may be right.
#[test]
fn unmap_is_ok_for_the_last_view_only() {
    explore(|| {
        let mut head = MmapMut::map_anon(20).unwrap();
        let tail = head.split_off(10).unwrap();
        let gone = Gone::default();
        let other = {
            let gone = gone.clone();
            thread::spawn(move || {
                let failed = tail.unmap();
                // If it was refused, the view is in the error, and goes now.
                let done = failed.is_ok();
                gone.set();
                drop(failed);
                done
            })
        };
        let first = head.unmap();
        assert!(first.is_err() || gone.is_set(), "unmapped under another view");
        let done = first.is_ok();
        drop(first);
        assert!(!(other.join().unwrap() && done));
        assert_eq!(trouble::unmapped(), 1);
    });
}

/// A reader's clone goes at any moment: before, the map cannot be written.
#[test]
fn make_mut_is_refused_while_a_clone_lives() {
    explore(|| {
        let map = MmapMut::map_anon(10).unwrap().freeze();
        let (clone, gone) = (map.clone(), Gone::default());
        let reader = {
            let gone = gone.clone();
            thread::spawn(move || {
                assert_eq!(clone[0], 0);
                gone.set();
                drop::<Mmap>(clone);
            })
        };
        match map.make_mut() {
            Ok(mut map) => {
                assert!(gone.is_set(), "a reader was still there");
                map[0] = 1;
            }
            Err(failed) => {
                assert_eq!(failed.error().kind(), io::ErrorKind::ResourceBusy);
                // The clone goes after its flag is set, so a refusal is right until its thread has ended.
                reader.join().unwrap();
                failed.into_view().make_mut().unwrap();
                return;
            }
        }
        reader.join().unwrap();
    });
}

/// A flush in the background owns the mapping as well. Its user has one view, and is not to notice.
#[test]
fn the_only_view_waits_for_the_flush_in_the_background() {
    explore(|| {
        let view = MmapMut::map_anon(10).unwrap();
        background::flush(view.mapping(), 0, 10).unwrap();
        let view = kind(view.make_read_only()).unwrap();
        background::flush(view.mapping(), 0, 5).unwrap();
        background::flush(view.mapping(), 5, 5).unwrap();
        assert_eq!(trouble::unmapped(), 0);
        view.unmap().unwrap();
        assert_eq!(trouble::unmapped(), 1);
    });
}

/// The same with a second view, which goes on another thread: it is waited for by nobody, and once it is gone the first is the
/// only one, whatever the background does.
#[test]
fn a_view_that_is_gone_is_in_nobodys_way() {
    explore(|| {
        let mut head = MmapMut::map_anon(20).unwrap();
        let tail = head.split_off(10).unwrap();
        background::flush(head.mapping(), 0, 20).unwrap();
        let other = thread::spawn(move || {
            background::flush(tail.mapping(), 10, 10).unwrap();
            drop(tail);
        });
        let head = match kind(head.whole()) {
            Ok(all) => all,
            Err(kind) => {
                assert_eq!(kind, io::ErrorKind::ResourceBusy);
                other.join().unwrap();
                return;
            }
        };
        assert_eq!(head.len(), 20);
        head.unmap().unwrap();
        other.join().unwrap();
        assert_eq!(trouble::unmapped(), 1);
    });
}

/// All views go while a flush waits or runs: it is done all the same, and then the mapping goes.
#[test]
fn a_flush_in_the_background_outlives_the_views() {
    let path = file(20);
    explore(move || {
        let view = open(&path);
        let (head, tail) = view.split_at(10).unwrap();
        let other = thread::spawn(move || {
            background::flush(head.mapping(), 0, 10).unwrap();
        });
        background::flush(tail.mapping(), 10, 10).unwrap();
        drop(tail);
        other.join().unwrap();
        while trouble::unmapped() == 0 {
            thread::yield_now();
        }
        assert!((1..=2).contains(&trouble::flushed()), "neighbours may be joined: {}", trouble::flushed());
        assert_eq!(trouble::unmapped(), 1);
    });
}

/// The first flushes of a process make the queue, at the same time: none is forgotten in one that nobody uses.
#[test]
fn the_first_flush_of_every_thread_is_done() {
    let path = file(10);
    explore(move || {
        let start = |view: MmapViewSync| {
            thread::spawn(move || {
                background::flush(view.mapping(), 0, 10).unwrap();
                view.unmap().unwrap();
            })
        };
        let threads = [start(open(&path)), start(open(&path)), start(open(&path))];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((trouble::flushed(), trouble::unmapped()), (3, 3));
    });
}

/// The system tells one flush of the failure, not always the one whose bytes it was about. Both hear of it, and all after them.
#[test]
fn a_failure_that_one_flush_is_told_is_known_to_those_beside_it() {
    let path = file(20);
    explore(move || {
        let (head, tail) = open(&path).split_at(10).unwrap();
        trouble::fail_once(EIO);
        let other = thread::spawn(move || tail.flush().unwrap_err());
        let error = head.flush().unwrap_err();
        assert_eq!((error.raw_os_error(), other.join().unwrap().raw_os_error()), (Some(EIO), Some(EIO)));
        let asked = trouble::flushed();
        assert_eq!(head.flush().unwrap_err().raw_os_error(), Some(EIO));
        assert_eq!(trouble::flushed(), asked, "there is nothing to ask for any more");
    });
}

/// The same with two mappings of the file, which are made and go while the other one is there or not.
#[test]
fn a_failure_is_known_to_every_mapping_of_the_file() {
    let path = file(20);
    explore(move || {
        let first = open(&path);
        trouble::fail_once(EIO);
        let other = {
            let path = Arc::clone(&path);
            thread::spawn(move || drop(open(&path)))
        };
        let second = open(&path);
        let flushing = thread::spawn(move || second.flush().unwrap_err());
        let error = first.flush().unwrap_err();
        assert_eq!((error.raw_os_error(), flushing.join().unwrap().raw_os_error()), (Some(EIO), Some(EIO)));
        other.join().unwrap();
    });
}

/// What starts a flush does all of it here, and so may be told of the failure too.
#[test]
fn a_failure_that_a_started_flush_is_told_is_known_to_those_beside_it() {
    let path = file(20);
    explore(move || {
        let (head, tail) = open(&path).split_at(10).unwrap();
        trouble::fail_once(EIO);
        let other = thread::spawn(move || tail.flush_async().unwrap_err());
        let error = head.flush().unwrap_err();
        assert_eq!((error.raw_os_error(), other.join().unwrap().raw_os_error()), (Some(EIO), Some(EIO)));
    });
}

/// One of the two flushes is in the background: its failure is that of the next flush.
#[test]
fn a_failure_in_the_background_is_not_lost() {
    let path = file(20);
    explore(move || {
        let view = open(&path);
        trouble::fail_once(EIO);
        background::flush(view.mapping(), 0, 20).unwrap();
        // Before the thread, beside it or after it.
        assert_eq!(view.flush().unwrap_err().raw_os_error(), Some(EIO));
        view.unmap().unwrap();
    });
}

/// What was written and not flushed is the file's when the last piece is gone: with maps of a system it is at once.
#[test]
fn the_last_piece_hands_over_what_all_have_written() {
    let path = file(30);
    explore(move || {
        fs::write(&*path, [0; 30]).unwrap();
        let write =
            |(piece, letter): (MmapViewSync, u8)| thread::spawn(move || piece.write_all_at(&[letter; 10], 0).unwrap());
        let threads: Vec<_> = open(&path).into_chunks(10).unwrap().zip(b'a'..).map(write).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(fs::read(&*path).unwrap(), b"aaaaaaaaaabbbbbbbbbbcccccccccc");
    });
}

/// A flush as a mapping makes it, with the wait for others or without.
fn flush(flushes: &Flushes, wait: bool) -> io::Result<()> {
    if wait {
        return flushes.run(trouble::flushing);
    }
    flushes.remember(trouble::flushing())?;
    flushes.no_failure()
}

/// Two threads flush, and the system reports a failure to one of them.
fn two_flushes(wait: bool) {
    let two = Arc::new(Flushes::default());
    trouble::fail_once(EIO);
    let other = {
        let two = Arc::clone(&two);
        thread::spawn(move || flush(&two, wait).is_err())
    };
    assert!(flush(&two, wait).is_err(), "the failure was told to the other one");
    assert!(other.join().unwrap(), "the failure was told to the first one");
}

/// These tests could pass because nothing ever meets. So the mistake that they are there for is made, and has to be found.
#[test]
fn a_flush_that_did_not_wait_would_be_found() {
    explore(|| two_flushes(true));
    assert!(is_found(|| two_flushes(false)));
}

/// As above: the owner count alone does not do where a flush in the background is an owner.
#[test]
fn a_conversion_that_did_not_wait_would_be_found() {
    assert!(is_found(|| {
        let mut mapping = crate::sync::Arc::clone(MmapMut::map_anon(10).unwrap().mapping());
        background::flush(&mapping, 0, 10).unwrap();
        assert!(crate::sync::Arc::get_mut(&mut mapping).is_some(), "a flush is under way");
    }));
}
