//! What a target needs beyond packages. Everything lies in cargo's build folder; nothing is installed by hand.

use super::table::Prepare;
use crate::packages;
use crate::workspace::{execute, root, target_dir};
use anyhow::Result;
use std::path::PathBuf;
use xshell::{Shell, cmd};

impl Prepare {
    /// Makes the preparations and sets the variables that put them to use in `shell`.
    ///
    /// # Errors
    ///
    /// If a program that they take fails.
    pub(super) fn run(self, shell: &Shell) -> Result<()> {
        match self {
            Prepare::Nothing => Ok(()),
            Prepare::Musl => musl(shell),
            Prepare::Wine => wine(shell),
        }
    }

    /// Starts what has to be there while the tests run. Not before they are built: it does not wait that long.
    ///
    /// # Errors
    ///
    /// If a program that this takes cannot be started.
    pub(super) fn before_tests(self, shell: &Shell) -> Result<()> {
        match self {
            Prepare::Nothing | Prepare::Musl => Ok(()),
            Prepare::Wine => wine_server(shell),
        }
    }
}

/// A new or an old folder for the preparations named `name`.
fn folder(shell: &Shell, name: &str) -> Result<PathBuf> {
    Ok(shell.create_dir(target_dir().join("cross").join(name))?)
}

/// Rust's own copy of musl's start files and unwinder are not packaged, so the system's musl is linked, with LLVM's
/// unwinder.
fn musl(shell: &Shell) -> Result<()> {
    let folder = folder(shell, "musl")?;
    let (object, archive) = (folder.join("fprintf_chk.o"), folder.join("libunwind.a"));
    let source = root().join("xtask/shims/fprintf_chk.c");
    execute(cmd!(shell, "musl-gcc -O1 -c {source} -o {object}"))?;
    shell.copy_file("/usr/lib/llvm-14/lib/libunwind.a", &archive)?;
    execute(cmd!(shell, "ar r {archive} {object}"))?;
    let flags = format!("-Clink-self-contained=no -Lnative={}", folder.display());
    shell.set_var("RUSTFLAGS", &flags);
    shell.set_var("RUSTDOCFLAGS", &flags);
    Ok(())
}

fn wine(shell: &Shell) -> Result<()> {
    let folder = folder(shell, "wine")?;
    let library = folder.join("bcryptprimitives.dll");
    let source = root().join("xtask/shims/bcryptprimitives.c");
    execute(cmd!(shell, "x86_64-w64-mingw32-gcc -shared -O1 -o {library} {source} -ladvapi32"))?;
    let prefix = folder.join("prefix");
    // What Wine writes last; a prefix without it was left half made.
    let fresh = !prefix.join("system.reg").exists();
    shell.set_var("WINEPREFIX", prefix);
    shell.set_var("WINEDEBUG", "-all");
    // Without its debugger, which is asked about every process that ends by an exception: it takes seconds, and then such a process
    // may end with 0.
    shell.set_var("WINEDLLOVERRIDES", "winedbg.exe=d");
    // Wine shows the root of the file system as its drive Z.
    shell.set_var("WINEPATH", format!("Z:{}", folder.display().to_string().replace('/', "\\")));
    if fresh {
        execute(cmd!(shell, "wine wineboot --init"))?;
    }
    Ok(())
}

/// Starts the process behind all programs of a prefix. By itself it ends with the last of them, and a program that starts at that
/// moment finds its connection reset and ends with 1; so it stays, for some minutes after the last.
fn wine_server(shell: &Shell) -> Result<()> {
    // Ends with 2 if one is there already.
    Ok(cmd!(shell, "wineserver --persistent=300").ignore_status().run()?)
}

/// Puts `cargo-zigbuild` at the front of the shell's `PATH`: a linker, with libraries, for Apple systems and the BSDs.
///
/// # Errors
///
/// If it is not there and cannot be installed.
pub(super) fn zigbuild(shell: &Shell) -> Result<()> {
    packages::install(&["python3-venv"])?;
    let folder = folder(shell, "zig")?;
    let programs = folder.join("bin");
    if !programs.join("cargo-zigbuild").exists() {
        execute(cmd!(shell, "python3 -m venv {folder}"))?;
        let pip = programs.join("pip");
        execute(cmd!(shell, "{pip} install --quiet ziglang cargo-zigbuild"))?;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    shell.set_var("PATH", format!("{}:{path}", programs.display()));
    Ok(())
}
