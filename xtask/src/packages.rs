//! Programs of the Debian distribution that the commands need.

use crate::workspace::{execute, shell};
use anyhow::{Context, Result};
use std::sync::Once;
use xshell::cmd;

/// Makes sure that the Debian packages `names` are installed, and installs those that are not.
///
/// # Errors
///
/// If one is missing and cannot be installed; the error says what to do by hand.
pub(crate) fn install(names: &[&str]) -> Result<()> {
    static UPDATE: Once = Once::new();

    let missing: Vec<&str> = names.iter().copied().filter(|name| !is_installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = || format!("install these Debian packages as root, then try again: {}", missing.join(" "));
    let shell = shell()?;
    shell.set_var("DEBIAN_FRONTEND", "noninteractive");
    let mut updated = Ok(());
    UPDATE.call_once(|| updated = execute(cmd!(shell, "apt-get update --quiet --quiet")));
    updated.with_context(by_hand)?;
    // Another installation may be running: of a machine that is being set up, or of another command of this kind.
    let wait = "DPkg::Lock::Timeout=600";
    let install = cmd!(shell, "apt-get install --quiet --quiet --yes --no-install-recommends --option {wait}");
    execute(install.args(&missing)).with_context(by_hand)
}

fn is_installed(name: &str) -> bool {
    let format = "${db:Status-Status}";
    shell().is_ok_and(|shell| {
        cmd!(shell, "dpkg-query --show --showformat={format} {name}")
            .quiet()
            .ignore_stderr()
            .read()
            .is_ok_and(|status| status == "installed")
    })
}
