//! A supervisor of one child, as the first process of a process tree of its own, as in a container: this very program,
//! run again. Orphans can only be seen there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evergate_process::supervisor::{ChildSpec, keep_one};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

const SCRIPT: &str = "SOLE_SCRIPT";
const PATIENCE: Duration = Duration::from_secs(20);

/// The supervisor, with a shell for a child.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn a_supervisor() {
    let Some(script) = std::env::var_os(SCRIPT) else { return };
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let spec = ChildSpec {
        name: "one".to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script],
        environment: Vec::new(),
        socket: None,
        stop_stage: 0,
        stop_within: Duration::from_secs(2),
        watched: None,
        may_be_absent: false,
    };
    let ended = keep_one(spec, |code| code == 78).unwrap();
    println!("ended {ended:?}");
}

fn supervise(script: &str) -> (Child, impl Iterator<Item = String>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_supervisor", "--ignored", "--nocapture"]).env(SCRIPT, script);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // What the frame of the tests prints is not meant, and may stand in front.
    let said = |line: String| Some(line[line.find("says ").or(line.find("ended "))?..].to_owned());
    (child, lines.filter_map(said))
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.split_whitespace().last().unwrap().parse().unwrap())
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

fn terminate(child: &mut Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_dies_is_started_again_and_a_signal_is_handed_on() {
    let script =
        "trap 'echo says goodbye; exit 0' TERM; echo says $$; while :; do sleep 0.05 & wait $!; done";
    let (mut supervisor, mut lines) = supervise(script);
    let first = pid(&lines.next().unwrap());
    kill(first, Signal::SIGKILL).unwrap();
    assert_ne!(pid(&lines.next().unwrap()), first);
    terminate(&mut supervisor);
    assert_eq!(lines.next().unwrap(), "says goodbye");
    assert_eq!(lines.next().unwrap(), "ended None");
}

#[test]
fn an_end_that_would_only_be_repeated_is_the_end() {
    let (mut supervisor, mut lines) = supervise("echo says it is wrong; exit 78");
    assert_eq!(lines.next().unwrap(), "says it is wrong");
    assert_eq!(lines.next().unwrap(), "ended Some(78)");
    assert!(supervisor.wait().unwrap().success());
}

#[test]
fn orphans_are_reaped_and_the_child_is_not() {
    // The inner shell ends at once, and its child, which says who it is, a moment later.
    let script = "sh -c 'sh -c \"echo says \\$\\$\" &'; echo says $$; exec sleep 1000";
    let (mut supervisor, mut lines) = supervise(script);
    let told: Vec<Pid> = lines.by_ref().take(2).map(|line| pid(&line)).collect();
    let is_there = |pid: &Pid| Path::new(&format!("/proc/{pid}")).exists();
    until("one is gone, and its name too", || told.iter().filter(|pid| is_there(pid)).count() == 1);
    terminate(&mut supervisor);
    assert!(!told.iter().any(is_there));
}
