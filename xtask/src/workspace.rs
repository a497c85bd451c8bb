//! Where things are, and how programs are started.

use anyhow::{Context, Result, anyhow, ensure};
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use xshell::{Cmd, Shell};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace's folder")
}

/// The folder for everything that is built, cargo's own.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A shell in the workspace's folder.
pub(crate) fn shell() -> Result<Shell> {
    let shell = Shell::new()?;
    shell.change_dir(root());
    Ok(shell)
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// How a program ended and what it said.
pub(crate) struct Outcome {
    /// Whether it ended with exit code 0.
    pub(crate) success: bool,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// Runs `command` with its output shown and kept as well.
///
/// # Errors
///
/// If the program cannot be started; a failure of the program itself is in the [`Outcome`].
pub(crate) fn tee(command: Cmd<'_>) -> Result<Outcome> {
    eprintln!("$ {command}");
    let shown = command.to_string();
    let mut child = Command::from(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let stdout = child.stdout.take().context("the child has a pipe")?;
    let stderr = child.stderr.take().context("the child has a pipe")?;
    let (stdout, stderr) = thread::scope(|scope| {
        let stderr = scope.spawn(|| show_and_keep(stderr, io::stderr()));
        (show_and_keep(stdout, io::stdout()), stderr.join())
    });
    let status = child.wait()?;
    let stderr = stderr.map_err(|_| anyhow!("reading the errors of `{shown}` failed"))??;
    Ok(Outcome { success: status.success(), stdout: stdout?, stderr })
}

/// Copies `from` to `to` line by line, and returns all of it.
fn show_and_keep(from: impl Read, mut to: impl Write) -> io::Result<String> {
    let mut reader = BufReader::new(from);
    let (mut kept, mut line) = (Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        kept.append(&mut line);
    }
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

/// Runs `command`, shown before, with nothing on its standard input.
///
/// # Errors
///
/// If it cannot be started or fails.
pub(crate) fn execute(command: Cmd<'_>) -> Result<()> {
    eprintln!("$ {command}");
    let shown = command.to_string();
    let status =
        Command::from(command).stdin(Stdio::null()).status().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// Runs this program once more, with `arguments`, and writes what it says to `log`.
///
/// # Errors
///
/// If it cannot be started or fails.
pub(crate) fn run_again(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, log: &Path) -> Result<()> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    // Not by its path, where somebody may have built another one meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let status = command.status().context("cannot start a process")?;
    ensure!(status.success(), "its process ended by {status}");
    Ok(())
}
