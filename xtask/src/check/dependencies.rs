//! The dependency policy: each stands once, with its reason; one provider of cryptography; one source.

use std::collections::BTreeSet;

use anyhow::Result;

use super::report;
use crate::workspace::{Workspace, is_installed};

/// Packages that must not be built: a second provider of TLS or cryptography, and a library that
/// nobody looks after any more.
const BANNED: [&str; 5] = ["ring", "openssl", "openssl-sys", "native-tls", "serde_yaml"];

/// The one place that packages come from, as Cargo.lock names it.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let mut problems = without_reason(&workspace.read("Cargo.toml")?);
    for file in workspace.files()? {
        if file.starts_with("crates/") && file.ends_with("/Cargo.toml") {
            problems.extend(declared_outside(&file, &workspace.read(&file)?));
        }
    }
    problems.extend(foreign_sources(&workspace.read("Cargo.lock")?));
    problems.extend(banned(
        &workspace.output("cargo", &["tree", "--workspace", "--prefix", "none", "--format", "{p}"])?,
    ));
    report(&problems)?;
    if is_installed("cargo-deny") {
        return workspace.run("cargo", &["deny", "check", "licenses", "bans", "sources"]);
    }
    println!("cargo-deny is not installed: licences and duplicates were not looked at");
    Ok(())
}

/// Lines of `[workspace.dependencies]` that do not end with the reason why the package is there.
fn without_reason(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.contains('=') && !line.starts_with('#') && !line.contains("path = "))
        .filter(|line| line.split_once("# ").is_none_or(|(_, reason)| reason.trim().is_empty()))
        .map(|line| format!("Cargo.toml: no reason given for `{line}`"))
        .collect()
}

/// Dependencies of a crate that do not come from the workspace's table.
fn declared_outside(file: &str, manifest: &str) -> Vec<String> {
    let mut is_dependencies = false;
    let mut problems = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_dependencies = line.trim_end().ends_with("dependencies]");
        } else if is_dependencies && line.contains('=') && !line.contains("workspace = true") {
            problems.push(format!("{file}: `{line}` does not come from [workspace.dependencies]"));
        }
    }
    problems
}

/// Packages that come from anywhere but the one registry.
fn foreign_sources(lock: &str) -> Vec<String> {
    lock.lines()
        .filter_map(|line| line.strip_prefix("source = \"")?.strip_suffix('"'))
        .filter(|source| *source != SOURCE)
        .map(|source| format!("Cargo.lock: a package comes from `{source}`"))
        .collect()
}

/// Banned packages among those that are built, as `cargo tree` lists them.
fn banned(tree: &str) -> Vec<String> {
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let found = BANNED.iter().filter(|name| names.contains(*name));
    found.map(|name| format!("`{name}` is banned; `cargo tree --invert {name}` says who brings it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "[workspace.dependencies]\n# -- a --\nours = { path = \"x\" }\na = \"1\" # why\nb = \"2\"\n[x]\nc = 1\n";
        assert_eq!(without_reason(manifest), ["Cargo.toml: no reason given for `b = \"2\"`"]);
    }

    #[test]
    fn a_dependency_past_the_workspace_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dev-dependencies]\na.workspace = true\nb = \"1\"\n[lints]\nworkspace = true\n";
        assert_eq!(declared_outside("f", manifest).len(), 1);
    }

    #[test]
    fn banned_packages_and_foreign_sources_are_found() {
        assert_eq!(foreign_sources("name = \"x\"\nsource = \"git+https://example.com/x\"\n").len(), 1);
        assert_eq!(banned("a v1.0.0\nring v0.17.0\nring v0.17.0 (*)\n").len(), 1);
    }
}
