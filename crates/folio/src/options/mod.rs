//! What to map: every length, offset and kind of file is checked here, once, the same on every system.

mod allocate;
mod map;
mod memory;

#[cfg(unix)]
pub(crate) use map::checked_len;
pub(crate) use map::{mapped_len, out_of_range};

use crate::Protection;
use crate::error::invalid_input;
use crate::mapping::Claim;
use crate::sys::{self, AsFile};
use crate::view::{Mmap, MmapMut, MmapViewSync, View};
use std::fs;
use std::io;
use std::path::Path;

/// How to map: a builder whose last call says what you get.
///
/// | last call | gives | of |
/// |---|---|---|
/// | [`map_view`](Self::map_view) | [`MmapViewSync`] | a file, safely |
/// | [`open_path`](Self::open_path), [`create_new`](Self::create_new) | [`MmapViewSync`] | a file by its name, safely |
/// | [`map_if_safe`](Self::map_if_safe) | [`Mmap`] | a file that the system proves unchangeable |
/// | `unsafe` [`map`](Self::map), [`map_exec`](Self::map_exec), [`map_copy_read_only`](Self::map_copy_read_only) | [`Mmap`] | a file that nobody writes |
/// | `unsafe` [`map_mut`](Self::map_mut), [`map_copy`](Self::map_copy) | [`MmapMut`] | a file that nobody else touches, or writes |
/// | [`map_anon`](Self::map_anon) | [`MmapMut`] | zeros, for this process |
/// | [`map_anon_shared`](Self::map_anon_shared) | [`MmapViewSync`] | zeros, for this process and its children |
///
/// # Errors of all last calls that take a file
///
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the offset is past the end of the file; if offset and length together
///   are, unless [`allow_past_end`](Self::allow_past_end) is set; if the length is above `isize::MAX`; or if the
///   file is nothing that can be mapped: a pipe, a socket, a device, a file of `/proc` or `/sys`.
///   [`IsADirectory`](io::ErrorKind::IsADirectory) for a directory. The length of the file is a check and no
///   guarantee: another process may cut the file short a moment later.
/// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file is not open for reading, or not for writing where
///   the mapping writes to it.
/// - The error of the system's mapping call. For a process with too many mappings (65,530 by default on Linux,
///   `vm.max_map_count`) it is [`OutOfMemory`](io::ErrorKind::OutOfMemory).
///
/// No failed call leaves a mapping or a descriptor behind.
///
/// # Examples
///
/// ```
/// use folio::{MmapOptions, Protection};
/// use std::fs::File;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # std::fs::write(&path, b"..header....")?;
/// let file = File::open(&path)?;
/// let view = MmapOptions::new().offset(2).len(6).map_view(&file, Protection::Read)?;
/// let mut header = [0; 6];
/// view.read_exact_at(&mut header, 0)?;
/// assert_eq!(&header, b"header");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MmapOptions {
    offset: u64,
    len: Option<usize>,
    allow_past_end: bool,
    allow_device: bool,
    allocate: bool,
    keep_file: bool,
    populate: bool,
    no_reserve_swap: bool,
    stack: bool,
    huge: Option<Option<u8>>,
    or_ordinary: bool,
    zero_fill: bool,
    guard_pages: bool,
    secret: bool,
    no_core_dump: bool,
}

impl MmapOptions {
    /// The entire file, or no bytes of anonymous memory, and nothing special.
    #[must_use]
    pub fn new() -> MmapOptions {
        MmapOptions::default()
    }

    /// Starts the view at byte `offset` of the file. It need not be a multiple of anything. For anonymous memory it is
    /// ignored.
    pub fn offset(&mut self, offset: u64) -> &mut Self {
        self.offset = offset;
        self
    }

    /// Makes the view `len` bytes long. Without it, the view of a file reaches to the file's end.
    pub fn len(&mut self, len: usize) -> &mut Self {
        self.len = Some(len);
        self
    }

    /// Lets the view reach past the end of the file.
    ///
    /// Its bytes there cannot be reached (a plain slice dies of them) until the file has grown over them: they are
    /// reserved for that.
    ///
    /// # Platform-specific behaviour
    ///
    /// A page that the file's end lies in shows zeros behind the end; what is written there is lost (mmap(2)).
    ///
    /// On Windows that page is the last one there can be: a view that reaches further gives
    /// [`Unsupported`](io::ErrorKind::Unsupported), because the system would make the file longer instead.
    ///
    /// Where mappings are copies (WebAssembly, `--cfg folio_heap`) all bytes behind the end are zeros, and stay so when the file
    /// grows; flushing what was written to them is an error until it has.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{Fault, MmapOptions, Protection};
    /// use std::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # // There, a view cannot reach so far.
    /// # if cfg!(windows) { return std::io::Result::Ok(()) }
    /// let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    /// let page = folio::page_size();
    /// let view = MmapOptions::new().len(4 * page).allow_past_end().map_view(&file, Protection::Read)?;
    /// let error = view.load::<u8>(page).unwrap_err();
    /// assert_eq!(Fault::of(&error).map(|fault| fault.offset), Some(page));
    ///
    /// file.set_len(2 * page as u64)?;
    /// assert_eq!(view.load::<u8>(page)?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn allow_past_end(&mut self) -> &mut Self {
        self.allow_past_end = true;
        self
    }

    /// Lets what is no regular file be mapped too: a device, a buffer of a driver, whatever has a descriptor that the system can
    /// map. It has no length to go by, so [`len`](Self::len) must say how many bytes, and the range is not checked. Directories
    /// are refused all the same.
    ///
    /// # Errors
    ///
    /// The last call gives [`InvalidInput`](io::ErrorKind::InvalidInput) without a length, and the error of the system if the driver
    /// cannot map, or not as asked for. [`map_if_safe`](Self::map_if_safe) refuses devices whatever is set here.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Windows handles of devices have no sections, so nothing can be mapped by it.
    ///
    /// # Safety
    ///
    /// - Reading and writing the device's memory does nothing but read and change those bytes. In particular it is no window into memory
    ///   that this process uses otherwise (as `/dev/mem` can be), and nobody takes addresses from it to read or write memory there (as a
    ///   device does with a ring of buffers).
    /// - If reading alone has effects (registers), the caller can live with any number of reads, of any width: checked access and plain
    ///   slices read as often and as wide as they like.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # {
    /// use folio::{MmapOptions, Protection};
    ///
    /// let zeros = std::fs::File::options().read(true).write(true).open("/dev/zero")?;
    /// let mut options = MmapOptions::new();
    /// // SAFETY: a mapping of this device is memory of its own (zero(4)).
    /// unsafe { options.len(100).allow_device() };
    /// let view = options.map_view(&zeros, Protection::ReadWrite)?;
    /// view.store(0, 7_u32)?;
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub unsafe fn allow_device(&mut self) -> &mut Self {
        self.allow_device = true;
        self
    }

    /// Gives every byte of the view a real block on the disk before anything is mapped, and makes the file longer if it
    /// ends before the view does. So a full disk is [`StorageFull`](io::ErrorKind::StorageFull) now, not a fault at some
    /// later write.
    ///
    /// Only for mappings that write to the file; others, of memory too, give [`InvalidInput`](io::ErrorKind::InvalidInput). On failure the
    /// file has the length and the bytes that it had.
    ///
    /// # Platform-specific behaviour
    ///
    /// | system | calls |
    /// |---|---|
    /// | Linux, Android | `fallocate` |
    /// | macOS, iOS | `fcntl(F_PREALLOCATE)` and `ftruncate` for what lies behind the end of the file; holes inside give [`Unsupported`](io::ErrorKind::Unsupported) |
    /// | FreeBSD | `posix_fallocate` |
    /// | Windows | a section of the new length (`CreateFileMapping`), for which the file system takes the clusters; sparse and compressed files go by the next paragraph |
    ///
    /// Where a system or a file system has no such call, zeros are written behind the end of the file; if the file has holes
    /// inside, the error is [`Unsupported`](io::ErrorKind::Unsupported). A copy-on-write file system (btrfs, ZFS, APFS, ReFS)
    /// and a compressed file may need new blocks for a write all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapOptions, Protection};
    /// use std::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    /// let view = MmapOptions::new().len(1 << 20).allocate().map_view(&file, Protection::ReadWrite)?;
    /// assert_eq!(file.metadata()?.len(), 1 << 20);
    /// view.write_all_at(b"there is room for this", 500_000)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "fallocate")]
    pub fn allocate(&mut self) -> &mut Self {
        self.allocate = true;
        self
    }

    /// Keeps a duplicate of the file's handle as long as the mapping lives, which
    /// [`flush_async`](View::flush_async) and [`sync_all`](View::sync_all) make use of. For anonymous memory it is ignored.
    ///
    /// The duplicate is of the same open file, and that shows in file locks: when it is closed, all `fcntl` locks of the
    /// process on that file are gone (fcntl(2)), and a `flock` lasts until it is closed too (flock(2)). That is why
    /// nothing is kept unless it is asked for. (On Linux the mapping itself refers to the open file that was mapped, so a
    /// `flock` taken through that handle lasts as long as the mapping in any case; but on overlayfs, which maps a file of the
    /// file system below.)
    ///
    /// # Platform-specific behaviour
    ///
    /// On all systems but Linux and Android flushing needs the file, so mappings that write to it always keep one. On Windows the locks
    /// of `LockFileEx` belong to the open file, as those of `flock` do, and last until the duplicate is closed too.
    ///
    /// So do they where mappings are copies, by `--cfg folio_heap`. On WebAssembly a handle cannot be duplicated: a mapping that keeps a
    /// file of the program's, and so every one that writes to such a file, gives [`Unsupported`](io::ErrorKind::Unsupported) there;
    /// [`open_path`](View::open_path) and [`create_new`](View::create_new) keep the file that they opened.
    pub fn keep_file(&mut self) -> &mut Self {
        self.keep_file = true;
        self
    }

    /// Brings the pages into memory before the call returns, so that the first accesses need not wait.
    /// [`populate_read`](View::populate_read) and [`populate_write`](View::populate_write) do it for views that are there, and say
    /// how it went.
    ///
    /// # Platform-specific behaviour
    ///
    /// A hint: `MAP_POPULATE` on Linux (the call succeeds also when pages could not be brought in), `MAP_PREFAULT_READ` on
    /// FreeBSD; `PrefetchVirtualMemory` on Windows, for files; nothing elsewhere.
    #[doc(alias = "MAP_POPULATE")]
    pub fn populate(&mut self) -> &mut Self {
        self.populate = true;
        self
    }

    /// Reserves no swap space for pages that may be written: more can be mapped than memory and swap hold, and a write that finds
    /// none ends the process by a signal.
    ///
    /// # Platform-specific behaviour
    ///
    /// `MAP_NORESERVE` on Linux, macOS and iOS; nothing elsewhere. Windows accounts for every page that may become private
    /// when it maps them, and gives [`OutOfMemory`](io::ErrorKind::OutOfMemory) then rather than a signal later.
    #[doc(alias = "MAP_NORESERVE")]
    pub fn no_reserve_swap(&mut self) -> &mut Self {
        self.no_reserve_swap = true;
        self
    }

    /// Says that anonymous memory is for a thread's stack. It does not grow by itself. For files it is ignored.
    ///
    /// # Platform-specific behaviour
    ///
    /// `MAP_STACK` on Linux; nothing elsewhere.
    #[doc(alias = "MAP_STACK")]
    pub fn stack(&mut self) -> &mut Self {
        self.stack = true;
        self
    }

    /// Takes anonymous memory from the pool of huge pages: pages of 2 to the power of `page_bits` bytes, or of the system's
    /// default size for `None`. For files it is ignored: a file on a file system of huge pages has them.
    ///
    /// The length of the view need not be a multiple of the huge page; what is mapped and unmapped is.
    ///
    /// # Platform-specific behaviour
    ///
    /// `MAP_HUGETLB` on Linux. If the pool has too few pages the last call gives the system's error,
    /// [`OutOfMemory`](io::ErrorKind::OutOfMemory).
    ///
    /// `MEM_LARGE_PAGES` on Windows, of the one size that it has (`GetLargePageMinimum`, 2 MiB on x86-64). The process must have
    /// the right to lock pages (`SeLockMemoryPrivilege`) and have enabled it, or the last call gives the system's error
    /// (`ERROR_PRIVILEGE_NOT_HELD`).
    ///
    /// On other systems it gives [`Unsupported`](io::ErrorKind::Unsupported).
    #[doc(alias = "MAP_HUGETLB", alias = "MEM_LARGE_PAGES")]
    pub fn huge(&mut self, page_bits: Option<u8>) -> &mut Self {
        self.huge = Some(page_bits);
        self.or_ordinary = false;
        self
    }

    /// As [`huge`](Self::huge), but where there are no such pages (an empty pool, a missing right, a system without them) takes
    /// ordinary pages, and asks the system to make transparent huge pages of them ([`Advice::HugePage`](crate::Advice::HugePage)).
    ///
    /// [`page_size`](View::page_size) of the map says which it was.
    ///
    /// # Examples
    ///
    /// ```
    /// let table = folio::MmapOptions::new().len(64 << 20).huge_if_available(None).map_anon()?;
    /// println!("{} KiB per page", table.page_size() / 1024);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn huge_if_available(&mut self, page_bits: Option<u8>) -> &mut Self {
        self.huge = Some(page_bits);
        self.or_ordinary = true;
        self
    }

    /// Has lost pages of the mapping read as zeros, instead of ending the process when a plain slice touches them.
    ///
    /// For programs whose slices are everywhere and cannot be turned into checked access. It is not recovery: from the first
    /// lost page on, [`fault`](View::fault), every flush and every checked access over that page report it, for as long as
    /// the mapping lives, also when the file is long again. Ask `fault` before what was read is believed.
    ///
    /// # Platform-specific behaviour
    ///
    /// Linux and Android, on x86-64 and aarch64. It takes 4 bytes for each page of the mapping, which are memory where a page is lost; the
    /// last call gives [`OutOfMemory`](io::ErrorKind::OutOfMemory) if there are none. Elsewhere, and after
    /// [`use_kernel_copies`](crate::fault::use_kernel_copies), it gives [`Unsupported`](io::ErrorKind::Unsupported). It installs the
    /// [fault handler](crate::fault). For anonymous memory it is ignored.
    ///
    /// # Safety
    ///
    /// Bytes that a slice has shown may become zero at any moment. So nothing may rely, for memory safety, on having checked a
    /// byte earlier: no `&str` made without a copy, no archive that was validated once. What is written to a page after it was
    /// lost goes nowhere.
    ///
    /// A thread that blocks `SIGBUS` or `SIGSEGV` and touches a lost page ends the process all the same
    /// ([`prepare_thread`](crate::fault::prepare_thread)): a slice does not unblock them, as checked access does.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::MmapOptions;
    ///
    /// # if cfg!(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))) { return std::io::Result::Ok(()) }
    /// # let file = tempfile::tempfile()?;
    /// # file.set_len(3 * folio::page_size() as u64)?;
    /// let mut options = MmapOptions::new();
    /// // SAFETY: the bytes are only summed, whatever they are.
    /// unsafe { options.zero_fill_on_fault() };
    /// // SAFETY: nobody writes the file; somebody may cut it short, which the option is for.
    /// let map = unsafe { options.map(&file)? };
    /// # file.set_len(0)?;
    /// let sum: u64 = map.iter().map(|&byte| u64::from(byte)).sum();
    /// match map.fault() {
    ///     None => println!("the sum is {sum}"),
    ///     Some(fault) => println!("the file has lost its byte {}, so the sum is of no use", fault.offset),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub unsafe fn zero_fill_on_fault(&mut self) -> &mut Self {
        self.zero_fill = true;
        self
    }

    /// Puts a page that nobody can reach before and behind anonymous memory: an access that runs over either edge of the mapping
    /// ends the process by `SIGSEGV` (an access violation on Windows), where it would read or change what happens to lie there.
    ///
    /// The guards are no part of the view, and are unmapped with it. The one behind begins where the last page of the memory
    /// ends: choose a length of whole pages for it to be at the end of the view. Each guard counts as a mapping of the process.
    ///
    /// # Errors
    ///
    /// The last call gives [`InvalidInput`](io::ErrorKind::InvalidInput) for a file, and together with [`huge`](Self::huge).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut buffer = folio::MmapOptions::new().len(1 << 16).guard_pages().map_anon()?;
    /// buffer.fill(1);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "PROT_NONE", alias = "mprotect")]
    pub fn guard_pages(&mut self) -> &mut Self {
        self.guard_pages = true;
        self
    }

    /// Takes memory for [`map_anon_shared`](Self::map_anon_shared) that only this process and its children can read: the kernel
    /// removes its pages from its own map of all memory. Neither another process, a debugger or root, nor the kernel for one of
    /// them, comes by the bytes (`ptrace`, `process_vm_readv`, `/proc/pid/mem`); they are never swapped out and stand in no core
    /// dump.
    ///
    /// It is locked memory, and counts as such. Every page is brought in before the call returns. Children made by `fork` share
    /// it, which is why it is a [`MmapViewSync`]; a program that makes none can have a slice of it by
    /// [`assume_exclusive`](View::assume_exclusive). Checked access works as ever, with kernel copies too. System calls that
    /// copy from or to it work (`write`), those that hand its pages on do not (`O_DIRECT`, `vmsplice`). A flush has nothing
    /// to do.
    ///
    /// # Platform-specific behaviour
    ///
    /// `memfd_secret` of Linux 5.14, on x86-64, aarch64 and riscv64; before Linux 6.5 only if the machine was booted with
    /// `secretmem.enable=1`. While any exists, the machine does not hibernate. Elsewhere the last call gives
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Errors
    ///
    /// The last call gives [`InvalidInput`](io::ErrorKind::InvalidInput) for a file, for [`map_anon`](Self::map_anon), and
    /// together with [`huge`](Self::huge); [`OutOfMemory`](io::ErrorKind::OutOfMemory) if the process may lock no more memory
    /// (`RLIMIT_MEMLOCK`).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::MmapOptions;
    /// use std::io::ErrorKind;
    ///
    /// match MmapOptions::new().len(32).secret().map_anon_shared() {
    ///     Ok(key) => key.write_all_at(&[7; 32], 0)?,
    ///     // An older kernel, or another system: to go on with ordinary memory is the program's decision.
    ///     Err(error) if error.kind() == ErrorKind::Unsupported => {}
    ///     Err(error) => return Err(error),
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "memfd_secret")]
    pub fn secret(&mut self) -> &mut Self {
        self.secret = true;
        self
    }

    /// Leaves the mapping out of core dumps of the process: for secrets, and for memory so large that a dump would be of no
    /// use.
    ///
    /// It is a matter of whole pages. In a child made by `fork` it holds too.
    ///
    /// # Platform-specific behaviour
    ///
    /// `MADV_DONTDUMP` on Linux (3.4), `MADV_NOCORE` on FreeBSD; elsewhere the last call gives
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Examples
    ///
    /// ```
    /// # if cfg!(not(target_os = "linux")) { return std::io::Result::Ok(()) }
    /// let secrets = folio::MmapOptions::new().len(4096).no_core_dump().guard_pages().map_anon()?;
    /// # assert_eq!(secrets.len(), 4096);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MADV_DONTDUMP", alias = "MADV_NOCORE", alias = "coredump")]
    pub fn no_core_dump(&mut self) -> &mut Self {
        self.no_core_dump = true;
        self
    }

    /// Maps a file as a view that others may change at any time. Safe: whoever uses it goes by checked copies.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    pub fn map_view<F: AsFile>(&self, file: F, protection: Protection) -> io::Result<MmapViewSync> {
        self.file(sys::file_ref(&file), protection, false, Claim::Shared).map(View::first)
    }

    /// Maps a file for reading.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As long as the map, its clones and pieces live, nobody writes these bytes of the file: not through another mapping or
    /// handle of it, in this process or any other. Cutting it short counts as writing.
    pub unsafe fn map<F: AsFile>(&self, file: F) -> io::Result<Mmap> {
        self.file(sys::file_ref(&file), Protection::Read, false, Claim::Immutable).map(View::first)
    }

    /// Maps a file for reading and executing.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Windows the file must be open for executing too: by `OpenOptionsExt::access_mode(GENERIC_READ | GENERIC_EXECUTE)`, or
    /// use [`open_path`](View::open_path), which opens it so. What is mapped is the file's bytes, not a program's image.
    ///
    /// Where mappings are copies (WebAssembly, `--cfg folio_heap`) it gives [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`]; [`PermissionDenied`](io::ErrorKind::PermissionDenied) also for a file system mounted `noexec`, and
    /// on Windows for a file that is not open for executing.
    ///
    /// # Safety
    ///
    /// As [`map`](Self::map).
    pub unsafe fn map_exec<F: AsFile>(&self, file: F) -> io::Result<Mmap> {
        self.file(sys::file_ref(&file), Protection::ReadExecute, false, Claim::Immutable).map(View::first)
    }

    /// Maps a file for reading and writing. What is written shows in the file at once.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As long as the map, its pieces and what is made of them live, nobody else reads or writes these bytes of the file: not
    /// through another mapping or handle of it, in this process or any other. Cutting it short counts as writing. A child made by
    /// `fork` has the map as well: of the two processes only one uses it from then on.
    pub unsafe fn map_mut<F: AsFile>(&self, file: F) -> io::Result<MmapMut> {
        self.file(sys::file_ref(&file), Protection::ReadWrite, false, Claim::Exclusive).map(View::first)
    }

    /// Maps a private copy of a file (copy-on-write) for reading and writing. The file need only be open for reading.
    ///
    /// It is not a snapshot: a page that has not been written yet may show later changes of the file.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As [`map`](Self::map): nobody writes these bytes of the file. Others may read them.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::MmapOptions;
    /// use std::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # std::fs::write(&path, b"template")?;
    /// // SAFETY: nobody writes the template.
    /// let mut page = unsafe { MmapOptions::new().map_copy(File::open(&path)?)? };
    /// page[..4].copy_from_slice(b"TEMP");
    /// assert_eq!(&page[..], b"TEMPlate");
    /// assert_eq!(std::fs::read(&path)?, b"template");
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MAP_PRIVATE")]
    pub unsafe fn map_copy<F: AsFile>(&self, file: F) -> io::Result<MmapMut> {
        self.file(sys::file_ref(&file), Protection::ReadCopy, true, Claim::Exclusive).map(View::first)
    }

    /// Maps a private copy of a file (copy-on-write) for reading; [`make_mut`](View::make_mut) makes it writable.
    ///
    /// It is not a snapshot: a page that has not been written yet may show later changes of the file.
    ///
    /// # Errors
    ///
    /// See [`MmapOptions`].
    ///
    /// # Safety
    ///
    /// As [`map`](Self::map): nobody writes these bytes of the file, also not while the [`MmapMut`] lives that it may become.
    pub unsafe fn map_copy_read_only<F: AsFile>(&self, file: F) -> io::Result<Mmap> {
        self.file(sys::file_ref(&file), Protection::Read, true, Claim::Exclusive).map(View::first)
    }

    /// Maps a file that the system proves to be unchangeable, as a plain slice, without `unsafe`.
    ///
    /// Proof is: seals of a memory file against writing **and** shrinking (a seal against future writes is none: a
    /// mapping made before it goes on writing), or fs-verity, on a file system whose word is the kernel's own (ext4,
    /// f2fs, btrfs). Every page of a sealed memory file is touched before the call returns, so that a hole in it that cannot
    /// be filled is an error here and not a signal later.
    ///
    /// A hole that can be filled takes memory, which counts for the one who touches it: of a sender that is not trusted,
    /// check the length first, and map as many bytes by [`len`](Self::len).
    ///
    /// # Platform-specific behaviour
    ///
    /// Linux and Android; on FreeBSD seals, which are all that it has; other systems have no such proof.
    ///
    /// # Errors
    ///
    /// Those of [`MmapOptions`]; [`InvalidInput`](io::ErrorKind::InvalidInput) if the file can be changed, or with
    /// [`allow_past_end`](Self::allow_past_end) or [`zero_fill_on_fault`](Self::zero_fill_on_fault);
    /// [`Unsupported`](io::ErrorKind::Unsupported) if the system has no proof to give; an error that carries a
    /// [`Fault`](crate::Fault) if a page cannot be brought in.
    pub fn map_if_safe<F: AsFile>(&self, file: F) -> io::Result<Mmap> {
        if self.zero_fill {
            return Err(invalid_input("a file that cannot change needs no zeros for lost pages"));
        }
        // The handle is asked for once: a second answer could be another file.
        let file = sys::file_ref(&file);
        map::check_kind(sys::inspect(file)?.kind)?;
        // Seals against writing and shrinking let a file grow, and the bytes behind its end in its last page may change then.
        if self.allow_past_end {
            return Err(invalid_input("what lies past the end of a file is not proved to be unchangeable"));
        }
        let proof = sys::proof_of_immutability(file)?;
        match proof {
            sys::Proof::Sealed | sys::Proof::Verity => {}
            sys::Proof::Fails => {
                return Err(invalid_input("the file can be changed: neither sealed against it nor under fs-verity"));
            }
            sys::Proof::Unknown => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "the system cannot prove that a file is unchangeable",
                ));
            }
        }
        // Seals and fs-verity cannot be taken off again, so what was true above stays true.
        // A private mapping shows the same bytes, and kernels before Linux 6.7 refuse a shared one of what is sealed against
        // writing.
        let map: Mmap = self.file(file, Protection::Read, true, Claim::Immutable).map(View::first)?;
        if proof == sys::Proof::Sealed {
            map.populate_read()?;
        }
        Ok(map)
    }

    /// Maps zeros that belong to no file, private to this process: a child made by `fork` has its own copy.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the length is above `isize::MAX` or there are no huge pages of the
    /// given size; [`Unsupported`](io::ErrorKind::Unsupported) for huge pages where the system has none; and the error of the
    /// system's mapping call ([`OutOfMemory`](io::ErrorKind::OutOfMemory)).
    ///
    /// # Examples
    ///
    /// ```
    /// // Room for more than will be used: pages that are never touched take no memory.
    /// let mut table = folio::MmapOptions::new().len(1 << 30).no_reserve_swap().map_anon()?;
    /// table[1 << 29] = 1;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MAP_ANONYMOUS")]
    pub fn map_anon(&self) -> io::Result<MmapMut> {
        self.anonymous(true).map(View::first)
    }

    /// Maps zeros that belong to no file and are shared with every child that this process makes by `fork` from now on: what one
    /// writes, the others see.
    ///
    /// A program that is started anew (`exec`, [`Command`](std::process::Command)) has none of it; give it a file, or
    /// [memory with a descriptor](crate::shm).
    ///
    /// Its length cannot grow ([`remap`](View::remap)): the memory behind it has the length that it is made with.
    ///
    /// # Platform-specific behaviour
    ///
    /// Unix. Windows has no `fork`, and ordinary memory (WebAssembly, `--cfg folio_heap`) is copied by it:
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Errors
    ///
    /// Those of [`map_anon`](Self::map_anon); for [`secret`](Self::secret) memory also an error that carries a
    /// [`Fault`](crate::Fault) if a page cannot be had.
    ///
    /// # Examples
    ///
    /// ```
    /// # if cfg!(not(unix)) { return std::io::Result::Ok(()) }
    /// let counter = folio::MmapOptions::new().len(8).map_anon_shared()?;
    /// // Children made by `fork` here count along.
    /// # if folio::fault::ATOMIC_WIDTH == 8 {
    /// counter.fetch_add(0, 1u64)?;
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MAP_SHARED", alias = "fork")]
    pub fn map_anon_shared(&self) -> io::Result<MmapViewSync> {
        let view: MmapViewSync = self.anonymous(false).map(View::first)?;
        if self.secret {
            view.touch_pages(0, view.len())?;
        }
        Ok(view)
    }

    /// Opens a file and maps it, as [`MmapViewSync::open_path`](View::open_path) does, but the part of it and in the way that these options
    /// say. The mapping keeps the file.
    ///
    /// # Errors
    ///
    /// Those of opening the file, and those of [`MmapOptions`].
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::{MmapOptions, Protection};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # std::fs::write(&path, [7; 1000])?;
    /// let record = MmapOptions::new().offset(900).len(50).open_path(&path, Protection::ReadWrite)?;
    /// record.store(0, 1_u8)?;
    /// record.flush()?;
    /// # assert_eq!(std::fs::read(&path)?[899..902], [7, 1, 7]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn open_path<P: AsRef<Path>>(&self, path: P, protection: Protection) -> io::Result<MmapViewSync> {
        let path = path.as_ref();
        // Before it is opened: opening a pipe waits for its other end, and opening a device may do things.
        let kind = fs::metadata(path)?;
        if !kind.is_file() {
            self.check_kind(if kind.is_dir() { sys::FileKind::Directory } else { sys::FileKind::Other })?;
        }
        let file = sys::file_of(sys::open(path, protection)?);
        let mapping = self.map_file(sys::file_ref(&file), protection, false, Claim::Shared, Ok)?;
        Ok(View::first(mapping.keep(file)))
    }

    /// Creates a file and maps it for reading and writing, as [`MmapViewSync::create_new`](View::create_new) does, in the way that these
    /// options say. The view has real blocks on the disk; what is before it by [`offset`](Self::offset) is a hole, if the file system has
    /// holes without being asked (those of Windows have not). The mapping keeps the file.
    ///
    /// # Errors
    ///
    /// Those of [`MmapViewSync::create_new`](View::create_new), and those of [`MmapOptions`]. A file that this call has made is taken away
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// let index = folio::MmapOptions::new().len(1 << 20).populate().create_new(&path)?;
    /// assert_eq!(index.load::<u64>(0)?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn create_new<P: AsRef<Path>>(&self, path: P) -> io::Result<MmapViewSync> {
        let path = path.as_ref();
        map::checked_len(self.len.unwrap_or(0))?;
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let file = sys::file_of(file);
        let options = MmapOptions { allocate: true, ..self.clone() };
        // What is before the view is there already when its blocks are asked for, so that it needs none itself.
        let begun = if self.offset == 0 { Ok(()) } else { sys::set_len(sys::file_ref(&file), self.offset) };
        let mapping = begun
            .and_then(|()| options.map_file(sys::file_ref(&file), Protection::ReadWrite, false, Claim::Shared, Ok));
        match mapping {
            Ok(mapping) => Ok(View::first(mapping.keep(file))),
            Err(error) => {
                // Unless somebody else has put another file there. The error of the call that failed is the one to report.
                if sys::is_at(sys::file_ref(&file), path) {
                    let _ = fs::remove_file(path);
                }
                Err(error)
            }
        }
    }
}
