//! `cargo xtask ci model`: the library's lock-free parts, run through a model checker.
//!
//! `crates/model` compiles the library's own source with the checker's atomics. A checker that explores too little is content
//! with anything, so the same source is also run with one mistake at a time put into a copy of it: a fence removed, an ordering
//! weakened, two steps exchanged. Each must be found.

use crate::workspace::{self, cargo, execute, root, target_dir};
use crate::{lints, minimal};
use anyhow::{Result, bail, ensure};
use std::fs;
use std::time::Instant;
use xshell::{Shell, cmd};

/// A mistake: in this file, a text that occurs there once, and what to put in its place.
struct Mistake {
    name: &'static str,
    /// The model that finds it.
    model: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
}

/// Optimizes the checker and what it calls all the time. It depends on much more, which would take longer to optimize than the models
/// take to run.
const PROFILE: [&str; 12] = [
    "--config",
    "profile.release.debug=0",
    "--config",
    "profile.release.package.\"*\".opt-level=0",
    "--config",
    "profile.release.package.loom.opt-level=3",
    "--config",
    "profile.release.package.generator.opt-level=3",
    "--config",
    "profile.release.package.tracing.opt-level=3",
    "--config",
    "profile.release.package.tracing-core.opt-level=3",
];

const SOURCES: &str = "crates/folio/src/fault/lent";

const MISTAKES: [Mistake; 16] = [
    Mistake {
        name: "no fence after an entry is published",
        model: "pages::closures_while_the_file_is_cut",
        file: "table.rs",
        right: "fence(Ordering::SeqCst);\n        Published(entry)",
        wrong: "Published(entry)",
    },
    Mistake {
        name: "no fence after the handler has entered",
        model: "table::a_handler_meets_an_owner",
        file: "table.rs",
        right: "fence(Ordering::SeqCst);\n            // From here on",
        wrong: "// From here on",
    },
    Mistake {
        name: "no fence after an entry is withdrawn",
        model: "table::a_handler_meets_an_owner",
        file: "table.rs",
        right: "fence(Ordering::SeqCst);\n        while",
        wrong: "while",
    },
    Mistake {
        name: "the handler leaves an entry relaxed",
        model: "table::a_handler_meets_an_owner",
        file: "table.rs",
        right: "entry.inside.fetch_sub(1, Ordering::Release)",
        wrong: "entry.inside.fetch_sub(1, Ordering::Relaxed)",
    },
    Mistake {
        name: "the owner waits relaxed",
        model: "table::a_handler_meets_an_owner",
        file: "table.rs",
        right: "self.0.inside.load(Ordering::Acquire)",
        wrong: "self.0.inside.load(Ordering::Relaxed)",
    },
    Mistake {
        name: "the owner does not wait",
        model: "table::a_handler_meets_an_owner",
        file: "table.rs",
        right: "self.0.inside.load(Ordering::Acquire) != 0",
        wrong: "false",
    },
    Mistake {
        name: "an entry is published relaxed",
        model: "table::a_handler_meets_an_entry_that_is_used_again",
        file: "table.rs",
        right: "entry.active.store(true, Ordering::Release)",
        wrong: "entry.active.store(true, Ordering::Relaxed)",
    },
    Mistake {
        name: "the handler does not look a second time",
        model: "table::a_handler_meets_an_owner",
        file: "table.rs",
        right: "let answer = if entry.covers(address, address + 1) {",
        wrong: "let answer = if true {",
    },
    Mistake {
        name: "the list grows relaxed",
        model: "table::a_handler_meets_an_owner",
        file: "table.rs",
        right: "compare_exchange(head, entry, Ordering::Release, Ordering::Relaxed)",
        wrong: "compare_exchange(head, entry, Ordering::Relaxed, Ordering::Relaxed)",
    },
    Mistake {
        name: "a page in use is brought back",
        model: "pages::closures_while_the_file_is_cut",
        file: "pages.rs",
        right: "if in_use(page) {",
        wrong: "if in_use(page) && false {",
    },
    Mistake {
        name: "two bring the same page back",
        model: "pages::closures_while_the_file_is_cut",
        file: "pages.rs",
        right: "if word.compare_exchange(was, moving, Ordering::Acquire, Ordering::Relaxed).is_err() {",
        wrong: "if { word.store(moving, Ordering::Release); false } {",
    },
    Mistake {
        name: "no barrier before a page is set aside",
        model: "pages::checked_loads_beside_a_closure",
        file: "pages.rs",
        right: "self.exchange.barrier();",
        wrong: "",
    },
    Mistake {
        name: "a page is set aside before the turn is raised",
        model: "pages::checked_loads_beside_a_closure",
        file: "pages.rs",
        right: "self.turns.fetch_add(1, Ordering::Relaxed);\n        self.exchange.barrier();\n        if self.exchange.set_aside(page) {",
        wrong: "let aside = self.exchange.set_aside(page);\n        self.turns.fetch_add(1, Ordering::Relaxed);\n        self.exchange.barrier();\n        if aside {",
    },
    Mistake {
        name: "a page is whole before it is told",
        model: "pages::two_closures_over_a_lost_page",
        file: "pages.rs",
        right: "word.store(next_turn(was - LOST), Ordering::Release);",
        wrong: "word.store(next_turn(was - LOST), Ordering::Relaxed);",
    },
    Mistake {
        name: "a page that has come back counts as untouched",
        model: "pages::checked_loads_beside_a_closure",
        file: "pages.rs",
        right: "word.load(Ordering::Acquire) == WHOLE)",
        wrong: "word.load(Ordering::Acquire) & STATE == WHOLE)",
    },
    Mistake {
        name: "a page counts as whole while it is exchanged",
        model: "pages::a_checked_load_of_a_page_that_was_lost_before",
        file: "pages.rs",
        right: "const MOVING: u32 = 1;",
        wrong: "const MOVING: u32 = 4;",
    },
];

/// Checks the models, and that each mistake is found.
///
/// # Errors
///
/// If a model fails, or one goes well in spite of a mistake.
pub(crate) fn run() -> Result<()> {
    let shell = workspace::shell()?;
    let cargo = cargo();
    // With build directories of their own: the flag is for every crate, and would have all others built anew.
    shell.set_var("RUSTFLAGS", "--cfg folio_loom");
    shell.set_var("CARGO_TARGET_DIR", target_dir().join("model"));
    let linted = shell.clone();
    lints::while_compiling(&linted, lints::DRIVER, &[]);
    execute(cmd!(linted, "{cargo} test {PROFILE...} --package folio-model --release --lib"))?;
    mistakes(&shell)
}

/// Makes each mistake in a copy, and runs the models there.
fn mistakes(shell: &Shell) -> Result<()> {
    let copy = target_dir().join("model-mistakes");
    shell.remove_path(&copy)?;
    let sources = copy.join(SOURCES);
    shell.create_dir(&sources)?;
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    shell.write_file(copy.join("Cargo.toml"), minimal::with_member(manifest, "crates/model")?.to_string())?;
    shell.copy_file(root().join("Cargo.lock"), &copy)?;
    let (from, to) = (root().join("crates/model"), copy.join("crates/model"));
    cmd!(shell, "cp --recursive {from} {to}").quiet().run()?;
    let from = root().join(SOURCES);
    for file in shell.read_dir(&from)? {
        shell.copy_file(file, &sources)?;
    }

    let shell = shell.clone();
    shell.change_dir(&copy);
    let cargo = cargo();
    let mut missed = Vec::new();
    for Mistake { name, model, file, right, wrong } in MISTAKES {
        let start = Instant::now();
        let path = sources.join(file);
        let source = fs::read_to_string(&path)?;
        ensure!(
            source.matches(right).count() == 1,
            "{name}: {file} does not have the line any more, or more than once"
        );
        shell.write_file(&path, source.replace(right, wrong))?;
        let test =
            cmd!(shell, "{cargo} test {PROFILE...} --package folio-model --release --offline --lib -- --exact {model}");
        let output = test.quiet().ignore_status().output()?;
        shell.write_file(&path, source)?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if said.contains(&format!("test {model} ... FAILED")) {
            eprintln!("found by {model}: {name} ({:.1} s)", start.elapsed().as_secs_f64());
        } else if output.status.success() && said.contains("1 passed") {
            missed.push(name);
        } else {
            bail!("{name}: the copy cannot be tested\n{said}");
        }
    }
    ensure!(missed.is_empty(), "no model finds: {}", missed.join("; "));
    eprintln!("Each of {} mistakes was found, as it must be.", MISTAKES.len());
    Ok(())
}
