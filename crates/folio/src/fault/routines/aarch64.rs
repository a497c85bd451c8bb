//! The routines for aarch64.
//!
//! A copy is a function in the convention that all operating systems share, and a leaf:
//!
//! | register | |
//! |---|---|
//! | `x0` | where to store |
//! | `x1` | where to load from |
//! | `x2` | bytes to copy |
//! | `x3` | first byte of the view's side |
//! | `x4` | the table that the routine stands in |
//! | `x5` | after a fault: where on the view's side it was |
//! | `x0` | afterwards: the bytes that were not copied; if that is none, what the table leads to ([`ANSWERS`]) |
//!
//! The handler compares the address of a fault with the view's side, which `x3` and `x2` tell, and puts it in `x5`.
//!
//! A single access is inline assembly, in whatever crate it comes to stand in, and tells the handler by registers what it is:
//!
//! | register | |
//! |---|---|
//! | `x0` and `x1` | their sum is the address. The processor adds them on the way: when one load's address comes from another, each addition counts |
//! | `x2` | where to go on after a fault, close behind the access; afterwards: the same, or 0 when it was not made |
//! | `x3` | [`single::MARK`], or 0 when it was not made; afterwards less what is taken from it ([`ANSWERS`]) |
//!
//! A copy of up to 128 bytes is a few moves that overlap in the middle, one of more a loop between an unaligned head and
//! tail.

use super::super::word::{AtomicWord, Word};
use super::super::{Short, Tried};
use super::doubt::{self, ANSWERS};
use super::regions::Region;
use super::single;
use super::table::{Done, Routines};
use std::arch::asm;

/// `bti c`, in the form that older processors take for no operation.
#[rustfmt::skip]
macro_rules! landing_pad { () => { "hint #34" }; }

routines! {{
    routine!("copy":
        // The ends of both sides.
        "add x9, x1, x2",
        "add x10, x0, x2",
        at!("copy.body"),
        "cmp x2, #32",
        "b.hi 5f",
        "cmp x2, #16",
        "b.lo 2f",
        "ldr q0, [x1]",
        "ldur q1, [x9, #-16]",
        "str q0, [x0]",
        "stur q1, [x10, #-16]",
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "ret",
        "2:",
        "tbz x2, #3, 3f",
        "ldr x11, [x1]",
        "ldur x6, [x9, #-8]",
        "str x11, [x0]",
        "stur x6, [x10, #-8]",
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "ret",
        "3:",
        "tbz x2, #2, 4f",
        "ldr w11, [x1]",
        "ldur w6, [x9, #-4]",
        "str w11, [x0]",
        "stur w6, [x10, #-4]",
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "ret",
        "4:",
        "cbz x2, 3f",
        "ldrb w11, [x1]",
        "tbz x2, #1, 2f",
        "ldurh w6, [x9, #-2]",
        "sturh w6, [x10, #-2]",
        "2:",
        "strb w11, [x0]",
        "3:",
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "ret",
        ".p2align 4",
        "5:",
        "ldp q0, q1, [x1]",
        "cmp x2, #64",
        "b.hi 6f",
        "ldp q2, q3, [x9, #-32]",
        "stp q0, q1, [x0]",
        "stp q2, q3, [x10, #-32]",
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "ret",
        ".p2align 4",
        "6:",
        "cmp x2, #128",
        "b.hi 7f",
        "ldp q2, q3, [x1, #32]",
        "ldp q4, q5, [x9, #-64]",
        "ldp q6, q7, [x9, #-32]",
        "stp q0, q1, [x0]",
        "stp q2, q3, [x0, #32]",
        "stp q4, q5, [x10, #-64]",
        "stp q6, q7, [x10, #-32]",
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "ret",
        ".p2align 4",
        "7:",
        "str q0, [x0]",
        at!("copy.body.end"),
        // `x11` the cursor in the destination, aligned and behind the head that was stored already, `x6` the one in the
        // source, `x7` where the last full round may begin.
        "add x11, x0, #16",
        "and x11, x11, #-16",
        "sub x6, x11, x0",
        "add x6, x1, x6",
        "sub x7, x10, #64",
        ".p2align 4",
        at!("copy.loop"),
        "ldp q0, q1, [x6]",
        "ldp q2, q3, [x6, #32]",
        "stp q0, q1, [x11]",
        "stp q2, q3, [x11, #32]",
        at!("copy.loop.end"),
        "add x6, x6, #64",
        "add x11, x11, #64",
        "cmp x11, x7",
        concat!("b.lo ", label!("copy.loop")),
        at!("copy.tail"),
        "ldp q0, q1, [x9, #-64]",
        "ldp q2, q3, [x9, #-32]",
        "stp q0, q1, [x10, #-64]",
        "stp q2, q3, [x10, #-32]",
        at!("copy.tail.end"),
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "ret",

        // After a fault the handler has told the place of it. What is left to copy before it is what a wide move has reached over:
        // from the cursors, byte by byte. `x7` becomes the view's cursor. If there is something to copy, the page may be back by
        // then, so it is tried again.
        at!("lost.loop"),
        "sub x7, x11, x0",
        "mov x0, x11",
        "mov x1, x6",
        concat!("b ", label!("resume")),
        at!("lost.body"),
        // Where it began: `x0` is the answer already if what looks like a fault was sent at the end.
        "sub x0, x10, x2",
        "mov x7, #0",
        at!("resume"),
        "add x7, x3, x7",
        "cmp x7, x5",
        concat!("b.hs ", label!("lost.bytes")),
        "add x5, x3, x2",
        "2:",
        "cmp x7, x5",
        concat!("b.hs ", label!("lost.bytes")),
        at!("bytes"),
        "ldrb w6, [x1]",
        "strb w6, [x0]",
        at!("bytes.end"),
        "add x1, x1, #1",
        "add x0, x0, #1",
        "add x7, x7, #1",
        "b 2b",

        // Here at the end, and after a fault on the way.
        at!("lost.bytes"),
        "sub x7, x7, x3",
        "subs x0, x2, x7",
        "b.ne 2f",
        "ldr x0, [x4, #8]",
        "ldr x0, [x0]",
        "2:",
        "ret",
    )

    // What a thread has in place of the copy until it is prepared.
    routine!("untried.copy":
        "mov x0, #-1",
        "ret",
    )
} {
    region!("copy.body" .. "copy.body.end" => "lost.body")
    region!("copy.loop" .. "copy.loop.end" => "lost.loop")
    region!("copy.tail" .. "copy.tail.end" => "lost.loop")
    region!("bytes" .. "bytes.end" => "lost.bytes")
}}

// SAFETY: the block above defines these symbols, with this calling convention and these arguments.
unsafe extern "C" {
    #[link_name = symbol!("copy")]
    fn copy16(dst: *mut u8, src: *const u8, len: usize, view: *const u8, routines: &Routines) -> usize;
    #[link_name = symbol!("untried.copy")]
    fn untried_copy(dst: *mut u8, src: *const u8, len: usize, view: *const u8, routines: &Routines) -> usize;
    #[link_name = symbol!("regions")]
    pub(super) static REGIONS: [Region; 5];
}

/// A naturally aligned access of up to this many bytes is a single one.
pub(crate) const ATOMIC_WIDTH: usize = 8;

/// What the copies take `done` for.
const _: () = assert!(std::mem::offset_of!(Routines, done) == 8);

/// Destination, source, length, the view's side, the table that the routine stands in. Answers how many bytes were not copied;
/// see [`doubt::copied`].
pub(super) type Copy = unsafe extern "C" fn(*mut u8, *const u8, usize, *const u8, &Routines) -> usize;

/// For a thread that has not been prepared.
pub(super) static UNTRIED: Routines = Routines { copy: untried_copy, done: Done::ANSWER };

/// There is one kind of processor only.
static TABLE: Routines = Routines { copy: copy16, done: Done::ANSWER };

/// The best routines for this processor.
pub(super) fn best() -> &'static Routines {
    &TABLE
}

/// All that this processor can run, with names for messages.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Routines)> {
    [("16 bytes", &TABLE)].into_iter()
}

/// Where the first routine lies: the distances in [`REGIONS`] count from here.
pub(super) fn base() -> usize {
    copy16 as *const () as usize
}

/// Copies between the two sides, of which `view` is one.
///
/// # Safety
///
/// As [`super::try_read`] or [`super::try_write`]; `routines` are those of this thread.
#[inline]
pub(super) unsafe fn copy(
    routines: &Routines,
    dst: *mut u8,
    src: *const u8,
    len: usize,
    view: *const u8,
) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on.
    doubt::copied(unsafe { (routines.copy)(dst, src, len, view, routines) })
}

/// How many bytes end where a single access ends and are its own: no block is shorter. What is guarded lies in them.
pub(super) const BLOCK: usize = 16;

/// Makes one access at `x0 + x1`, and answers what is left of its mark ([`doubt::made`]). After a fault the program goes on at the
/// label 3, which the access sets if that is not the end of it.
///
/// Nothing stands between the access and that label: a signal that was sent, where that cannot be told from one that was raised,
/// must not be taken for a fault of an access that has been made.
///
/// Only where the operands end with the option that says so, the block changes no memory: elsewhere the compiler moves no access of its
/// own over it.
macro_rules! guarded {
    ([$($access:expr),+ $(,)?], $base:expr, $offset:expr, $($operands:tt)+) => {
        guarded!(@ [$($access,)+ "3:"], $base, $offset, $($operands)+)
    };
    (@ [$($access:expr),+ $(,)?], $base:expr, $offset:expr, $($operands:tt)+) => {{
        let left: u32;
        // SAFETY: the access is one that the caller may make. A fault leads into the block, and no register changes but those that
        // are named. What is taken from the mark is a number of ours.
        unsafe {
            asm!(
                "adr x2, 3f",
                "movz w3, #{low}",
                "movk w3, #{high}, lsl #16",
                $($access,)+
                "ldr {taken:w}, [{taken}]",
                "sub w3, w3, {taken:w}",
                low = const single::MARK & 0xffff,
                high = const single::MARK >> 16,
                taken = inout(reg) &raw const ANSWERS.single => _,
                in("x0") $base,
                in("x1") $offset,
                out("x2") _,
                out("w3") left,
                $($operands)+
            );
        }
        left
    }};
}

/// Loads a word from `offset` bytes behind `base`.
///
/// The compiler may keep what it has read from memory before: that is what loops over many loads live on.
///
/// # Safety
///
/// As [`super::try_load`]; the handler is installed, and this thread takes its signals.
#[inline]
pub(super) unsafe fn load<W: Word>(base: *const u8, offset: usize) -> Result<Tried<W>, Short> {
    let value: u64;
    let left = match W::WIDTH {
        1 => guarded!(["ldrb {v:w}, [x0, x1]"], base, offset, v = out(reg) value, options(nostack, readonly)),
        2 => guarded!(["ldrh {v:w}, [x0, x1]"], base, offset, v = out(reg) value, options(nostack, readonly)),
        4 => guarded!(["ldr {v:w}, [x0, x1]"], base, offset, v = out(reg) value, options(nostack, readonly)),
        _ => guarded!(["ldr {v:x}, [x0, x1]"], base, offset, v = out(reg) value, options(nostack, readonly)),
    };
    doubt::made(W::narrow(value), left)
}

/// Loads a word, and acquires.
///
/// # Safety
///
/// As [`load`], and `src` is aligned.
#[inline]
pub(super) unsafe fn load_acquire<W: AtomicWord>(src: *const u8) -> Result<Tried<W>, Short> {
    let value: u64;
    let left = if W::WIDTH == 4 {
        guarded!(["ldar {v:w}, [x0]"], src, 0_usize, v = out(reg) value, options(nostack))
    } else {
        guarded!(["ldar {v:x}, [x0]"], src, 0_usize, v = out(reg) value, options(nostack))
    };
    doubt::made(W::narrow(value), left)
}

/// Stores a word.
///
/// # Safety
///
/// As [`super::try_store`]; the handler is installed, and this thread takes its signals.
#[inline]
pub(super) unsafe fn store<W: Word>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    let value = value.widen();
    let left = match W::WIDTH {
        1 => guarded!(["strb {v:w}, [x0, x1]"], dst, 0_usize, v = in(reg) value, options(nostack)),
        2 => guarded!(["strh {v:w}, [x0, x1]"], dst, 0_usize, v = in(reg) value, options(nostack)),
        4 => guarded!(["str {v:w}, [x0, x1]"], dst, 0_usize, v = in(reg) value, options(nostack)),
        _ => guarded!(["str {v:x}, [x0, x1]"], dst, 0_usize, v = in(reg) value, options(nostack)),
    };
    doubt::made((), left)
}

/// Stores a word, and releases.
///
/// # Safety
///
/// As [`store`], and `dst` is aligned.
#[inline]
pub(super) unsafe fn store_release<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    let value = value.widen();
    let left = if W::WIDTH == 4 {
        guarded!(["stlr {v:w}, [x0]"], dst, 0_usize, v = in(reg) value, options(nostack))
    } else {
        guarded!(["stlr {v:x}, [x0]"], dst, 0_usize, v = in(reg) value, options(nostack))
    };
    doubt::made((), left)
}

/// Compares and exchanges in registers of the form `$r`, with the instruction that does it at once.
#[cfg(target_feature = "lse")]
macro_rules! exchanged {
    ($r:literal, $dst:expr, $current:expr, $new:expr => $found:ident) => {
        guarded!(
            [concat!("casal {found:", $r, "}, {new:", $r, "}, [x0]")],
            $dst, 0_usize,
            found = inout(reg) $current => $found,
            new = in(reg) $new,
            options(nostack)
        )
    };
}

/// Compares and exchanges in registers of the form `$r`, by a load and a store that belong together.
#[cfg(not(target_feature = "lse"))]
macro_rules! exchanged {
    ($r:literal, $dst:expr, $current:expr, $new:expr => $found:ident) => {
        guarded!(
            @ [
                "2:",
                concat!("ldaxr {found:", $r, "}, [x0]"),
                concat!("cmp {found:", $r, "}, {current:", $r, "}"),
                "b.ne 4f",
                concat!("stlxr {failed:w}, {new:", $r, "}, [x0]"),
                "3:",
                "cbz x2, 4f",
                "cbnz {failed:w}, 2b",
                "4:",
            ],
            $dst, 0_usize,
            found = out(reg) $found,
            failed = out(reg) _,
            current = in(reg) $current,
            new = in(reg) $new,
            options(nostack)
        )
    };
}

/// Adds in registers of the form `$r`, with the instruction that does it at once.
#[cfg(target_feature = "lse")]
macro_rules! added {
    ($r:literal, $dst:expr, $value:expr => $found:ident) => {
        guarded!(
            [concat!("ldaddal {value:", $r, "}, {found:", $r, "}, [x0]")],
            $dst, 0_usize,
            found = out(reg) $found,
            value = in(reg) $value,
            options(nostack)
        )
    };
}

/// Adds in registers of the form `$r`, by a load and a store that belong together.
#[cfg(not(target_feature = "lse"))]
macro_rules! added {
    ($r:literal, $dst:expr, $value:expr => $found:ident) => {
        guarded!(
            @ [
                "2:",
                concat!("ldaxr {found:", $r, "}, [x0]"),
                concat!("add {sum:", $r, "}, {found:", $r, "}, {value:", $r, "}"),
                concat!("stlxr {failed:w}, {sum:", $r, "}, [x0]"),
                "3:",
                "cbz x2, 4f",
                "cbnz {failed:w}, 2b",
                "4:",
            ],
            $dst, 0_usize,
            found = out(reg) $found,
            sum = out(reg) _,
            failed = out(reg) _,
            value = in(reg) $value,
            options(nostack)
        )
    };
}

/// Stores `new` if `current` is there, and answers what was there before.
///
/// # Safety
///
/// As [`store`], and `dst` is aligned.
#[inline]
pub(super) unsafe fn compare_exchange<W: AtomicWord>(dst: *mut u8, current: W, new: W) -> Result<Tried<W>, Short> {
    let (current, new) = (current.widen(), new.widen());
    let found: u64;
    let left = if W::WIDTH == 4 {
        exchanged!("w", dst, current, new => found)
    } else {
        exchanged!("x", dst, current, new => found)
    };
    doubt::made(W::narrow(found), left)
}

/// Adds `value`, and answers what was there before.
///
/// # Safety
///
/// As [`store`], and `dst` is aligned.
#[inline]
pub(super) unsafe fn fetch_add<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<W>, Short> {
    let value = value.widen();
    let found: u64;
    let left = if W::WIDTH == 4 { added!("w", dst, value => found) } else { added!("x", dst, value => found) };
    doubt::made(W::narrow(found), left)
}
