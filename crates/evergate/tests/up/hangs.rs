//! Instances that are stopped, as by SIGSTOP: who is killed, and that none holds up the end.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::installation::{Installation, wait};

#[test]
fn a_hung_access_point_is_replaced_and_those_that_hang_do_not_hold_up_the_end() {
    let installation = Installation::new();
    let running = installation.start();
    let (door, policy) = (running.pid_of("access-point1"), running.pid_of("policy1"));
    running.strike("policy1", Signal::SIGSTOP);
    running.strike("access-point1", Signal::SIGSTOP);
    wait("another process of the access point", || running.pid_of("access-point1") != door);
    let replaced = running.instance("access-point1");
    assert_eq!((&replaced["kills"], &replaced["last_kill"]), (&1.into(), &"silent for 2s".into()));
    assert_eq!(running.pid_of("policy1"), policy, "its callers have left it; it may wake");
    assert!(installation.said().contains("killed a child that hangs"), "{}", installation.said());

    running.strike("access-point2", Signal::SIGSTOP);
    let took = running.end(Signal::SIGTERM);
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(installation.processes().is_empty(), "no process is left");
}
