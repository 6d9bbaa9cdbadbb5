//! The formats of session tokens and snapshots, and how they are verified: everything that an
//! access point may hold.
//!
//! **Not here:** private keys and signing (the `keys` crate), clocks, randomness, files, sockets.
//!
//! **Begin at** [`session_token::Verifier`], then [`snapshot::SnapshotVerifier`].

pub mod jwks;
pub mod key_ring;
pub mod session_token;
pub mod snapshot;

pub use key_ring::{KeyRing, KeyRingError};
pub use session_token::{Claims, TokenError, VerifiedToken, Verifier};
pub use snapshot::{SnapshotError, SnapshotVerifier, VerifiedSnapshot};
