//! The store on PostgreSQL: what both databases must do, and what is PostgreSQL's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::print_stdout,
    reason = "a test"
)]

#[path = "postgresql/checking.rs"]
mod checking;
#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/postgresql.rs"]
mod database;
#[path = "postgresql/following.rs"]
mod following;
#[path = "postgresql/moving.rs"]
mod moving;
#[path = "postgresql/remembering.rs"]
mod remembering;
#[path = "suite/suite.rs"]
mod suite;
#[path = "postgresql/trouble.rs"]
mod trouble;
