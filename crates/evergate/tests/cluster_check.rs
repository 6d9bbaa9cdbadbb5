//! `evergate cluster check` as it is run: with a real PostgreSQL, and without an engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test"
)]

#[path = "../../store/tests/support/cluster.rs"]
mod cluster;

use std::path::Path;
use std::process::{Command, Output};

use cluster::{Cluster, Plan};
use serde_json::Value;

const NETWORK: &str = "
stack: acme
database: { url_file: database-url }
nodes: { node-a: { address: 127.0.0.1, swarm: manager } }
instances:
  administration1: { service: administration, node: node-a }
  policy1: { service: policy, node: node-a }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-a }
  access-point1: { service: access-point, node: node-a, listen: [{ port: 443, all_interfaces: true }] }
";

/// The command in a directory with these files.
fn check(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evergate"));
    command.current_dir(directory).env_remove("DOCKER_HOST");
    let socket = format!("unix://{}/docker.sock", directory.display());
    command.args(["cluster", "check", "--docker", &socket]).args(arguments).output().unwrap()
}

/// Its lines, by what they are about.
fn lines(output: &Output) -> Vec<(String, String, String)> {
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    for line in &lines {
        assert_eq!(line["outcome"] == "ok", line["fix"].is_null(), "{line}");
    }
    lines.iter().map(|line| (text(line, "check"), text(line, "outcome"), text(line, "seen"))).collect()
}

fn has(lines: &[(String, String, String)], check: &str, outcome: &str, seen: &str) {
    let is = |line: &&(String, String, String)| line.0 == check && line.1 == outcome && line.2.contains(seen);
    assert!(lines.iter().any(|line| is(&line)), "no `{check}` is `{outcome}` with `{seen}`: {lines:#?}");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_machine_without_an_engine_is_told_so_and_everything_else_is_checked_all_the_same() {
    let access = vec!["host all all 127.0.0.1/32 scram-sha-256".to_owned()];
    let server = Cluster::start_as(&Plan { access, ..Plan::default() });
    run(server.say("create role evergate login password 'not-for-prints'"));
    run(server.say("create database evergate owner evergate template template0"));
    let directory = tempfile::tempdir().unwrap();
    let url = format!("postgres://evergate:not-for-prints@127.0.0.1:{}/evergate\n", server.port());
    std::fs::write(directory.path().join("database-url"), url).unwrap();
    std::fs::write(directory.path().join("network.yml"), NETWORK).unwrap();

    let output = check(directory.path(), &["--peer", "127.0.0.2", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found = lines(&output);
    has(&found, "network-file", "warn", "everything is on node `node-a`");
    has(&found, "machine", "ok", "node `node-a` at 127.0.0.1 (by its address), a manager");
    has(&found, "engine", "fail", "there is no Docker engine at");
    has(&found, "database", "ok", "takes writes");
    has(&found, "database", "warn", "without synchronous replication a promotion can lose");
    has(&found, "clock", "ok", "from the database's server 127.0.0.1:");
    for port in ["2377/tcp", "7946/tcp", "7946/udp", "4789/udp"] {
        has(&found, port, "ok", "");
    }
    let everything = format!("{output:?}");
    assert!(!everything.contains("not-for-prints"), "{everything}");
    let mut files: Vec<_> =
        directory.path().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["database-url", "network.yml"], "it changes nothing");
}

#[test]
fn a_file_with_problems_and_wrong_words_are_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("network.yml"), NETWORK.replace("policy,", "polizy,")).unwrap();
    let output = check(directory.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = lines(&output);
    has(&found, "network-file", "fail", "`polizy` is not a service");
    has(&found, "engine", "fail", "there is no Docker engine at");

    std::fs::write(directory.path().join("network.yml"), NETWORK).unwrap();
    for wrong in [["--node", "node-x"], ["--peer", "10.0.0.1:2377"]] {
        let output = check(directory.path(), &wrong);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
}

#[test]
fn machines_without_a_swarm_need_no_engine_and_warnings_fail_only_where_strictness_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let plain = NETWORK.replace(", swarm: manager", "").replace("database: { url_file: database-url }\n", "");
    std::fs::write(directory.path().join("network.yml"), plain).unwrap();
    for strict in [false, true] {
        let arguments: &[&str] = if strict { &["--json", "--strict"] } else { &["--json"] };
        let output = check(directory.path(), arguments);
        let found = lines(&output);
        has(&found, "engine", "ok", "not needed: this node runs its instances without Docker");
        has(&found, "database", "ok", "SQLite");
        has(&found, "network-file", "warn", "everything is on node `node-a`");
        // Another program may have a port of theirs here.
        let fails = found.iter().any(|(_, outcome, _)| outcome == "fail");
        assert_eq!(output.status.code(), Some(i32::from(fails || strict)), "{output:?}");
    }
    let shown = String::from_utf8(check(directory.path(), &[]).stdout).unwrap();
    let last = shown.lines().last().unwrap();
    assert!(last.ends_with(" fail") && last.contains(" ok, "), "{shown}");
    assert!(shown.contains("\n      fix: "), "{shown}");
}
