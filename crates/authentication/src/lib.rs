//! The authentication service: signs users in, and shows them the portal and their account. HTTP
//! pages on the internal listener, forwarded by the access points under the portal host.
//!
//! **Not here:** sessions and verdicts (policy), mail and the making of soft tokens
//! (distribution), what pages look like (the `pages` crate), what keys do (the `keys` crate).
//!
//! **Begin at** [`flow`], which says what happens next in a sign-in, then [`sign_in`], its shell.
//!
//! A step begun at one instance is finished by any other: progress travels sealed in the form
//! ([`progress`]), what must happen once is a unique row under an effect key ([`effect`]).

mod account;
mod accounts;
mod answer;
mod assets;
mod cookies;
mod effect;
mod enrolment;
mod error;
pub mod flow;
pub mod form;
mod hashing;
mod invitation;
mod metrics;
pub mod neighbours;
mod portal;
mod posted;
pub mod progress;
mod proof;
mod routes;
mod secrets;
mod serve;
mod settings;
mod sign_in;
mod sign_out;
mod site;
mod tidying;
mod visit;

pub use hashing::HashingPool;
pub use metrics::SIGN_INS;
pub use routes::router;
pub use secrets::Secrets;
pub use serve::serve;
pub use settings::Settings;
pub use site::{Latest, Site};

/// SHA-256 of a text, lower-case hex.
fn hash_of(text: &str) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    data_encoding::HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref())
}
