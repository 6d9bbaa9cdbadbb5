//! Starting, running, ending.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::installation::{Installation, evergate, read, wait};

#[test]
fn it_starts_restarts_what_dies_and_ends_in_time() {
    let installation = Installation::new();
    let running = installation.start();
    let up = running.up_file().unwrap();
    assert_eq!(up["instances"].as_array().unwrap().len(), 10);
    assert_eq!(up["portal"], format!("https://portal.localhost:{}/", installation.base));
    for file in ["local_ca", "administrator/password_file"] {
        let path = up.pointer(&format!("/{file}")).unwrap().as_str().unwrap();
        assert!(path.starts_with('/') && std::path::Path::new(path).is_file(), "{path}");
    }

    for instance in ["policy1", "access-point1"] {
        let killed = running.pid_of(instance);
        kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
        wait("another process of the instance in up.json", || running.pid_of(instance) != killed);
    }

    let took = running.end(Signal::SIGTERM);
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(!installation.data().join("up.json").exists());
    assert!(installation.processes().is_empty(), "no process is left");
}

#[test]
fn what_was_made_at_the_first_start_is_there_at_the_second() {
    let installation = Installation::new();
    let kept = ["local-ca.pem", "administrator-password", "api-token", "wrapping-key", "demo.json"];
    let contents = || kept.map(|file| read(&installation.data().join(file)));
    installation.start().end(Signal::SIGINT);
    let first = contents();
    let mut running = installation.spawn(&["--protect", "wiki=http://127.0.0.1:1"]);
    running.until_ready();
    running.end(Signal::SIGTERM);
    assert_eq!(contents(), first);
}

#[test]
fn without_a_demo_there_is_none() {
    let installation = Installation::new();
    let mut running = installation.spawn(&["--no-demo"]);
    running.until_ready();
    let up = running.up_file().unwrap();
    assert_eq!(up["url"], up["portal"]);
    assert_eq!(up["demo"].as_array().unwrap().len(), 0);
    let demo = evergate(&["demo", "--data"]).arg(installation.data()).output().unwrap();
    assert_eq!(demo.status.code(), Some(1));
    running.end(Signal::SIGTERM);
}

#[test]
fn the_demo_and_the_logs_are_shown() {
    let installation = Installation::new();
    let running = installation.start();
    let shown = evergate(&["demo", "--json", "--data"]).arg(installation.data()).output().unwrap();
    let demo: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(demo["name"], "alice");
    assert_eq!(demo["url"], running.up_file().unwrap()["url"]);
    let logs = evergate(&["logs", "policy1", "--data"]).arg(installation.data()).output().unwrap();
    assert!(String::from_utf8_lossy(&logs.stdout).contains("\"starting\""));
    running.end(Signal::SIGTERM);
}

#[test]
fn removing_the_demo_ends_its_servers() {
    let installation = Installation::new();
    let running = installation.start();
    let servers = running.up_file().unwrap()["demo"].as_array().unwrap().len();
    let processes = installation.processes().len();
    assert_eq!(servers, 2);
    let told = running.told(&["demo", "remove"]);
    assert!(told.contains("servers are removed"), "{told}");
    wait("up.json without a demo", || {
        running
            .up_file()
            .is_some_and(|up| up["demo"].as_array().unwrap().is_empty() && up["url"] == up["portal"])
    });
    wait("the servers to be gone", || installation.processes().len() == processes - servers);
    running.end(Signal::SIGTERM);
}

#[test]
fn a_bootstrap_file_is_written_for_its_owner_alone_and_nothing_is_overwritten() {
    let installation = Installation::new();
    let running = installation.start();
    let file = installation.data().with_file_name("policy2.json");
    let path = file.to_str().unwrap();
    running.told(&["bootstrap", "policy2", "-o", path]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let written = read(&file);
    let bootstrap: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!((&bootstrap["instance"], &bootstrap["service"]), (&"policy2".into(), &"policy".into()));

    let again = || {
        evergate(&["bootstrap", "policy2", "-o", path, "--data"]).arg(installation.data()).output().unwrap()
    };
    assert!(String::from_utf8_lossy(&again().stderr).contains("is there already"));
    assert_eq!(read(&file), written);
    std::fs::remove_file(&file).unwrap();
    let unknown =
        evergate(&["bootstrap", "policy9", "-o", path, "--data"]).arg(installation.data()).output().unwrap();
    assert!(!unknown.status.success() && !file.exists(), "{unknown:?}");
    running.end(Signal::SIGTERM);
}
