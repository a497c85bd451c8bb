//! Mach-O: symbols begin with an underscore, and the linker moves whatever stands between two of them as it likes.
//!
//! Alternative entries are the exception: they stay with the symbol before them. Without that the distances in the
//! table of regions would not be constants.

#![forbid(unsafe_code)]

macro_rules! symbol_prefix {
    () => {
        "_"
    };
}

macro_rules! local_prefix {
    () => {
        "L"
    };
}

macro_rules! text {
    () => {
        ".section __TEXT,__text,regular,pure_instructions\n"
    };
}

macro_rules! constants {
    () => {
        ".section __TEXT,__const\n"
    };
}

macro_rules! declare {
    // The first one: nothing stands before it.
    ("copy") => {
        declare_data!("copy")
    };
    ($name:literal) => {
        concat!(declare_data!($name), ".alt_entry ", quoted!($name), "\n")
    };
}

macro_rules! declare_data {
    ($name:literal) => {
        concat!(".globl ", quoted!($name), "\n.private_extern ", quoted!($name), "\n")
    };
}

macro_rules! unwind_begin {
    ($name:literal) => {
        ".cfi_startproc\n"
    };
}

macro_rules! unwind_end {
    ($name:literal) => {
        ".cfi_endproc\n"
    };
}
