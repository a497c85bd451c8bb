//! Lints on the way: the lint driver in the place of the compiler, for a crate that is built anyway is not looked at a second time.

use xshell::Shell;

/// The lint driver of the toolchain in use.
pub(crate) const DRIVER: &str = "clippy-driver";

/// Has cargo's builds in `shell` compile the workspace's crates by the lint driver, every warning an error, with `arguments` further ones.
/// All other crates are compiled as ever, and once for all builds of one folder.
///
/// The driver is a compiler that also lints. `cargo clippy` hands its arguments on to it in this way too.
pub(crate) fn while_compiling(shell: &Shell, driver: &str, arguments: &[&str]) {
    shell.set_var("RUSTC_WORKSPACE_WRAPPER", driver);
    let all = ["-Dwarnings"].iter().chain(arguments);
    shell.set_var("CLIPPY_ARGS", all.map(|argument| format!("{argument}__CLIPPY_HACKERY__")).collect::<String>());
}
