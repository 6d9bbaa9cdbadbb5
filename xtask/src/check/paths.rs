//! Every path that README, ARCHITECTURE and their like name must exist.

use anyhow::Result;

use super::report;
use crate::markdown;
use crate::workspace::Workspace;

const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let mut problems = Vec::new();
    for page in PAGES {
        let text = workspace.read(page)?;
        let named = markdown::quoted(&text).into_iter().filter(|word| looks_like_a_path(word));
        let missing = named.chain(markdown::links(&text)).filter(|path| !workspace.path(path).exists());
        problems.extend(missing.map(|path| format!("{page} names `{path}`, which does not exist")));
    }
    report(&problems)
}

/// Words that begin with a directory of ours, and names of files at the root.
fn looks_like_a_path(word: &str) -> bool {
    let is_plain = !word.contains([' ', '*', '{', '<', '$']);
    let starts = ["crates/", "xtask/", "docs/", "fuzz/", ".ci/", ".cargo/"];
    is_plain && starts.iter().any(|start| word.starts_with(start))
}
