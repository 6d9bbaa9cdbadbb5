//! The unit that is shipped: systemd understands it, and Evergate understands the words in it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use evergate_harness::processes;

const UNIT: &str = include_str!("../../../systemd/evergate.service");
const PROGRAM: &str = "/usr/local/bin/evergate";

/// The command line of the unit on a further machine.
fn command_line() -> Result<Vec<String>> {
    let line = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).context("no ExecStart")?;
    let line = line.replace("${EVERGATE_NODE}", "node-b").replace("$EVERGATE_ARGUMENTS", "--join token");
    Ok(line.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let unit = directory.path().join("evergate.service");
    let program = processes::built("evergate")?;
    std::fs::write(&unit, UNIT.replace(PROGRAM, &program.display().to_string()))?;
    let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output();
    let output = output.context("systemd-analyze is not installed")?;
    let said = String::from_utf8_lossy(&output.stderr);
    // It also tells what is wrong with other units of this machine.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("evergate")).collect();
    ensure!(ours.is_empty(), "{}", ours.join("\n"));
    Ok(())
}

#[test]
fn the_words_of_the_unit_are_those_of_the_program() -> Result<()> {
    let words = command_line()?;
    let (program, arguments) = words.split_first().context("no program")?;
    ensure!(program == PROGRAM);
    let directory = tempfile::tempdir()?;
    let with_directory = |word: &String| {
        let path = Path::new(word);
        path.strip_prefix("/")
            .map_or_else(|_| word.into(), |rest| directory.path().join(rest).into_os_string())
    };
    let output =
        Command::new(processes::built("evergate")?).args(arguments.iter().map(with_directory)).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Every word was understood, and the first thing that is missing is the network file.
    ensure!(said.contains("cannot read") && said.contains("network.yml"), "{said}");
    Ok(())
}
