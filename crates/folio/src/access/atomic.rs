//! Atomic access to memory that other processes may write, or take away.

use super::{AtomicScalar, apart};
use crate::error::invalid_input;
use crate::fault::{self, Short, Stop, Tried};
use crate::range;
use crate::view::{Shared, View};
use std::io;

/// Atomic access, for protocols between threads and processes in shared memory.
///
/// These need a [routine](crate::fault#two-ways-one-promise), or mappings that are ordinary memory: where folio has neither, and after
/// [`use_kernel_copies`](crate::fault::use_kernel_copies), they give [`Unsupported`](io::ErrorKind::Unsupported). A value that
/// another process has written is just a number: check it before it is used as an index or a length.
///
/// They acquire and release, and there is no single order of all of them: what needs one (that of two threads which each store to
/// their own word and then look at the other's, one sees the other's store) has a [`fence`](std::sync::atomic::fence) with `SeqCst`
/// between the two.
impl View<Shared> {
    /// Loads a `u32` or `u64`: what another thread or process wrote before it released this value is seen by what comes after
    /// this load.
    ///
    /// # Errors
    ///
    /// Those of [`load`](View::load); [`InvalidInput`](io::ErrorKind::InvalidInput) also if the address is not a multiple of the
    /// number's size; [`Unsupported`](io::ErrorKind::Unsupported) where there are no atomic accesses.
    ///
    /// # Examples
    ///
    /// One writes a message and releases its length; who acquires the length sees the message.
    ///
    /// ```
    /// let (ours, theirs) = (folio::MmapViewSync::anonymous(64)?, b"done");
    /// # if folio::fault::ATOMIC_WIDTH < 4 { return std::io::Result::Ok(()) }
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| {
    ///         ours.write_all_at(theirs, 8)?;
    ///         ours.store_release(0, theirs.len() as u32)
    ///     });
    ///     let len = loop {
    ///         match ours.load_acquire::<u32>(0)? {
    ///             0 => std::thread::yield_now(),
    ///             len => break len as usize,
    ///         }
    ///     };
    ///     let mut message = vec![0; len.min(56)]; // never trust a length in shared memory
    ///     ours.read_exact_at(&mut message, 8)?;
    ///     assert_eq!(message, theirs);
    ///     std::io::Result::Ok(())
    /// })
    /// # ?; std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn load_acquire<T: AtomicScalar>(&self, offset: usize) -> io::Result<T> {
        range::check_value::<T>(offset, self.len())?;
        let from = self.aligned::<T>(offset)?.cast_const();
        // SAFETY: the range has been checked, so it lies in a mapping that lives as long as the view [V0][V1], and the
        // address is aligned.
        match self.settle(unsafe { fault::try_load_acquire(from) }) {
            Ok(value) => Ok(value),
            Err(short) => apart(self.load_acquire_on(from, offset, short)),
        }
    }

    /// Stores a `u32` or `u64`: what this thread wrote before is seen by whoever acquires this value.
    ///
    /// # Errors
    ///
    /// Those of [`store`](View::store) and of [`load_acquire`](Self::load_acquire). After an error that carries a
    /// [`Fault`](crate::Fault), nothing is known of the number: it is not stored a second time, for somebody may have answered.
    #[inline]
    pub fn store_release<T: AtomicScalar>(&self, offset: usize, value: T) -> io::Result<()> {
        // SAFETY: `once` gives an address as it has to be.
        self.once::<T, ()>(offset, move |to| unsafe { fault::try_store_release(to, value) })
    }

    /// Stores `new` if `current` is there. As [`AtomicU64::compare_exchange`](std::sync::atomic::AtomicU64::compare_exchange), whose
    /// answer is inside: `Ok(Ok(_))` if the exchange was made, `Ok(Err(_))` if it was not, each with what was there before. Acquires,
    /// and releases if it stores.
    ///
    /// # Errors
    ///
    /// Those of [`store_release`](Self::store_release). After an error that carries a [`Fault`](crate::Fault), nothing is
    /// known of the number.
    ///
    /// # Examples
    ///
    /// ```
    /// let view = folio::MmapViewSync::anonymous(64)?;
    /// # if folio::fault::ATOMIC_WIDTH >= 4 {
    /// assert_eq!(view.compare_exchange(0, 0u32, 7)?, Ok(0)); // made
    /// assert_eq!(view.compare_exchange(0, 0u32, 8)?, Err(7)); // not made
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn compare_exchange<T: AtomicScalar>(&self, offset: usize, current: T, new: T) -> io::Result<Result<T, T>> {
        // SAFETY: `once` gives an address as it has to be.
        let before = self.once::<T, T>(offset, move |to| unsafe { fault::try_compare_exchange(to, current, new) })?;
        Ok(if before == current { Ok(before) } else { Err(before) })
    }

    /// Adds `value`, wrapping around at the end of the number's range. `Ok` with what was there before. Acquires and releases.
    ///
    /// # Errors
    ///
    /// Those of [`store_release`](Self::store_release). After an error that carries a [`Fault`](crate::Fault), nothing is
    /// known of the number.
    #[inline]
    pub fn fetch_add<T: AtomicScalar>(&self, offset: usize, value: T) -> io::Result<T> {
        // SAFETY: `once` gives an address as it has to be.
        self.once::<T, T>(offset, move |to| unsafe { fault::try_fetch_add(to, value) })
    }

    #[cold]
    #[inline(never)]
    fn load_acquire_on<T: AtomicScalar>(&self, from: *const u8, offset: usize, short: Option<Short>) -> io::Result<T> {
        // SAFETY: as in the attempt.
        let attempt = || unsafe { fault::try_load_acquire(from) };
        let first = short.map(|short| fault::atomic_on(short, attempt));
        self.undisturbed(offset, size_of::<T>(), first, || fault::atomic(attempt))
            .map_err(|stop| stop.into_error(offset))
    }

    /// The address of a number whose range has been checked, which must be aligned.
    #[inline]
    fn aligned<T>(&self, offset: usize) -> io::Result<*mut u8> {
        let at = self.start_ptr().wrapping_add(offset);
        if at.addr() % size_of::<T>() == 0 {
            Ok(at)
        } else {
            Err(invalid_input("the address of the number is not aligned"))
        }
    }

    /// Makes an access that cannot be repeated. `attempt` gets the address of a number inside the view, aligned, in a mapping
    /// that can be written and lives as long as the view [V0][V1]; no safe code has a reference to it.
    #[inline]
    fn once<T: AtomicScalar, R>(
        &self,
        offset: usize,
        attempt: impl Fn(*mut u8) -> Result<Tried<R>, Short> + Copy,
    ) -> io::Result<R> {
        range::check_value::<T>(offset, self.len())?;
        self.check_writable()?;
        let to = self.aligned::<T>(offset)?;
        let attempt = move || attempt(to);
        if !self.mapping().never_exchanged() {
            return apart(self.once_on(offset, None, attempt));
        }
        match attempt() {
            Ok(Tried::Settled(value)) => Ok(value),
            Ok(Tried::Doubtful(value)) if self.mapping().is_whole() => Ok(value),
            first => apart(self.once_on(offset, Some(first), attempt)),
        }
    }

    /// What is left to do when pages of the mapping have been exchanged before a first attempt, or meanwhile, or it has fallen short.
    ///
    /// If the page was lost or came back under a closure meanwhile, nobody knows which of the two the access has met: a fault.
    #[cold]
    #[inline(never)]
    fn once_on<T>(
        &self,
        offset: usize,
        first: Option<Result<Tried<T>, Short>>,
        attempt: impl Fn() -> Result<Tried<T>, Short>,
    ) -> io::Result<T> {
        let at = self.as_ptr().addr() + offset;
        // An aligned number lies in one page.
        let turn = || self.mapping().exchanged().map_or(Some(0), |lent| lent.turn(lent.extent().page_at(at)));
        let before = if first.is_some() { Some(0) } else { turn() };
        let answer = match before {
            None => Err(Stop::lost(0)),
            Some(_) => {
                let tried = first.unwrap_or_else(&attempt);
                tried.map(Tried::given).or_else(|short| fault::atomic_on(short, attempt))
            }
        };
        match answer {
            Ok(_) if turn() != before => Err(Stop::lost(0)),
            answer => answer,
        }
        .map_err(|stop| stop.into_error(offset))
    }
}
