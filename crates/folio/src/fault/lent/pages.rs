//! Which pages of a mapping have been lost under a closure and stand in zeros, and who may change that when.
//!
//! The handler *sets a page aside*: the mapping of the lost page goes elsewhere, and a page of zeros takes its place, so that
//! the closure can go on. When nobody uses the page as a slice any more, it is *brought back*. A word for each page says
//! which of the two it is; it counts the turns, so that an access that cannot be repeated sees when it was disturbed.

#![forbid(unsafe_code)]

use super::extent::Extent;
use super::sync::{AtomicU32, AtomicUsize, Ordering, fence};
use std::ops::Range;

/// The low two bits of a page's word; the others count how often the page has been brought back.
const STATE: u32 = 3;
const WHOLE: u32 = 0;
/// Somebody is exchanging it.
const MOVING: u32 = 1;
/// It stands in zeros.
const LOST: u32 = 2;
/// One turn.
const TURN: u32 = 4;

/// The word of a page that is whole again, or still, after what was to be its exchange; `was` is the one before. It is never 0 again.
fn next_turn(was: u32) -> u32 {
    was.wrapping_add(TURN).max(TURN)
}

/// How the exchange itself is made: system calls, or a model of them in a test. None of it may lock or allocate.
pub(crate) trait Exchange {
    /// The mapping.
    fn extent(&self) -> &Extent;
    /// Makes every thread of the process see what this one has written before, before anything that they do after; and that there has been
    /// an exchange (`fault::never_exchanged`).
    fn barrier(&self);
    /// Puts zeros in the place of a page, and its mapping aside. On `false` nothing has changed.
    fn set_aside(&self, page: usize) -> bool;
    /// Puts a page that was set aside into its place again. On `false` nothing has changed.
    fn bring_back(&self, page: usize) -> bool;
}

/// The pages of one mapping. Everything rests on the order in which things happen to them:
///
/// - **[P1]** a page's word is not whole from before its mapping is exchanged until after it is brought back;
/// - **[P2]** `turns` is raised, and with [P1] seen by every thread, before a page is exchanged;
/// - **[P3]** a page is brought back only while no entry of the table covers it. So whoever has published an entry and
///   *then* finds the word whole can rely on nobody bringing the page back until the entry is withdrawn: a page that is lost
///   meanwhile stays lost.
///
/// Nothing of this takes a lock: the handler may have interrupted anybody, and a child may have been forked meanwhile.
pub(crate) struct Pages<X> {
    exchange: X,
    words: Box<[AtomicU32]>,
    /// How many words are not whole, at least.
    lost: AtomicUsize,
    /// How many exchanges have been begun, see [P2]. 0: none ever.
    turns: AtomicUsize,
}

/// What became of a page that could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It stands in zeros now.
    Now,
    /// Another handler is at it: the instruction will fault again, or find zeros.
    Elsewhere,
    /// It stood in zeros already.
    Before,
    /// It cannot be exchanged.
    Refused,
}

impl<X: Exchange> Pages<X> {
    /// `words` are all 0.
    pub(crate) fn new(exchange: X, words: Box<[AtomicU32]>) -> Pages<X> {
        Pages { exchange, words, lost: AtomicUsize::new(0), turns: AtomicUsize::new(0) }
    }

    /// The mapping.
    pub(crate) fn extent(&self) -> &Extent {
        self.exchange.extent()
    }

    /// Has a page stand in zeros. For the handler.
    pub(crate) fn lose(&self, page: usize) -> Loss {
        let word = &self.words[page];
        let was = word.load(Ordering::Relaxed);
        match was & STATE {
            LOST => return Loss::Before,
            MOVING => return Loss::Elsewhere,
            _ => {}
        }
        // [P1]
        if word.compare_exchange(was, was | MOVING, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return Loss::Elsewhere;
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
        // [P2]
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.exchange.barrier();
        if self.exchange.set_aside(page) {
            word.store(was | LOST, Ordering::Release);
            Loss::Now
        } else {
            word.store(next_turn(was), Ordering::Release);
            self.lost.fetch_sub(1, Ordering::Release);
            Loss::Refused
        }
    }

    /// Brings back every lost page of a range that `in_use` does not claim. A page that cannot be brought back stays lost.
    pub(crate) fn bring_back(&self, range: Range<usize>, in_use: impl Fn(usize) -> bool) {
        if self.lost.load(Ordering::Acquire) == 0 {
            return;
        }
        for page in range {
            let word = &self.words[page];
            let was = word.load(Ordering::Acquire);
            if was & STATE != LOST {
                continue;
            }
            // [P3]: whoever publishes an entry that the look behind the fence misses sees a word that is not whole, and leaves the
            // page alone.
            fence(Ordering::SeqCst);
            if in_use(page) {
                continue;
            }
            // If somebody else has brought it back meanwhile, the turn is another one.
            let moving = was - LOST + MOVING;
            if word.compare_exchange(was, moving, Ordering::Acquire, Ordering::Relaxed).is_err() {
                continue;
            }
            if self.exchange.bring_back(page) {
                word.store(next_turn(was - LOST), Ordering::Release);
                self.lost.fetch_sub(1, Ordering::Release);
            } else {
                word.store(was, Ordering::Release);
            }
        }
    }

    /// The first page of a range that is not whole.
    pub(crate) fn first_lost(&self, range: Range<usize>) -> Option<usize> {
        if self.lost.load(Ordering::Acquire) == 0 {
            return None;
        }
        let first = range.start;
        let at = self.words[range].iter().position(|word| word.load(Ordering::Acquire) & STATE != WHOLE)?;
        Some(first + at)
    }

    /// Whether no page of the mapping has ever been exchanged. What an access did before this answer of `true` it did to
    /// pages that were in their places [P2].
    #[inline]
    pub(crate) fn never_exchanged(&self) -> bool {
        self.turns.load(Ordering::Acquire) == 0
    }

    /// Whether no exchange of a page of a range has ever been begun. What an access did to them before this answer of `true` it did to what is
    /// mapped there [P1][P2].
    pub(crate) fn untouched(&self, range: Range<usize>) -> bool {
        self.words[range].iter().all(|word| word.load(Ordering::Acquire) == WHOLE)
    }

    /// Runs an access that may be repeated to the pages of a range until none of them was exchanged meanwhile, up to the first
    /// one that is lost; answers that, and what the access answered. What happens to other pages is no reason to repeat it: a
    /// store that others have answered to already must not be made again.
    pub(crate) fn undisturbed<R>(&self, range: Range<usize>, mut access: impl FnMut() -> R) -> (Option<usize>, R) {
        loop {
            let before = self.turns_of(range.clone());
            let answer = access();
            // No fence: the barrier of who exchanges a page stands either before the access or behind all that follows.
            let after = self.turns_of(range.clone());
            if before == after {
                return (after.1, answer);
            }
        }
    }

    /// The first page of a range that is not whole, and how often those before it have been brought back, taken together.
    fn turns_of(&self, range: Range<usize>) -> (u64, Option<usize>) {
        let mut turns = 0;
        for page in range {
            let Some(turn) = self.turn(page) else { return (turns, Some(page)) };
            turns += u64::from(turn);
        }
        (turns, None)
    }

    /// How often a page has been brought back, or `None` if it is not whole: for an access that cannot be repeated, to
    /// compare before and after.
    pub(crate) fn turn(&self, page: usize) -> Option<u32> {
        let word = self.words[page].load(Ordering::Acquire);
        (word & STATE == WHOLE).then_some(word)
    }
}
