//! The thread that flushes where the system has no call that starts a write and returns. It lives as long as there is
//! something to do.

use crate::mapping::Mapping;
use crate::sync::{Arc, AtomicPtr, Condvar, Mutex, MutexGuard, PoisonError, thread};
use crate::sys;
use std::collections::VecDeque;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One range to flush, as [`Mapping::flush`] takes it.
struct Job {
    mapping: Arc<Mapping>,
    offset: usize,
    len: usize,
}

/// What the thread and those who wait for it share.
struct Queue {
    jobs: Mutex<Jobs>,
    /// Signalled when a job has ended.
    ended: Condvar,
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

/// How often this process is a child of one that uses this library: 0 in the first.
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
        let queue = Box::leak(Box::new(Queue { jobs: Mutex::new(jobs), ended: Condvar::new() }));
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

    /// The thread.
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
        let touches = |job: &&mut Job| {
            Arc::ptr_eq(&job.mapping, mapping) && offset <= job.offset + job.len && job.offset <= offset + len
        };
        if let Some(job) = self.waiting.iter_mut().find(touches) {
            let end = (job.offset + job.len).max(offset + len);
            job.offset = job.offset.min(offset);
            job.len = end - job.offset;
        } else {
            self.waiting.push_back(Job { mapping: Arc::clone(mapping), offset, len });
        }
    }
}

/// Has the process's flushing thread call [`Mapping::flush`].
pub(crate) fn flush(mapping: &Arc<Mapping>, offset: usize, len: usize) -> io::Result<()> {
    let queue = Queue::current_or_new()?;
    let mut jobs = queue.lock();
    if !jobs.thread {
        let thread = thread::Builder::new().name("folio-flush".into()).stack_size(64 * 1024);
        // The program's signals are not for this thread: its handlers may want more stack, and its own threads are there.
        sys::without_signals(|| thread.spawn(|| queue.run()))?;
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
