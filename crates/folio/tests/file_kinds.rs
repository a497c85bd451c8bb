//! What is no ordinary file: each kind is an error that says so, never an empty map that looks like success.
#![cfg(unix)]

use folio::{MmapOptions, page_size};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};

#[path = "support/kinds.rs"]
mod kinds;
#[path = "support/skip.rs"]
mod skip;

use skip::skip;

/// Checks that no kind of map can be made of this, with and without a length, and that the error is of this kind and has
/// a text of its own.
#[track_caller]
fn assert_refused(what: &str, file: &File, expected: ErrorKind) {
    let whole = MmapOptions::new();
    let mut page = MmapOptions::new();
    page.len(page_size()).allow_past_end();
    for options in [&whole, &page] {
        let mut outcomes = kinds::outcomes(options, file);
        outcomes.push(("map_if_safe", options.map_if_safe(file).map(|map| (map.as_ptr().addr(), map.len()))));
        for (kind, outcome) in outcomes {
            match outcome {
                Ok((_, len)) => panic!("{what}: {kind} gave a map of {len} bytes"),
                Err(error) => {
                    assert_eq!(error.kind(), expected, "{what}: {kind}: {error:?}");
                    assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}

/// A descriptor as a file, whatever it is.
fn file(fd: impl Into<OwnedFd>) -> File {
    File::from(fd.into())
}

fn open_read_write(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// memmap2 maps `/dev/zero` with length 0: its metadata says so.
#[test]
fn character_devices_are_refused() {
    for path in ["/dev/zero", "/dev/null", "/dev/full", "/dev/random", "/dev/urandom"] {
        match open_read_write(path) {
            Ok(device) => assert_refused(path, &device, ErrorKind::InvalidInput),
            Err(error) => skip("character_devices_are_refused", format_args!("{path}: {error}")),
        }
    }
}

/// A block device has bytes, and a length in its metadata of 0.
#[test]
fn a_block_device_is_refused() {
    let mut names: Vec<_> = fs::read_dir("/dev").unwrap().filter_map(Result::ok).map(|entry| entry.path()).collect();
    // Loop devices last: other tests take and free them.
    names.sort_by_key(|path| path.display().to_string().starts_with("/dev/loop"));
    let device = names
        .iter()
        .filter(|path| fs::metadata(path).is_ok_and(|data| data.file_type().is_block_device()))
        .find_map(|path| Some((path, File::open(path).ok()?)));
    match device {
        Some((path, device)) => assert_refused(&path.display().to_string(), &device, ErrorKind::InvalidInput),
        None => skip("a_block_device_is_refused", "there is no block device that can be opened"),
    }
}

/// A directory can be opened like a file, and has a length.
#[test]
fn a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert_refused("a directory", &File::open(dir.path()).unwrap(), ErrorKind::IsADirectory);
}

/// What a program gets for its standard input in a pipeline.
#[test]
fn pipes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let fifo = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    assert_refused("a named pipe", &fifo, ErrorKind::InvalidInput);

    let mut child = std::process::Command::new("true").stdout(std::process::Stdio::piped()).spawn().unwrap();
    assert_refused("a pipe", &file(child.stdout.take().unwrap()), ErrorKind::InvalidInput);
    child.wait().unwrap();
}

/// Sockets have descriptors like files do.
#[test]
fn sockets_are_refused() {
    let (stream, _peer) = UnixStream::pair().unwrap();
    assert_refused("a stream socket", &file(stream), ErrorKind::InvalidInput);
    assert_refused("a datagram socket", &file(UnixDatagram::unbound().unwrap()), ErrorKind::InvalidInput);
}

/// Files of `/proc` say that they are ordinary files of length 0 and have bytes all the same: an empty map would be a lie.
#[cfg(target_os = "linux")]
#[test]
fn files_of_proc_are_refused() {
    // Not `maps` and `cmdline`, in whose place an emulator of processors gives ordinary files.
    for path in [
        "/proc/cpuinfo",
        "/proc/self/status",
        "/proc/self/mountinfo",
        "/proc/self/limits",
        "/proc/sys/vm/overcommit_memory",
    ] {
        assert_refused_read_only(path);
    }
}

/// Files of `/sys` say that they are ordinary files of one page.
#[cfg(target_os = "linux")]
#[test]
fn files_of_sys_are_refused() {
    for path in ["/sys/kernel/mm/transparent_hugepage/enabled", "/sys/devices/system/cpu/online", "/sys/kernel/notes"] {
        // The one that is as long as it says can be read, and more the heap does not ask for.
        if cfg!(folio_heap) && path.ends_with("notes") {
            continue;
        }
        if std::path::Path::new(path).exists() {
            assert_refused_read_only(path);
        } else {
            skip("files_of_sys_are_refused", format_args!("no {path}"));
        }
    }
}

/// Checks the kinds of map that need the file for reading only: others could be refused for that reason.
#[cfg(target_os = "linux")]
#[track_caller]
fn assert_refused_read_only(path: &str) {
    let file = File::open(path).unwrap();
    let whole = MmapOptions::new();
    let mut some = MmapOptions::new();
    some.len(1).allow_past_end();
    for options in [&whole, &some] {
        for (kind, outcome) in kinds::reading(options, &file) {
            match outcome {
                Ok((_, len)) => panic!("{path}: {kind} gave a map of {len} bytes"),
                // These file systems are usually mounted `noexec`, which is asked first.
                Err(error) if kind.ends_with("xec") || kind.ends_with("Execute") => {
                    assert!(
                        matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::PermissionDenied),
                        "{path}: {error:?}"
                    );
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}: {kind}: {error:?}"),
            }
        }
    }
}

/// Descriptors with nothing behind them in any file system.
#[cfg(target_os = "linux")]
#[test]
fn descriptors_without_a_file_are_refused() {
    use std::os::fd::FromRawFd;
    // SAFETY: the call takes two numbers.
    let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    // SAFETY: the call takes one number.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    // SAFETY: the call takes three numbers.
    let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
    for (what, fd) in [("an eventfd", event), ("an epoll", epoll), ("a timerfd", timer)] {
        assert!(fd >= 0, "{what}");
        // SAFETY: the descriptor is new, and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        assert_refused(what, &file(fd), ErrorKind::InvalidInput);
    }
}
