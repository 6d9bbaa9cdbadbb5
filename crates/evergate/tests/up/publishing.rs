//! Applications, as the command line publishes them: when `up` starts, and while it runs.

use nix::sys::signal::Signal;

use crate::installation::{Installation, evergate, refused, wait};

const ADD: [&str; 9] = [
    "resource",
    "add",
    "notes",
    "--host",
    "notes.localhost",
    "--rule",
    "password",
    "--upstream",
    "http://127.0.0.1:1",
];

#[test]
fn the_address_of_each_protected_application_is_printed_whether_it_is_new_or_not() {
    let installation = Installation::new();
    let base = installation.base;
    for (server, kept) in [("http://127.0.0.1:1", false), ("http://127.0.0.1:2", true)] {
        let mut running = installation.spawn(&["--protect", &format!("wiki={server}")]);
        running.until_ready();
        let line = || {
            let address = format!("wiki     https://wiki.localhost:{base}/");
            installation.printed().lines().find(|line| line.contains(&address)).map(str::to_owned)
        };
        wait("the address of the application", || line().is_some());
        assert_eq!(line().unwrap().contains("published before"), kept);
        running.end(Signal::SIGTERM);
    }
}

#[test]
fn a_resource_that_is_there_is_replaced_only_when_that_is_said() {
    let installation = Installation::new();
    let running = installation.start();
    assert!(running.told(&ADD).contains("published as version"));
    assert!(running.told(&ADD).contains("nothing differs"), "the same again is nothing");
    let other = [&ADD[..], &["--grace", "1m"]].concat();
    let (code, said) = refused(evergate(&other).arg("--data").arg(installation.data()));
    assert_eq!(code, 1);
    assert!(said.contains("another resource `notes`") && said.contains("--replace"), "{said}");
    let shown = || running.told(&["resource", "show", "notes", "--json"]);
    assert!(shown().contains("15m"), "{}", shown());
    running.told(&[&other[..], &["--replace"]].concat());
    assert!(!shown().contains("15m"), "{}", shown());
    running.end(Signal::SIGTERM);
}
