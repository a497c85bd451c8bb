//! The routines for x86-64.
//!
//! A copy is a function in the System V calling convention on every operating system, and a leaf:
//!
//! | register | |
//! |---|---|
//! | `rdi` | where to store |
//! | `rsi` | where to load from |
//! | `rdx` | bytes to copy |
//! | `rcx` | the table that the routine stands in |
//! | `r8` | first byte of the view's side |
//! | `r9` | after a fault: where on the view's side it was |
//! | `rax` | afterwards: the bytes that were not copied; if that is none, what the table leads to ([`ANSWERS`]) |
//!
//! The handler compares the address of a fault with the view's side, which `r8` and `rdx` tell, and puts it in `r9`.
//!
//! A single access is inline assembly, in whatever crate it comes to stand in, and tells the handler by registers what it is:
//!
//! | register | |
//! |---|---|
//! | `rdi` and `rsi` | their sum is the address. The processor adds them on the way: when one load's address comes from another, each addition counts |
//! | `rdx` | where to go on after a fault, right behind the access; afterwards: the same, or 0 when it was not made |
//! | `rcx` | [`single::MARK`], or 0 when it was not made; afterwards less what is taken from it ([`ANSWERS`]) |
//!
//! A copy of up to 256 bytes is a few moves that overlap in the middle, one of more a loop between an unaligned head and
//! tail, and one of many is left to the microcode (`rep movsb`), where that is known to be fast. The widest registers
//! that the processor has do the moving. Those numbered from 16 up leave no upper halves behind that would have to be
//! cleared for the SSE code of others.

use super::super::word::{AtomicWord, Word};
use super::super::{Short, Tried};
use super::doubt::{self, ANSWERS};
use super::regions::Region;
use super::single;
use super::table::{Done, Routines};
use std::arch::asm;
use std::arch::x86_64::__cpuid;

#[rustfmt::skip]
macro_rules! landing_pad { () => { "endbr64" }; }

/// Up to 32 bytes, by overlapping moves; jumps to 5 with more.
#[rustfmt::skip]
macro_rules! short {
    () => {
        concat!(
            "cmp rdx, 32\n",
            "ja 5f\n",
            "cmp edx, 16\n",
            "jb 2f\n",
            "movups xmm0, [rsi]\n",
            "movups xmm1, [rsi + rdx - 16]\n",
            "movups [rdi], xmm0\n",
            "movups [rdi + rdx - 16], xmm1\n",
            "mov rax, [rcx + 16]\n",
            "mov rax, [rax]\n",
            "ret\n",
            "2:\n",
            "cmp edx, 8\n",
            "jb 3f\n",
            "mov rax, [rsi]\n",
            "mov r10, [rsi + rdx - 8]\n",
            "mov [rdi], rax\n",
            "mov [rdi + rdx - 8], r10\n",
            "mov rax, [rcx + 16]\n",
            "mov rax, [rax]\n",
            "ret\n",
            "3:\n",
            "cmp edx, 4\n",
            "jb 4f\n",
            "mov eax, [rsi]\n",
            "mov r10d, [rsi + rdx - 4]\n",
            "mov [rdi], eax\n",
            "mov [rdi + rdx - 4], r10d\n",
            "mov rax, [rcx + 16]\n",
            "mov rax, [rax]\n",
            "ret\n",
            "4:\n",
            "test edx, edx\n",
            "jz 2f\n",
            "movzx eax, byte ptr [rsi]\n",
            "cmp edx, 1\n",
            "je 3f\n",
            "movzx r10d, word ptr [rsi + rdx - 2]\n",
            "mov [rdi + rdx - 2], r10w\n",
            "3:\n",
            "mov [rdi], al\n",
            "2:\n",
            "mov rax, [rcx + 16]\n",
            "mov rax, [rax]\n",
            "ret\n",
            ".p2align 4\n",
            "5:",
        )
    };
}

/// What every loop needs: `r10` the end of the destination, `rax` the cursor there, aligned and behind the head that was
/// stored already, `r11` where the last full round may begin, `rsi` the way from destination to source.
#[rustfmt::skip]
macro_rules! loop_registers {
    ($vector:literal, $round:literal) => {
        concat!(
            "lea r10, [rdi + rdx]\n",
            "lea rax, [rdi + ", $vector, "]\n",
            "and rax, -", $vector, "\n",
            "lea r11, [r10 - ", $round, "]\n",
            "sub rsi, rdi\n",
            ".p2align 5",
        )
    };
}

routines! {{
    // The copy in 16-byte registers, which every processor has.
    routine!("copy":
        at!("copy.body"),
        short!(),
        "movups xmm0, [rsi]",
        "cmp rdx, 128",
        "ja 7f",
        "cmp edx, 64",
        "ja 6f",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + rdx - 32]",
        "movups xmm3, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + rdx - 32], xmm2",
        "movups [rdi + rdx - 16], xmm3",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "6:",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + 32]",
        "movups xmm3, [rsi + 48]",
        "movups xmm4, [rsi + rdx - 64]",
        "movups xmm5, [rsi + rdx - 48]",
        "movups xmm6, [rsi + rdx - 32]",
        "movups xmm7, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "movups [rdi + rdx - 64], xmm4",
        "movups [rdi + rdx - 48], xmm5",
        "movups [rdi + rdx - 32], xmm6",
        "movups [rdi + rdx - 16], xmm7",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "7:",
        "cmp rdx, [rcx + 8]",
        "jae 8f",
        "movups [rdi], xmm0",
        at!("copy.body.end"),
        loop_registers!("16", "64"),
        at!("copy.loop"),
        "movups xmm0, [rax + rsi]",
        "movups xmm1, [rax + rsi + 16]",
        "movups xmm2, [rax + rsi + 32]",
        "movups xmm3, [rax + rsi + 48]",
        "movaps [rax], xmm0",
        "movaps [rax + 16], xmm1",
        "movaps [rax + 32], xmm2",
        "movaps [rax + 48], xmm3",
        "add rax, 64",
        "cmp rax, r11",
        concat!("jb ", label!("copy.loop")),
        "movups xmm0, [r10 + rsi - 64]",
        "movups xmm1, [r10 + rsi - 48]",
        "movups xmm2, [r10 + rsi - 32]",
        "movups xmm3, [r10 + rsi - 16]",
        "movups [r10 - 64], xmm0",
        "movups [r10 - 48], xmm1",
        "movups [r10 - 32], xmm2",
        "movups [r10 - 16], xmm3",
        at!("copy.loop.end"),
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",

        // Many bytes, from all copies.
        "8:",
        at!("rep"),
        "mov r11, rcx",
        "mov rcx, rdx",
        at!("rep.movsb"),
        "rep movsb",
        at!("rep.end"),
        "mov rax, [r11 + 16]",
        "mov rax, [rax]",
        "ret",

        // After a fault the handler has told the place of it. What is left to copy before it is what a wide move has reached over:
        // from the cursors, byte by byte. `rax` becomes the view's cursor. If there is something to copy, the page may be back by
        // then, so it is tried again.
        at!("lost.rep"),
        "mov rax, rdx",
        "sub rax, rcx",
        "mov rcx, r11",
        concat!("jmp ", label!("resume")),
        at!("lost.loop32"),
        "vzeroupper",
        at!("lost.loop"),
        "mov r10, rdi",
        "mov rdi, rax",
        "add rsi, rax",
        "sub rax, r10",
        concat!("jmp ", label!("resume")),
        at!("lost.body32"),
        "vzeroupper",
        at!("lost.body"),
        "xor eax, eax",
        at!("resume"),
        "add rax, r8",
        "cmp rax, r9",
        concat!("jae ", label!("lost.bytes")),
        "lea r9, [r8 + rdx]",
        "2:",
        "cmp rax, r9",
        concat!("jae ", label!("lost.bytes")),
        at!("bytes"),
        "movzx r10d, byte ptr [rsi]",
        "mov [rdi], r10b",
        at!("bytes.end"),
        "inc rsi",
        "inc rdi",
        "inc rax",
        "jmp 2b",

        // Here at the end, and after a fault on the way.
        at!("lost.bytes"),
        "sub rax, r8",
        "sub rdx, rax",
        "mov rax, rdx",
        "jnz 2f",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "2:",
        "ret",
    )

    // What a thread has in place of the copy until it is prepared.
    routine!("untried.copy":
        "mov rax, -1",
        "ret",
    )

    // The copy in 32-byte registers (AVX).
    routine!("copy32":
        at!("copy32.body"),
        short!(),
        "vmovdqu ymm0, [rsi]",
        "cmp rdx, 128",
        "ja 7f",
        "cmp edx, 64",
        "ja 6f",
        "vmovdqu ymm1, [rsi + rdx - 32]",
        "vmovdqu [rdi], ymm0",
        "vmovdqu [rdi + rdx - 32], ymm1",
        "vzeroupper",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "6:",
        "vmovdqu ymm1, [rsi + 32]",
        "vmovdqu ymm2, [rsi + rdx - 64]",
        "vmovdqu ymm3, [rsi + rdx - 32]",
        "vmovdqu [rdi], ymm0",
        "vmovdqu [rdi + 32], ymm1",
        "vmovdqu [rdi + rdx - 64], ymm2",
        "vmovdqu [rdi + rdx - 32], ymm3",
        "vzeroupper",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "7:",
        "cmp rdx, 256",
        "ja 8f",
        "vmovdqu ymm1, [rsi + 32]",
        "vmovdqu ymm2, [rsi + 64]",
        "vmovdqu ymm3, [rsi + 96]",
        "vmovdqu ymm4, [rsi + rdx - 128]",
        "vmovdqu ymm5, [rsi + rdx - 96]",
        "vmovdqu ymm6, [rsi + rdx - 64]",
        "vmovdqu ymm7, [rsi + rdx - 32]",
        "vmovdqu [rdi], ymm0",
        "vmovdqu [rdi + 32], ymm1",
        "vmovdqu [rdi + 64], ymm2",
        "vmovdqu [rdi + 96], ymm3",
        "vmovdqu [rdi + rdx - 128], ymm4",
        "vmovdqu [rdi + rdx - 96], ymm5",
        "vmovdqu [rdi + rdx - 64], ymm6",
        "vmovdqu [rdi + rdx - 32], ymm7",
        "vzeroupper",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "8:",
        "cmp rdx, [rcx + 8]",
        "jae 9f",
        "vmovdqu [rdi], ymm0",
        at!("copy32.body.end"),
        loop_registers!("32", "128"),
        at!("copy32.loop"),
        "vmovdqu ymm0, [rax + rsi]",
        "vmovdqu ymm1, [rax + rsi + 32]",
        "vmovdqu ymm2, [rax + rsi + 64]",
        "vmovdqu ymm3, [rax + rsi + 96]",
        "vmovdqa [rax], ymm0",
        "vmovdqa [rax + 32], ymm1",
        "vmovdqa [rax + 64], ymm2",
        "vmovdqa [rax + 96], ymm3",
        "sub rax, -128",
        "cmp rax, r11",
        concat!("jb ", label!("copy32.loop")),
        "vmovdqu ymm0, [r10 + rsi - 128]",
        "vmovdqu ymm1, [r10 + rsi - 96]",
        "vmovdqu ymm2, [r10 + rsi - 64]",
        "vmovdqu ymm3, [r10 + rsi - 32]",
        "vmovdqu [r10 - 128], ymm0",
        "vmovdqu [r10 - 96], ymm1",
        "vmovdqu [r10 - 64], ymm2",
        "vmovdqu [r10 - 32], ymm3",
        at!("copy32.loop.end"),
        "vzeroupper",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        "9:",
        "vzeroupper",
        concat!("jmp ", label!("rep")),
    )

    // The copy in 64-byte registers (AVX-512 with its shorter vectors).
    routine!("copy64":
        at!("copy64.body"),
        short!(),
        "cmp rdx, 64",
        "ja 6f",
        "vmovdqu64 ymm16, [rsi]",
        "vmovdqu64 ymm17, [rsi + rdx - 32]",
        "vmovdqu64 [rdi], ymm16",
        "vmovdqu64 [rdi + rdx - 32], ymm17",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "6:",
        "vmovdqu64 zmm16, [rsi]",
        "cmp rdx, 128",
        "ja 7f",
        "vmovdqu64 zmm17, [rsi + rdx - 64]",
        "vmovdqu64 [rdi], zmm16",
        "vmovdqu64 [rdi + rdx - 64], zmm17",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "7:",
        "cmp rdx, 256",
        "ja 8f",
        "vmovdqu64 zmm17, [rsi + 64]",
        "vmovdqu64 zmm18, [rsi + rdx - 128]",
        "vmovdqu64 zmm19, [rsi + rdx - 64]",
        "vmovdqu64 [rdi], zmm16",
        "vmovdqu64 [rdi + 64], zmm17",
        "vmovdqu64 [rdi + rdx - 128], zmm18",
        "vmovdqu64 [rdi + rdx - 64], zmm19",
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
        ".p2align 4",
        "8:",
        "cmp rdx, [rcx + 8]",
        concat!("jae ", label!("rep")),
        "vmovdqu64 [rdi], zmm16",
        at!("copy64.body.end"),
        loop_registers!("64", "128"),
        at!("copy64.loop"),
        "vmovdqu64 zmm16, [rax + rsi]",
        "vmovdqu64 zmm17, [rax + rsi + 64]",
        "vmovdqa64 [rax], zmm16",
        "vmovdqa64 [rax + 64], zmm17",
        "sub rax, -128",
        "cmp rax, r11",
        concat!("jb ", label!("copy64.loop")),
        "vmovdqu64 zmm16, [r10 + rsi - 128]",
        "vmovdqu64 zmm17, [r10 + rsi - 64]",
        "vmovdqu64 [r10 - 128], zmm16",
        "vmovdqu64 [r10 - 64], zmm17",
        at!("copy64.loop.end"),
        "mov rax, [rcx + 16]",
        "mov rax, [rax]",
        "ret",
    )
} {
    region!("copy.body" .. "copy.body.end" => "lost.body")
    region!("copy.loop" .. "copy.loop.end" => "lost.loop")
    region!("rep.movsb" .. "rep.end" => "lost.rep")
    region!("bytes" .. "bytes.end" => "lost.bytes")
    region!("copy32.body" .. "copy32.body.end" => "lost.body32")
    region!("copy32.loop" .. "copy32.loop.end" => "lost.loop32")
    region!("copy64.body" .. "copy64.body.end" => "lost.body")
    region!("copy64.loop" .. "copy64.loop.end" => "lost.loop")
}}

/// Declares the routines to Rust.
macro_rules! declarations {
    ($abi:literal) => {
        // SAFETY: the block above defines these symbols, with this calling convention and these arguments.
        unsafe extern $abi {
            #[link_name = symbol!("copy")]
            fn copy16(
                dst: *mut u8, src: *const u8, len: usize, routines: &Routines, view: *const u8,
            ) -> usize;
            #[link_name = symbol!("copy32")]
            fn copy32(
                dst: *mut u8, src: *const u8, len: usize, routines: &Routines, view: *const u8,
            ) -> usize;
            #[link_name = symbol!("copy64")]
            fn copy64(
                dst: *mut u8, src: *const u8, len: usize, routines: &Routines, view: *const u8,
            ) -> usize;
            #[link_name = symbol!("untried.copy")]
            fn untried_copy(
                dst: *mut u8, src: *const u8, len: usize, routines: &Routines, view: *const u8,
            ) -> usize;
            #[link_name = symbol!("regions")]
            pub(super) static REGIONS: [Region; 9];
        }

        /// Destination, source, length, the table that the routine stands in, the view's side. Answers how many bytes were not
        /// copied; see [`doubt::copied`].
        pub(super) type Copy = unsafe extern $abi fn(*mut u8, *const u8, usize, &Routines, *const u8) -> usize;
    };
}

// One convention under two names: Rust itself uses it on Unix only.
#[cfg(unix)]
declarations!("C");
#[cfg(windows)]
declarations!("sysv64");

/// A naturally aligned access of up to this many bytes is a single one.
pub(crate) const ATOMIC_WIDTH: usize = 8;

/// What the copies take `many` and `done` for.
const _: () = assert!(std::mem::offset_of!(Routines, many) == 8);
const _: () = assert!(std::mem::offset_of!(Routines, done) == 16);

/// For a thread that has not been prepared.
pub(super) static UNTRIED: Routines = table(untried_copy, usize::MAX);

/// The routines for each width of the registers in bytes, without and with the microcode for many bytes. The first width
/// is that of every processor.
static WITH_16: [Routines; 2] = [table(copy16, usize::MAX), table(copy16, 2 * 1024)];
static WITH_32: [Routines; 2] = [table(copy32, usize::MAX), table(copy32, 4 * 1024)];
static WITH_64: [Routines; 2] = [table(copy64, usize::MAX), table(copy64, 16 * 1024)];

const fn table(copy: Copy, many: usize) -> Routines {
    Routines { copy, many, done: Done::ANSWER }
}

/// The best routines for this processor.
pub(super) fn best() -> &'static Routines {
    let tables = if has_64() {
        &WITH_64
    } else if has_32() {
        &WITH_32
    } else {
        &WITH_16
    };
    &tables[usize::from(has_fast_rep_movsb())]
}

/// All that this processor can run, with names for messages.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Routines)> {
    [("16 bytes", &WITH_16, true), ("32 bytes", &WITH_32, has_32()), ("64 bytes", &WITH_64, has_64())]
        .into_iter()
        .filter(|(_, _, has)| *has)
        .flat_map(|(name, tables, _)| tables.iter().map(move |routines| (name, routines)))
}

fn has_32() -> bool {
    is_x86_feature_detected!("avx")
}

/// The short vectors of AVX-512 came with the first processors on which its long ones are worth using.
fn has_64() -> bool {
    is_x86_feature_detected!("avx512vl")
}

/// Whether `rep movsb` keeps up with the loops. Intel's processors promise it by a flag. AMD's set the flag too, but some
/// are slower by far at certain distances between source and destination.
fn has_fast_rep_movsb() -> bool {
    // SAFETY: every x86-64 processor has the instruction.
    #[allow(unused_unsafe, reason = "safe from Rust 1.94 on")]
    let vendor = unsafe { __cpuid(0) };
    let intel = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel";
    intel && is_x86_feature_detected!("ermsb")
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
    doubt::copied(unsafe { (routines.copy)(dst, src, len, routines, view) })
}

/// How many bytes end where a single access ends and are its own: no block is shorter.
pub(super) const BLOCK: usize = 15;

/// Makes one access at `rdi + rsi`, and answers what is left of its mark ([`doubt::made`]).
///
/// Nothing stands between the access and the label that a fault leads to: a signal that was sent, where that cannot be told from one that
/// was raised, must not be taken for a fault of an access that has been made.
///
/// Only where the operands end with the option that says so, the block changes no memory: elsewhere the compiler moves no access of its
/// own over it.
macro_rules! guarded {
    ($access:literal, $base:expr, $offset:expr, $($operand:tt)+) => {{
        let left: u32;
        // SAFETY: the access is one that the caller may make. A fault leads to the label, and no register changes but those that are
        // named. What is taken from the mark is a number of ours.
        unsafe {
            asm!(
                "lea rdx, [rip + 3f]",
                "mov ecx, {mark}",
                $access,
                "3:",
                "sub ecx, [{taken}]",
                mark = const single::MARK,
                taken = in(reg) &raw const ANSWERS.single,
                in("rdi") $base,
                in("rsi") $offset,
                out("rdx") _,
                out("ecx") left,
                $($operand)+
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
#[rustfmt::skip]
pub(super) unsafe fn load<W: Word>(base: *const u8, offset: usize) -> Result<Tried<W>, Short> {
    let value: u64;
    let left = match W::WIDTH {
        1 => guarded!("movzx {v:e}, byte ptr [rdi + rsi]", base, offset, v = out(reg) value, options(nostack, readonly)),
        2 => guarded!("movzx {v:e}, word ptr [rdi + rsi]", base, offset, v = out(reg) value, options(nostack, readonly)),
        4 => guarded!("mov {v:e}, [rdi + rsi]", base, offset, v = out(reg) value, options(nostack, readonly)),
        _ => guarded!("mov {v:r}, [rdi + rsi]", base, offset, v = out(reg) value, options(nostack, readonly)),
    };
    doubt::made(W::narrow(value), left)
}

/// Loads a word, and acquires, as every load of this architecture does; to the compiler, this one.
///
/// # Safety
///
/// As [`load`].
#[inline]
pub(super) unsafe fn load_acquire<W: AtomicWord>(src: *const u8) -> Result<Tried<W>, Short> {
    let value: u64;
    let left = if W::WIDTH == 4 {
        guarded!("mov {v:e}, [rdi + rsi]", src, 0_usize, v = out(reg) value, options(nostack))
    } else {
        guarded!("mov {v:r}, [rdi + rsi]", src, 0_usize, v = out(reg) value, options(nostack))
    };
    doubt::made(W::narrow(value), left)
}

/// Stores a word. Every store of this architecture releases.
///
/// # Safety
///
/// As [`super::try_store`]; the handler is installed, and this thread takes its signals.
#[inline]
pub(super) unsafe fn store<W: Word>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    let value = value.widen();
    let left = match W::WIDTH {
        1 => guarded!("mov [rdi + rsi], {v:l}", dst, 0_usize, v = in(reg) value, options(nostack)),
        2 => guarded!("mov [rdi + rsi], {v:x}", dst, 0_usize, v = in(reg) value, options(nostack)),
        4 => guarded!("mov [rdi + rsi], {v:e}", dst, 0_usize, v = in(reg) value, options(nostack)),
        _ => guarded!("mov [rdi + rsi], {v:r}", dst, 0_usize, v = in(reg) value, options(nostack)),
    };
    doubt::made((), left)
}

/// Stores a word, and releases.
///
/// # Safety
///
/// As [`store`].
#[inline]
pub(super) unsafe fn store_release<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<()>, Short> {
    // SAFETY: the same obligations, passed on.
    unsafe { store(dst, value) }
}

/// Stores `new` if `current` is there, and answers what was there before.
///
/// # Safety
///
/// As [`store`], and `dst` is aligned.
#[inline]
#[rustfmt::skip]
pub(super) unsafe fn compare_exchange<W: AtomicWord>(dst: *mut u8, current: W, new: W) -> Result<Tried<W>, Short> {
    let (current, new) = (current.widen(), new.widen());
    let found: u64;
    let left = if W::WIDTH == 4 {
        guarded!(
            "lock cmpxchg [rdi + rsi], {new:e}", dst, 0_usize,
            new = in(reg) new, inout("rax") current => found, options(nostack)
        )
    } else {
        guarded!(
            "lock cmpxchg [rdi + rsi], {new:r}", dst, 0_usize,
            new = in(reg) new, inout("rax") current => found, options(nostack)
        )
    };
    doubt::made(W::narrow(found), left)
}

/// Adds `value`, and answers what was there before.
///
/// # Safety
///
/// As [`store`], and `dst` is aligned.
#[inline]
#[rustfmt::skip]
pub(super) unsafe fn fetch_add<W: AtomicWord>(dst: *mut u8, value: W) -> Result<Tried<W>, Short> {
    let value = value.widen();
    let found: u64;
    let left = if W::WIDTH == 4 {
        guarded!("lock xadd [rdi + rsi], {v:e}", dst, 0_usize, v = inout(reg) value => found, options(nostack))
    } else {
        guarded!("lock xadd [rdi + rsi], {v:r}", dst, 0_usize, v = inout(reg) value => found, options(nostack))
    };
    doubt::made(W::narrow(found), left)
}
