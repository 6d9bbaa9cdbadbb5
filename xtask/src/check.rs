//! What must hold for every commit, tests apart. Nothing here writes into the tree.

mod dependencies;
mod layers;
mod paths;
mod texts;

use anyhow::{Result, bail};

use crate::reference;
use crate::workspace::{Workspace, run as run_command};

/// One check: its name, and what it does.
type Check = (&'static str, fn(&Workspace) -> Result<()>);

/// Cheap ones first.
const CHECKS: [Check; 10] = [
    ("format", |workspace| workspace.run("cargo", &["fmt", "--all", "--check"])),
    ("sizes", texts::sizes),
    ("machine-paths", texts::machine_paths),
    ("opening-sentences", texts::opening_sentences),
    ("layers", layers::check),
    ("dependencies", dependencies::check),
    ("paths", paths::check),
    ("lints", |workspace| {
        let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        workspace.run("cargo", &arguments)
    }),
    ("documents", documents),
    ("references", reference::check),
];

/// Runs every check, or those whose name contains `only`; all problems are shown before it fails.
pub(crate) fn run(workspace: &Workspace, only: Option<&str>) -> Result<()> {
    let chosen: Vec<Check> =
        CHECKS.into_iter().filter(|(name, _)| only.is_none_or(|only| name.contains(only))).collect();
    let mut failed = Vec::new();
    for (name, check) in &chosen {
        println!("check {name}");
        if let Err(error) = check(workspace) {
            println!("{error:#}\ncheck {name}: failed");
            failed.push(*name);
        }
    }
    println!("xtask check: {} passed, {} failed", chosen.len() - failed.len(), failed.len());
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// Mends what a machine can mend.
pub(crate) fn fix(workspace: &Workspace) -> Result<()> {
    workspace.run("cargo", &["fmt", "--all"])?;
    workspace.run(
        "cargo",
        &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"],
    )?;
    workspace.run("cargo", &["fmt", "--all"])?;
    reference::write(workspace)
}

fn documents(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.command("cargo", &["doc", "--quiet", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links");
    run_command(command)
}

/// Fails with all `problems`, one a line; passes if there are none.
fn report(problems: &[String]) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}
