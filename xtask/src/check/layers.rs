//! Holds the crates to the tables *Layers* and *Never reaches* of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use super::report;
use crate::markdown;
use crate::workspace::Workspace;

/// Every dependency between our crates must stand in the table, and every crate must have a row.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let page = workspace.read("ARCHITECTURE.md")?;
    let mut problems = edges(&allowed(&page), &workspace.metadata()?)?;
    for row in markdown::table(&page, "Never reaches") {
        let [packages, banned, ..] = row.as_slice() else { continue };
        for package in markdown::words(packages) {
            problems.extend(reached(workspace, &package, &markdown::words(banned))?);
        }
    }
    report(&problems)
}

fn allowed(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut rows = BTreeMap::new();
    for row in markdown::table(page, "Layers") {
        if let [packages, uses, ..] = row.as_slice() {
            for package in markdown::words(packages) {
                rows.insert(package, markdown::words(uses).into_iter().collect());
            }
        }
    }
    rows
}

fn edges(allowed: &BTreeMap<String, BTreeSet<String>>, metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages in metadata")?;
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for package in packages {
        let name = text(package, "name");
        seen.insert(name.clone());
        let Some(row) = allowed.get(&name) else {
            problems.push(format!("`{name}` has no row in the table *Layers* of ARCHITECTURE.md"));
            continue;
        };
        let ours = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        for dependency in ours.filter(|dependency| dependency.get("path").is_some()) {
            let target = text(dependency, "name");
            let is_for_tests = text(dependency, "kind") == "dev";
            if !row.contains(&target) && !is_for_tests {
                problems.push(format!("`{name}` may not use `{target}` (ARCHITECTURE.md, *Layers*)"));
            }
        }
    }
    let gone = allowed.keys().filter(|name| !seen.contains(*name));
    problems.extend(gone.map(|name| format!("`{name}` has a row in *Layers*, but there is no such crate")));
    Ok(problems)
}

fn reached(workspace: &Workspace, package: &str, banned: &[String]) -> Result<Vec<String>> {
    let arguments =
        ["tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = workspace.output("cargo", &arguments)?;
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let is_banned = |name: &str| {
        banned.iter().any(|word| word.strip_suffix('*').map_or(name == word, |start| name.starts_with(start)))
    };
    let found = names.into_iter().filter(|name| is_banned(name));
    Ok(found.map(|name| format!("`{package}` reaches `{name}` (ARCHITECTURE.md, *Never reaches*)")).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_edge_that_is_not_in_the_table_is_a_problem() {
        let page = "## Layers\n| crate | uses |\n|---|---|\n| `a` | `b` |\n| `b`, `gone` | |\n";
        let path = |name: &str, kind: Value| json!({"name": name, "path": "/x", "kind": kind});
        let metadata = json!({"packages": [
            {"name": "a", "dependencies": [path("b", Value::Null), {"name": "serde"}]},
            {"name": "b", "dependencies": [path("a", Value::Null), path("a", json!("dev"))]},
            {"name": "c", "dependencies": []},
        ]});
        let problems = edges(&allowed(page), &metadata).unwrap();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("`b` may not use `a`")));
        assert!(problems.iter().any(|problem| problem.starts_with("`c` has no row")));
        assert!(problems.iter().any(|problem| problem.starts_with("`gone` has a row")));
    }
}
