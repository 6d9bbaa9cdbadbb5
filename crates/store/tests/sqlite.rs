//! The store on SQLite: what both databases must do, and what is SQLite's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

#[path = "support/sqlite.rs"]
mod database;
#[path = "suite/suite.rs"]
mod suite;

use database::Database;

#[tokio::test]
async fn the_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let database = Database::new().await;
    let _store = database.open().await;
    for file in std::fs::read_dir(database.directory()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}
