//! What can be seen from the text of the files alone.

use anyhow::Result;

use super::report;
use crate::workspace::Workspace;

/// The most lines a source file may have: a guide in the house rules, a wall here.
const LONGEST: usize = 600;

/// No source file is longer than one can keep in mind.
pub(super) fn sizes(workspace: &Workspace) -> Result<()> {
    let mut problems = Vec::new();
    for file in sources(workspace)? {
        let lines = workspace.read(&file)?.lines().count();
        if lines > LONGEST {
            problems.push(format!("`{file}` has {lines} lines: more than {LONGEST}"));
        }
    }
    report(&problems)
}

/// Every source file says why it exists before anything else.
pub(super) fn opening_sentences(workspace: &Workspace) -> Result<()> {
    let mut problems = Vec::new();
    for file in sources(workspace)? {
        if !workspace.read(&file)?.starts_with("//!") {
            problems
                .push(format!("`{file}` does not begin with a sentence saying why it exists (`//! ...`)"));
        }
    }
    report(&problems)
}

/// No file holds a path of the machine it was written on.
pub(super) fn machine_paths(workspace: &Workspace) -> Result<()> {
    // Put together here, so that this file does not find itself.
    let mut patterns =
        vec![["/ro", "ot/"].concat(), ["/wo", "rk/main"].concat(), ["/wo", "rk/shared"].concat()];
    patterns.push(workspace.path("").display().to_string());
    let mut problems = Vec::new();
    for file in workspace.files()? {
        let Ok(text) = workspace.read(&file) else { continue }; // not text
        for (number, line) in text.lines().enumerate() {
            if patterns.iter().any(|pattern| line.contains(pattern.as_str())) {
                problems.push(format!("{file}:{}: a path of one machine: `{}`", number + 1, line.trim()));
            }
        }
    }
    report(&problems)
}

fn sources(workspace: &Workspace) -> Result<Vec<String>> {
    Ok(workspace.files()?.into_iter().filter(|file| file.ends_with(".rs")).collect())
}
