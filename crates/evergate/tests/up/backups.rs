//! A backup of a running installation, and the installation made again from it.

use nix::sys::signal::Signal;

use crate::installation::{Installation, evergate, read, refused};

#[test]
fn an_installation_is_made_again_from_a_backup() {
    let original = Installation::new();
    let running = original.start();
    let file = original.data().with_file_name("one.backup");
    let wrote = evergate(&["backup"]).arg(&file).arg("--data").arg(original.data()).output().unwrap();
    assert!(wrote.status.success(), "{wrote:?}");
    assert!(evergate(&["backup", "verify"]).arg(&file).output().unwrap().status.success());
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    // Neither an installation nor another backup is ever overwritten.
    let (code, said) = refused(evergate(&["backup"]).arg(&file).arg("--data").arg(original.data()));
    assert!(code == 1 && said.contains("is there already"), "{said}");
    let (code, said) = refused(evergate(&["restore"]).arg(&file).arg("--data").arg(original.data()));
    assert!(code == 1 && said.contains("in use"), "{said}");
    running.end(Signal::SIGTERM);
    let (code, said) = refused(evergate(&["restore"]).arg(&file).arg("--data").arg(original.data()));
    assert!(code == 1 && said.contains("there is an installation"), "{said}");

    // Nor is one whose database is a PostgreSQL, which lies elsewhere.
    let elsewhere = Installation::new();
    std::fs::create_dir(elsewhere.data()).unwrap();
    // What `up` leaves in a directory of its own.
    std::fs::write(elsewhere.data().join("lock"), "").unwrap();
    std::fs::write(elsewhere.data().join("database-url"), "postgres://evergate@127.0.0.1:1/evergate")
        .unwrap();
    let (code, said) = refused(evergate(&["restore"]).arg(&file).arg("--data").arg(elsewhere.data()));
    assert!(code == 1 && said.contains("is a PostgreSQL") && said.contains("pg_restore"), "{said}");
    assert!(
        !elsewhere.data().join("evergate.db").exists() && !elsewhere.data().join("wrapping-key").exists()
    );

    let restored = Installation::new();
    let made = evergate(&["restore"]).arg(&file).arg("--data").arg(restored.data()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    for name in ["wrapping-key", "administrator-password", "api-token", "demo.json"] {
        assert_eq!(read(&restored.data().join(name)), read(&original.data().join(name)), "{name}");
    }
    let running = restored.start();
    assert_eq!(read(&restored.data().join("local-ca.pem")), read(&original.data().join("local-ca.pem")));
    let users = evergate(&["user", "list", "--json", "--data"]).arg(restored.data()).output().unwrap();
    assert!(String::from_utf8_lossy(&users.stdout).contains("alice"), "{users:?}");
    running.end(Signal::SIGTERM);
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_made() {
    let installation = Installation::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.backup");
    for content in [b"not a database".to_vec(), Vec::new()] {
        std::fs::write(&file, content).unwrap();
        let (code, said) = refused(evergate(&["restore"]).arg(&file).arg("--data").arg(installation.data()));
        assert!(code != 0 && said.contains("bad.backup"), "{said}");
        assert!(!installation.data().exists(), "nothing was made");
    }
}
