//! What must outlive a process, in one database: SQLite for one machine, PostgreSQL for more.
//!
//! **Not here:** what a row means to a service; clocks and chance (every write is told `now` and
//! brings its own ids); encryption (secrets arrive sealed or hashed).
//!
//! **Begin at** [`Store`] (how to read and to write), then [`users`] (how a noun is written) and
//! [`effects`] (what must happen once).
//!
//! # Adding a noun
//! One file `src/NOUN.rs` and one `migrations/NNNN_NOUN.sql`, entered in `src/migrations.rs`.
//! Numbers: 0001-0019 foundation and people, 0020-0029 policy, 0030-0039 distribution, 0040-0049
//! authentication, 0050-0069 administration; a migration that has landed is never edited.
//! It only adds: what takes away waits a release, and has `_contract_` in its name, by which older
//! programs know that the database is no longer for them.
//! SQL is the subset that SQLite and PostgreSQL share: `$1` placeholders, integer milliseconds UTC,
//! ids and JSON as text, bytes as `blob`, no rowid, no `insert or ...` (write `on conflict`). What cannot
//! be said to both in one text stands in `src/dialect.rs`; in a transaction of PostgreSQL nothing is
//! done any more after a statement that failed, so no caller goes on after an error.
//! Reading functions take [`&mut Connection`](Connection), which a [`Tx`] also derefs to; writing
//! functions take [`&mut Tx`](Tx), an [`Actor`] where an audit row is due, and `now`.

pub mod actor;
pub mod api_tokens;
pub mod attempts;
pub mod audit;
mod change;
pub mod configurations;
mod connection;
pub mod console_sessions;
pub mod copies;
pub mod credentials;
mod dialect;
pub mod effects;
pub mod email_codes;
pub mod enrolments;
pub mod error;
pub mod groups;
pub mod hand_overs;
pub mod host_certificates;
pub mod installation;
pub mod instances;
pub mod integrity;
pub mod invitations;
pub mod join_tokens;
pub mod keys;
pub mod leases;
mod migrations;
pub mod moving;
mod open;
pub mod outbox;
mod postgres;
mod query;
pub mod revocations;
mod row;
pub mod servers;
pub mod sessions;
pub mod snapshots;
mod sqlite;
pub mod timeline;
pub mod users;

pub use actor::Actor;
pub use change::Changes;
pub use connection::Connection;
pub use error::StoreError;
pub use open::{Reading, Settings, Store, Tx};
pub use postgres::{AddressError, Problem, Trouble};
pub use timeline::Memory;
