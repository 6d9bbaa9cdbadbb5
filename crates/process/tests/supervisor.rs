//! The supervisor with real child processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evergate_process::Lifecycle;
use evergate_process::supervisor::{ChildSpec, Children, Supervisor};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;
use tokio::time::Instant;

fn shell(name: &str, script: &str, stop_stage: u8) -> ChildSpec {
    ChildSpec {
        name: name.to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("GREETING".into(), "hello".into())],
        socket: None,
        stop_stage,
        stop_within: Duration::from_millis(500),
        watched: None,
        may_be_absent: false,
    }
}

async fn until(states: &mut watch::Receiver<Children>, holds: impl Fn(&Children) -> bool) -> Children {
    tokio::time::timeout(Duration::from_secs(10), states.wait_for(|children| holds(children)))
        .await
        .expect("in time")
        .unwrap()
        .clone()
}

async fn until_logged(path: &Path, text: &str) {
    let logged = async {
        while !std::fs::read_to_string(path).is_ok_and(|log| log.contains(text)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), logged).await.expect("in time");
}

#[tokio::test]
async fn a_killed_child_is_started_again_at_once_and_its_output_is_kept() {
    let logs = tempfile::tempdir().unwrap();
    let lifecycle = Lifecycle::new();
    let specs = vec![shell("one", "echo $GREETING >&2; exec sleep 1000", 0)];
    let supervisor = Supervisor::start(&lifecycle, specs, logs.path());
    let mut states = supervisor.states();
    let first = until(&mut states, |children| children.get("one").is_some_and(|one| one.pid.is_some())).await;
    let first_pid = first["one"].pid.unwrap();
    until_logged(&logs.path().join("one.log"), "hello\n").await;

    let killed = Instant::now();
    kill(Pid::from_raw(i32::try_from(first_pid).unwrap()), Signal::SIGKILL).unwrap();
    let second = until(&mut states, |children| children["one"].starts == 2).await;
    assert!(killed.elapsed() < Duration::from_millis(500), "{:?}", killed.elapsed());
    assert_ne!(second["one"].pid, Some(first_pid));
    assert!(second["one"].last_end.as_deref().unwrap().contains("SIGKILL"));
    until_logged(&logs.path().join("one.log"), "hello\nhello\n").await;

    supervisor.stop().await;
    assert_eq!(states.borrow()["one"].pid, None);
    assert!(lifecycle.finish(Duration::from_secs(5)).await, "the readers of its output ended too");
}

#[tokio::test]
async fn stages_end_one_after_the_other_and_the_stubborn_are_killed() {
    let directory = tempfile::tempdir().unwrap();
    let order = directory.path().join("order");
    let script = |name: &str| {
        format!(
            "trap 'echo {name} >> {}; exit 0' TERM; echo up; while :; do sleep 0.05; done",
            order.display()
        )
    };
    let specs = vec![
        shell("late", &script("late"), 1),
        shell("early", &script("early"), 0),
        shell("stubborn", "trap '' TERM; echo up; while :; do sleep 0.05; done", 0),
    ];
    let supervisor = Supervisor::start(&Lifecycle::new(), specs, directory.path());
    for name in ["late", "early", "stubborn"] {
        until_logged(&directory.path().join(format!("{name}.log")), "up\n").await;
    }
    let states = supervisor.states();
    let asked = Instant::now();
    supervisor.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(std::fs::read_to_string(order).unwrap(), "early\nlate\n");
    assert!(states.borrow()["stubborn"].last_end.as_deref().unwrap().contains("SIGKILL"));
}

#[tokio::test]
async fn a_child_finds_the_shared_socket_and_nobody_is_refused_while_it_is_away() {
    let directory = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let spec = ChildSpec {
        socket: Some(Arc::new(socket.into())),
        ..shell("one", "readlink /proc/self/fd/0; exec sleep 1000", 0)
    };
    let supervisor = Supervisor::start(&Lifecycle::new(), vec![spec], directory.path());
    until_logged(&directory.path().join("one.log"), "socket:").await;
    let mut states = supervisor.states();
    let pid = states.borrow_and_update()["one"].pid.unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    TcpStream::connect(address).expect("the connection waits in the kernel's queue");
    until(&mut states, |children| children["one"].starts == 2).await;
    supervisor.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_tried_again_and_the_reason_told() {
    let directory = tempfile::tempdir().unwrap();
    let spec = ChildSpec { program: "/nowhere/evergate".into(), ..shell("one", "", 0) };
    let supervisor = Supervisor::start(&Lifecycle::new(), vec![spec], directory.path());
    let mut states = supervisor.states();
    until(&mut states, |children| {
        children
            .get("one")
            .is_some_and(|one| one.last_end.as_deref().is_some_and(|end| end.contains("No such file")))
    })
    .await;
    supervisor.stop().await;
}
