//! What the library depends on by default: the crate of the operating system's interface, and nothing else.

use super::{File, Violation};
use toml::{Table, Value};

const MANIFEST: &str = "crates/folio/Cargo.toml";

/// A dependency that every user of the library would get and that is not on the short list; a default feature.
pub(super) fn dependencies_stay_few(files: &[File]) -> Vec<Violation> {
    let Some(file) = files.iter().find(|file| file.path == MANIFEST) else {
        return Vec::new();
    };
    let manifest = match file.text.parse::<Table>() {
        Ok(manifest) => manifest,
        Err(error) => return vec![file.violation(1, error.to_string())],
    };
    let mut violations = Vec::new();
    let mut check = |dependencies: Option<&Value>, allowed: Option<&str>| {
        for (name, dependency) in dependencies.and_then(Value::as_table).into_iter().flatten() {
            let optional = dependency.get("optional").and_then(Value::as_bool).unwrap_or(false);
            if !optional && allowed != Some(name.as_str()) {
                let message = format!("every user would get `{name}`: make it optional, or do without");
                violations.push(file.violation(line_of(&file.text, name), message));
            }
        }
    };
    for kind in ["dependencies", "build-dependencies"] {
        check(manifest.get(kind), None);
        for (target, tables) in manifest.get("target").and_then(Value::as_table).into_iter().flatten() {
            let allowed = match target.as_str() {
                "cfg(unix)" => Some("libc"),
                "cfg(windows)" => Some("windows-sys"),
                _ => None,
            };
            check(tables.get(kind), allowed.filter(|_| kind == "dependencies"));
        }
    }
    let default = manifest.get("features").and_then(|features| features.get("default")).and_then(Value::as_array);
    if default.is_some_and(|features| !features.is_empty()) {
        violations.push(file.violation(line_of(&file.text, "default"), "no feature is on by default"));
    }
    violations
}

/// The line that begins with `key`.
fn line_of(text: &str, key: &str) -> usize {
    let begins = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', '=', '.']));
    text.lines().position(begins).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        found(dependencies_stay_few, &[(MANIFEST, text)])
    }

    #[test]
    fn the_interface_crates_and_optional_ones_are_allowed() {
        let text = "[features]\ndefault = []\n[dependencies]\nbytes = { version = '1', optional = true }\n\
            [target.'cfg(unix)'.dependencies]\nlibc = '0.2'\n[target.'cfg(windows)'.dependencies]\nwindows-sys = '0.60'\n\
            [dev-dependencies]\nproptest = '1'\n";
        assert!(lines(text).is_empty());
    }

    #[test]
    fn a_dependency_for_everybody_is_found() {
        assert_eq!(lines("[dependencies]\nlog = '0.4'\n"), [format!("{MANIFEST}:2")]);
        assert_eq!(lines("[dependencies]\nlibc = '0.2'\n"), [format!("{MANIFEST}:2")]);
        assert_eq!(lines("[target.'cfg(unix)'.dependencies]\nrustix = '1'\n"), [format!("{MANIFEST}:2")]);
        assert_eq!(lines("[target.'cfg(windows)'.dependencies]\nlibc = '0.2'\n"), [format!("{MANIFEST}:2")]);
        assert_eq!(lines("[build-dependencies]\ncc = '1'\n"), [format!("{MANIFEST}:2")]);
    }

    #[test]
    fn a_default_feature_is_found() {
        assert_eq!(lines("[features]\ndefault = ['bytes']\n"), [format!("{MANIFEST}:2")]);
    }
}
