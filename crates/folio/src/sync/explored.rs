//! The same, with a point at each operation where another thread may go first. Shuttle runs the threads one at a time and chooses
//! at those points; it has locks and threads of its own, but leaves reference counts and statics to the standard library.

#![forbid(unsafe_code)]

pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use shuttle::thread;
pub(crate) use std::sync::PoisonError;

use std::ops::Deref;
use std::sync;
use std::sync::atomic::Ordering;

/// Lets any other thread go first.
pub(crate) fn step() {
    shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
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
