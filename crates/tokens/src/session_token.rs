//! The session token: what the browser's cookie carries, and a decision needs.
//!
//! Text: `v1.` and base64url without padding; at most [`LONGEST_TEXT`] bytes. Bytes, integers
//! big-endian, a *text* being one length byte and that many bytes of UTF-8:
//!
//! | field | bytes |
//! | --- | --- |
//! | key id | 16 |
//! | session, user | 16 each |
//! | issued, expires, opened, ends (ms) | 8 each |
//! | log position | 8 |
//! | flags: 1 has e-mail, 2 groups left out | 1 |
//! | host, user name, e-mail if flagged | texts |
//! | number of groups, each a text | 2 + |
//! | number of factors, each a kind (7: a text follows) and a time | 1 + |
//! | Ed25519 signature of [`CONTEXT`] and all of the above | 64 |

mod claims;
mod reader;
mod verifier;
mod writer;

pub use claims::Claims;
pub use verifier::{TokenError, VerifiedToken, Verifier};
pub use writer::{EncodeError, UnsignedToken, to_be_signed};

/// No token is longer, in bytes of its text: browsers keep 4 KiB of cookie.
pub const LONGEST_TEXT: usize = 3072;
/// What the text begins with: the version of the format.
pub const PREFIX: &str = "v1.";
/// What is signed before the token's bytes, so that no signature made for anything else passes.
pub const CONTEXT: &[u8] = b"evergate session token v1\0";

/// The length of an Ed25519 signature.
const SIGNATURE_LENGTH: usize = 64;

/// Bits of the flags byte.
mod flag {
    pub(super) const HAS_EMAIL: u8 = 1;
    pub(super) const GROUPS_LEFT_OUT: u8 = 2;
    pub(super) const ALL: u8 = HAS_EMAIL | GROUPS_LEFT_OUT;
}

#[cfg(test)]
mod tests;
