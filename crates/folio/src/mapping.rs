//! The owner of one address range: what every view of it shares, and the only place that unmaps.

mod remap;
mod seal;

use crate::Protection;
use crate::background;
use crate::error::invalid_input;
use crate::fault;
use crate::fault::lent::{self, Aside, Extent, Lent, Watch};
use crate::flushes::Flushes;
use crate::paging::Locks;
use crate::range::pages_around;
use crate::sync::Arc;
use crate::sys::{self, FileId};
use std::io;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The strongest statement about "who else may touch the bytes" that somebody vouched for when the mapping was made.
/// In ascending order of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// Anybody, other processes too.
    Shared,
    /// Nobody writes while a view of this mapping lives. It says nothing about reading elsewhere.
    Immutable,
    /// Nobody else touches them at all: private memory, or vouched for.
    Exclusive,
}

/// One address range, mapped as long as this value lives.
pub(crate) struct Mapping {
    /// **[M1]** `base .. base + mapped`, with `guard` bytes on either side, was returned by the backend's mapping call and
    /// stays mapped at this place until this value is dropped, unmapped or remapped, the last two through `&mut self`; nothing
    /// else unmaps it. Where `mapped` is 0 nothing is mapped, and `base` is an address that is not null and a multiple of the
    /// page size.
    base: NonNull<u8>,
    /// See [M1]: bytes, a multiple of `page_size`.
    mapped: usize,
    /// See [M1]: bytes of a guard, which nobody can reach; 0 without guards.
    guard: usize,
    /// The call that made the range.
    source: sys::Source,
    /// The contents are `lead .. lead + len` of the range, and lie inside it: **[M3]** `lead + len <= mapped`, or
    /// both are 0; `len <= isize::MAX`.
    lead: usize,
    len: usize,
    /// Bytes per page of this mapping, a power of two.
    page_size: usize,
    /// What the pages allow now. It changes only through `&mut self`, so while there is one view alone.
    protection: Protection,
    /// The protection under which its pages can be written: `ReadCopy` for a private mapping of a file, else `ReadWrite`.
    writable: Protection,
    /// **[M2]** the strongest claim vouched for when the mapping was made. Views of a stronger kind exist only where
    /// somebody vouched for them, and for their bytes alone, by `assume_immutable` or `assume_exclusive`.
    claim: Claim,
    /// Whether what is written stays in this process.
    private: bool,
    /// Set when somebody who may share the bytes has been let in: [M2] is `Shared` from then on.
    shared_since: AtomicBool,
    /// Whether this is a shared mapping of a file: what is written through it goes there.
    shared_file: bool,
    /// Whether core dumps leave it out.
    no_core_dump: bool,
    /// Whether it has been made final: the system will not unmap it.
    msealed: bool,
    /// The file, where the mapping keeps it, and whether it can be used to start a flush.
    file: Option<(sys::File, bool)>,
    /// The offset in the file that `base` shows; of a mapping of no bytes, the one that its contents would have.
    file_offset: u64,
    /// Whether lost pages are to stand in zeros for good.
    zero_fill: bool,
    /// Keeps them so, if that was asked for and there are pages. Before `lent`, which it points into.
    watch: Option<Watch>,
    /// Which pages stand in zeros; made when the first slice is lent. In a box, so that the signal handler finds it in its
    /// place when this value moves.
    lent: OnceLock<Box<Lent>>,
    /// The first write-back that failed, and the flushes under way, of this mapping or of all mappings of its file. Of a shared
    /// mapping of a file, from the time on when it can be written: before that there is nothing to flush.
    flushes: Option<Arc<Flushes>>,
    /// What is locked in memory.
    locks: Locks,
    /// Which file the range shows, where the system has a number for that.
    file_id: Option<FileId>,
}

// SAFETY: the range is owned by this value ([M1]) and is not tied to a thread; everything else in it is `Send`.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives no access to the bytes, only addresses; the fields change through `&mut self` or are
// synchronised themselves (`OnceLock`).
unsafe impl Sync for Mapping {}

/// What [`Mapping::new`] needs to know.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Address and length as the backend's mapping call took and gave them; `None` for a mapping without bytes.
    pub(crate) range: Option<(NonNull<u8>, usize)>,
    /// Which mapping call that was.
    pub(crate) source: sys::Source,
    /// Where the contents start in the range, in bytes.
    pub(crate) lead: usize,
    /// Length of the contents in bytes.
    pub(crate) len: usize,
    pub(crate) page_size: usize,
    pub(crate) protection: Protection,
    /// The protection that [`Mapping::make_writable`] gives.
    pub(crate) writable: Protection,
    pub(crate) claim: Claim,
    /// Whether what is written stays in this process.
    pub(crate) private: bool,
    /// Whether it is a shared mapping of a file.
    pub(crate) shared_file: bool,
    /// The offset in the file that the range shows; 0 without a file.
    pub(crate) file_offset: u64,
}

impl Mapping {
    /// Takes over a range.
    ///
    /// # Safety
    ///
    /// `parts.range` is a mapping that the backend's call for `parts.source` made with just this length, a multiple of
    /// `parts.page_size`, which nobody else unmaps; `lead + len` is not above that length, and `len` not above
    /// `isize::MAX`; without a range both are 0. The claim holds.
    pub(crate) unsafe fn new(parts: Parts) -> Mapping {
        let (base, mapped) = parts.range.unwrap_or_else(|| (nowhere(parts.page_size), 0));
        debug_assert!(parts.lead + parts.len <= mapped && mapped % parts.page_size == 0);
        Mapping {
            base,
            mapped,
            guard: 0,
            source: parts.source,
            lead: parts.lead,
            len: parts.len,
            page_size: parts.page_size,
            protection: parts.protection,
            writable: parts.writable,
            claim: parts.claim,
            private: parts.private,
            shared_since: AtomicBool::new(false),
            shared_file: parts.shared_file,
            no_core_dump: false,
            msealed: false,
            file: None,
            file_offset: parts.file_offset,
            zero_fill: false,
            watch: None,
            lent: OnceLock::new(),
            flushes: None,
            locks: Locks::default(),
            file_id: None,
        }
    }

    /// Keeps the file that the range shows, for flushing.
    pub(crate) fn keep(mut self, file: sys::File) -> Mapping {
        let starts = sys::starts_through(sys::file_ref(&file));
        self.file = Some((file, starts));
        self
    }

    /// Remembers which file the range shows. All mappings that write to one hear of each other's failures.
    pub(crate) fn showing(mut self, file_id: Option<FileId>) -> io::Result<Mapping> {
        self.file_id = file_id;
        if self.protection.write() {
            self.join_flushes()?;
        }
        Ok(self)
    }

    /// Makes ready for flushing what is written from here on.
    fn join_flushes(&mut self) -> io::Result<()> {
        if self.shared_file && self.flushes.is_none() {
            self.flushes = Some(self.file_id.map_or_else(|| Ok(Arc::default()), Flushes::of_file)?);
        }
        Ok(())
    }

    /// Makes guards, which nobody can reach, of the first and the last page of a new range; the contents lie between them.
    pub(crate) fn guarded(mut self) -> io::Result<Mapping> {
        let guard = self.page_size;
        if self.mapped > 0 {
            debug_assert!(self.lead >= guard && self.lead + self.len <= self.mapped - guard);
            // SAFETY: the first page of the range [M1]. Nobody uses it: this value is the caller's alone, and its contents
            // do not reach into that page (caller).
            unsafe { sys::forbid(self.base, guard) }?;
            // SAFETY: the range has three pages at least.
            let last = unsafe { self.base.add(self.mapped - guard) };
            // SAFETY: as for the first page.
            unsafe { sys::forbid(last, guard) }?;
            // SAFETY: inside the range, as above.
            self.base = unsafe { self.base.add(guard) };
            self.lead -= guard;
            self.mapped -= 2 * guard;
            self.guard = guard;
        }
        Ok(self)
    }

    /// Has core dumps leave the mapping out.
    pub(crate) fn left_out_of_dumps(mut self) -> io::Result<Mapping> {
        self.leave_out_of_dumps()?;
        self.no_core_dump = true;
        Ok(self)
    }

    fn leave_out_of_dumps(&self) -> io::Result<()> {
        if self.mapped > 0 { sys::extras::leave_out_of_dumps(self.base, self.mapped) } else { Ok(()) }
    }

    /// Address and length of the range with its guards: what the backend mapped [M1].
    fn with_guards(&self) -> (NonNull<u8>, usize) {
        // SAFETY: the guard lies before the base, in the same mapping [M1].
        (unsafe { self.base.sub(self.guard) }, self.mapped + 2 * self.guard)
    }

    /// Address and length of the contents.
    pub(crate) fn contents(&self) -> (NonNull<u8>, usize) {
        // SAFETY: `lead` is inside the range or 0 [M3].
        (unsafe { self.base.add(self.lead) }, self.len)
    }

    /// Bytes per page of this mapping.
    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// What the pages allow now.
    pub(crate) fn protection(&self) -> Protection {
        self.protection
    }

    /// The strongest claim vouched for, see [M2].
    pub(crate) fn claim(&self) -> Claim {
        if self.shared_since.load(Ordering::Relaxed) { Claim::Shared } else { self.claim }
    }

    /// Notes that a view lets others in. Anonymous memory has no others; a private copy of a file has those who write the file,
    /// whose changes show in pages that have not been written here.
    pub(crate) fn let_others_in(&self) {
        if self.source == sys::Source::File {
            self.shared_since.store(true, Ordering::Relaxed);
        }
    }

    /// What it takes to lend slices of this mapping, made at the first call; `None` where they have to be copied.
    pub(crate) fn lent(&self) -> io::Result<Option<&Lent>> {
        if let Some(lent) = self.lent.get() {
            return Ok(Some(lent));
        }
        // Private huge pages cannot be set aside (mremap(2) of Linux refuses both ways for them), and pages that are final not
        // either.
        let huge = self.page_size > sys::page_size();
        if self.mapped == 0 || (self.private && huge) || self.msealed || !lent::prepare()? {
            return Ok(None);
        }
        let aside = if self.private { Aside::Moved } else { Aside::Doubled };
        let lent = self.new_lent(aside)?;
        // Unless another thread was faster.
        Ok(Some(self.lent.get_or_init(|| lent)))
    }

    fn new_lent(&self, aside: Aside) -> io::Result<Box<Lent>> {
        let extent = Extent { base: self.base, len: self.mapped, page_size: self.page_size };
        // SAFETY: the range stays mapped as long as this value lives [M1], and the pages are given up before it is unmapped.
        unsafe { lent::new(extent, aside) }.map(Box::new)
    }

    /// Has every page that is lost from now on stand in zeros for good.
    pub(crate) fn zero_fill(mut self) -> io::Result<Mapping> {
        self.zero_fill = true;
        if self.mapped > 0 {
            can_fill()?;
            self.fill_lost_pages()?;
        }
        Ok(self)
    }

    /// Watches over the range as it is now.
    fn fill_lost_pages(&mut self) -> io::Result<()> {
        let lent = self.new_lent(Aside::Dropped)?;
        self.lent.get_or_init(|| lent);
        self.watch();
        Ok(())
    }

    /// Takes away what lends slices of this mapping, through its only view: nobody makes an access or has a slice meanwhile.
    fn end_lending(&mut self) -> Option<Box<Lent>> {
        self.lent.take()
    }

    /// Tells the handler of the pages.
    fn watch(&mut self) {
        // SAFETY: the box is never replaced, and dropped after the watch.
        self.watch = self.lent.get().map(|lent| unsafe { Watch::new(lent) });
    }

    /// Whether no page of this mapping has ever been exchanged. If so, whatever was done to them before was done to what is
    /// mapped there; if not, access has to look whether it was disturbed.
    #[inline]
    pub(crate) fn never_exchanged(&self) -> bool {
        fault::never_exchanged() || self.is_whole()
    }

    /// [`never_exchanged`](Self::never_exchanged), asked when pages of some mapping have been. It is far from the code that would grow by it.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_whole(&self) -> bool {
        self.exchanged().is_none()
    }

    /// The pages of this mapping, if any of them has ever been exchanged.
    #[inline]
    pub(crate) fn exchanged(&self) -> Option<&Lent> {
        self.lent.get().map(|lent| &**lent).filter(|lent| !lent.never_exchanged())
    }

    /// Where an address of the contents lies in the range, in bytes from its start.
    pub(crate) fn offset_of(&self, address: NonNull<u8>) -> usize {
        address.as_ptr().addr() - self.base.as_ptr().addr()
    }

    /// The pages of this mapping that hold `len` bytes (not 0) at `offset` of the range, which lie in the contents, as
    /// offset and length: the only ones that a call on behalf of a view may touch.
    pub(crate) fn pages_of(&self, offset: usize, len: usize) -> (usize, usize) {
        let (first, len) = pages_around(offset, len, self.page_size);
        debug_assert!(first + len <= self.mapped);
        (first, len)
    }

    /// The address of the page at `offset` of the range, as [`pages_of`](Self::pages_of) gave it.
    pub(crate) fn address_of(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset < self.mapped);
        // SAFETY: the contents lie inside the range, which is whole pages [M1][M3], so the pages around a part of them do.
        unsafe { self.base.add(offset) }
    }

    /// Whether this is private memory of no file.
    pub(crate) fn is_private_memory(&self) -> bool {
        self.private && self.source == sys::Source::Memory
    }

    /// Whether this is a mapping of a file, shared or private.
    pub(crate) fn shows_file(&self) -> bool {
        self.source == sys::Source::File
    }

    /// Whether this is a shared mapping of a file.
    pub(crate) fn is_shared_file(&self) -> bool {
        self.shared_file
    }

    /// Which file that is, where it is known.
    pub(crate) fn file_id(&self) -> Option<FileId> {
        self.file_id
    }

    /// The offset in the file of what lies at `offset` of the range.
    pub(crate) fn file_offset_of(&self, offset: usize) -> u64 {
        self.file_offset + offset as u64
    }

    /// The kept file.
    pub(crate) fn kept_file(&self) -> Option<sys::FileRef<'_>> {
        self.file.as_ref().map(|(file, _)| sys::file_ref(file))
    }

    /// What is locked in memory.
    pub(crate) fn locks(&self) -> &Locks {
        &self.locks
    }

    /// Changes what the pages allow. Nobody but the owner of `&mut self`, the one view there is, can be using them.
    pub(crate) fn protect(&mut self, protection: Protection) -> io::Result<()> {
        if protection.write() {
            self.join_flushes()?;
        }
        if self.mapped > 0 {
            // SAFETY: the range is a mapping of ours [M1]. References to its bytes borrow a view, views hold the `Arc` of
            // this value, and `&mut self` shows that there is no other one.
            let result = unsafe { sys::protect(self.base, self.mapped, protection) };
            if let Err(error) = result {
                // The system may have changed the first pages before it failed. It knows how to make them what they were.
                // SAFETY: as in the call above.
                let _ = unsafe { sys::protect(self.base, self.mapped, self.protection) };
                return Err(error);
            }
        }
        self.protection = protection;
        Ok(())
    }

    /// [`protect`](Self::protect), unless it would change where changes go, or leave nothing to flush them by.
    pub(crate) fn change_protection(&mut self, protection: Protection) -> io::Result<()> {
        match protection {
            _ if !protection.write() => self.protect(protection),
            _ if protection == self.writable => self.make_writable(),
            _ => Err(invalid_input("where changes go is decided when a file is mapped")),
        }
    }

    /// Makes the pages writable.
    pub(crate) fn make_writable(&mut self) -> io::Result<()> {
        if self.protection.write() {
            return Ok(());
        }
        if self.mapped > 0 && self.shared_file && sys::KEEPS_FILE && self.file.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "what is written could not be flushed: the mapping keeps no file (MmapOptions::keep_file)",
            ));
        }
        self.protect(self.writable)
    }

    /// Unmaps, and says what the system said. On failure the mapping is as before; otherwise the only thing left to do with
    /// this value is to drop it.
    pub(crate) fn unmap(&mut self) -> io::Result<()> {
        self.write_back()?;
        self.release()
    }

    /// Where mappings are copies, hands the file what was written here, as it has to be before the copy is gone. Where they are
    /// the file itself, nothing is left to do.
    fn write_back(&self) -> io::Result<()> {
        if !sys::COPIES || self.mapped == 0 || !self.writes_file() {
            return Ok(());
        }
        sys::write_back(self.address_of(self.lead), self.len, self.file_at(self.lead))
    }

    /// What the system does to unmap.
    fn release(&mut self) -> io::Result<()> {
        if self.msealed {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the mapping is final (mseal): it stays as long as the process lives",
            ));
        }
        if self.mapped > 0 {
            // No handler may take a fault at these addresses for ours from here on.
            let watched = self.watch.take().is_some();
            let (base, len) = self.with_guards();
            // SAFETY: the range is exactly what the backend mapped [M1] from this source, and with this value the last view
            // goes: nobody is left who could use it.
            let result = unsafe { sys::unmap(base, len, self.source) };
            match result {
                Ok(()) => self.mapped = 0,
                Err(_) if watched => self.watch(),
                Err(_) => {}
            }
            return result;
        }
        Ok(())
    }

    /// The flushes, if what is, or was, written through this mapping goes to a file.
    fn flushes(&self) -> Option<&Flushes> {
        self.flushes.as_deref().filter(|_| self.shared_file)
    }

    /// Whether what is written through this mapping goes to a file.
    pub(crate) fn writes_file(&self) -> bool {
        self.flushes().is_some()
    }

    /// The flush that is to be done for `len` bytes at `offset` of the range, as whole pages if it is the system's pages that are
    /// flushed, and with whom; `None` when nothing written here can be waiting to reach a file. The error of an earlier failure, if
    /// there was one.
    fn to_flush(&self, offset: usize, len: usize) -> io::Result<Option<(&Flushes, usize, usize)>> {
        let Some(flushes) = self.flushes().filter(|_| len > 0) else {
            return Ok(None);
        };
        flushes.no_failure()?;
        let (offset, len) = if sys::COPIES { (offset, len) } else { self.pages_of(offset, len) };
        Ok(Some((flushes, offset, len)))
    }

    /// The kept file, and the offset in it of what lies at `offset` of the range.
    fn file_at(&self, offset: usize) -> Option<(sys::FileRef<'_>, u64)> {
        Some((self.kept_file()?, self.file_offset_of(offset)))
    }

    /// Writes `len` bytes at `offset` of the range (in the contents), and what else is flushed with them, to stable storage.
    pub(crate) fn flush(&self, offset: usize, len: usize) -> io::Result<()> {
        let Some((flushes, offset, len)) = self.to_flush(offset, len)? else {
            return Ok(());
        };
        flushes.run(|| sys::flush(self.address_of(offset), len, self.file_at(offset)))
    }

    /// Starts what [`flush`](Self::flush) does and does not wait for it.
    pub(crate) fn start_flush(this: &Arc<Self>, offset: usize, len: usize) -> io::Result<()> {
        let Some((flushes, first, pages)) = this.to_flush(offset, len)? else {
            return Ok(());
        };
        let file = this.file_at(first).filter(|_| this.file.as_ref().is_some_and(|(_, starts)| *starts));
        let start = || sys::start_flush(this.address_of(first), pages, file);
        if sys::COPIES {
            // It is a whole flush there, which may be told what others lost.
            return flushes.run(|| start().map(drop));
        }
        match flushes.remember(start())? {
            sys::Started::Yes => Ok(()),
            sys::Started::No => background::flush(this, offset, len),
        }
    }

    /// Writes the contents, and all of the kept file's metadata, to stable storage. Where mappings are copies, what is written of
    /// the contents is `len` bytes at `offset`, the caller's own: it may not look at those of others.
    pub(crate) fn sync_all(&self, offset: usize, len: usize) -> io::Result<()> {
        let Some(flushes) = self.flushes() else {
            return Ok(());
        };
        let Some((file, _)) = &self.file else {
            if self.len == 0 {
                return Ok(());
            }
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the mapping keeps no file (MmapOptions::keep_file); call sync_all of the file itself",
            ));
        };
        if sys::COPIES { self.flush(offset, len) } else { self.flush(self.lead, self.len) }?;
        flushes.run(|| sys::sync_all(sys::file_ref(file)))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // A failure cannot be reported from here, and there is nothing left to do about it: `View::unmap` reports it.
        let _ = self.write_back();
        // As above. What has been made final stays, for nothing takes it away.
        let _ = self.release();
    }
}

/// Refuses where lost pages cannot be filled with zeros.
fn can_fill() -> io::Result<()> {
    if lent::prepare()? {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "lost pages cannot be filled with zeros on this platform, nor with kernel copies",
    ))
}

/// An address for a mapping without bytes: not null, and a multiple of the page size.
fn nowhere(page_size: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::without_provenance_mut(page_size)).unwrap_or(NonNull::dangling())
}
