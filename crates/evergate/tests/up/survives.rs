//! `kill -9` of the supervisor and of everything, at any moment.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::installation::{Installation, Stranger, read};

#[test]
fn orphans_of_a_killed_supervisor_are_ended_and_nobody_else() {
    let installation = Installation::new();
    let running = installation.start();
    let (orphan, up) = (running.pid_of("policy1"), running.up_file().unwrap());
    // As a drill leaves it that was killed together with the supervisor.
    running.strike("distribution1", Signal::SIGSTOP);
    running.crash();
    let orphans = installation.processes();
    assert!(orphans.contains(&orphan), "the instances go on without their supervisor");

    // The same words, but another program: not provably ours.
    let data = installation.data().into_os_string().into_string().unwrap();
    let mut decoy = Stranger::start(Command::new("/bin/sleep").arg0("evergate run policy1").arg("1000"));
    // It waits at a pipe of its own, so that ending it leaves no child of its own behind.
    let script = "mkfifo \"$0\"; exec 3<>\"$0\"; read -r word <&3";
    let pipe = installation.data().join("pipe").into_os_string().into_string().unwrap();
    let mut shell =
        Stranger::start(Command::new("/bin/sh").args(["-c", script, &pipe, "run", "--data", &data]));

    let mut again = installation.spawn(&[]);
    // The file of the crashed supervisor does not pass for that of the new one.
    again.until_ready();
    assert_ne!(again.up_file().unwrap()["supervisor"], up["supervisor"]);
    let living = installation.processes();
    assert!(orphans.iter().all(|orphan| !living.contains(orphan)), "{orphans:?} {living:?}");
    for innocent in [&mut decoy, &mut shell] {
        assert!(innocent.lives(), "an innocent process was ended");
    }
    again.end(Signal::SIGTERM);
}

#[test]
fn everything_may_be_killed_at_any_moment_of_the_first_start() {
    let installation = Installation::new();
    let mut moment = Duration::from_millis(5);
    while moment < Duration::from_millis(1500) {
        let running = installation.spawn(&[]);
        // Not a wait for anything: the moment at which lightning strikes.
        sleep(moment);
        installation.kill_everything();
        drop(running);
        moment = moment.mul_f32(1.6);
    }
    installation.start().end(Signal::SIGTERM);
}

#[test]
fn everything_may_be_killed_while_it_runs() {
    let installation = Installation::new();
    let running = installation.start();
    let password = read(&installation.data().join("administrator-password"));
    installation.kill_everything();
    drop(running);
    let running = installation.start();
    assert_eq!(read(&installation.data().join("administrator-password")), password);
    running.end(Signal::SIGTERM);
}
