//! Rolling restarts onto another file in the program's place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::installation::{Installation, Running};

/// Every instance's process and the file that it runs.
fn programs(running: &Running<'_>) -> BTreeMap<String, (i64, PathBuf)> {
    let instances = running.up_file().unwrap()["instances"].as_array().unwrap().clone();
    let program = |instance: serde_json::Value| {
        let pid = instance["pid"].as_i64().unwrap();
        let file = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        (instance["name"].as_str().unwrap().to_owned(), (pid, file))
    };
    instances.into_iter().map(program).collect()
}

#[test]
fn all_instances_are_restarted_on_the_program_that_is_on_disk_now() {
    let installation = Installation::new();
    let program = installation.data().with_file_name("evergate");
    let built = Path::new(env!("CARGO_BIN_EXE_evergate"));
    std::fs::copy(built, &program).unwrap();
    let mut running = installation.spawn_of(&mut installation.command_of(&program));
    running.until_ready();
    let before = programs(&running);

    let newer = program.with_extension("new");
    std::fs::copy(built, &newer).unwrap();
    std::fs::rename(&newer, &program).unwrap();
    let told = running.told(&["instance", "restart", "--all"]);
    let order: Vec<&str> = told.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(order.len(), before.len(), "{told}");

    for (name, (pid, file)) in programs(&running) {
        assert_ne!(before[&name].0, pid, "{name} has another process");
        assert_eq!(file, program, "{name} runs the file that is there now");
    }
    let supervisor = std::fs::read_link(format!("/proc/{}/exe", running.pid())).unwrap();
    assert!(supervisor.to_string_lossy().ends_with("(deleted)"), "the supervisor went on");
    running.end(Signal::SIGTERM);
}
