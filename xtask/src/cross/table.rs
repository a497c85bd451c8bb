//! The platforms, and what can be done about each on a Debian machine of the x86-64 kind.

use crate::foreign::Scope;

/// A target and what is done about it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) triple: &'static str,
    pub(crate) level: Level,
}

/// How much of the truth about a target can be had.
#[derive(Debug)]
pub(crate) enum Level {
    /// The tests run.
    Run(Run),
    /// Those tests run that WebAssembly can run: [`crate::wasi`].
    Wasi,
    /// The test programs are built and linked.
    Link,
    /// Types and lints are checked.
    Check(Scope),
}

/// What it takes to run tests.
#[derive(Debug)]
pub(crate) struct Run {
    /// Debian packages with the linker, the C library and the emulator.
    pub(crate) packages: &'static [&'static str],
    /// `None` is the compiler's own choice.
    pub(crate) linker: Option<&'static str>,
    /// Where the standard library comes from.
    pub(crate) std: Std,
    /// Whether the library and its tests are linted while they are compiled: where no other target lints the same tests. By the compiler
    /// of [`crate::foreign`].
    pub(crate) lint: bool,
    /// What else must be there before the tests are built.
    pub(crate) prepare: Prepare,
    /// Cargo's options for the parts of the suite that are built; none means all, the tests of documentation too.
    pub(crate) parts: &'static [&'static str],
    /// Cargo's options for the parts that are built and run in the short form; none means as ever. Examples are not built then.
    pub(crate) parts_in_short: &'static [&'static str],
    /// The same programs run once by each of these.
    pub(crate) ways: &'static [Way],
}

/// Where a standard library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Std {
    /// Built from its source, with the compiler that has that.
    Built,
    /// Ready-made, with the compiler that it was made by: see [`super::ready`].
    Ready,
}

/// Preparations that take more than a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prepare {
    Nothing,
    /// An unwinder for programs linked with musl.
    Musl,
    /// A Wine prefix, with a system library that Wine 8 lacks.
    Wine,
}

/// A way to run test programs.
#[derive(Debug)]
pub(crate) struct Way {
    /// What is put before the program; empty means that it runs by itself.
    pub(crate) runner: &'static str,
    /// What the list of skips may call it, beside the target's name.
    pub(crate) tags: &'static [&'static str],
    /// Variables for the programs.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// Cargo's options for the parts of the suite that are run this way; none means all that are built.
    pub(crate) parts: &'static [&'static str],
    /// Whether this is done on every change too.
    pub(crate) always: bool,
}

/// Fewer random cases and less torture: an emulator takes many times as long for each.
const FEW_CASES: [(&str, &str); 3] =
    [("PROPTEST_CASES", "16"), ("FOLIO_TEST_ONE_IN", "20"), ("FOLIO_TORTURE_SECONDS", "3")];

/// Beside that no backtraces, for which a program reads its own file by a map at an offset that page sizes above the host's
/// do not allow.
const LARGE_PAGES: [(&str, &str); 4] = [FEW_CASES[0], FEW_CASES[1], FEW_CASES[2], ("RUST_BACKTRACE", "0")];

/// Each function that is called has 160 bytes of the stack there for the registers of those that it calls (s390x ELF ABI), and without optimization
/// many are called: more than the smallest stack holds beside the buffer of a kernel copy that goes through a pipe.
const LARGE_FRAMES: [(&str, &str); 4] = [FEW_CASES[0], FEW_CASES[1], FEW_CASES[2], ("FOLIO_TEST_MORE_STACK", "2048")];

/// All but the tests of documentation: to build each of those and to start an emulator for it takes long, and what they call the
/// others call too.
const PROGRAMS: &[&str] = &["--lib", "--tests"];

/// The parts of the suite that look at pages, and those of checked access: what is run of one page size on every change.
const ABOUT_PAGES: &[&str] = &[
    "--lib",
    "--test=advise",
    "--test=contract",
    "--test=discard",
    "--test=failure",
    "--test=files",
    "--test=hardening",
    "--test=lend",
    "--test=matrix",
    "--test=memory_options",
    "--test=model",
    "--test=numbers",
    "--test=once",
    "--test=paging",
    "--test=populate",
    "--test=ranges",
    "--test=remap",
    "--test=residency",
    "--test=sealing",
    "--test=seals",
    "--test=shared_memory",
    "--test=signals",
    "--test=syscalls",
];

const NATIVE: &[Way] = &[Way { runner: "", tags: &["native", "pages-4k"], variables: &[], parts: &[], always: true }];

/// All targets, those that say most first.
pub(crate) const TARGETS: &[Target] = &[
    Target {
        triple: "aarch64-unknown-linux-gnu",
        level: Level::Run(Run {
            packages: &["qemu-user", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
            linker: Some("aarch64-linux-gnu-gcc"),
            std: Std::Ready,
            lint: false,
            prepare: Prepare::Nothing,
            parts: PROGRAMS,
            parts_in_short: ABOUT_PAGES,
            ways: &[
                Way {
                    runner: "qemu-aarch64 -L /usr/aarch64-linux-gnu",
                    tags: &["qemu", "pages-4k"],
                    variables: &FEW_CASES,
                    parts: &[],
                    always: false,
                },
                Way {
                    runner: "qemu-aarch64 -p 16384 -L /usr/aarch64-linux-gnu",
                    tags: &["qemu", "pages-16k"],
                    variables: &LARGE_PAGES,
                    parts: &[],
                    always: false,
                },
                Way {
                    runner: "qemu-aarch64 -p 65536 -L /usr/aarch64-linux-gnu",
                    tags: &["qemu", "pages-64k"],
                    variables: &LARGE_PAGES,
                    parts: &[],
                    always: true,
                },
            ],
        }),
    },
    Target {
        triple: "s390x-unknown-linux-gnu",
        level: Level::Run(Run {
            packages: &["qemu-user", "gcc-s390x-linux-gnu", "libc6-dev-s390x-cross"],
            linker: Some("s390x-linux-gnu-gcc"),
            std: Std::Ready,
            lint: false,
            prepare: Prepare::Nothing,
            parts: PROGRAMS,
            parts_in_short: &[],
            ways: &[Way {
                runner: "qemu-s390x -L /usr/s390x-linux-gnu",
                tags: &["qemu", "pages-4k", "big-endian"],
                variables: &LARGE_FRAMES,
                parts: &[],
                always: true,
            }],
        }),
    },
    Target {
        triple: "i686-unknown-linux-gnu",
        level: Level::Run(Run {
            // Not `gcc-multilib`: it removes the compilers for the other targets.
            packages: &["lib32gcc-12-dev", "libc6-dev-i386"],
            linker: None,
            std: Std::Ready,
            lint: false,
            prepare: Prepare::Nothing,
            parts: &[],
            parts_in_short: &[],
            // There are no routines for this processor, and the kernel's copies take longer.
            ways: &[Way {
                runner: "",
                tags: &["native", "pages-4k"],
                variables: &[("FOLIO_TEST_ONE_IN", "4"), ("FOLIO_TORTURE_SECONDS", "8")],
                parts: &[],
                always: true,
            }],
        }),
    },
    Target {
        triple: "x86_64-unknown-linux-musl",
        level: Level::Run(Run {
            packages: &["musl-tools", "libunwind-14-dev"],
            linker: Some("musl-gcc"),
            std: Std::Built,
            lint: false,
            prepare: Prepare::Musl,
            parts: &[],
            parts_in_short: &[],
            ways: NATIVE,
        }),
    },
    Target {
        triple: "x86_64-pc-windows-gnu",
        level: Level::Run(Run {
            packages: &["gcc-mingw-w64-x86-64-posix", "wine64", "wine"],
            linker: Some("x86_64-w64-mingw32-gcc"),
            std: Std::Built,
            lint: true,
            prepare: Prepare::Wine,
            parts: &[],
            parts_in_short: &[],
            ways: &[Way {
                runner: "wine",
                tags: &["wine", "pages-4k"],
                variables: &[("PROPTEST_CASES", "64")],
                parts: &[],
                always: true,
            }],
        }),
    },
    Target { triple: "wasm32-wasip1", level: Level::Wasi },
    Target { triple: "aarch64-apple-darwin", level: Level::Link },
    Target { triple: "x86_64-apple-darwin", level: Level::Link },
    Target { triple: "x86_64-unknown-freebsd", level: Level::Link },
    Target { triple: "aarch64-apple-ios", level: Level::Check(Scope::Library) },
    Target { triple: "aarch64-unknown-freebsd", level: Level::Check(Scope::Library) },
    Target { triple: "x86_64-unknown-netbsd", level: Level::Check(Scope::Everything) },
    Target { triple: "x86_64-unknown-openbsd", level: Level::Check(Scope::Library) },
    Target { triple: "x86_64-unknown-dragonfly", level: Level::Check(Scope::Library) },
    Target { triple: "x86_64-unknown-illumos", level: Level::Check(Scope::Library) },
    Target { triple: "x86_64-pc-solaris", level: Level::Check(Scope::Library) },
    Target { triple: "aarch64-linux-android", level: Level::Check(Scope::Everything) },
    Target { triple: "x86_64-linux-android", level: Level::Check(Scope::Library) },
    Target { triple: "x86_64-pc-windows-msvc", level: Level::Check(Scope::Everything) },
    Target { triple: "aarch64-pc-windows-msvc", level: Level::Check(Scope::Library) },
    Target { triple: "riscv64gc-unknown-linux-gnu", level: Level::Check(Scope::Library) },
    Target { triple: "wasm32-unknown-unknown", level: Level::Check(Scope::Library) },
];
