//! What only Linux can stage: file systems of one's own, the pool of huge pages, a medium that fails.

use crate::cells::Cause;
use crate::runner;
use crate::stage::{MEDIUM, pattern};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyWrite, Request, WriteFlags,
};
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// What is taken down again when a cause has been staged. The fields are dropped in this order.
pub(crate) struct Setting {
    _mount: Option<Mount>,
    _pool: Option<HugePool>,
    _medium: Option<Medium>,
}

impl Setting {
    /// `None` for a cause that needs no setting, `Err` with the reason where this machine does not allow it.
    pub(crate) fn new(cause: Cause, directory: &Path) -> Result<Option<Setting>, String> {
        let mut setting = Setting { _mount: None, _pool: None, _medium: None };
        match cause {
            Cause::CutToZero | Cause::CutMidPage | Cause::CutAtPage => return Ok(None),
            Cause::FullDisk => {
                let options = format!("size={}", 16 * folio::page_size());
                setting._mount = Some(Mount::new(c"tmpfs", directory, &options)?);
            }
            Cause::HugePoolDry => {
                if runner::is_emulated() {
                    // It places mappings itself, and the kernel refuses huge pages there.
                    return Err("an emulator places mappings by its small pages".to_owned());
                }
                setting._pool = Some(HugePool::of_one()?);
                setting._mount = Some(Mount::new(c"hugetlbfs", directory, "")?);
            }
            Cause::MediumFails => setting._medium = Some(Medium::new(directory)?),
        }
        Ok(Some(setting))
    }
}

/// A file system of ours; unmounted on drop.
struct Mount(CString);

impl Mount {
    fn new(kind: &CStr, directory: &Path, options: &str) -> Result<Mount, String> {
        let target = CString::new(directory.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        let options = CString::new(options).map_err(|error| error.to_string())?;
        // SAFETY: four strings that end in a zero byte; no flags (mount(2)).
        let result = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) };
        if result == 0 { Ok(Mount(target)) } else { Err(needs_root("mount", &io::Error::last_os_error())) }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // SAFETY: a string that ends in a zero byte. Detached even if something should still be open there.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}

fn needs_root(what: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::EROFS) => format!("{what} needs root: {error}"),
        _ => format!("{what}: {error}"),
    }
}

/// The pool of huge pages with exactly one page in it; as it was on drop.
struct HugePool {
    before: String,
    /// Locked, so that two programs of this kind do not change the pool at once.
    _lock: File,
}

const POOL: &str = "/proc/sys/vm/nr_hugepages";

impl HugePool {
    fn of_one() -> Result<HugePool, String> {
        let lock = File::open(POOL).map_err(|error| format!("no huge pages: {error}"))?;
        // SAFETY: the descriptor is open.
        if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) } != 0 {
            return Err(format!("lock of the pool: {}", io::Error::last_os_error()));
        }
        let before = fs::read_to_string(POOL).map_err(|error| error.to_string())?;
        if before.trim() != "0" {
            return Err("the machine's huge pages are in use".to_owned());
        }
        fs::write(POOL, "1").map_err(|error| needs_root("the pool of huge pages", &error))?;
        let pool = HugePool { before, _lock: lock };
        let size = fs::read_to_string(POOL).map_err(|error| error.to_string())?;
        if size.trim() == "1" { Ok(pool) } else { Err("no memory for a huge page".to_owned()) }
    }
}

impl Drop for HugePool {
    fn drop(&mut self) {
        let _ = fs::write(POOL, &self.before);
    }
}

/// Bytes per huge page of the default size.
pub(crate) fn huge_page_size() -> usize {
    let info = fs::read_to_string("/proc/meminfo").unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("Hugepagesize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// A file system with one file, of which the first page can be read and all others fail.
struct Medium(Option<BackgroundSession>);

impl Medium {
    fn new(directory: &Path) -> Result<Medium, String> {
        if !Path::new("/dev/fuse").exists() {
            return Err("the machine has no /dev/fuse".to_owned());
        }
        let session = fuser::spawn_mount(Failing, directory, &Config::default());
        session.map(|session| Medium(Some(session))).map_err(|error| needs_root("FUSE", &error))
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            let _ = session.umount_and_join();
        }
    }
}

struct Failing;

const FILE: INodeNo = INodeNo(2);
const PAGES: usize = 4;

impl Failing {
    fn attributes(ino: INodeNo) -> FileAttr {
        let (kind, size) = if ino == FILE {
            (FileType::RegularFile, (PAGES * folio::page_size()) as u64)
        } else {
            (FileType::Directory, 0)
        };
        FileAttr {
            ino,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o777,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

const FOR_EVER: Duration = Duration::from_secs(1 << 20);

impl Filesystem for Failing {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == MEDIUM {
            reply.entry(&FOR_EVER, &Failing::attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOR_EVER, &Failing::attributes(ino));
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let page = folio::page_size();
        let (offset, size) = (usize::try_from(offset).unwrap_or(usize::MAX), size as usize);
        // A request for more than the first page fails as a whole; the kernel then asks for each page by itself.
        if offset.saturating_add(size) <= page {
            let bytes: Vec<u8> = (offset..offset + size).map(pattern).collect();
            reply.data(&bytes);
        } else {
            reply.error(Errno::EIO);
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // What the cells write is not kept: each finds the pattern.
        reply.written(u32::try_from(data.len()).unwrap_or(0));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }
}
