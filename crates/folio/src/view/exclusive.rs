//! What only `MmapMut` has.

use super::{Exclusive, View};
use crate::options::MmapOptions;
use crate::sys::AsFile;
use std::io;

/// A memory map that nobody else touches: a `&mut [u8]`.
///
/// Private memory is that by nature, so [`map_anon`](View::map_anon) is safe. For a file the caller vouches, by `unsafe`.
///
/// Touching a page of it that has been lost (the file was cut short, the disk behind a hole of a sparse file is full,
/// the medium failed) ends the process by a signal, as in every plain memory map. The checked calls give an error instead.
///
/// # Methods
///
/// Through `Deref` and `DerefMut` all methods of `[u8]`; no method here hides one of them. Besides:
///
/// | to | call |
/// |---|---|
/// | make one | [`map_mut`](View::map_mut), [`map_anon`](View::map_anon), [`MmapOptions`] |
/// | take apart | [`split_off`](View::split_off), [`split_to`](View::split_to), [`into_chunks`](View::into_chunks), [`split_ranges`](View::split_ranges), [`restrict`](View::restrict) |
/// | put together | [`unsplit`](View::unsplit), [`whole`](View::whole) |
/// | read checked | [`read_exact_at`](View::read_exact_at), [`load`](View::load), [`reader`](View::reader) |
/// | write checked, by `&mut self` | `write_all_at`, `store` |
/// | make durable | [`flush`](View::flush), [`flush_async`](View::flush_async), [`flush_range`](View::flush_range), [`flush_async_range`](View::flush_async_range), [`sync_all`](View::sync_all) |
/// | hint at what will be used | [`advise`](View::advise), [`advise_range`](View::advise_range) |
/// | bring into memory | [`populate_read`](View::populate_read), [`populate_read_range`](View::populate_read_range), [`populate_read_steps`](View::populate_read_steps), [`populate_write`](View::populate_write), [`populate_write_range`](View::populate_write_range), [`populate_write_steps`](View::populate_write_steps) |
/// | keep there | [`lock`](View::lock), [`unlock`](View::unlock), [`lock_guard`](View::lock_guard) |
/// | give memory back | [`discard`](View::discard) |
/// | go unchecked (`unsafe`) | [`unchecked_advise`](View::unchecked_advise), [`unchecked_advise_range`](View::unchecked_advise_range) |
/// | turn into another kind | [`freeze`](View::freeze), [`make_read_only`](View::make_read_only), [`make_exec`](View::make_exec), [`into_view_sync`](View::into_view_sync) |
/// | change the length, through the only view (`unsafe`) | `remap`, `remap_in_place` |
/// | make final | [`mseal`](View::mseal) |
/// | ask what was lost, and reads as zeros since | [`fault`](View::fault) |
/// | ask | [`as_mut_ptr`](View::as_mut_ptr), [`protection`](View::protection), [`is_unique`](View::is_unique) |
/// | ask what is there | [`residency`](View::residency), [`residency_with`](View::residency_with), [`resident_ranges`](View::resident_ranges), [`page_size`](View::page_size) |
/// | let go | `drop`, or [`unmap`](View::unmap) to hear of a failure |
///
/// # Examples
///
/// ```
/// let mut map = folio::MmapMut::map_anon(1 << 20)?;
/// map[..5].copy_from_slice(b"hello");
/// let mut tail = map.split_off(1 << 19)?;
/// std::thread::scope(|threads| {
///     threads.spawn(|| map.fill(1));
///     threads.spawn(|| tail.fill(2));
/// });
/// map.unsplit(tail)?;
/// assert_eq!((map[0], map[(1 << 20) - 1]), (1, 2));
/// # std::io::Result::Ok(())
/// ```
///
/// A shared reference writes nothing:
///
/// ```compile_fail,E0596
/// let map = folio::MmapMut::map_anon(10).unwrap();
/// map[0] = 1;
/// ```
#[doc(alias = "mmap", alias = "MapViewOfFile")]
pub type MmapMut = View<Exclusive>;

impl View<Exclusive> {
    /// Maps an entire file, open for reading and writing. What is written shows in the file at once.
    ///
    /// [`MmapViewSync::open`](View::open) is safe, for files that others may touch.
    ///
    /// # Errors
    ///
    /// Those of [`MmapViewSync::open`](View::open).
    ///
    /// # Safety
    ///
    /// As long as the map, its pieces and what is made of them live, nobody else reads or writes the bytes of the file: not
    /// through another mapping or handle of it, in this process or any other. Cutting it short counts as writing.
    ///
    /// # Examples
    ///
    /// ```
    /// use folio::MmapMut;
    /// use std::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("data");
    /// # std::fs::write(&path, b"lower case")?;
    /// let file = File::options().read(true).write(true).open(&path)?;
    /// // SAFETY: this program's own file, which nobody else opens.
    /// let mut map = unsafe { MmapMut::map_mut(&file)? };
    /// map.make_ascii_uppercase();
    /// map.flush()?;
    /// assert_eq!(std::fs::read(&path)?, b"LOWER CASE");
    /// # std::io::Result::Ok(())
    /// ```
    pub unsafe fn map_mut<F: AsFile>(file: F) -> io::Result<MmapMut> {
        // SAFETY: the same obligation, passed on.
        unsafe { MmapOptions::new().map_mut(file) }
    }

    /// Maps `len` bytes of zeros that belong to no file. They are private to this process: a child made by `fork` has its own
    /// copy.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `len` is above `isize::MAX`, and the error of the system's mapping call
    /// ([`OutOfMemory`](io::ErrorKind::OutOfMemory)).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut map = folio::MmapMut::map_anon(1 << 20)?;
    /// map[..3].copy_from_slice(b"abc");
    /// assert_eq!(map[..4], *b"abc\0");
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "MAP_ANONYMOUS")]
    pub fn map_anon(len: usize) -> io::Result<MmapMut> {
        MmapOptions::new().len(len).map_anon()
    }
}
