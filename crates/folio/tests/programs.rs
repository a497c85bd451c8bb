//! Programs that cargo builds for the occasion: two versions of folio in one, folio in a library that is loaded and unloaded,
//! folio as a shared library of Rust.
//!
//! They are built from the sources of this package, with the versions of its lock file, and without a network.
//!
//! With `FOLIO_TEST_EVERY_LTO` set, by every kind of optimization at link time, which takes a minute more of the processor.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(folio_heap)))] // these are programs with a handler, which the heap has not

#[path = "support/skip.rs"]
mod skip;

use std::env;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FOLIO: &str = env!("CARGO_MANIFEST_DIR");
/// What cargo builds with which options: `release` optimizes over the parts of each crate at link time, `whole` over all crates at once.
const PROFILES: [&str; 3] = ["dev", "release", "whole"];
/// Those that are less often in use, built where somebody asks for it: no optimization at link time, and that over summaries.
const RARE_PROFILES: [&str; 2] = ["without", "thin"];

/// `usual`, and what is built on request.
fn profiles(usual: &[&'static str]) -> Vec<&'static str> {
    let rare: &[&str] = if env::var_os("FOLIO_TEST_EVERY_LTO").is_some() { &RARE_PROFILES } else { &[] };
    [usual, rare].concat()
}

/// The program with two versions in it.
const TWICE: &str = "[[bin]]\nname = 'twice'\npath = 'PROGRAMS/twice.rs'\n\
    [dependencies]\nlibc = '0.2'\nfolio_first = { package = 'folio', path = '../first' }\n\
    folio_second = { package = 'folio', path = '../second' }\n";

#[test]
fn two_versions_in_one_program_get_along() {
    let Some(builder) = Builder::new("two_versions_in_one_program_get_along", "twice") else { return };
    for version in ["first", "second"] {
        builder.library(version);
    }
    builder.program(TWICE);
    for profile in profiles(&PROFILES) {
        let program = builder.build(profile, &[]).join("twice");
        let run =
            |scenario: &str| Ended::of(Command::new(&program).arg(scenario), &format!("twice {scenario}, {profile}"));
        run("").well().saying("done");
        run("touch").by_signal(libc::SIGBUS).saying("recovered");
        run("touch other").by_signal(libc::SIGBUS).saying("recovered");
        run("send").by_signal(libc::SIGBUS).saying("recovered");
        run("overflow").by_signal(libc::SIGABRT).saying("has overflowed its stack");
    }
}

/// The kernel goes on calling the handler, so its module must stay although its host has closed it.
#[test]
fn a_library_that_is_unloaded_after_its_first_access_stays() {
    let Some(builder) = Builder::new("a_library_that_is_unloaded_after_its_first_access_stays", "plugin") else {
        return;
    };
    builder.library("first");
    builder.program(
        "[lib]\nname = 'plugin'\npath = 'PROGRAMS/plugin.rs'\ncrate-type = ['cdylib']\n\
         [dependencies]\nfolio_first = { package = 'folio', path = '../first' }\n",
    );
    let host = builder.root.join("host");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut compile = Command::new(compiler);
    compile.arg("-Wall").arg("-o").arg(&host).arg(programs().join("host.c")).args(["-ldl", "-pthread"]);
    Ended::of(&mut compile, "the C compiler").well();
    for profile in profiles(&["dev", "whole"]) {
        let library = builder.build(profile, &[]).join("libplugin.so");
        let run = |scenario: &str| {
            Ended::of(Command::new(&host).arg(&library).arg(scenario), &format!("host {scenario}, {profile}"))
        };
        run("touch").by_signal(libc::SIGBUS).saying("unloaded");
        run("send").by_signal(libc::SIGBUS).saying("unloaded");
        run("again").well().saying("unloaded");
        run("jump").well().saying("jumped");
        run("jump without the mask").well().saying("jumped");
        run("end threads").well().saying("ended");
    }
}

/// What is inlined into other crates must not name what does not leave the library.
#[test]
fn folio_works_as_a_shared_library_of_rust() {
    let Some(builder) = Builder::new("folio_works_as_a_shared_library_of_rust", "shared") else { return };
    builder.shared_library("first");
    builder.library("second");
    builder.program(TWICE);
    for profile in ["dev", "release"] {
        let built = builder.build(profile, &["-Cprefer-dynamic"]);
        let run = |scenario: &str| {
            let mut command = Command::new(built.join("twice"));
            command.arg(scenario).env("LD_LIBRARY_PATH", env::join_paths([built.join("deps"), libraries()]).unwrap());
            Ended::of(&mut command, &format!("shared {scenario}, {profile}"))
        };
        run("").well().saying("done");
        run("touch").by_signal(libc::SIGBUS).saying("recovered");
    }
}

fn programs() -> PathBuf {
    Path::new(FOLIO).join("tests/programs")
}

/// The compiler, and what it says of itself.
fn compiler(argument: &str) -> String {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg(argument).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Where the shared library of the standard library is.
fn libraries() -> PathBuf {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// Builds a package, in a folder of its own, beside those that it depends on.
struct Builder {
    root: PathBuf,
    lock: PathBuf,
}

impl Builder {
    /// `None` where there is nothing to build with: the programs run on the machine that builds them.
    fn new(test: &str, name: &str) -> Option<Builder> {
        let lock = Path::new(FOLIO).join("../../Cargo.lock");
        let host = compiler("-vV");
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
        if !host.starts_with(env::consts::ARCH) || !host.ends_with(environment) {
            skip::skip(test, format!("the compiler builds for {host}, the test was built for another machine"));
            return None;
        }
        if !lock.exists() {
            skip::skip(test, "there is no lock file beside the package");
            return None;
        }
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs").join(name);
        fs::create_dir_all(&root).unwrap();
        Some(Builder { root, lock })
    }

    /// Folio from its sources, under a version that says `name`.
    fn library(&self, name: &str) {
        self.folio(name, "lib");
    }

    fn shared_library(&self, name: &str) {
        self.folio(name, "dylib");
    }

    fn folio(&self, name: &str, kind: &str) {
        let manifest = format!(
            "[package]\nname = 'folio'\nversion = '7.8.9-{name}.1'\nedition = '2024'\n\
             [lib]\npath = '{FOLIO}/src/lib.rs'\ncrate-type = ['{kind}']\n\
             [features]\nbytes = []\nstable_deref_trait = []\n\
             [lints.rust]\nunexpected_cfgs = 'allow'\n\
             [dependencies]\nlibc = '0.2'\n"
        );
        write(&self.root.join(name).join("Cargo.toml"), &manifest);
    }

    /// The package that is built, by the rest of its manifest.
    fn program(&self, rest: &str) {
        let place = self.root.join("program");
        let rest = rest.replace("PROGRAMS", programs().to_str().expect("a path in UTF-8"));
        let manifest = format!(
            "[package]\nname = 'program'\nversion = '0.0.0'\nedition = '2024'\n{rest}[workspace]\n\
             [profile.without]\ninherits = 'release'\nlto = 'off'\n\
             [profile.thin]\ninherits = 'release'\nlto = 'thin'\n\
             [profile.whole]\ninherits = 'release'\nlto = 'fat'\ncodegen-units = 1\npanic = 'abort'\n"
        );
        write(&place.join("Cargo.toml"), &manifest);
        fs::copy(&self.lock, place.join("Cargo.lock")).unwrap();
    }

    /// Builds it, and answers where it lies.
    fn build(&self, profile: &str, flags: &[&str]) -> PathBuf {
        let target = self.root.join("target");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(self.root.join("program")).args(["build", "--quiet", "--offline", "--profile", profile]);
        // What the tests were built with is for the tests.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let ours = text.starts_with("CARGO_") && text != "CARGO_HOME";
            if ours || text.contains("RUSTFLAGS") || text == "RUSTC_WORKSPACE_WRAPPER" {
                cargo.env_remove(&name);
            }
        }
        cargo.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", flags.join(" "));
        Ended::of(&mut cargo, &format!("cargo build --profile {profile}")).well();
        target.join(if profile == "dev" { "debug" } else { profile })
    }
}

/// Writes a file, unless it is so already: cargo looks at the time of the last change.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a file in a folder")).unwrap();
    fs::write(path, text).unwrap();
}

/// How a program ended.
struct Ended {
    what: String,
    output: Output,
}

impl Ended {
    fn of(command: &mut Command, what: &str) -> Ended {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let no_core_file = move || {
            // SAFETY: only reads the structure.
            unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
            Ok(())
        };
        // SAFETY: the closure makes one system call.
        unsafe { command.pre_exec(no_core_file) };
        Ended { what: what.to_owned(), output: command.output().unwrap_or_else(|error| panic!("{what}: {error}")) }
    }

    #[track_caller]
    fn well(&self) -> &Ended {
        assert!(self.output.status.success(), "{self}");
        self
    }

    #[track_caller]
    fn by_signal(&self, signal: i32) -> &Ended {
        assert_eq!(self.output.status.signal(), Some(signal), "{self}");
        self
    }

    #[track_caller]
    fn saying(&self, what: &str) {
        let said = [&self.output.stdout, &self.output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(said.iter().any(|text| text.contains(what)), "{self}");
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = [&self.output.stdout, &self.output.stderr].map(|text| String::from_utf8_lossy(text));
        write!(f, "{} ended by {}:\n{}{}", self.what, self.output.status, said[0], said[1])
    }
}
