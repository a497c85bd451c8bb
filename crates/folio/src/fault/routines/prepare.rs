//! Which routines a thread calls, and what is done once before it has any: choose between the routines and
//! the kernel's copies, install the handler, let this thread take its signals.

#![forbid(unsafe_code)]

use super::table::Routines;
use super::{handler, machine};
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::{process, thread};

thread_local! {
    /// The routines for this thread: those that try nothing until it is prepared, and for good with kernel copies. It has no
    /// destructor and no late initialiser, so in a program's own image an access is a load relative to the thread's base.
    static ROUTINES_HERE: Cell<&'static Routines> = const { Cell::new(&machine::UNTRIED) };
    /// Whether this thread is prepared to make single accesses, which are no routines.
    static TRIES_HERE: Cell<bool> = const { Cell::new(false) };
}

/// How the program's checked accesses are made. Written under [`GATE`], and only away from `UNDECIDED`.
static CHOICE: AtomicU8 = AtomicU8::new(UNDECIDED);
const UNDECIDED: u8 = 0;
const ROUTINES: u8 = 1;
const KERNEL: u8 = 2;

static GATE: Gate = Gate(AtomicU32::new(Gate::OPEN));

/// The routines for this thread. When they try nothing, [`prepare`] has to be asked.
#[inline]
pub(super) fn routines() -> &'static Routines {
    ROUTINES_HERE.get()
}

/// Whether this thread makes single accesses. When it does not, [`prepare`] has to be asked.
#[inline]
pub(super) fn tries() -> bool {
    TRIES_HERE.get()
}

/// Prepares this thread, and the process before it if need be. `None` when the program has chosen kernel copies.
#[cold]
pub(crate) fn prepare() -> io::Result<Option<&'static Routines>> {
    if CHOICE.load(Ordering::Acquire) == UNDECIDED {
        let _inside = GATE.enter();
        if CHOICE.load(Ordering::Relaxed) == UNDECIDED {
            handler::install()?;
            CHOICE.store(ROUTINES, Ordering::Release);
        }
    }
    if CHOICE.load(Ordering::Acquire) == KERNEL {
        return Ok(None);
    }
    handler::prepare_thread()?;
    let routines = machine::best();
    ROUTINES_HERE.set(routines);
    TRIES_HERE.set(true);
    Ok(Some(routines))
}

/// See [`super::super::install`].
pub(crate) fn install() -> io::Result<()> {
    let _inside = GATE.enter();
    if CHOICE.load(Ordering::Relaxed) == KERNEL {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this program has chosen kernel copies, which need no fault handler",
        ));
    }
    handler::install()?;
    CHOICE.store(ROUTINES, Ordering::Release);
    Ok(())
}

/// See [`super::super::is_installed`].
pub(crate) fn is_installed() -> bool {
    handler::is_installed()
}

/// See [`super::super::atomic_width`]. Nothing more can be promised than what kernel copies give if the handler cannot be installed now.
pub(crate) fn atomic_width() -> usize {
    if let Ok(Some(_)) = prepare() { machine::ATOMIC_WIDTH } else { 1 }
}

/// See [`super::super::prepare_thread`].
pub(crate) fn prepare_thread() -> io::Result<()> {
    if CHOICE.load(Ordering::Acquire) == KERNEL { Ok(()) } else { handler::prepare_thread() }
}

/// See [`super::super::use_kernel_copies`].
pub(crate) fn use_kernel_copies() -> io::Result<()> {
    let _inside = GATE.enter();
    if CHOICE.load(Ordering::Relaxed) == ROUTINES {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the fault handler is installed already: kernel copies must be chosen before the first checked access",
        ));
    }
    CHOICE.store(KERNEL, Ordering::Release);
    Ok(())
}

/// A lock that a child process can take even if its parent forked while another thread held it.
///
/// It holds the number of the process that went in. A thread that finds a foreign number is in a child, and the holder
/// stayed behind in the parent. What the gate guards can be begun again at any point, so the child just goes in.
struct Gate(AtomicU32);

impl Gate {
    const OPEN: u32 = 0;

    fn enter(&self) -> Inside<'_> {
        let this = process::id();
        let mut expected = Gate::OPEN;
        while let Err(holder) = self.0.compare_exchange_weak(expected, this, Ordering::Acquire, Ordering::Relaxed) {
            if holder == this {
                expected = Gate::OPEN;
                thread::yield_now();
            } else {
                expected = holder;
            }
        }
        Inside(self)
    }
}

/// The gate is shut while this lives.
struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0.store(Gate::OPEN, Ordering::Release);
    }
}
