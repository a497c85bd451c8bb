//! The same, with a point at each operation where another thread may go first. Shuttle runs the threads one at a time and chooses
//! at those points; it has locks and threads of its own, but leaves reference counts and statics to the standard library.

#![forbid(unsafe_code)]

pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use shuttle::thread;
pub(crate) use std::sync::PoisonError;

use std::io;
use std::ops::Deref;
use std::sync;
use std::sync::atomic::Ordering;

/// Lets any other thread go first.
pub(crate) fn step() {
    shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
}

/// Starts a thread that calls `work` and ends.
pub(crate) fn start_thread(work: fn()) -> io::Result<()> {
    thread::spawn(work);
    Ok(())
}

/// A counted owner.
#[derive(Debug)]
pub(crate) struct Arc<T>(sync::Arc<T>);

impl<T> Arc<T> {
    pub(crate) fn new(value: T) -> Arc<T> {
        Arc(sync::Arc::new(value))
    }

    pub(crate) fn get_mut(this: &mut Arc<T>) -> Option<&mut T> {
        step();
        sync::Arc::get_mut(&mut this.0)
    }

    pub(crate) fn strong_count(this: &Arc<T>) -> usize {
        step();
        sync::Arc::strong_count(&this.0)
    }

    pub(crate) fn ptr_eq(this: &Arc<T>, other: &Arc<T>) -> bool {
        sync::Arc::ptr_eq(&this.0, &other.0)
    }

    pub(crate) fn as_ptr(this: &Arc<T>) -> *const T {
        sync::Arc::as_ptr(&this.0)
    }

    pub(crate) fn downgrade(this: &Arc<T>) -> Weak<T> {
        Weak(sync::Arc::downgrade(&this.0))
    }
}

impl<T: Default> Default for Arc<T> {
    fn default() -> Arc<T> {
        Arc::new(T::default())
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Arc<T> {
        step();
        Arc(sync::Arc::clone(&self.0))
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        // The count goes down after this, with the field.
        if !std::thread::panicking() {
            step();
        }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A counted reference that does not own.
#[derive(Debug)]
pub(crate) struct Weak<T>(sync::Weak<T>);

impl<T> Weak<T> {
    pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
        step();
        self.0.upgrade().map(Arc)
    }

    pub(crate) fn strong_count(&self) -> usize {
        step();
        self.0.strong_count()
    }
}

/// A value that is set once.
#[derive(Debug)]
pub(crate) struct OnceLock<T>(sync::OnceLock<T>);

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock(sync::OnceLock::new())
    }
}

impl<T> OnceLock<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        step();
        self.0.get()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        step();
        self.0.set(value)
    }

    /// `make` must let no other thread go first, which could wait for it for ever.
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        step();
        self.0.get_or_init(make)
    }
}

/// An atomic pointer that can be a static: it outlives the runs.
#[derive(Debug)]
pub(crate) struct AtomicPtr<T>(sync::atomic::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    pub(crate) const fn new(pointer: *mut T) -> AtomicPtr<T> {
        AtomicPtr(sync::atomic::AtomicPtr::new(pointer))
    }

    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        step();
        self.0.load(order)
    }

    /// No point of choice: it is called between the runs, too.
    pub(crate) fn store(&self, pointer: *mut T, order: Ordering) {
        self.0.store(pointer, order);
    }

    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        step();
        self.0.compare_exchange(current, new, success, failure)
    }
}
