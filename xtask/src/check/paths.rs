//! Every path and every test that README, ARCHITECTURE and their like name must exist.

use std::collections::BTreeSet;

use anyhow::Result;

use super::report;
use crate::markdown;
use crate::workspace::Workspace;

const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let functions = functions(workspace)?;
    let mut problems = Vec::new();
    for page in PAGES {
        let text = workspace.read(page)?;
        let named = markdown::quoted(&text).into_iter().filter(|word| looks_like_a_path(word));
        let missing = named.chain(markdown::links(&text)).filter(|path| !workspace.path(path).exists());
        problems.extend(missing.map(|path| format!("{page} names `{path}`, which does not exist")));
        let tests = markdown::quoted(&text).into_iter().filter(|word| looks_like_a_test(word));
        let unknown = tests.filter(|test| !functions.contains(*test));
        problems.extend(unknown.map(|test| format!("{page} names the test `{test}`, which does not exist")));
    }
    report(&problems)
}

/// Words that begin with a directory of ours, and names of files at the root.
fn looks_like_a_path(word: &str) -> bool {
    let is_plain = !word.contains([' ', '*', '{', '<', '$']);
    let starts = ["crates/", "xtask/", "docs/", "fuzz/", ".ci/", ".cargo/"];
    is_plain && starts.iter().any(|start| word.starts_with(start))
}

/// Tests are sentences: four words at least.
fn looks_like_a_test(word: &str) -> bool {
    word.matches('_').count() >= 3
        && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

/// The names of all functions, and the names that macros make tests of.
fn functions(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in workspace.files()?.iter().filter(|file| file.ends_with(".rs")) {
        for word in workspace.read(file)?.split(|c: char| !c.is_alphanumeric() && c != '_') {
            if looks_like_a_test(word) {
                names.insert(word.to_owned());
            }
        }
    }
    Ok(names)
}
