//! Builds everything once and runs the tests, kind by kind; the last line counts.

mod fuzz;
mod watched;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::workspace::Workspace;

/// The kinds of tests that can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// All that lies beside the code or tests one service alone.
    Unit,
    /// Real processes, sockets and faults.
    EndToEnd,
    /// The same with Chromium.
    Browser,
    /// Each fuzz target for half a minute, or for `EVERGATE_FUZZ_SECONDS`.
    Fuzz,
    /// Simulations and end-to-end tests at full size, with figures, on release builds; takes long and wants an idle
    /// machine.
    Soak,
}

/// The package that holds the tests with real processes.
const HARNESS: &str = "evergate-harness";
/// The package that simulates many seeds.
const FAILOVER: &str = "evergate-failover";
/// Tells the harness where the programs are that it starts, if not beside the tests.
const PROGRAMS: &str = "EVERGATE_PROGRAMS";

/// A program made of tests.
struct Program {
    package: String,
    name: String,
    executable: PathBuf,
    directory: PathBuf,
}

impl Program {
    fn kind(&self) -> Kind {
        if self.package != HARNESS || self.name == "evergate_harness" {
            Kind::Unit
        } else if self.name.starts_with("browser") {
            Kind::Browser
        } else {
            Kind::EndToEnd
        }
    }
}

/// How many tests came to which end.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    left_out: u64,
}

/// Runs the tests of one kind, or of all kinds but soak.
pub(crate) fn run(workspace: &Workspace, kind: Option<Kind>, filter: Option<&str>) -> Result<()> {
    if kind == Some(Kind::Fuzz) {
        return fuzz::run(workspace, filter);
    }
    let programs = build(workspace)?;
    let released = if kind == Some(Kind::Soak) { Some(release(workspace)?) } else { None };
    let mut count = Count::default();
    let mut broken = Vec::new();
    let kinds = kind.map_or(vec![Kind::Unit, Kind::EndToEnd, Kind::Browser], |kind| vec![kind]);
    for kind in kinds {
        let holds = |program: &Program| match kind {
            Kind::Soak => program.package == HARNESS || program.package == FAILOVER,
            other => program.kind() == other,
        };
        for program in programs.iter().filter(|program| holds(program)) {
            println!("{} {}", program.package, program.name);
            let mut command = command(program, kind, filter);
            if let Some(directory) = &released {
                command.env(PROGRAMS, directory);
            }
            if !run_program(command, kind, &mut count)? {
                broken.push(format!("{} {}", program.package, program.name));
            }
        }
    }
    println!("tests: {} passed, {} failed, {} skipped", count.passed, count.failed, count.left_out);
    if broken.is_empty() { Ok(()) } else { bail!("failed: {}", broken.join(", ")) }
}

/// One build for everything: the programs that the tests start, and the tests.
fn build(workspace: &Workspace) -> Result<Vec<Program>> {
    let arguments = ["build", "--workspace", "--all-targets", "--message-format", "json-render-diagnostics"];
    let printed = workspace.output("cargo", &arguments)?;
    let mut programs: Vec<Program> = printed.lines().filter_map(program).collect();
    programs.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    Ok(programs)
}

/// The program made of tests that a line of cargo's JSON tells of, if it does.
fn program(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    if !message.get("profile")?.get("test")?.as_bool()? {
        return None;
    }
    let executable = PathBuf::from(message.get("executable")?.as_str()?);
    let name = message.get("target")?.get("name")?.as_str()?.to_owned();
    let directory = PathBuf::from(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    // `path+file:///x/crates/policy#evergate-policy@0.1.0`, or `...#0.1.0` where directory and name agree.
    let id = message.get("package_id")?.as_str()?;
    let named =
        id.split_once('#').and_then(|(_, rest)| rest.split_once('@')).map(|(name, _)| name.to_owned());
    let package = named.or_else(|| Some(directory.file_name()?.to_str()?.to_owned()))?;
    Some(Program { package, name, executable, directory })
}

/// The programs as users run them; where they are.
fn release(workspace: &Workspace) -> Result<PathBuf> {
    workspace.run("cargo", &["build", "--release", "--workspace", "--bins"])?;
    Ok(workspace.target()?.join("release"))
}

fn command(program: &Program, kind: Kind, filter: Option<&str>) -> Command {
    let mut command = Command::new(&program.executable);
    command.current_dir(&program.directory).env("CARGO_MANIFEST_DIR", &program.directory);
    command.env("INSTA_UPDATE", "no").args(filter);
    match kind {
        Kind::Unit | Kind::Fuzz => {}
        // They measure, and share two cores: one at a time.
        Kind::EndToEnd | Kind::Browser => _ = command.arg("--test-threads=1"),
        Kind::Soak => _ = command.args(["--test-threads=1", "--ignored", "--nocapture"]),
    }
    command
}

/// Runs one program, shows what it prints, adds up; false if it failed.
fn run_program(command: Command, kind: Kind, count: &mut Count) -> Result<bool> {
    let limit = if kind == Kind::Soak { watched::SOAK } else { watched::ORDINARY };
    let mut has_ended = false;
    let end = watched::run(command, limit, |line| {
        has_ended |= add_up(line, count);
        println!("{line}");
    })?;
    if !end.is_good() && (!has_ended || end != watched::End::Failed) {
        count.failed += 1; // no test of it was counted as failed
    }
    if let Some(why) = end.why() {
        println!("{why}");
    }
    Ok(end.is_good())
}

/// Adds a line such as `test result: ok. 5 passed; 0 failed; 1 ignored; ...`; true if it was one.
fn add_up(line: &str, count: &mut Count) -> bool {
    let Some(rest) = line.strip_prefix("test result: ") else { return false };
    let number = |word: &str| -> u64 {
        let before = rest.split(';').find_map(|part| part.trim().strip_suffix(word));
        before.and_then(|text| text.split(' ').rev().find_map(|digits| digits.parse().ok())).unwrap_or(0)
    };
    count.passed += number("passed");
    count.failed += number("failed");
    count.left_out += number("ignored");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut count = Count::default();
        let line = "test result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 7 filtered out; finished in 0.1s";
        assert!(add_up(line, &mut count) && add_up(line, &mut count));
        assert!(!add_up("test x ... ok", &mut count));
        assert_eq!((count.passed, count.failed, count.left_out), (24, 6, 8));
    }

    #[test]
    fn a_program_is_known_by_its_package() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///x/crates/harness#evergate-harness@0.1.0",
            "manifest_path":"/x/crates/harness/Cargo.toml","target":{"name":"browser_sign_in"},
            "profile":{"test":true},"executable":"/x/t/a-1"}"#;
        assert!(program(line).is_some_and(|program| program.kind() == Kind::Browser));
        let plain = r#"{"package_id":"path+file:///x/xtask#0.1.0","manifest_path":"/x/xtask/Cargo.toml",
            "target":{"name":"xtask"},"profile":{"test":true},"executable":"/x/t/b"}"#;
        assert!(program(plain).is_some_and(|program| program.package == "xtask"));
        assert!(program(&line.replace("true", "false")).is_none());
    }
}
