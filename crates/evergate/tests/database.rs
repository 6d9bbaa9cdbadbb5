//! `evergate database` and `evergate backup` where the installation's database is a real PostgreSQL.
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
use tempfile::TempDir;

/// A directory as `evergate up` leaves it, of an installation whose database is at `url`.
fn directory_of(url: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("database-url"), format!("{url}\n")).unwrap();
    directory
}

fn evergate(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evergate"));
    command.args(arguments).arg("--data").arg(data).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the command says that must fail, and its exit code.
fn refused(data: &Path, arguments: &[&str]) -> (i32, String) {
    let output = evergate(data, arguments);
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn a_postgresql_is_migrated_and_checked_and_what_endangers_it_is_a_warning_only() {
    let access = vec!["host all all 127.0.0.1/32 scram-sha-256".to_owned()];
    let cluster = Cluster::start_as(&Plan { access, ..Plan::default() });
    run(cluster.say("create role evergate login password 'not-for-prints'"));
    run(cluster.say("create database evergate owner evergate template template0"));
    // An address that leads here without saying so: to the program it is another machine.
    let url = format!("postgres://evergate:not-for-prints@0.0.0.0:{}/evergate", cluster.port());
    let directory = directory_of(&url);
    let data = directory.path();

    let (code, said) = refused(data, &["database", "check"]);
    assert!(code == 1 && said.contains("`evergate database migrate` brings it up"), "{said}");
    let migrated = evergate(data, &["database", "migrate"]);
    assert!(migrated.status.success(), "{migrated:?}");

    let checked = evergate(data, &["database", "check"]);
    assert!(checked.status.success(), "{checked:?}");
    let printed = text(&checked.stdout);
    assert!(printed.contains("\nwarning: no standby has a write before it is confirmed"), "{printed}");
    assert!(printed.contains("\nwarning: the connection is plain"), "{printed}");
    assert!(!printed.contains("not-for-prints"), "{printed}");

    let checked = evergate(data, &["database", "check", "--json"]);
    let found: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(found["writes"], format!("0.0.0.0:{}", cluster.port()));
    assert_eq!((&found["whole"], &found["current"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!((&found["synchronous"], &found["timeline"]), (&Value::Bool(false), &Value::from(1)));
    assert_eq!((&found["connection"], &found["migration"]), (&"plain".into(), &found["known_migration"]));
    assert!(found["version"].as_str().unwrap().starts_with(|first: char| first.is_ascii_digit()), "{found}");
    assert_eq!(found["warnings"].as_array().unwrap().len(), 2, "{found}");

    std::fs::write(data.join("database-url"), url.replace("not-for-prints", "wrong-password")).unwrap();
    let (code, said) = refused(data, &["database", "check"]);
    assert!(code == 1 && said.contains("does not accept the password"), "{said}");
    assert!(!said.contains("wrong-password"), "{said}");
}

#[test]
fn a_backup_of_a_postgresql_names_its_tools_and_the_files_to_keep() {
    // Nobody answers there: what is said needs no database.
    let directory = directory_of("postgres://evergate:not-for-prints@127.0.0.1:1/evergate");
    let data = directory.path();
    std::fs::write(data.join("wrapping-key"), "x").unwrap();
    let file = data.join("one.backup");
    let file = file.to_str().unwrap();

    let (code, said) = refused(data, &["backup", file]);
    assert!(
        code == 1 && said.contains("is a PostgreSQL, whose copies are made with its own tools"),
        "{said}"
    );
    for wanted in ["pg_dump", "/database-url`", "/wrapping-key`"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("api-token") && !said.contains("not-for-prints"), "{said}");
    assert!(!Path::new(file).exists());

    let other = tempfile::tempdir().unwrap();
    let (code, said) = refused(other.path(), &["database", "check"]);
    assert!(code == 1 && said.contains("there is no database in"), "{said}");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
