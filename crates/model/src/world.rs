//! The rest of the world: memory, a file that is cut short under it, and the handler of the signal that this raises.

use crate::lent::extent::Extent;
use crate::lent::guard::Guard;
use crate::lent::pages::{Exchange, Loss, Pages};
use crate::lent::sync::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence, spin};
use crate::lent::table::{Last, Table};
use loom::model::Builder;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Bytes per page: any power of two will do.
const PAGE_SIZE: usize = 16;
/// The address of the mapping. Addresses are only compared: nothing is ever there.
const BASE: usize = 0x1000;

/// What stands in the place of a page: what the file has there, or zeros.
const DATA: usize = 7;
pub(crate) const ZEROS: usize = 0;

/// Runs a scenario in every order of events that has at most `preemptions` switches from a thread that could go on.
pub(crate) fn explore(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(scenario);
}

/// The memory of a mapping.
struct Memory {
    /// For each page what stands in its place.
    places: Vec<AtomicUsize>,
    /// Whether the file is too short for any of the pages.
    short: AtomicBool,
    /// The note that a page of some mapping has been exchanged.
    noted: AtomicBool,
}

impl Memory {
    /// One access of the machine: what it read, or `None` if it raised a signal.
    ///
    /// The barrier on all threads (membarrier(2)) acts as if each of them made a fence where it is: this one, here.
    fn read(&self, page: usize) -> Option<usize> {
        let there = self.places[page].load(Ordering::Relaxed);
        let raises = there == DATA && self.short.load(Ordering::Relaxed);
        fence(Ordering::SeqCst);
        (!raises).then_some(there)
    }
}

/// The exchange of its pages.
pub(crate) struct Model {
    extent: Extent,
    memory: Arc<Memory>,
}

// SAFETY: the address in the extent is only compared.
unsafe impl Send for Model {}
// SAFETY: as for `Send`: the address is only compared.
unsafe impl Sync for Model {}

impl Exchange for Model {
    fn extent(&self) -> &Extent {
        &self.extent
    }

    fn barrier(&self) {
        self.memory.noted.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    fn set_aside(&self, page: usize) -> bool {
        assert_eq!(self.memory.places[page].swap(ZEROS, Ordering::Relaxed), DATA, "set aside twice");
        true
    }

    fn bring_back(&self, page: usize) -> bool {
        assert_eq!(self.memory.places[page].swap(DATA, Ordering::Relaxed), ZEROS, "brought back twice");
        true
    }
}

/// A mapping, and the table that the handler looks into.
pub(crate) struct World {
    memory: Arc<Memory>,
    lent: Pages<Model>,
    table: Table<Pages<Model>>,
    /// Whether who comes from the handler goes on at once. If not, the checker has all others go on first as far as they can: fewer
    /// orders of events, of which those in which a page comes back early are missing.
    eager: bool,
}

impl World {
    /// A mapping of a file that has `pages` pages, or none any more.
    pub(crate) fn new(pages: usize, short: bool) -> Arc<World> {
        World::with(pages, short, false)
    }

    /// One in which all orders of events are tried: for two threads, of which one is soon done.
    pub(crate) fn eager(pages: usize, short: bool) -> Arc<World> {
        World::with(pages, short, true)
    }

    fn with(pages: usize, short: bool, eager: bool) -> Arc<World> {
        let base = NonNull::new(ptr::without_provenance_mut(BASE)).expect("not null");
        let extent = Extent { base, len: pages * PAGE_SIZE, page_size: PAGE_SIZE };
        let places = (0..pages).map(|_| AtomicUsize::new(DATA)).collect();
        let memory = Arc::new(Memory { places, short: AtomicBool::new(short), noted: AtomicBool::new(false) });
        let words = (0..pages).map(|_| AtomicU32::new(0)).collect();
        let lent = Pages::new(Model { extent, memory: Arc::clone(&memory) }, words);
        Arc::new(World { memory, lent, table: Table::new(), eager })
    }

    /// Cuts the file short.
    pub(crate) fn cut(&self) {
        self.memory.short.store(true, Ordering::Relaxed);
    }

    /// Lends the bytes of some pages to a closure.
    pub(crate) fn lend(&self, pages: Range<usize>) -> Result<Guard<'_, Model>, usize> {
        Guard::new(&self.table, &self.lent, BASE + pages.start * PAGE_SIZE, pages.len() * PAGE_SIZE, &Last::new(None))
    }

    /// What a plain load of a slice that is lent sees. If it raises a signal the handler runs, and then the load again.
    pub(crate) fn touch(&self, page: usize) -> usize {
        loop {
            if let Some(value) = self.memory.read(page) {
                return value;
            }
            let loss = self.table.find(BASE + page * PAGE_SIZE, |lent| Some(lent.lose(page)));
            // The way back from the handler.
            fence(Ordering::SeqCst);
            match loss.expect("a slice that is lent is in the table") {
                Loss::Now | Loss::Before if self.eager => {}
                // Another one is at the page, and has to come to its end.
                Loss::Now | Loss::Before | Loss::Elsewhere => spin(),
                Loss::Refused => unreachable!("every page can be set aside here"),
            }
        }
    }

    /// What a checked load answers, as `View::load` makes it: `None` for a fault.
    pub(crate) fn load(&self, page: usize) -> Option<usize> {
        match self.checked(page..page + 1, || self.memory.read(page), Option::is_some) {
            (None, answer) => answer,
            (Some(_), _) => None,
        }
    }

    /// The same of a thread that has no routines yet: its attempt tries nothing, and what is made then is no attempt.
    pub(crate) fn first_load(&self, page: usize) -> Option<usize> {
        let access = || self.memory.read(page);
        match self.undisturbed(page..page + 1, Some(access()), access) {
            (None, answer) => answer,
            (Some(_), _) => None,
        }
    }

    /// How many of the first two pages a checked copy of both says that it has reached, and what it read there.
    pub(crate) fn copy(&self) -> (usize, [usize; 2]) {
        let access = || {
            let mut seen = [ZEROS; 2];
            for page in 0..2 {
                let Some(value) = self.memory.read(page) else { return (page, seen) };
                seen[page] = value;
            }
            (2, seen)
        };
        let (lost, (reached, seen)) = self.checked(0..2, access, |&(reached, _)| reached == 2);
        (lost.map_or(reached, |lost| lost.min(reached)), seen)
    }

    /// An access that may be repeated: an attempt, which is all if it comes to its end and no page of any mapping has been exchanged by
    /// then, and what `View::undisturbed` makes of it. The first page that is lost, and what the access answered.
    fn checked<R>(&self, pages: Range<usize>, access: impl Fn() -> R, done: impl Fn(&R) -> bool) -> (Option<usize>, R) {
        let attempt = access();
        let doubtful = self.memory.noted.load(Ordering::Relaxed);
        let first = match done(&attempt) {
            true if !doubtful || self.lent.never_exchanged() => return (None, attempt),
            // Its value may be of what stood in the place of a page.
            true => None,
            false => Some(attempt),
        };
        self.undisturbed(pages, first, access)
    }

    fn undisturbed<R>(&self, pages: Range<usize>, first: Option<R>, access: impl Fn() -> R) -> (Option<usize>, R) {
        let answer = match first {
            Some(answer) => answer,
            None if self.lent.never_exchanged() => access(),
            None => return self.lent.undisturbed(pages, access),
        };
        if self.lent.never_exchanged() || self.lent.untouched(pages.clone()) {
            return (None, answer);
        }
        self.lent.undisturbed(pages, access)
    }

    /// What an access that cannot be repeated answers, as `View::fetch_add` makes it: `None` for a fault.
    pub(crate) fn once(&self, page: usize) -> Option<usize> {
        let never = || !self.memory.noted.load(Ordering::Acquire) || self.lent.never_exchanged();
        let turn = || if never() { Some(0) } else { self.lent.turn(page) };
        let before = turn()?;
        let value = self.memory.read(page)?;
        (turn() == Some(before)).then_some(value)
    }

    /// Nothing is lent any more, and everything is in its place.
    pub(crate) fn assert_in_order(&self) {
        let pages = self.memory.places.len();
        assert!(!self.table.in_use(BASE, BASE + pages * PAGE_SIZE), "an entry was left");
        assert_eq!(self.lent.first_lost(0..pages), None, "a page was left in zeros");
        assert!(self.memory.places.iter().all(|place| place.load(Ordering::Relaxed) == DATA));
    }
}
