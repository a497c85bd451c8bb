//! ELF: hidden symbols with a type and a size.

#![forbid(unsafe_code)]

macro_rules! symbol_prefix {
    () => {
        ""
    };
}

macro_rules! local_prefix {
    () => {
        ".L"
    };
}

macro_rules! text {
    () => {
        ".section .text.folio, \"ax\", @progbits\n"
    };
}

macro_rules! constants {
    () => {
        ".section .rodata.folio, \"a\", @progbits\n"
    };
}

macro_rules! declare {
    ($name:literal) => {
        concat!(".globl ", quoted!($name), "\n.hidden ", quoted!($name), "\n.type ", quoted!($name), ", @function\n")
    };
}

macro_rules! declare_data {
    ($name:literal) => {
        concat!(".globl ", quoted!($name), "\n.hidden ", quoted!($name), "\n.type ", quoted!($name), ", @object\n")
    };
}

macro_rules! unwind_begin {
    ($name:literal) => {
        ".cfi_startproc\n"
    };
}

macro_rules! unwind_end {
    ($name:literal) => {
        concat!(".cfi_endproc\n.size ", quoted!($name), ", . - ", quoted!($name), "\n")
    };
}
