//! The routines for aarch64, in the convention that all operating systems share.
//!
//! Register use, the same in all routines:
//!
//! | register | holds |
//! |---|---|
//! | `x0` | where to store (a copy), or the view's side (everything else) |
//! | `x1` | where to load from (a copy), or the operand |
//! | `x2` | bytes to copy, or the second operand |
//! | `x3`, `x4` | first byte and end of the view's side: the handler compares the fault's address with them, and moves the end to it |
//! | `x0` | afterwards: the bytes that a copy left, or the value |
//! | `x1` | afterwards: 0 when a single access was made, 1 when it was not |
//!
//! A copy of up to 128 bytes is a few moves that overlap in the middle, one of more a loop between an unaligned head and
//! tail.

use super::Loaded;
use super::regions::Region;
use super::table::Routines;

/// `bti c`, in the form that older processors take for no operation.
#[rustfmt::skip]
macro_rules! landing_pad { () => { "hint #34" }; }

/// A routine that makes one access of the view's side.
macro_rules! access {
    ($name:literal, $begin:literal, $end:literal, $bytes:literal, $($line:expr),+) => {
        routine!($name:
            "mov x3, x0",
            concat!("add x4, x0, #", $bytes),
            at!($begin),
            $($line,)+
            at!($end),
            "mov x1, #0",
            "ret",
        )
    };
}

/// Compares and exchanges in the register class `$r`, with the instruction that does it at once.
#[cfg(target_feature = "lse")]
#[rustfmt::skip]
macro_rules! exchange {
    ($name:literal, $begin:literal, $end:literal, $bytes:literal, $r:literal) => {
        routine!($name:
            "mov x3, x0",
            concat!("add x4, x0, #", $bytes),
            concat!("mov ", $r, "5, ", $r, "1"),
            at!($begin),
            concat!("casal ", $r, "5, ", $r, "2, [x0]"),
            at!($end),
            concat!("mov ", $r, "0, ", $r, "5"),
            "mov x1, #0",
            "ret",
        )
    };
}

/// Compares and exchanges in the register class `$r`, by a load and a store that belong together. The branch behind the
/// store is outside: once the store is made, the access must not be made again.
#[cfg(not(target_feature = "lse"))]
#[rustfmt::skip]
macro_rules! exchange {
    ($name:literal, $begin:literal, $end:literal, $bytes:literal, $r:literal) => {
        routine!($name:
            "mov x3, x0",
            concat!("add x4, x0, #", $bytes),
            "2:",
            at!($begin),
            concat!("ldaxr ", $r, "5, [x0]"),
            concat!("cmp ", $r, "5, ", $r, "1"),
            "b.ne 3f",
            concat!("stlxr w6, ", $r, "2, [x0]"),
            at!($end),
            "cbnz w6, 2b",
            "3:",
            concat!("mov ", $r, "0, ", $r, "5"),
            "mov x1, #0",
            "ret",
        )
    };
}

/// Adds in the register class `$r`, with the instruction that does it at once.
#[cfg(target_feature = "lse")]
#[rustfmt::skip]
macro_rules! add {
    ($name:literal, $begin:literal, $end:literal, $bytes:literal, $r:literal) => {
        routine!($name:
            "mov x3, x0",
            concat!("add x4, x0, #", $bytes),
            at!($begin),
            concat!("ldaddal ", $r, "1, ", $r, "5, [x0]"),
            at!($end),
            concat!("mov ", $r, "0, ", $r, "5"),
            "mov x1, #0",
            "ret",
        )
    };
}

/// Adds in the register class `$r`, by a load and a store that belong together.
#[cfg(not(target_feature = "lse"))]
#[rustfmt::skip]
macro_rules! add {
    ($name:literal, $begin:literal, $end:literal, $bytes:literal, $r:literal) => {
        routine!($name:
            "mov x3, x0",
            concat!("add x4, x0, #", $bytes),
            "2:",
            at!($begin),
            concat!("ldaxr ", $r, "5, [x0]"),
            concat!("add ", $r, "6, ", $r, "5, ", $r, "1"),
            concat!("stlxr w7, ", $r, "6, [x0]"),
            at!($end),
            "cbnz w7, 2b",
            concat!("mov ", $r, "0, ", $r, "5"),
            "mov x1, #0",
            "ret",
        )
    };
}

routines! {{
    routine!("copy":
        at!("copy.body"),
        // The ends of both sides.
        "add x9, x1, x2",
        "add x10, x0, x2",
        "cmp x2, #32",
        "b.hi 5f",
        "cmp x2, #16",
        "b.lo 2f",
        "ldr q0, [x1]",
        "ldur q1, [x9, #-16]",
        "str q0, [x0]",
        "stur q1, [x10, #-16]",
        "mov x0, #0",
        "ret",
        "2:",
        "tbz x2, #3, 3f",
        "ldr x5, [x1]",
        "ldur x6, [x9, #-8]",
        "str x5, [x0]",
        "stur x6, [x10, #-8]",
        "mov x0, #0",
        "ret",
        "3:",
        "tbz x2, #2, 4f",
        "ldr w5, [x1]",
        "ldur w6, [x9, #-4]",
        "str w5, [x0]",
        "stur w6, [x10, #-4]",
        "mov x0, #0",
        "ret",
        "4:",
        "cbz x2, 3f",
        "ldrb w5, [x1]",
        "tbz x2, #1, 2f",
        "ldurh w6, [x9, #-2]",
        "sturh w6, [x10, #-2]",
        "2:",
        "strb w5, [x0]",
        "3:",
        "mov x0, #0",
        "ret",
        ".p2align 4",
        "5:",
        "ldp q0, q1, [x1]",
        "cmp x2, #64",
        "b.hi 6f",
        "ldp q2, q3, [x9, #-32]",
        "stp q0, q1, [x0]",
        "stp q2, q3, [x10, #-32]",
        "mov x0, #0",
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
        "mov x0, #0",
        "ret",
        ".p2align 4",
        "7:",
        "str q0, [x0]",
        at!("copy.body.end"),
        // `x5` the cursor in the destination, aligned and behind the head that was stored already, `x6` the one in the
        // source, `x7` where the last full round may begin.
        "add x5, x0, #16",
        "and x5, x5, #-16",
        "sub x6, x5, x0",
        "add x6, x1, x6",
        "sub x7, x10, #64",
        ".p2align 4",
        at!("copy.loop"),
        "ldp q0, q1, [x6]",
        "ldp q2, q3, [x6, #32]",
        "stp q0, q1, [x5]",
        "stp q2, q3, [x5, #32]",
        at!("copy.loop.end"),
        "add x6, x6, #64",
        "add x5, x5, #64",
        "cmp x5, x7",
        concat!("b.lo ", label!("copy.loop")),
        at!("copy.tail"),
        "ldp q0, q1, [x9, #-64]",
        "ldp q2, q3, [x9, #-32]",
        "stp q0, q1, [x10, #-64]",
        "stp q2, q3, [x10, #-32]",
        at!("copy.tail.end"),
        "mov x0, #0",
        "ret",

        // After a fault the handler has moved the end of the view's side to the lost page. What is left to copy of it is what
        // a wide move has reached over: from the cursors, byte by byte. `x7` becomes the view's cursor.
        at!("lost.loop"),
        "sub x7, x5, x0",
        "mov x0, x5",
        "mov x1, x6",
        concat!("b ", label!("resume")),
        at!("lost.body"),
        "mov x7, #0",
        at!("resume"),
        "add x7, x3, x7",
        "2:",
        "cmp x7, x4",
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
        "sub x0, x2, x7",
        "ret",
        at!("lost"),
        "mov x1, #1",
        "ret",
    )

    access!("load1", "load1.at", "load1.end", "1", "ldrb w0, [x0]")
    access!("load2", "load2.at", "load2.end", "2", "ldrh w0, [x0]")
    access!("load4", "load4.at", "load4.end", "4", "ldr w0, [x0]")
    access!("load8", "load8.at", "load8.end", "8", "ldr x0, [x0]")
    access!("acquire4", "acquire4.at", "acquire4.end", "4", "ldar w0, [x0]")
    access!("acquire8", "acquire8.at", "acquire8.end", "8", "ldar x0, [x0]")
    access!("store1", "store1.at", "store1.end", "1", "strb w1, [x0]")
    access!("store2", "store2.at", "store2.end", "2", "strh w1, [x0]")
    access!("store4", "store4.at", "store4.end", "4", "str w1, [x0]")
    access!("store8", "store8.at", "store8.end", "8", "str x1, [x0]")
    access!("release4", "release4.at", "release4.end", "4", "stlr w1, [x0]")
    access!("release8", "release8.at", "release8.end", "8", "stlr x1, [x0]")
    exchange!("exchange4", "exchange4.at", "exchange4.end", "4", "w")
    exchange!("exchange8", "exchange8.at", "exchange8.end", "8", "x")
    add!("add4", "add4.at", "add4.end", "4", "w")
    add!("add8", "add8.at", "add8.end", "8", "x")
} {
    region!("copy.body" .. "copy.body.end" => "lost.body")
    region!("copy.loop" .. "copy.loop.end" => "lost.loop")
    region!("copy.tail" .. "copy.tail.end" => "lost.loop")
    region!("bytes" .. "bytes.end" => "lost.bytes")
    region!("load1.at" .. "load1.end" => "lost")
    region!("load2.at" .. "load2.end" => "lost")
    region!("load4.at" .. "load4.end" => "lost")
    region!("load8.at" .. "load8.end" => "lost")
    region!("acquire4.at" .. "acquire4.end" => "lost")
    region!("acquire8.at" .. "acquire8.end" => "lost")
    region!("store1.at" .. "store1.end" => "lost")
    region!("store2.at" .. "store2.end" => "lost")
    region!("store4.at" .. "store4.end" => "lost")
    region!("store8.at" .. "store8.end" => "lost")
    region!("release4.at" .. "release4.end" => "lost")
    region!("release8.at" .. "release8.end" => "lost")
    region!("exchange4.at" .. "exchange4.end" => "lost")
    region!("exchange8.at" .. "exchange8.end" => "lost")
    region!("add4.at" .. "add4.end" => "lost")
    region!("add8.at" .. "add8.end" => "lost")
}}

// SAFETY: the block above defines these symbols with this calling convention and these arguments.
#[allow(improper_ctypes, reason = "the convention of 128-bit integers is settled on these systems")]
unsafe extern "C" {
    #[link_name = symbol!("copy")]
    fn copy16(dst: *mut u8, src: *const u8, len: usize, view: *const u8, end: *const u8) -> usize;
    #[link_name = symbol!("load1")]
    fn load1(src: *const u8) -> Loaded;
    #[link_name = symbol!("load2")]
    fn load2(src: *const u8) -> Loaded;
    #[link_name = symbol!("load4")]
    fn load4(src: *const u8) -> Loaded;
    #[link_name = symbol!("load8")]
    fn load8(src: *const u8) -> Loaded;
    #[link_name = symbol!("acquire4")]
    fn acquire4(src: *const u8) -> Loaded;
    #[link_name = symbol!("acquire8")]
    fn acquire8(src: *const u8) -> Loaded;
    #[link_name = symbol!("store1")]
    fn store1(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("store2")]
    fn store2(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("store4")]
    fn store4(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("store8")]
    fn store8(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("release4")]
    fn release4(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("release8")]
    fn release8(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("exchange4")]
    fn exchange4(dst: *mut u8, current: u64, new: u64) -> Loaded;
    #[link_name = symbol!("exchange8")]
    fn exchange8(dst: *mut u8, current: u64, new: u64) -> Loaded;
    #[link_name = symbol!("add4")]
    fn add4(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("add8")]
    fn add8(dst: *mut u8, value: u64) -> Loaded;
    #[link_name = symbol!("regions")]
    pub(super) static REGIONS: [Region; 21];
}

/// A naturally aligned access of up to this many bytes is a single one.
pub(crate) const ATOMIC_WIDTH: usize = 8;

/// Destination, source, length, the view's side and its end. Answers how many bytes were not copied.
pub(super) type Copy = unsafe extern "C" fn(*mut u8, *const u8, usize, *const u8, *const u8) -> usize;
pub(super) type Load = unsafe extern "C" fn(*const u8) -> Loaded;
pub(super) type Store = unsafe extern "C" fn(*mut u8, u64) -> Loaded;
/// Where, what has to be there, what to put in its place.
pub(super) type Exchange = unsafe extern "C" fn(*mut u8, u64, u64) -> Loaded;
pub(super) type Add = unsafe extern "C" fn(*mut u8, u64) -> Loaded;

/// There is one kind of processor only.
static TABLE: Routines = Routines {
    copy: copy16,
    load1,
    load2,
    load4,
    load8,
    acquire4,
    acquire8,
    store1,
    store2,
    store4,
    store8,
    release4,
    release8,
    exchange4,
    exchange8,
    add4,
    add8,
};

/// The best routines for this processor.
pub(super) fn best() -> &'static Routines {
    &TABLE
}

/// All that this processor can run, with names for messages.
#[cfg(all(test, unix))]
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Routines)> {
    [("16 bytes", &TABLE)].into_iter()
}

/// Where the first routine lies: the distances in [`REGIONS`] count from here.
pub(super) fn base() -> usize {
    copy16 as *const () as usize
}

/// Copies between the two sides, of which `view` is one, and answers how many bytes were not copied.
///
/// # Safety
///
/// As [`super::read`] or [`super::write`], and the handler is installed.
#[inline]
pub(super) unsafe fn copy(routines: &Routines, dst: *mut u8, src: *const u8, len: usize, view: *const u8) -> usize {
    // SAFETY: the same obligations, passed on.
    unsafe { (routines.copy)(dst, src, len, view, view.wrapping_add(len)) }
}
