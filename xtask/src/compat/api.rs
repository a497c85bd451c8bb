//! What is public in two crates of the same name, compared by what rustdoc says of them.
//!
//! Both are described by the same compiler, so the description need not be understood to the last word: names and
//! signatures are compared as they stand, without what is internal to a run (numbers of items), what is no matter of the
//! caller (names of parameters, documentation), and what depends on how a name was imported (the front of paths).

use super::{StandIn, published};
use crate::foreign::{self, CHECK_STD};
use crate::workspace::{cargo, execute, root, shell, target_dir};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use xshell::cmd;

/// What ours have and the published ones do not, one line each: `crate: item`, or `crate: item: part of it`.
const ADDITIONS: &str = "compat/additions.txt";

/// Traits between the compiler and its library, which no program can name, and which these crates' types need not agree on.
const INTERNAL: [&str; 3] = ["StructuralPartialEq", "Freeze", "UnsafeUnpin"];

/// The systems where something else is public than on this machine. Each has a step that checks it, and a standard library from that.
const ELSEWHERE: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-msvc"];

/// Compares the API of ours with the published one, for every system.
///
/// # Errors
///
/// If something is missing, or added without being listed, or listed and not there.
pub(super) fn compare(crate_: StandIn) -> Result<()> {
    let listed = fs::read_to_string(root().join(ADDITIONS)).context(ADDITIONS)?;
    let listed = additions(&listed, crate_.name);
    for target in [None].into_iter().chain(ELSEWHERE.map(Some)) {
        let published = lines(&description(crate_, false, target)?)?;
        let ours = lines(&description(crate_, true, target)?)?;
        let complaints = complaints(&published, &ours, &listed);
        let system = target.unwrap_or("here");
        let (published, ours) = (published.len(), ours.len());
        println!("{} {}, {system}: {published} public lines, {ours} in ours", crate_.name, crate_.published);
        ensure!(complaints.is_empty(), "{system}:\n{}", complaints.join("\n"));
    }
    Ok(())
}

fn additions(listed: &str, name: &str) -> BTreeSet<String> {
    let lines = listed.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned).collect()
}

fn complaints(published: &BTreeSet<Line>, ours: &BTreeSet<Line>, listed: &BTreeSet<String>) -> Vec<String> {
    let missing = published.difference(ours).map(|line| format!("missing: {line}"));
    let added: Vec<_> = ours.difference(published).collect();
    let surprise = added.iter().filter(|line| !line.names().iter().any(|name| listed.contains(name)));
    let surprise = surprise.map(|line| format!("added, and not in {ADDITIONS}: {line}"));
    let idle = listed.iter().filter(|entry| !added.iter().any(|line| line.names().contains(entry)));
    let idle = idle.map(|entry| format!("in {ADDITIONS}, and not added: {entry}"));
    missing.chain(surprise).chain(idle).collect()
}

/// rustdoc's description of a crate, on this machine or for another system.
fn description(crate_: StandIn, ours: bool, target: Option<&str>) -> Result<Value> {
    // Both have the same name, and so would their descriptions.
    let own = target_dir().join("compat").join(if ours { "ours" } else { "published" });
    let manifest = if ours {
        root().join("compat").join(crate_.name).join("Cargo.toml")
    } else {
        published::copy(crate_, &own)?.join("Cargo.toml")
    };
    let (shell, folder, arguments) = match target {
        None => {
            let shell = shell()?;
            shell.set_var("CARGO_TARGET_DIR", &own);
            // The format is not stable, which does not matter here: see above.
            shell.set_var("RUSTC_BOOTSTRAP", "1");
            (shell, own, vec![])
        }
        // One folder for both, or the standard library would be checked twice.
        Some(target) => {
            let arguments = CHECK_STD.into_iter().chain(["--target", target]).collect();
            (foreign::checker(target)?, foreign::build_dir().join(target).join(target), arguments)
        }
    };
    let file = folder.join("doc").join(format!("{}.json", crate_.name));
    // What another run has left could be the other's.
    shell.remove_path(&file)?;
    let cargo = cargo();
    let options = ["-Zunstable-options", "--output-format=json", "--cap-lints=allow"];
    let command = cmd!(shell, "{cargo} rustdoc --quiet --manifest-path {manifest} --lib --all-features {arguments...}");
    execute(command.arg("--").args(options))?;
    serde_json::from_str(&fs::read_to_string(&file)?).with_context(|| file.display().to_string())
}

/// Something public.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// The item of the crate.
    item: String,
    /// Which part of it, if not all.
    part: String,
    /// What can be said of it, in [`canonical`] form.
    details: String,
}

impl Line {
    fn new(item: &str, part: impl Into<String>, details: impl Into<String>) -> Line {
        Line { item: item.to_owned(), part: part.into(), details: details.into() }
    }

    /// What it can be called in the list of additions.
    fn names(&self) -> [String; 2] {
        [self.item.clone(), format!("{}: {}", self.item, self.part)]
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.item, self.part, self.details)
    }
}

/// Everything public, one line each.
fn lines(description: &Value) -> Result<BTreeSet<Line>> {
    let index = description["index"].as_object().context("no index of items")?;
    let crate_ = Crate { index };
    let mut lines = BTreeSet::new();
    let root = crate_.item(&description["root"]).context("no root module")?;
    crate_.module(root, &mut lines)?;
    Ok(lines)
}

struct Crate<'a> {
    index: &'a Map<String, Value>,
}

impl Crate<'_> {
    fn item(&self, id: &Value) -> Option<&Value> {
        let key = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        self.index.get(&key)
    }

    fn items<'a>(&'a self, ids: &'a Value) -> impl Iterator<Item = &'a Value> {
        ids.as_array().into_iter().flatten().filter_map(|id| self.item(id))
    }

    fn module(&self, module: &Value, lines: &mut BTreeSet<Line>) -> Result<()> {
        for item in self.items(&module["inner"]["module"]["items"]) {
            if item["visibility"] != "public" {
                continue;
            }
            match item["inner"].get("use") {
                Some(import) => {
                    let target =
                        self.item(&import["id"]).with_context(|| format!("an import of elsewhere: {import}"))?;
                    self.named(target, lines)?;
                }
                None => self.named(item, lines)?,
            }
        }
        Ok(())
    }

    /// An item of a module.
    fn named(&self, item: &Value, lines: &mut BTreeSet<Line>) -> Result<()> {
        let name = item["name"].as_str().context("an item without a name")?;
        let (kind, inner) = item["inner"].as_object().and_then(|inner| inner.iter().next()).context("no kind")?;
        if kind == "module" {
            return self.module(item, lines);
        }
        lines.insert(Line::new(name, kind, canonical(&inner["generics"]) + &attributes(item)));
        for field in self.items(&inner["kind"]["plain"]["fields"]).chain(self.items(&inner["kind"]["tuple"])) {
            if field["visibility"] == "public" {
                lines.insert(Line::new(name, text(&field["name"]), canonical(&field["inner"])));
            }
        }
        for variant in self.items(&inner["variants"]) {
            lines.insert(Line::new(name, text(&variant["name"]), canonical(&variant["inner"])));
        }
        if kind == "trait" {
            for member in self.items(&inner["items"]) {
                lines.insert(Line::new(name, text(&member["name"]), canonical(&member["inner"])));
            }
        }
        for implementation in self.items(&inner["impls"]).chain(self.items(&inner["implementations"])) {
            self.implementation(name, &implementation["inner"]["impl"], lines);
        }
        Ok(())
    }

    fn implementation(&self, name: &str, implementation: &Value, lines: &mut BTreeSet<Line>) {
        // What is so for every type says nothing about this one, and what it is not may become otherwise.
        if !implementation["blanket_impl"].is_null() || implementation["is_negative"] == true {
            return;
        }
        if implementation["trait"].is_null() {
            for member in self.items(&implementation["items"]).filter(|item| item["visibility"] == "public") {
                lines.insert(Line::new(name, text(&member["name"]), canonical(&member["inner"])));
            }
            return;
        }
        let parts = [&implementation["trait"], &implementation["for"], &implementation["generics"]].map(canonical);
        if !INTERNAL.contains(&parts[0].as_str()) {
            lines.insert(Line::new(name, format!("impl {}", parts[0]), format!("for {} {}", parts[1], parts[2])));
        }
    }
}

/// Attributes that a caller can tell.
fn attributes(item: &Value) -> String {
    let attributes = item["attrs"].as_array().into_iter().flatten().map(Value::to_string);
    attributes.filter(|text| text.contains("repr") || text.contains("non_exhaustive")).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// A type, a signature, a set of bounds, as text that is the same for what is the same.
fn canonical(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(canonical).filter(|text| !text.is_empty()).collect();
            if values.is_empty() { String::new() } else { format!("({})", values.join(" ")) }
        }
        Value::Object(fields) => {
            // A path: only its end, for its front depends on what was imported.
            if let (Some(path), Some(_)) = (fields.get("path"), fields.get("id")) {
                let end = text(path).rsplit("::").next().unwrap_or_default();
                return format!("{end}{}", canonical(fields.get("args").unwrap_or(&Value::Null)));
            }
            let fields = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "has_body" | "is_synthetic"));
            let field = |(key, value): (&String, &Value)| {
                // Parameters: their types without their names.
                let text = if key == "inputs" { canonical(&without_names(value)) } else { canonical(value) };
                if text.is_empty() { None } else { Some(format!("{key}={text}")) }
            };
            let fields: Vec<_> = fields.filter_map(field).collect();
            if fields.is_empty() { String::new() } else { format!("[{}]", fields.join(" ")) }
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn without_names(inputs: &Value) -> Value {
    let inputs = inputs.as_array().into_iter().flatten();
    inputs.map(|input| input.get(1).cloned().unwrap_or_else(|| input.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(lines: &[&str]) -> BTreeSet<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn what_is_missing_added_or_listed_in_vain_is_found() {
        let lines = |texts: &[&str]| texts.iter().map(|&text| Line::new(text, "part", "details")).collect();
        let found =
            complaints(&lines(&["A", "B"]), &lines(&["B", "C", "D", "E"]), &set(&["D", "E: part", "E: x", "B"]));
        let found: Vec<_> = found.iter().map(|line| line.split(':').next().unwrap()).collect();
        let listed = format!("in {ADDITIONS}, and not added");
        assert_eq!(found, ["missing", &format!("added, and not in {ADDITIONS}"), &listed, &listed]);
        assert!(complaints(&lines(&["A"]), &lines(&["A", "B"]), &set(&["B"])).is_empty());
        assert_eq!(additions("# x: a\nx: b c\ny: d\n", "x"), set(&["b c"]));
    }

    #[test]
    fn signatures_differ_by_types_and_not_by_names() {
        let path = |path: &str| json!({"resolved_path": {"path": path, "id": 7, "args": null}});
        let function = |path: Value, name: &str| json!({"function": {"sig": {"inputs": [[name, path]]}}});
        let a = canonical(&function(path("std::io::Error"), "a"));
        assert_eq!(a, canonical(&function(path("Error"), "b")));
        assert_ne!(a, canonical(&function(path("Result"), "a")));
    }

    #[test]
    fn public_items_behind_imports_are_listed() {
        let description = json!({"root": 0, "index": {
            "0": {"name": "c", "inner": {"module": {"items": [1, 2]}}},
            "1": {"visibility": "public", "inner": {"use": {"id": 3}}},
            "2": {"visibility": "default", "name": "hidden", "inner": {"struct": {}}},
            "3": {"visibility": "public", "name": "S", "attrs": [],
                "inner": {"struct": {"kind": {"plain": {"fields": [4]}}, "impls": [5, 6]}}},
            "4": {"visibility": "public", "name": "f", "inner": {"struct_field": {"primitive": "u8"}}},
            "5": {"inner": {"impl": {"trait": null, "items": [7]}}},
            "6": {"inner": {"impl": {"trait": {"path": "fmt::Debug", "id": 9}, "for": {"generic": "S"}}}},
            "7": {"visibility": "public", "name": "m", "inner": {"function": {"header": {"is_unsafe": true}}}},
        }});
        let lines: Vec<_> = lines(&description).unwrap().iter().map(Line::to_string).collect();
        let expected = [
            "S: f [struct_field=[primitive=u8]]",
            "S: impl Debug for [generic=S] ",
            "S: m [function=[header=[is_unsafe=true]]]",
            "S: struct ",
        ];
        assert_eq!(lines, expected);
    }
}
