//! Keeping pages in memory.
//!
//! The system locks whole pages and does not count: one unlocking undoes any number of lockings, and a page in which one view
//! ends and another begins has one lock for both. So the mapping counts, by bytes: a page is locked as long as one of its
//! bytes is.

#![forbid(unsafe_code)]

use super::intervals::Intervals;
use crate::background;
use crate::mapping::Mapping;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::sys::{self, NotLocked};
use crate::view::{Access, View};
use std::fmt;
use std::io;
use std::ops::Range;

impl<A: Access> View<A> {
    /// Brings the pages of the view into memory and keeps them there: they are not paged out until they are unlocked.
    ///
    /// What is locked are the bytes of the view, until [`unlock`](Self::unlock) of the same bytes, by whatever view, or until the
    /// mapping goes. Locks count: what was locked twice is unlocked by the second `unlock`. A page is locked as long as any of
    /// its bytes is, so unlocking one piece of a mapping never unlocks a page that its neighbour has locked too. Splitting and
    /// joining views changes nothing, and dropping a view does not unlock: [`lock_guard`](Self::lock_guard) does.
    ///
    /// # Platform-specific behaviour
    ///
    /// `mlock` on Unix, `VirtualLock` on Windows. How much a process may lock is limited: by `RLIMIT_MEMLOCK` on Unix (8 MiB by
    /// default on Linux since 5.16, 64 KiB before; a process with `CAP_IPC_LOCK` is not limited), by the minimum working set on
    /// Windows (`SetProcessWorkingSetSize`). Pages of a pool of huge pages are never paged out in any case.
    ///
    /// A child made by `fork` has no locks; it should not lock or unlock views of a mapping that another thread was locking at
    /// that moment.
    ///
    /// # Errors
    ///
    /// Nothing is locked that was not locked before.
    ///
    /// - [`OutOfMemory`](io::ErrorKind::OutOfMemory), or [`PermissionDenied`](io::ErrorKind::PermissionDenied) if nothing at all
    ///   may be locked: the limit, whose name and value the error gives.
    /// - An error that carries a [`Fault`](crate::Fault) if a page cannot be brought in.
    /// - The error of the system's call.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(any(unix, windows))] {
    /// let view = folio::MmapViewSync::anonymous(2 * folio::page_size())?;
    /// view.lock()?;
    /// let (head, tail) = view.split_at(100)?;
    /// head.unlock()?; // the page that both have a part of stays locked
    /// tail.unlock()?;
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "mlock", alias = "VirtualLock")]
    pub fn lock(&self) -> io::Result<()> {
        self.lock_as(Kind::Plain)
    }

    /// Takes one [`lock`](Self::lock) of the bytes of the view back; what is not locked stays so. Bytes that a [`LockGuard`] holds
    /// stay locked.
    ///
    /// # Errors
    ///
    /// The error of the system's call (`munlock`; `VirtualUnlock` on Windows). On Linux [`OutOfMemory`](io::ErrorKind::OutOfMemory)
    /// says that the process has too many mappings (`vm.max_map_count`) to have some pages of one locked and others not: the bytes
    /// are no longer counted as locked, their pages are unlocked by the next call that succeeds.
    #[doc(alias = "munlock", alias = "VirtualUnlock")]
    pub fn unlock(&self) -> io::Result<()> {
        let mapping = self.mapping();
        mapping.locks().unlock(mapping, self.bytes(), Kind::Plain)
    }

    /// [`lock`](Self::lock) for as long as the returned value lives. It owns its lock and keeps the mapping: the view can be
    /// split, sent elsewhere or dropped meanwhile, and no [`unlock`](Self::unlock) takes this lock away.
    ///
    /// As an owner of the mapping it counts as one of its views: the calls that need the only view
    /// ([`make_mut`](View::make_mut), [`whole`](View::whole), [`unmap`](View::unmap) and the like) are refused while it lives.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(any(unix, windows))] {
    /// let mut key = folio::MmapMut::map_anon(32)?;
    /// let in_memory = key.lock_guard()?;
    /// key.copy_from_slice(b"never written to a swap device..");
    /// key.fill(0);
    /// drop(in_memory);
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn lock_guard(&self) -> io::Result<LockGuard> {
        let forks = background::forks();
        self.lock_as(Kind::Held)?;
        Ok(LockGuard { mapping: Arc::clone(self.mapping()), bytes: self.bytes(), forks })
    }

    fn lock_as(&self, kind: Kind) -> io::Result<()> {
        let mapping = self.mapping();
        mapping.locks().lock(mapping, self.bytes(), kind).map_err(|failed| match failed {
            NotLocked::Refused(error) => error,
            // If it is a lost page, this finds it.
            NotLocked::Unreachable(error) => self.populate_read().err().unwrap_or(error),
        })
    }

    /// Where the bytes of the view are in its mapping.
    fn bytes(&self) -> Range<usize> {
        self.start()..self.start() + self.len()
    }
}

/// Keeps the bytes of a view in memory until it is dropped. Made by [`View::lock_guard`].
#[must_use = "the bytes are unlocked when this is dropped"]
pub struct LockGuard {
    mapping: Arc<Mapping>,
    bytes: Range<usize>,
    /// How often the process had forked: a child's locks are not its parent's.
    forks: usize,
}

const _: () = {
    const fn threads_and_static<T: Send + Sync + Unpin + 'static>() {}
    threads_and_static::<LockGuard>();
};

impl LockGuard {
    /// Unlocks, and says what the system said. Dropping does the same and cannot say.
    ///
    /// # Errors
    ///
    /// As [`View::unlock`].
    pub fn unlock(mut self) -> io::Result<()> {
        self.release()
    }

    fn release(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        if self.forks == background::forks() {
            self.mapping.locks().unlock(&self.mapping, bytes, Kind::Held)
        } else {
            Ok(())
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // What cannot be unlocked stays locked until the mapping goes.
        let _ = self.release();
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// By whom a byte is locked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// [`View::lock`], which [`View::unlock`] takes back.
    Plain,
    /// A [`LockGuard`].
    Held,
}

/// How often a byte is locked. One of the two is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    plain: usize,
    held: usize,
}

impl Count {
    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Plain => &mut self.plain,
            Kind::Held => &mut self.held,
        }
    }

    fn more(mut self, kind: Kind) -> Option<Count> {
        *self.of(kind) = self.of(kind).saturating_add(1);
        Some(self)
    }

    fn less(mut self, kind: Kind) -> Option<Count> {
        *self.of(kind) = self.of(kind).saturating_sub(1);
        (self != Count::default()).then_some(self)
    }
}

/// What is locked of one mapping. Locking and unlocking wait for each other; nothing else looks here.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// How often the process had forked when these were locked: a child begins with none.
    forks: usize,
    /// How often each byte of the range is locked.
    counts: Intervals<Count>,
    /// The pages that the system has locked for us, as ranges of bytes. All that a count needs are among them.
    locked: Intervals<()>,
}

impl Locks {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let forks = background::forks();
        if ledger.forks != forks {
            *ledger = Ledger { forks, ..Ledger::default() };
        }
        ledger
    }

    /// Locks bytes of the contents of a mapping.
    fn lock(&self, mapping: &Mapping, bytes: Range<usize>, kind: Kind) -> Result<(), NotLocked> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut ledger = self.ledger();
        let missing: Vec<_> = ledger
            .locked
            .parts(pages_of(mapping, &bytes))
            .into_iter()
            .filter_map(|(pages, locked)| locked.is_none().then_some(pages))
            .collect();
        for (at, pages) in missing.iter().enumerate() {
            if let Err(failed) = sys::paging::lock(mapping.address_of(pages.start), pages.len()) {
                // The one that failed may be locked in part.
                missing[..=at].iter().for_each(|pages| {
                    if unlock(mapping, pages).is_err() {
                        ledger.locked.edit(pages.clone(), |_| Some(()));
                    }
                });
                return Err(failed);
            }
        }
        for pages in missing {
            ledger.locked.edit(pages, |_| Some(()));
        }
        ledger.counts.edit(bytes, |count| count.unwrap_or_default().more(kind));
        Ok(())
    }

    /// Whether anything is locked.
    pub(crate) fn any(&self) -> bool {
        !self.ledger().locked.is_empty()
    }

    /// Goes along with a mapping that has another length: `old` and `new` are the end of the contents and that of the pages.
    ///
    /// What is gone is locked no more; what is new is locked as often as the byte before it. The system does the same with pages,
    /// if it makes a stretch of them longer that is locked (mm/mremap.c of Linux); those that need not be are unlocked.
    pub(crate) fn follow(&self, mapping: &Mapping, old: (usize, usize), new: (usize, usize)) {
        let mut ledger = self.ledger();
        ledger.counts.continue_to(old.0, new.0);
        ledger.locked.continue_to(old.1, new.1);
        for pages in ledger.needless(mapping, 0..new.1) {
            // What cannot be unlocked stays so, as after `unlock`.
            if unlock(mapping, &pages).is_ok() {
                ledger.locked.edit(pages, |_| None);
            }
        }
    }

    /// Takes back one lock of bytes of the contents of a mapping.
    fn unlock(&self, mapping: &Mapping, bytes: Range<usize>, kind: Kind) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut ledger = self.ledger();
        ledger.counts.edit(bytes.clone(), |count| count?.less(kind));
        let mut result = Ok(());
        for pages in ledger.needless(mapping, pages_of(mapping, &bytes)) {
            match unlock(mapping, &pages) {
                Ok(()) => ledger.locked.edit(pages, |_| None),
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }
}

impl Ledger {
    /// The pages of a range that the system has locked and no byte needs to be.
    fn needless(&self, mapping: &Mapping, pages: Range<usize>) -> Vec<Range<usize>> {
        let mut needless = Vec::new();
        for (locked, _) in self.locked.parts(pages).into_iter().filter(|(_, locked)| locked.is_some()) {
            let mut at = locked.start;
            for (bytes, _) in self.counts.parts(locked.clone()).into_iter().filter(|(_, count)| count.is_some()) {
                let needed = pages_of(mapping, &bytes);
                if at < needed.start {
                    needless.push(at..needed.start);
                }
                at = needed.end;
            }
            if at < locked.end {
                needless.push(at..locked.end);
            }
        }
        needless
    }
}

/// The pages of the mapping that hold bytes of it, as a range of bytes.
fn pages_of(mapping: &Mapping, bytes: &Range<usize>) -> Range<usize> {
    let (first, len) = mapping.pages_of(bytes.start, bytes.len());
    first..first + len
}

fn unlock(mapping: &Mapping, pages: &Range<usize>) -> io::Result<()> {
    sys::paging::unlock(mapping.address_of(pages.start), pages.len())
}
