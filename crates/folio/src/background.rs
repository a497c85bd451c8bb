//! The thread that flushes where the system has no call that starts a write and returns. It lives as long as there is
//! something to do.

use crate::flushes::Files;
use crate::mapping::Mapping;
use crate::sync::{Arc, AtomicPtr, Condvar, Mutex, MutexGuard, PoisonError, start_thread};
use crate::sys;
use std::collections::VecDeque;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many ranges of one mapping wait at most. If more are asked for than the disk can take, one that covers all of them does.
const MOST: usize = 256;

/// One range to flush, as [`Mapping::flush`] takes it.
struct Job {
    mapping: Arc<Mapping>,
    offset: usize,
    len: usize,
}

impl Job {
    /// Makes it long enough for another range, too.
    fn cover(&mut self, offset: usize, len: usize) {
        let end = (self.offset + self.len).max(offset + len);
        self.offset = self.offset.min(offset);
        self.len = end - self.offset;
    }
}

/// What the thread and those who wait for it share, and what else belongs to one process and not to its children.
struct Queue {
    jobs: Mutex<Jobs>,
    /// Signalled when a job has ended.
    ended: Condvar,
    /// The files that are mapped.
    files: Mutex<Files>,
}

struct Jobs {
    waiting: VecDeque<Job>,
    /// The address of the mapping whose job is running. The job's `Arc` is gone before this is cleared.
    running: Option<usize>,
    /// Whether there is a thread, which looks at `waiting` again before it ends.
    thread: bool,
}

/// The queue of this process; null before the first job. What it points to is never freed. A child made by `fork` has its
/// parent's queue but not the thread, and perhaps a lock that nobody will open: it begins with none.
static CURRENT: AtomicPtr<Queue> = AtomicPtr::new(ptr::null_mut());

/// Grows with every `fork` from the first process that uses this library to this one: 0 in the first.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Called in a child made by `fork`.
pub(crate) extern "C" fn forget() {
    CURRENT.store(ptr::null_mut(), Ordering::Relaxed);
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How often the process has become another one by `fork`, counted from the first call on.
pub(crate) fn forks() -> usize {
    // Where it cannot be counted there is nothing to tell apart, or no memory; the next call tries again.
    let _ = sys::on_fork(forget);
    FORKS.load(Ordering::Relaxed)
}

/// The files that this process has mapped, locked. A child begins with none, and perhaps a lock that nobody will open: with a new
/// one, too.
pub(crate) fn files() -> io::Result<MutexGuard<'static, Files>> {
    Ok(Queue::current_or_new()?.files.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Queue {
    fn current() -> Option<&'static Queue> {
        let queue = CURRENT.load(Ordering::Acquire);
        // SAFETY: null, or a queue that is never freed.
        unsafe { queue.as_ref() }
    }

    fn current_or_new() -> io::Result<&'static Queue> {
        if let Some(queue) = Queue::current() {
            return Ok(queue);
        }
        sys::on_fork(forget)?;
        let jobs = Jobs { waiting: VecDeque::new(), running: None, thread: false };
        let queue =
            Box::leak(Box::new(Queue { jobs: Mutex::new(jobs), ended: Condvar::new(), files: Mutex::default() }));
        match CURRENT.compare_exchange(ptr::null_mut(), queue, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(queue),
            // Another thread was first, and its queue serves as well; this one stays unused.
            Err(_) => Queue::current_or_new(),
        }
    }

    /// The jobs; a panic elsewhere leaves them in order.
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread of this process's queue.
    fn serve() {
        if let Some(queue) = Queue::current() {
            queue.run();
        }
    }

    fn run(&self) {
        let mut jobs = self.lock();
        while let Some(job) = jobs.waiting.pop_front() {
            jobs.running = Some(Arc::as_ptr(&job.mapping).addr());
            drop(jobs);
            // A failure stays with the mapping, whose next flush reports it.
            let _ = job.mapping.flush(job.offset, job.len);
            drop(job);
            jobs = self.lock();
            jobs.running = None;
            self.ended.notify_all();
        }
        jobs.thread = false;
    }
}

impl Jobs {
    /// How many jobs hold a mapping.
    fn of(&self, mapping: &Arc<Mapping>) -> usize {
        let waiting = self.waiting.iter().filter(|job| Arc::ptr_eq(&job.mapping, mapping)).count();
        waiting + usize::from(self.running == Some(Arc::as_ptr(mapping).addr()))
    }

    /// Adds a job, or makes one that is waiting longer, if it touches the same or the neighbouring bytes.
    fn add(&mut self, mapping: &Arc<Mapping>, offset: usize, len: usize) {
        let mut count = 0;
        for job in self.waiting.iter_mut().filter(|job| Arc::ptr_eq(&job.mapping, mapping)) {
            if offset <= job.offset + job.len && job.offset <= offset + len {
                return job.cover(offset, len);
            }
            count += 1;
        }
        let mut new = Job { mapping: Arc::clone(mapping), offset, len };
        if count >= MOST {
            self.waiting.retain(|job| {
                let other = !Arc::ptr_eq(&job.mapping, mapping);
                if !other {
                    new.cover(job.offset, job.len);
                }
                other
            });
        }
        self.waiting.push_back(new);
    }
}

/// Has the process's flushing thread call [`Mapping::flush`].
pub(crate) fn flush(mapping: &Arc<Mapping>, offset: usize, len: usize) -> io::Result<()> {
    let queue = Queue::current_or_new()?;
    let mut jobs = queue.lock();
    if !jobs.thread {
        start_thread(Queue::serve)?;
        jobs.thread = true;
    }
    jobs.add(mapping, offset, len);
    Ok(())
}

/// The mapping, if the caller's is its only owner. A flush that runs in the background is an owner too, so if nothing
/// else holds the mapping this waits for it. A mapping with other views is refused at once.
pub(crate) fn only_owner(mapping: &mut Arc<Mapping>) -> Option<&mut Mapping> {
    if Arc::get_mut(mapping).is_none() {
        let queue = Queue::current()?;
        let mut jobs = queue.lock();
        while jobs.of(mapping) > 0 && Arc::strong_count(mapping) <= 1 + jobs.of(mapping) {
            jobs = queue.ended.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
    Arc::get_mut(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MmapViewSync;

    /// A program that flushes pages here and there, faster than its disk, made the queue long without end, and each call slower
    /// than the one before.
    #[test]
    fn ranges_that_wait_cover_what_was_asked_for_and_are_not_many() {
        let (one, other) = (MmapViewSync::anonymous(1).unwrap(), MmapViewSync::anonymous(1).unwrap());
        let mut jobs = Jobs { waiting: VecDeque::new(), running: None, thread: false };
        jobs.add(other.mapping(), 7, 1);
        // In an order that is none: 4999 and 10,000 have no common factor.
        let asked: Vec<usize> = (0..10_000).map(|index| index * 4999 % 10_000 * 10 + 5).collect();
        for (done, &offset) in asked.iter().enumerate() {
            jobs.add(one.mapping(), offset, 3);
            assert!(jobs.of(one.mapping()) <= MOST, "{} wait", jobs.of(one.mapping()));
            if done % 1000 == 999 {
                let waits = |offset: &usize| {
                    let covers = |job: &Job| job.offset <= *offset && offset + 3 <= job.offset + job.len;
                    jobs.waiting.iter().any(|job| Arc::ptr_eq(&job.mapping, one.mapping()) && covers(job))
                };
                assert!(asked[..=done].iter().all(waits));
            }
        }
        // Few stay as they are, and others' too.
        assert_eq!(jobs.of(other.mapping()), 1);
        jobs.waiting.clear();
        jobs.add(one.mapping(), 0, 3);
        jobs.add(one.mapping(), 10, 3);
        jobs.add(one.mapping(), 3, 4);
        let left: Vec<_> = jobs.waiting.iter().map(|job| (job.offset, job.len)).collect();
        assert_eq!(left, [(0, 7), (10, 3)]);
    }
}
