//! The distribution service with a real database and a real mail server on a socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod enrolments;
mod installation;
mod mail;
mod mail_server;
#[path = "../../../store/tests/support/stall.rs"]
mod stall;
mod woken;
