//! What must not start, and what it must say.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use crate::installation::{Installation, evergate, refused};

#[test]
fn a_second_one_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let installation = Installation::new();
    let running = installation.start();
    let before = running.up_file();
    let (code, said) = refused(&mut installation.command());
    assert_eq!(code, 1);
    assert!(said.contains(&format!("process {}", running.pid())), "{said}");
    assert_eq!(running.up_file(), before);
    running.end(Signal::SIGTERM);
}

#[test]
fn a_busy_port_is_named_another_base_proposed_and_nothing_damaged() {
    let installation = Installation::new();
    for port in [installation.base, installation.base + 2, installation.base + 11] {
        let busy = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (code, said) = refused(&mut installation.command());
        assert_eq!(code, 1);
        assert!(said.contains(&format!("port {port} is in use")), "{said}");
        assert!(said.contains("--listen-base"), "{said}");
        assert!(!installation.data().exists(), "nothing is left of a start that failed so early");
        drop(busy);
    }
    installation.start().end(Signal::SIGTERM);
}

#[test]
fn a_directory_that_cannot_be_ours_is_refused() {
    let installation = Installation::new();
    std::fs::write(installation.data(), "a file").unwrap();
    let (code, said) = refused(&mut installation.command());
    assert_eq!(code, 1);
    assert!(said.contains("cannot make the directory"), "{said}");
    assert_eq!(std::fs::read(installation.data()).unwrap(), b"a file");
    std::fs::remove_file(installation.data()).unwrap();

    std::fs::create_dir(installation.data()).unwrap();
    std::fs::write(installation.data().join("thesis.txt"), "years of work").unwrap();
    let (code, said) = refused(&mut installation.command());
    assert_eq!(code, 1);
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(std::fs::read_dir(installation.data()).unwrap().count(), 1);
}

#[test]
fn wrong_usage_and_wrong_files_have_codes_of_their_own() {
    assert_eq!(refused(&mut evergate(&["up", "--protect", "wiki"])).0, 64);
    assert_eq!(refused(&mut evergate(&["up", "--listen-base", "65530"])).0, 64);
    assert_eq!(refused(&mut evergate(&["fly"])).0, 64);
    assert_eq!(refused(&mut evergate(&[])).0, 64);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy1.json");
    std::fs::write(&file, "{\n  \"lineage\": 7\n}").unwrap();
    let (code, said) = refused(evergate(&["run", "policy1", "--bootstrap"]).arg(&file));
    assert_eq!(code, 78);
    assert!(said.contains("policy1.json") && said.contains("line 2"), "{said}");

    let network = directory.path().join("network.yml");
    std::fs::write(&network, "instances: 3\n").unwrap();
    let (code, said) = refused(evergate(&["up", "--network"]).arg(&network).current_dir(directory.path()));
    assert_eq!(code, 78);
    assert!(said.contains("network.yml") && said.contains("line 1"), "{said}");
    assert!(!directory.path().join("evergate-data").exists(), "nothing was made");
}
