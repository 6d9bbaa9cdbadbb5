//! `evergate up` from outside: real processes, real signals, real directories.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod backups;
mod hangs;
mod installation;
mod lives;
mod publishing;
mod refusals;
mod restarts;
mod survives;
