//! What the routines of all architectures share: the names of symbols and labels, and the shape of a routine in the
//! object format of the target.
//!
//! A symbol carries the full version of the crate, so that two versions of it can be linked into one program. Every
//! label carries it too, because link-time optimisation may assemble both versions as one file.

#![forbid(unsafe_code)]

/// The name of a routine, as Rust names it to the linker.
macro_rules! symbol {
    ($name:literal) => {
        concat!(
            "folio-",
            env!("CARGO_PKG_VERSION_MAJOR"),
            ".",
            env!("CARGO_PKG_VERSION_MINOR"),
            ".",
            env!("CARGO_PKG_VERSION_PATCH"),
            "-",
            env!("CARGO_PKG_VERSION_PRE"),
            "-",
            $name
        )
    };
}

/// A place inside the assembly that no symbol names.
macro_rules! label {
    ($name:literal) => {
        concat!("\"", local_prefix!(), symbol!($name), "\"")
    };
}

/// A symbol as the assembler writes it.
macro_rules! quoted {
    ($name:literal) => {
        concat!("\"", symbol_prefix!(), symbol!($name), "\"")
    };
}

/// Marks the place of a label.
macro_rules! at {
    ($name:literal) => {
        concat!(label!($name), ":")
    };
}

/// A whole routine: symbol, landing pad for an indirect call, body, unwind information.
///
/// Every routine is a leaf: it leaves the stack alone and changes no register that its caller owns, so the unwind
/// information has nothing to say beyond "the return address is where the call left it".
macro_rules! routine {
    ($name:literal: $($line:expr),+ $(,)?) => {
        concat!(
            declare!($name),
            ".p2align 5\n",
            quoted!($name),
            ":\n",
            unwind_begin!($name),
            landing_pad!(),
            "\n",
            $($line, "\n",)+
            unwind_end!($name),
            "\n"
        )
    };
}

/// One row of the table of guarded regions: where it begins, where it ends, where to go on after a fault. Counted in
/// bytes from the first routine.
macro_rules! region {
    ($begin:literal .. $end:literal => $exit:literal) => {
        concat!(
            ".long ",
            label!($begin),
            " - ",
            quoted!("copy"),
            "\n",
            ".long ",
            label!($end),
            " - ",
            quoted!("copy"),
            "\n",
            ".long ",
            label!($exit),
            " - ",
            quoted!("copy"),
            "\n",
        )
    };
}

/// Everything: the routines, the first of which is `copy`, and the table of their regions, whose last row is zero.
macro_rules! routines {
    ({ $($routine:expr)+ } { $($region:expr)+ }) => {
        std::arch::global_asm!(
            concat!(
                text!(),
                $($routine,)+
                constants!(),
                declare_data!("regions"),
                ".p2align 2\n",
                quoted!("regions"),
                ":\n",
                $($region,)+
                ".long 0\n.long 0\n.long 0\n",
                ".text\n",
            )
        );
    };
}

#[cfg(windows)]
#[macro_use]
mod coff;
#[cfg(not(any(windows, target_vendor = "apple")))]
#[macro_use]
mod elf;
#[cfg(target_vendor = "apple")]
#[macro_use]
mod macho;
