//! The table of ranges that closures are using as plain slices, for the signal handler to look up.
//!
//! Lock-free, because the handler may have interrupted anybody: entries are taken, published, withdrawn and taken again,
//! and never freed. A handler that finds an entry stays inside it while it works, and who withdraws the entry waits for that.
//!
//! Where somebody writes one thing and then reads another that somebody else writes before reading the first, there is a
//! fence between the two on both sides: of the two, one at least sees what the other has written. `crates/model` runs this
//! source through a model checker.

use super::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence, spin};
use std::cell::Cell;
use std::ptr;

/// A range of addresses that somebody is using, and what belongs to it. Nothing else is in the cache lines that its owner writes.
#[repr(align(128))]
pub(crate) struct Entry<T: 'static> {
    /// The next entry of the list. Written before the entry is in the list, and never again.
    next: *const Entry<T>,
    /// Whether somebody owns the entry. Only the owner writes the fields below, but for `inside`.
    taken: AtomicBool,
    /// **[T1]** while this is set, `begin`, `end` and `of` do not change and `of` points to a living value. It is set after
    /// they are written; it is cleared before they change, and then nobody touches them until `inside` is 0.
    active: AtomicBool,
    begin: AtomicUsize,
    end: AtomicUsize,
    of: AtomicPtr<T>,
    /// How many handlers are at work in this entry, or about to find that it was withdrawn.
    inside: AtomicUsize,
}

// SAFETY: the fields are atomics, but for `next`, which is constant once the entry can be seen; `T` is shared between threads.
unsafe impl<T: Sync> Sync for Entry<T> {}

/// The entry of one table that somebody had last.
pub(crate) type Last<T> = Cell<Option<&'static Entry<T>>>;

/// A list of entries that only ever grows.
pub(crate) struct Table<T: 'static> {
    head: AtomicPtr<Entry<T>>,
}

/// An entry that this owner has published. It must be given back by [`withdraw`](Self::withdraw).
#[must_use = "the entry stays in the table until it is withdrawn"]
pub(crate) struct Published<T: 'static>(&'static Entry<T>);

impl<T: Sync> Table<T> {
    #[cfg(not(folio_loom))]
    pub(crate) const fn new() -> Table<T> {
        Table { head: AtomicPtr::new(ptr::null_mut()) }
    }

    #[cfg(folio_loom)]
    pub(crate) fn new() -> Table<T> {
        Table { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The entries there are now. New ones are added at the front, so a walk that has begun does not see them.
    fn entries(&self) -> impl Iterator<Item = &'static Entry<T>> {
        let mut at: *const Entry<T> = self.head.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: null, or an entry of this list; those are never freed.
            let entry = unsafe { at.as_ref() }?;
            at = entry.next;
            Some(entry)
        })
    }

    /// Publishes that `begin..end` is in use. Of this and what [`in_use`](Self::in_use) answers behind a fence, one comes first
    /// for everybody.
    ///
    /// `last` is the entry that the caller had before: it is tried first, and so threads that each keep one do not even look at those
    /// of others, which would cost them more than all the rest.
    ///
    /// # Safety
    ///
    /// `of` points to a value that lives until the entry is withdrawn.
    pub(crate) unsafe fn publish(&self, begin: usize, end: usize, of: *const T, last: &Last<T>) -> Published<T> {
        let free = last.get().into_iter().chain(self.entries()).find(|entry| {
            !entry.taken.load(Ordering::Relaxed)
                && entry.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        let entry = free.unwrap_or_else(|| self.grow());
        last.set(Some(entry));
        // This owner alone writes these, and no handler relies on them while `active` is clear [T1]. Who sees them sees all that
        // the owner before has done, too.
        entry.begin.store(begin, Ordering::Release);
        entry.end.store(end, Ordering::Release);
        entry.of.store(of.cast_mut(), Ordering::Relaxed);
        entry.active.store(true, Ordering::Release);
        // Before this owner looks at anything that it relies on.
        fence(Ordering::SeqCst);
        Published(entry)
    }

    /// Adds an entry that is taken already.
    fn grow(&self) -> &'static Entry<T> {
        let entry = Box::leak(Box::new(Entry {
            next: ptr::null(),
            taken: AtomicBool::new(true),
            active: AtomicBool::new(false),
            begin: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            of: AtomicPtr::new(ptr::null_mut()),
            inside: AtomicUsize::new(0),
        }));
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            entry.next = head;
            match self.head.compare_exchange(head, entry, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return entry,
                Err(other) => head = other,
            }
        }
    }

    /// Runs `work` on what belongs to a range in use that contains `address`, if there is one. `work` gets the first that
    /// it does not decline by `None`. For the handler: no lock, no allocation.
    pub(crate) fn find<R>(&self, address: usize, mut work: impl FnMut(&T) -> Option<R>) -> Option<R> {
        self.entries().find_map(|entry| {
            // A range that the faulting instruction was given was published before: this look does not miss it. Entries that
            // are not ours are left alone, or a child that was forked meanwhile would wait for us for ever.
            if !entry.covers(address, address + 1) {
                return None;
            }
            entry.inside.fetch_add(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            // From here on, an owner that withdraws waits for us. What was true before may have changed: look again.
            let answer = if entry.covers(address, address + 1) {
                let of = entry.of.load(Ordering::Relaxed);
                // SAFETY: the entry is active, so this points to a living value, and its owner waits for us before that
                // ends [T1].
                work(unsafe { &*of })
            } else {
                None
            };
            entry.inside.fetch_sub(1, Ordering::Release);
            answer
        })
    }

    /// Whether some of `begin..end` is in use. Behind a fence: see [`publish`](Self::publish).
    pub(crate) fn in_use(&self, begin: usize, end: usize) -> bool {
        self.entries().any(|entry| entry.covers(begin, end))
    }
}

impl<T> Entry<T> {
    /// Whether the entry is active and its range has a byte of `begin..end`.
    fn covers(&self, begin: usize, end: usize) -> bool {
        self.active.load(Ordering::Acquire)
            && self.begin.load(Ordering::Acquire) < end
            && begin < self.end.load(Ordering::Acquire)
    }
}

impl<T> Published<T> {
    /// Takes the range out of the table, and returns when no handler is at work in it any more.
    pub(crate) fn withdraw(self) {
        self.0.active.store(false, Ordering::Release);
        fence(Ordering::SeqCst);
        while self.0.inside.load(Ordering::Acquire) != 0 {
            spin();
        }
        self.0.taken.store(false, Ordering::Release);
    }
}
