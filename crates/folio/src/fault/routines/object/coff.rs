//! COFF: a symbol leaves its module only when it is exported by name, so there is nothing to hide.

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
        ".section .text, \"xr\"\n"
    };
}

macro_rules! constants {
    () => {
        ".section .rdata, \"dr\"\n"
    };
}

macro_rules! declare {
    // Storage class 2 is external, type 32 is a function.
    ($name:literal) => {
        concat!(".globl ", quoted!($name), "\n.def ", quoted!($name), "\n.scl 2\n.type 32\n.endef\n")
    };
}

macro_rules! declare_data {
    ($name:literal) => {
        concat!(".globl ", quoted!($name), "\n")
    };
}

macro_rules! unwind_begin {
    ($name:literal) => {
        concat!(".seh_proc ", quoted!($name), "\n.seh_endprologue\n")
    };
}

macro_rules! unwind_end {
    ($name:literal) => {
        ".seh_endproc\n"
    };
}
