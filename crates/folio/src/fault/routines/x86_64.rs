//! The routines for x86-64, in the System V calling convention on every operating system.
//!
//! Register use, the same in all routines:
//!
//! | register | holds |
//! |---|---|
//! | `rdi` | where to store (a copy), or the view's side (everything else) |
//! | `rsi` | where to load from (a copy), or the operand |
//! | `rdx` | bytes to copy, or the second operand |
//! | `r8`, `r9` | first byte and end of the view's side: the handler compares the fault's address with them, and moves the end to it |
//! | `rax` | afterwards: the bytes that a copy left, or the value |
//! | `rdx` | afterwards: 0 when a single access was made, 1 when it was not |
//!
//! A copy of up to 256 bytes is a few moves that overlap in the middle, one of more a loop between an unaligned head and
//! tail, and one of many is left to the microcode (`rep movsb`), where that is known to be fast. The widest registers
//! that the processor has do the moving. Those numbered from 16 up leave no upper halves behind that would have to be
//! cleared for the SSE code of others.

use super::Loaded;
use super::regions::Region;
use super::table::Routines;
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
            "xor eax, eax\n",
            "ret\n",
            "2:\n",
            "cmp edx, 8\n",
            "jb 3f\n",
            "mov rax, [rsi]\n",
            "mov r10, [rsi + rdx - 8]\n",
            "mov [rdi], rax\n",
            "mov [rdi + rdx - 8], r10\n",
            "xor eax, eax\n",
            "ret\n",
            "3:\n",
            "cmp edx, 4\n",
            "jb 4f\n",
            "mov eax, [rsi]\n",
            "mov r10d, [rsi + rdx - 4]\n",
            "mov [rdi], eax\n",
            "mov [rdi + rdx - 4], r10d\n",
            "xor eax, eax\n",
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
            "xor eax, eax\n",
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

/// A routine that makes one access of the view's side.
#[rustfmt::skip]
macro_rules! access {
    ($name:literal, $begin:literal, $end:literal, $bytes:literal, $($line:expr),+) => {
        routine!($name:
            "mov r8, rdi",
            concat!("lea r9, [rdi + ", $bytes, "]"),
            at!($begin),
            $($line,)+
            at!($end),
            "xor edx, edx",
            "ret",
        )
    };
}

routines! {{
    // The copy in 16-byte registers, which every processor has.
    routine!("copy":
        at!("copy.body"),
        short!(),
        "movups xmm0, [rsi]",
        "cmp rdx, 64",
        "ja 6f",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + rdx - 32]",
        "movups xmm3, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + rdx - 32], xmm2",
        "movups [rdi + rdx - 16], xmm3",
        "xor eax, eax",
        "ret",
        "6:",
        "cmp rdx, 128",
        "ja 6f",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + 32]",
        "movups xmm3, [rsi + 48]",
        "movups xmm4, [rsi + rdx - 64]",
        "movups xmm5, [rsi + rdx - 48]",
        "movups [rdi], xmm0",
        "movups xmm0, [rsi + rdx - 32]",
        "movups [rdi + 16], xmm1",
        "movups xmm1, [rsi + rdx - 16]",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "movups [rdi + rdx - 64], xmm4",
        "movups [rdi + rdx - 48], xmm5",
        "movups [rdi + rdx - 32], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "xor eax, eax",
        "ret",
        "6:",
        "cmp rdx, rcx",
        "jae 7f",
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
        "xor eax, eax",
        "ret",

        // Many bytes, from all copies.
        "7:",
        at!("rep"),
        "mov rcx, rdx",
        at!("rep.movsb"),
        "rep movsb",
        at!("rep.end"),
        "xor eax, eax",
        "ret",

        // After a fault the handler has moved the end of the view's side to the lost page. What is left to copy of it is what
        // a wide move has reached over: from the cursors, byte by byte. `rax` becomes the view's cursor.
        at!("lost.rep"),
        "mov rax, rdx",
        "sub rax, rcx",
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
        "ret",
        at!("lost"),
        "mov edx, 1",
        "ret",
    )

    // The copy in 32-byte registers (AVX).
    routine!("copy32":
        at!("copy32.body"),
        short!(),
        "vmovdqu ymm0, [rsi]",
        "cmp rdx, 64",
        "ja 6f",
        "vmovdqu ymm1, [rsi + rdx - 32]",
        "vmovdqu [rdi], ymm0",
        "vmovdqu [rdi + rdx - 32], ymm1",
        "vzeroupper",
        "xor eax, eax",
        "ret",
        ".p2align 4",
        "6:",
        "cmp rdx, 128",
        "ja 7f",
        "vmovdqu ymm1, [rsi + 32]",
        "vmovdqu ymm2, [rsi + rdx - 64]",
        "vmovdqu ymm3, [rsi + rdx - 32]",
        "vmovdqu [rdi], ymm0",
        "vmovdqu [rdi + 32], ymm1",
        "vmovdqu [rdi + rdx - 64], ymm2",
        "vmovdqu [rdi + rdx - 32], ymm3",
        "vzeroupper",
        "xor eax, eax",
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
        "vmovdqu [rdi], ymm0",
        "vmovdqu ymm0, [rsi + rdx - 64]",
        "vmovdqu [rdi + 32], ymm1",
        "vmovdqu ymm1, [rsi + rdx - 32]",
        "vmovdqu [rdi + 64], ymm2",
        "vmovdqu [rdi + 96], ymm3",
        "vmovdqu [rdi + rdx - 128], ymm4",
        "vmovdqu [rdi + rdx - 96], ymm5",
        "vmovdqu [rdi + rdx - 64], ymm0",
        "vmovdqu [rdi + rdx - 32], ymm1",
        "vzeroupper",
        "xor eax, eax",
        "ret",
        ".p2align 4",
        "8:",
        "cmp rdx, rcx",
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
        "xor eax, eax",
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
        "xor eax, eax",
        "ret",
        ".p2align 4",
        "6:",
        "vmovdqu64 zmm16, [rsi]",
        "cmp rdx, 128",
        "ja 7f",
        "vmovdqu64 zmm17, [rsi + rdx - 64]",
        "vmovdqu64 [rdi], zmm16",
        "vmovdqu64 [rdi + rdx - 64], zmm17",
        "xor eax, eax",
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
        "xor eax, eax",
        "ret",
        ".p2align 4",
        "8:",
        "cmp rdx, rcx",
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
        "xor eax, eax",
        "ret",
    )

    access!("load1", "load1.at", "load1.end", "1", "movzx eax, byte ptr [rdi]")
    access!("load2", "load2.at", "load2.end", "2", "movzx eax, word ptr [rdi]")
    access!("load4", "load4.at", "load4.end", "4", "mov eax, [rdi]")
    access!("load8", "load8.at", "load8.end", "8", "mov rax, [rdi]")
    access!("store1", "store1.at", "store1.end", "1", "mov [rdi], sil")
    access!("store2", "store2.at", "store2.end", "2", "mov [rdi], si")
    access!("store4", "store4.at", "store4.end", "4", "mov [rdi], esi")
    access!("store8", "store8.at", "store8.end", "8", "mov [rdi], rsi")
    // `rax`: what to compare with, and what was found.
    routine!("exchange4":
        "mov r8, rdi",
        "lea r9, [rdi + 4]",
        "mov eax, esi",
        at!("exchange4.at"),
        "lock cmpxchg [rdi], edx",
        at!("exchange4.end"),
        "xor edx, edx",
        "ret",
    )
    routine!("exchange8":
        "mov r8, rdi",
        "lea r9, [rdi + 8]",
        "mov rax, rsi",
        at!("exchange8.at"),
        "lock cmpxchg [rdi], rdx",
        at!("exchange8.end"),
        "xor edx, edx",
        "ret",
    )
    routine!("add4":
        "mov r8, rdi",
        "lea r9, [rdi + 4]",
        "mov eax, esi",
        at!("add4.at"),
        "lock xadd [rdi], eax",
        at!("add4.end"),
        "xor edx, edx",
        "ret",
    )
    routine!("add8":
        "mov r8, rdi",
        "lea r9, [rdi + 8]",
        "mov rax, rsi",
        at!("add8.at"),
        "lock xadd [rdi], rax",
        at!("add8.end"),
        "xor edx, edx",
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
    region!("load1.at" .. "load1.end" => "lost")
    region!("load2.at" .. "load2.end" => "lost")
    region!("load4.at" .. "load4.end" => "lost")
    region!("load8.at" .. "load8.end" => "lost")
    region!("store1.at" .. "store1.end" => "lost")
    region!("store2.at" .. "store2.end" => "lost")
    region!("store4.at" .. "store4.end" => "lost")
    region!("store8.at" .. "store8.end" => "lost")
    region!("exchange4.at" .. "exchange4.end" => "lost")
    region!("exchange8.at" .. "exchange8.end" => "lost")
    region!("add4.at" .. "add4.end" => "lost")
    region!("add8.at" .. "add8.end" => "lost")
}}

/// Declares the routines to Rust.
macro_rules! declarations {
    ($abi:literal) => {
        // SAFETY: the block above defines these symbols with this calling convention and these arguments.
        #[allow(improper_ctypes, reason = "the convention of 128-bit integers is settled on these systems")]
        unsafe extern $abi {
            #[link_name = symbol!("copy")]
            fn copy16(dst: *mut u8, src: *const u8, len: usize, many: usize, view: *const u8, end: *const u8) -> usize;
            #[link_name = symbol!("copy32")]
            fn copy32(dst: *mut u8, src: *const u8, len: usize, many: usize, view: *const u8, end: *const u8) -> usize;
            #[link_name = symbol!("copy64")]
            fn copy64(dst: *mut u8, src: *const u8, len: usize, many: usize, view: *const u8, end: *const u8) -> usize;
            #[link_name = symbol!("load1")]
            fn load1(src: *const u8) -> Loaded;
            #[link_name = symbol!("load2")]
            fn load2(src: *const u8) -> Loaded;
            #[link_name = symbol!("load4")]
            fn load4(src: *const u8) -> Loaded;
            #[link_name = symbol!("load8")]
            fn load8(src: *const u8) -> Loaded;
            #[link_name = symbol!("store1")]
            fn store1(dst: *mut u8, value: u64) -> Loaded;
            #[link_name = symbol!("store2")]
            fn store2(dst: *mut u8, value: u64) -> Loaded;
            #[link_name = symbol!("store4")]
            fn store4(dst: *mut u8, value: u64) -> Loaded;
            #[link_name = symbol!("store8")]
            fn store8(dst: *mut u8, value: u64) -> Loaded;
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

        /// Destination, source, length, the length from which `rep movsb` does it, the view's side and its end. Answers how
        /// many bytes were not copied.
        pub(super) type Copy =
            unsafe extern $abi fn(*mut u8, *const u8, usize, usize, *const u8, *const u8) -> usize;
        pub(super) type Load = unsafe extern $abi fn(*const u8) -> Loaded;
        pub(super) type Store = unsafe extern $abi fn(*mut u8, u64) -> Loaded;
        /// Where, what has to be there, what to put in its place.
        pub(super) type Exchange = unsafe extern $abi fn(*mut u8, u64, u64) -> Loaded;
        pub(super) type Add = unsafe extern $abi fn(*mut u8, u64) -> Loaded;
    };
}

// One convention under two names: Rust itself uses it on Unix only.
#[cfg(unix)]
declarations!("C");
#[cfg(windows)]
declarations!("sysv64");

/// A naturally aligned access of up to this many bytes is a single one.
pub(crate) const ATOMIC_WIDTH: usize = 8;

/// The routines for each width of the registers in bytes, without and with the microcode for many bytes. The first width
/// is that of every processor.
static WITH_16: [Routines; 2] = [table(copy16, usize::MAX), table(copy16, 2 * 1024)];
static WITH_32: [Routines; 2] = [table(copy32, usize::MAX), table(copy32, 4 * 1024)];
static WITH_64: [Routines; 2] = [table(copy64, usize::MAX), table(copy64, 16 * 1024)];

/// The table with one of the copies. Every load of this architecture acquires and every store releases.
const fn table(copy: Copy, many: usize) -> Routines {
    Routines {
        copy,
        many,
        load1,
        load2,
        load4,
        load8,
        acquire4: load4,
        acquire8: load8,
        store1,
        store2,
        store4,
        store8,
        release4: store4,
        release8: store8,
        exchange4,
        exchange8,
        add4,
        add8,
    }
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
#[cfg(all(test, unix))]
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

/// Copies between the two sides, of which `view` is one, and answers how many bytes were not copied.
///
/// # Safety
///
/// As [`super::read`] or [`super::write`], and the handler is installed; `routines` are for this processor.
#[inline]
pub(super) unsafe fn copy(routines: &Routines, dst: *mut u8, src: *const u8, len: usize, view: *const u8) -> usize {
    // SAFETY: the same obligations, passed on.
    unsafe { (routines.copy)(dst, src, len, routines.many, view, view.wrapping_add(len)) }
}
