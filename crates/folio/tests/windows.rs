//! What is particular to Windows: granularity, handles, sharing, and what the system refuses for mapped files.
#![cfg(windows)]

use folio::{Access, Fault, Mmap, MmapMut, MmapOptions, MmapViewSync, Protection, View, page_size};
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use tempfile::TempDir;
use windows_sys::Win32::Foundation::{
    ERROR_USER_MAPPED_FILE, EXCEPTION_ACCESS_VIOLATION, EXCEPTION_IN_PAGE_ERROR, GENERIC_EXECUTE, GENERIC_READ,
    GetHandleInformation,
};
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_BACKUP_SEMANTICS;
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS,
};
use windows_sys::Win32::System::Memory::{
    MEM_FREE, MEMORY_BASIC_INFORMATION, PAGE_NOACCESS, VirtualProtect, VirtualQuery,
};

#[path = "support/wine.rs"]
mod wine;

/// What offsets of the system's own views are multiples of.
const GRANULARITY: usize = 64 * 1024;

/// The byte at `index` of the test's files. The period is prime, so that a shift by a page or by the granularity shows.
fn byte(index: usize) -> u8 {
    u8::try_from(index % 251).unwrap()
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(byte).collect()
}

/// A file of `len` bytes of the data, in a folder that goes with the test.
fn file(len: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, data(len)).unwrap();
    (dir, path)
}

fn read_write(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn executable(path: &Path) -> File {
    OpenOptions::new().access_mode(GENERIC_READ | GENERIC_EXECUTE).open(path).unwrap()
}

fn bytes<A: Access>(view: &View<A>) -> Vec<u8> {
    let mut bytes = vec![0; view.len()];
    view.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// The bytes and the address of a map that could be flushed.
type Seen = io::Result<(Vec<u8>, usize)>;

/// Every kind of map of a file, one after the other.
fn every_kind(options: &MmapOptions, path: &Path) -> Vec<(&'static str, Seen)> {
    fn look<A: Access>(view: io::Result<View<A>>) -> Seen {
        let view = view?;
        view.flush()?;
        view.flush_async()?;
        view.flush_range(view.len() / 2, 0)?;
        view.sync_all().or_else(|error| if error.kind() == ErrorKind::Unsupported { Ok(()) } else { Err(error) })?;
        Ok((bytes(&view), view.as_ptr().addr()))
    }
    let file = read_write(path);
    let exec = executable(path);
    vec![
        ("Read", look(options.map_view(&file, Protection::Read))),
        ("ReadWrite", look(options.map_view(&file, Protection::ReadWrite))),
        ("ReadCopy", look(options.map_view(&file, Protection::ReadCopy))),
        ("ReadExecute", look(options.map_view(&exec, Protection::ReadExecute))),
        // SAFETY: nobody else uses the file, and slices are not made of the maps.
        ("map", look(unsafe { options.map(&file) })),
        // SAFETY: as in the call above.
        ("map_mut", look(unsafe { options.map_mut(&file) })),
        // SAFETY: as in the call above.
        ("map_copy", look(unsafe { options.map_copy(&file) })),
        // SAFETY: as in the call above.
        ("map_copy_read_only", look(unsafe { options.map_copy_read_only(&file) })),
        // SAFETY: as in the call above.
        ("map_exec", look(unsafe { options.map_exec(&exec) })),
    ]
}

#[test]
fn sizes_are_those_of_the_system() {
    assert!(page_size().is_power_of_two());
    assert_eq!(GRANULARITY % page_size(), 0);
}

/// The system refuses sections of no bytes and takes a flush of no bytes for one of all the rest; an empty map of another
/// library had the address 1.
#[test]
fn an_empty_file_gives_an_empty_map_of_each_kind() {
    let (_dir, path) = file(0);
    for (kind, result) in every_kind(&MmapOptions::new(), &path) {
        let (bytes, address) = result.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(bytes.is_empty(), "{kind}");
        assert!(address != 0 && address % page_size() == 0, "{kind}: {address:#x}");
    }
    let created = MmapViewSync::create_new(path.with_extension("new"), 0).unwrap();
    created.flush().unwrap();
    created.sync_all().unwrap();
}

#[test]
fn an_offset_at_the_end_gives_an_empty_map_and_one_past_it_an_error() {
    let (_dir, path) = file(GRANULARITY);
    for (kind, result) in every_kind(MmapOptions::new().offset(GRANULARITY as u64), &path) {
        assert_eq!(result.unwrap_or_else(|error| panic!("{kind}: {error}")).0, [], "{kind}");
    }
    for (kind, result) in every_kind(MmapOptions::new().offset(GRANULARITY as u64 + 1), &path) {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{kind}");
    }
}

/// The system maps at multiples of 64 KiB only.
#[test]
fn any_offset_shows_the_right_bytes() {
    let len = 3 * GRANULARITY + 100;
    let (_dir, path) = file(len);
    let data = data(len);
    for offset in [1, 4095, 4096, 4097, 65535, 65536, 65537, 2 * GRANULARITY, 3 * GRANULARITY + 99] {
        for (kind, result) in every_kind(MmapOptions::new().offset(offset as u64), &path) {
            let (bytes, _) = result.unwrap_or_else(|error| panic!("{kind} at {offset}: {error}"));
            assert!(bytes == data[offset..], "{kind} at {offset}");
        }
        for (kind, result) in every_kind(MmapOptions::new().offset(offset as u64).len(1), &path) {
            assert_eq!(result.unwrap().0, [byte(offset)], "{kind} at {offset}");
        }
    }
}

#[test]
fn what_is_written_at_any_offset_reaches_the_file() {
    let len = 2 * GRANULARITY + 100;
    let (_dir, path) = file(len);
    let file = read_write(&path);
    for offset in [1, 4096, 65536, 65537, 2 * GRANULARITY + 99] {
        let view = MmapOptions::new().offset(offset as u64).map_view(&file, Protection::ReadWrite).unwrap();
        view.store(0, 0xEEu8).unwrap();
        view.flush_range(0, 1).unwrap();
        let mut read = [0];
        (&file).seek(SeekFrom::Start(offset as u64)).unwrap();
        (&file).read_exact(&mut read).unwrap();
        assert_eq!(read, [0xEE], "at {offset}");
    }
}

/// Denied access has the error that it has on other systems, whether the file has bytes or none.
#[test]
fn a_handle_without_the_access_that_a_map_needs_is_denied() {
    for len in [0, 100] {
        let (_dir, path) = file(len);
        let options = MmapOptions::new();
        let denied = |result: io::Result<MmapViewSync>, what: &str| {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied, "{what} of {len} bytes");
        };
        let read = File::open(&path).unwrap();
        denied(options.map_view(&read, Protection::ReadWrite), "writing a file that is open for reading");
        // SAFETY: the file is not mapped, as the result says.
        assert_eq!(unsafe { MmapMut::map_mut(&read) }.unwrap_err().kind(), ErrorKind::PermissionDenied);
        let write = OpenOptions::new().write(true).open(&path).unwrap();
        for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy, Protection::ReadExecute] {
            denied(options.map_view(&write, protection), "a file that is open for writing only");
        }
        // What needs reading only.
        options.map_view(&read, Protection::ReadCopy).unwrap();
        options.map_view(&read, Protection::Read).unwrap();
    }
}

/// Other systems ask the file system whether a file may be executed; this one asks the handle.
#[test]
fn a_file_that_is_not_open_for_executing_is_denied() {
    for len in [0, 100] {
        let (_dir, path) = file(len);
        let read = File::open(&path).unwrap();
        let error = MmapViewSync::open(&read, Protection::ReadExecute).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        // SAFETY: the file is not mapped, as the result says.
        let error = unsafe { MmapOptions::new().map_exec(&read) }.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}

#[test]
fn a_map_that_cannot_be_made_writable_comes_back_usable() {
    let (_dir, path) = file(100);
    // SAFETY: nobody writes the file.
    let map = unsafe { Mmap::map(File::open(&path).unwrap()) }.unwrap();
    let failed = map.make_mut().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    assert_eq!(failed.into_view()[..], data(100));
}

#[test]
fn protection_goes_back_and_forth() {
    let len = 2 * page_size();
    let files: Vec<_> = (0..3).map(|_| file(len)).collect();
    let path = |index: usize| &files[index].1;
    // SAFETY: nobody else uses the file.
    let shared = unsafe { MmapMut::map_mut(read_write(path(0))) }.unwrap();
    // SAFETY: as in the call above.
    let private = unsafe { MmapOptions::new().map_copy(File::open(path(1)).unwrap()) }.unwrap();
    // SAFETY: as in the call above.
    let lazy = unsafe { MmapOptions::new().map_copy_read_only(File::open(path(2)).unwrap()) }.unwrap();
    assert_eq!(lazy.protection(), Protection::Read);
    let memory = MmapMut::map_anon(len).unwrap();
    for mut map in [shared, private, lazy.make_mut().unwrap(), memory] {
        for round in 1..3 {
            map[page_size()] = round;
            let frozen = map.make_read_only().unwrap();
            assert_eq!(frozen[page_size()], round);
            map = frozen.make_mut().unwrap();
        }
    }
    let mut changed = data(len);
    changed[page_size()] = 2;
    assert!(fs::read(path(0)).unwrap() == changed);
    assert!(fs::read(path(1)).unwrap() == data(len));
    assert!(fs::read(path(2)).unwrap() == data(len));
}

#[test]
fn memory_can_be_made_executable_and_a_view_of_a_file_only_if_it_was_mapped_for_it() {
    let memory = MmapMut::map_anon(100).unwrap().make_exec().unwrap();
    memory.make_mut().unwrap()[0] = 1;

    let (_dir, path) = file(100);
    let view = MmapViewSync::open_path(&path, Protection::ReadExecute).unwrap();
    assert_eq!(bytes(&view), data(100));
    // SAFETY: nobody else uses the file.
    let map = unsafe { MmapMut::map_mut(read_write(&path)) }.unwrap();
    let failed = map.make_exec().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::PermissionDenied);
    failed.into_view()[0] = 1;
}

#[test]
fn what_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |result: io::Result<MmapViewSync>, kind: ErrorKind, what: &str| {
        assert_eq!(result.unwrap_err().kind(), kind, "{what}");
    };
    for protection in [Protection::Read, Protection::ReadWrite] {
        refused(MmapViewSync::open_path(dir.path(), protection), ErrorKind::IsADirectory, "a directory by its path");
    }
    let handle = OpenOptions::new().read(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(dir.path()).unwrap();
    refused(MmapViewSync::open(&handle, Protection::Read), ErrorKind::IsADirectory, "a directory by its handle");
    let null = File::open("NUL").unwrap();
    refused(MmapViewSync::open(&null, Protection::Read), ErrorKind::InvalidInput, "NUL");
    let (reader, writer) = io::pipe().unwrap();
    refused(MmapViewSync::open(&reader, Protection::Read), ErrorKind::InvalidInput, "a pipe");
    refused(MmapViewSync::open(&writer, Protection::ReadWrite), ErrorKind::InvalidInput, "a pipe");
    let thread = std::thread::spawn(|| {});
    let thread_handle: OwnedHandle = thread.as_handle().try_clone_to_owned().unwrap();
    refused(MmapViewSync::open(&thread_handle, Protection::Read), ErrorKind::InvalidInput, "a thread");
    thread.join().unwrap();
}

/// A section longer than its file makes the file longer.
#[test]
fn a_view_past_the_end_never_changes_the_length_of_the_file() {
    let (_dir, path) = file(100);
    let file = read_write(&path);
    let mut options = MmapOptions::new();
    for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
        let error = options.len(101).map_view(&file, protection).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    options.allow_past_end();
    for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
        // To the end of the last page there are bytes: zeros.
        let view = options.len(page_size()).map_view(&file, protection).unwrap();
        let bytes = bytes(&view);
        assert_eq!(bytes[..100], data(100));
        assert!(bytes[100..].iter().all(|&byte| byte == 0));
        drop(view);
        for len in [page_size() + 1, 10 * GRANULARITY] {
            let error = options.len(len).map_view(&file, protection).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{len} bytes, {protection:?}: {error}");
        }
    }
    assert_eq!(file.metadata().unwrap().len(), 100);

    file.set_len(0).unwrap();
    let error = options.len(1).map_view(&file, Protection::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(file.metadata().unwrap().len(), 0);
}

#[test]
fn allocating_lengthens_and_never_shrinks() {
    let (_dir, path) = file(100);
    let file = read_write(&path);
    let view = MmapOptions::new().len(3 * GRANULARITY + 1).allocate().map_view(&file, Protection::ReadWrite).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3 * GRANULARITY as u64 + 1);
    let mut expected = data(100);
    expected.resize(3 * GRANULARITY + 1, 0);
    assert!(bytes(&view) == expected);
    let shorter = MmapOptions::new().len(10).allocate().map_view(&file, Protection::ReadWrite).unwrap();
    assert_eq!(shorter.len(), 10);
    drop((view, shorter));
    assert_eq!(file.metadata().unwrap().len(), 3 * GRANULARITY as u64 + 1);
    assert!(fs::read(&path).unwrap() == expected);
}

/// Flushing needs a handle of the file, which must still be there when the user's is closed.
#[test]
fn a_flush_needs_no_handle_of_the_user() {
    let (_dir, path) = file(3 * page_size());
    let file = read_write(&path);
    let view = MmapOptions::new().len(page_size()).map_view(&file, Protection::ReadWrite).unwrap();
    // SAFETY: nobody else uses the bytes from there on.
    let mut other = unsafe { MmapOptions::new().offset(page_size() as u64).map_mut(&file) }.unwrap();
    drop(file);
    view.write_all_at(b"view", 0).unwrap();
    view.flush().unwrap();
    view.flush_async().unwrap();
    view.sync_all().unwrap();
    other.write_all_at(b"other", 0).unwrap();
    // A map that is read-only by now still has bytes to flush.
    let frozen = other.make_read_only().unwrap();
    frozen.flush().unwrap();
    frozen.sync_all().unwrap();
    drop((view, frozen));
    let bytes = fs::read(&path).unwrap();
    assert_eq!((&bytes[..4], &bytes[page_size()..page_size() + 5]), (&b"view"[..], &b"other"[..]));
}

/// A copy-on-write view of a file that may only be read cannot be flushed by the system, and need not be.
#[test]
fn what_writes_to_no_file_flushes_to_nothing() {
    let (_dir, path) = file(100);
    let file = File::open(&path).unwrap();
    let view = MmapOptions::new().keep_file().map_view(&file, Protection::ReadCopy).unwrap();
    view.write_all_at(b"private", 0).unwrap();
    view.flush().unwrap();
    view.flush_async().unwrap();
    view.sync_all().unwrap();
    let view = MmapOptions::new().keep_file().map_view(&file, Protection::Read).unwrap();
    view.flush().unwrap();
    view.sync_all().unwrap();
    assert_eq!(fs::read(&path).unwrap(), data(100));
}

#[test]
fn the_system_refuses_to_cut_a_mapped_file_short() {
    let (_dir, path) = file(3 * GRANULARITY);
    let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
    let error = read_write(&path).set_len(0).unwrap_err();
    assert_eq!(error.raw_os_error().map(i32::cast_unsigned), Some(ERROR_USER_MAPPED_FILE));
    assert_eq!(view.load::<u8>(3 * GRANULARITY - 1).unwrap(), byte(3 * GRANULARITY - 1));
}

/// Another library kept the section's handle, and the file stayed as it was for as long as the process lived.
#[test]
fn after_the_last_drop_a_file_can_be_shrunk_renamed_over_and_deleted_at_once() {
    let (dir, path) = file(3 * GRANULARITY);
    for round in 0..3 {
        fs::write(&path, data(3 * GRANULARITY)).unwrap();
        let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
        // SAFETY: nobody writes the file meanwhile.
        let map = unsafe { Mmap::map(File::open(&path).unwrap()) }.unwrap();
        let copy = MmapViewSync::open_path(&path, Protection::ReadCopy).unwrap();
        let mut pieces: Vec<_> = view.into_chunks(GRANULARITY).unwrap().collect();
        let last = pieces.pop().unwrap();
        drop((pieces, map, copy));
        // One piece in the middle of nothing still keeps all of it.
        assert!(read_write(&path).set_len(10).is_err());
        match round {
            0 => drop(last),
            1 => last.unmap().unwrap(),
            _ => std::thread::spawn(move || drop(last)).join().unwrap(),
        }
        match round {
            0 => read_write(&path).set_len(10).unwrap(),
            1 => {
                let other = dir.path().join("other");
                fs::write(&other, b"other").unwrap();
                fs::rename(&other, &path).unwrap();
                assert_eq!(fs::read(&path).unwrap(), b"other");
            }
            _ => {
                fs::remove_file(&path).unwrap();
                assert!(!path.exists());
            }
        }
    }
}

/// The handle that a mapping keeps is shared with everybody, for every purpose.
#[test]
fn a_mapped_file_can_be_opened_written_and_renamed() {
    let (dir, path) = file(100);
    let view = MmapViewSync::open_path(&path, Protection::ReadWrite).unwrap();
    let mut file = read_write(&path);
    file.write_all(b"others write").unwrap();
    let mut seen = [0; 12];
    view.read_exact_at(&mut seen, 0).unwrap();
    assert_eq!(&seen, b"others write");
    let other = dir.path().join("renamed");
    fs::rename(&path, &other).unwrap();
    view.write_all_at(b"view  writes", 0).unwrap();
    view.flush().unwrap();
    assert_eq!(fs::read(&other).unwrap()[..12], *b"view  writes");
}

/// Whether the system allows it depends on its version and the file system; the view is unharmed by either answer.
#[test]
fn deleting_and_replacing_a_mapped_file_harms_no_view() {
    for protection in [Protection::Read, Protection::ReadWrite, Protection::ReadCopy] {
        for replace in [false, true] {
            let (dir, path) = file(3 * page_size());
            let view = MmapViewSync::open_path(&path, protection).unwrap();
            let other = dir.path().join("other");
            fs::write(&other, b"other").unwrap();
            let done = if replace { fs::rename(&other, &path) } else { fs::remove_file(&path) };
            println!("{protection:?}, {}: {done:?}", if replace { "replaced" } else { "deleted" });
            assert!(bytes(&view) == data(3 * page_size()), "{protection:?}, {replace}: {done:?}");
            if protection.write() {
                view.write_all_at(b"still", page_size()).unwrap();
                view.flush().unwrap();
                assert_eq!(view.load::<u8>(page_size()).unwrap(), b's');
            }
            drop(view);
            match (done, replace) {
                (Ok(()), true) => assert_eq!(fs::read(&path).unwrap(), b"other"),
                (Ok(()), false) => assert!(!path.exists()),
                (Err(error), _) => {
                    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
                    assert_eq!(fs::read(&path).unwrap().len(), 3 * page_size());
                }
            }
        }
    }
}

static CODE: AtomicI32 = AtomicI32::new(0);

unsafe extern "system" fn note(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system gives a valid pointer.
    let record = unsafe { (*exception).ExceptionRecord };
    // SAFETY: the record that it points to is as valid.
    CODE.store(unsafe { (*record).ExceptionCode }, Relaxed);
    EXCEPTION_CONTINUE_SEARCH
}

/// The medium's error is one of two that the handler takes. Wine knows the other one only, for a file that was cut too.
#[test]
fn the_exception_of_a_lost_page_is_one_of_the_two() {
    alone("the_exception_of_a_lost_page_is_one_of_the_two", || {
        let dir = TempDir::new_in(wine::folder()).unwrap();
        let path = dir.path().join("data");
        fs::write(&path, data(3 * page_size())).unwrap();
        let view = MmapViewSync::open_path(&path, Protection::Read).unwrap();
        folio::fault::install().unwrap();
        // SAFETY: the handler is a function of this program.
        assert!(!unsafe { AddVectoredExceptionHandler(1, Some(note)) }.is_null());
        lose(&view, &path, 2);
        // What cutting the file may have raised.
        CODE.store(0, Relaxed);
        let error = view.load::<u8>(2 * page_size()).unwrap_err();
        assert_eq!(Fault::of(&error).unwrap().offset, 2 * page_size());
        let code = CODE.load(Relaxed);
        println!("the exception was {code:#x}");
        assert!([EXCEPTION_ACCESS_VIOLATION, EXCEPTION_IN_PAGE_ERROR].contains(&code), "{code:#x}");
        assert!(!wine::is_below() || code == EXCEPTION_ACCESS_VIOLATION, "{code:#x}");
    });
}

/// A failed creation leaves no file.
#[test]
fn a_creation_that_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    assert!(MmapViewSync::create_new(&path, usize::MAX / 2 - 10).is_err());
    assert!(!path.exists());
    MmapViewSync::create_new(&path, 100).unwrap().flush().unwrap();
    assert_eq!(MmapViewSync::create_new(&path, 100).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), [0; 100]);
}

/// Large pages need a right that ordinary processes do not have; whatever the answer is, it is one.
#[test]
fn large_pages_are_had_or_refused() {
    match MmapOptions::new().len(100).huge(None).map_anon() {
        Ok(mut map) => map[99] = 1,
        Err(error) => {
            // The last is Wine's, which does not know the flag.
            use ErrorKind::{InvalidInput, OutOfMemory, PermissionDenied, Unsupported};
            let kinds = [PermissionDenied, OutOfMemory, Unsupported, InvalidInput];
            assert!(kinds.contains(&error.kind()), "{error:?}");
        }
    }
    let error = MmapOptions::new().len(100).huge(Some(13)).map_anon().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported), "{error}");
}

/// Takes a page of a view away, so that touching it would end the process. Under Wine by the system below it, which cuts a
/// mapped file without asking (Wine's own copies between processes go past protections); on Windows, which loses pages
/// only with the medium, by taking the right to touch it.
fn lose(view: &MmapViewSync, path: &Path, page: usize) {
    if wine::is_below() {
        return wine::cut(&[path], page * page_size());
    }
    let mut before = 0;
    let address = view.as_ptr().wrapping_add(page * page_size());
    let len = view.len() - page * page_size();
    // SAFETY: these pages are the view's, of which no slice is made.
    assert_ne!(unsafe { VirtualProtect(address.cast(), len, PAGE_NOACCESS, &raw mut before) }, 0);
}

#[test]
fn a_page_that_cannot_be_reached_is_an_error_with_its_offset() {
    let dir = TempDir::new_in(wine::folder()).unwrap();
    let path = dir.path().join("data");
    for protection in [Protection::Read, Protection::ReadWrite] {
        fs::write(&path, data(3 * page_size())).unwrap();
        let view = MmapViewSync::open_path(&path, protection).unwrap();
        lose(&view, &path, 2);
        let lost = 2 * page_size();
        let mut bytes = vec![0; 3 * page_size()];
        for start in [0, 1, page_size(), lost - 1, lost, lost + 7] {
            let error = view.read_exact_at(&mut bytes[start..], start).unwrap_err();
            assert_eq!(Fault::of(&error).unwrap().offset, lost.max(start), "reading from {start}: {error}");
            assert!(bytes[start..lost.max(start)] == data(lost)[start.min(lost)..], "reading from {start}");
            if protection.write() {
                let error = view.write_all_at(&bytes[start..], start).unwrap_err();
                assert_eq!(Fault::of(&error).unwrap().offset, lost.max(start), "writing from {start}: {error}");
            }
        }
        assert_eq!(view.load::<u8>(lost - 1).unwrap(), byte(lost - 1));
    }
}

/// The open handles of this process, of those that come first: all there are, unless thousands leak. Asked one by one,
/// because Wine answers `GetProcessHandleCount` with zero.
fn handles() -> usize {
    let open = |value: usize| {
        let mut flags = 0;
        // SAFETY: the call only looks the value up; the flags are ours.
        unsafe { GetHandleInformation(ptr::without_provenance_mut(value), &raw mut flags) != 0 }
    };
    (4..16 * 1024).step_by(4).filter(|&value| open(value)).count()
}

/// The regions of this process's address space that are not free.
fn regions() -> usize {
    let (mut count, mut address) = (0, 0usize);
    loop {
        let mut region = MEMORY_BASIC_INFORMATION::default();
        // SAFETY: the call looks at no memory but its own tables, and fills the structure, which has the size given.
        let size = unsafe {
            VirtualQuery(ptr::without_provenance(address), &raw mut region, size_of::<MEMORY_BASIC_INFORMATION>())
        };
        if size == 0 {
            return count;
        }
        count += usize::from(region.State != MEM_FREE);
        address = region.BaseAddress.addr() + region.RegionSize;
    }
}

/// Runs `body` in a process of its own, where no other test opens handles: this test, started again.
fn alone(test: &str, body: impl FnOnce()) {
    const MARK: &str = "FOLIO_TEST_ALONE";
    if env::var_os(MARK).is_some() {
        return body();
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--test-threads=1", "--nocapture"]).env(MARK, "1");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn ten_thousand_failures_leave_no_handle_and_no_view() {
    alone("ten_thousand_failures_leave_no_handle_and_no_view", || {
        let (dir, path) = file(GRANULARITY);
        let file = read_write(&path);
        let read_only = File::open(&path).unwrap();
        let write_only = OpenOptions::new().write(true).open(&path).unwrap();
        let null = File::open("NUL").unwrap();
        let failures: [(&str, &dyn Fn() -> bool); 8] = [
            ("no access", &|| MmapViewSync::open(&read_only, Protection::ReadWrite).is_err()),
            ("writing only", &|| MmapViewSync::open(&write_only, Protection::Read).is_err()),
            ("a device", &|| MmapViewSync::open(&null, Protection::ReadWrite).is_err()),
            ("past the end", &|| {
                let mut options = MmapOptions::new();
                options.len(2 * GRANULARITY).allow_past_end().map_view(&file, Protection::ReadWrite).is_err()
            }),
            // More than the address space has, behind an offset that is fine.
            ("no room", &|| MmapMut::map_anon(usize::MAX / 2 - page_size()).is_err()),
            ("no file", &|| MmapViewSync::open_path(dir.path().join("none"), Protection::Read).is_err()),
            ("a directory", &|| MmapViewSync::open_path(dir.path(), Protection::Read).is_err()),
            ("a file that is there", &|| MmapViewSync::create_new(&path, 100).is_err()),
        ];
        // What the first of each allocates for good.
        for (what, fails) in failures {
            assert!(fails(), "{what}");
        }
        let before = (handles(), regions());
        for round in 0..10_000 {
            let (what, fails) = failures[round % failures.len()];
            assert!(fails(), "{what}");
        }
        assert_eq!(handles(), before.0);
        // The heap may have grown by a few regions; views would be thousands.
        assert!(regions() < before.1 + 100, "{} regions, {} before", regions(), before.1);

        // Nor does success.
        for _ in 0..1000 {
            MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
            MmapViewSync::open_path(&path, Protection::ReadCopy).unwrap();
            MmapMut::map_anon(100).unwrap();
        }
        assert_eq!(handles(), before.0);
        assert!(regions() < before.1 + 100, "{} regions, {} before", regions(), before.1);
    });
}

/// A mapping that writes keeps one handle, one that reads none.
#[test]
fn a_mapping_keeps_the_handles_that_it_says() {
    alone("a_mapping_keeps_the_handles_that_it_says", || {
        let (_dir, path) = file(100);
        let file = read_write(&path);
        let before = handles();
        let read = MmapViewSync::open(&file, Protection::Read).unwrap();
        assert_eq!(handles(), before);
        let copy = MmapViewSync::open(&file, Protection::ReadCopy).unwrap();
        assert_eq!(handles(), before);
        let write = MmapViewSync::open(&file, Protection::ReadWrite).unwrap();
        assert_eq!(handles(), before + 1);
        drop((read, copy, write));
        assert_eq!(handles(), before);
    });
}
