//! The thread that flushes where the system has no call that starts a write and returns.

#![forbid(unsafe_code)]

use crate::mapping::Mapping;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// One range to flush, as [`Mapping::flush`] takes it.
struct Job {
    mapping: Arc<Mapping>,
    offset: usize,
    len: usize,
}

/// What the thread and those who wait for it share.
struct Queue {
    waiting: VecDeque<Job>,
    /// The address of the mapping whose job is running. The job's `Arc` is gone before this is cleared.
    running: Option<usize>,
    /// The process that the thread runs in. After a `fork` the child has the queue, but not the thread.
    process: Option<u32>,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: VecDeque::new(), running: None, process: None });
/// Signalled when a job comes and when one ends.
static CHANGED: Condvar = Condvar::new();

/// The queue; a panic elsewhere leaves it in order.
fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the process's flushing thread call [`Mapping::flush`]. The thread is made at the first call and stays.
pub(crate) fn flush(mapping: &Arc<Mapping>, offset: usize, len: usize) -> io::Result<()> {
    let mut queue = queue();
    let process = std::process::id();
    if queue.process != Some(process) {
        thread::Builder::new().name("folio-flush".into()).stack_size(64 * 1024).spawn(run)?;
        // What a parent process had waiting is the parent's to write.
        queue.waiting.clear();
        queue.running = None;
        queue.process = Some(process);
    }
    queue.waiting.push_back(Job { mapping: Arc::clone(mapping), offset, len });
    CHANGED.notify_all();
    Ok(())
}

/// Returns when no flush of this mapping is waiting or running, so that none holds it any more.
pub(crate) fn wait(mapping: &Arc<Mapping>) {
    let address = Arc::as_ptr(mapping).addr();
    let mut queue = queue();
    while queue.process == Some(std::process::id())
        && (queue.running == Some(address) || queue.waiting.iter().any(|job| Arc::ptr_eq(&job.mapping, mapping)))
    {
        queue = CHANGED.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

/// The thread.
fn run() {
    let mut queue = queue();
    loop {
        let Some(job) = queue.waiting.pop_front() else {
            queue = CHANGED.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        queue.running = Some(Arc::as_ptr(&job.mapping).addr());
        drop(queue);
        // A failure stays with the mapping, whose next flush reports it.
        let _ = job.mapping.flush(job.offset, job.len);
        drop(job);
        queue = self::queue();
        queue.running = None;
        CHANGED.notify_all();
    }
}
