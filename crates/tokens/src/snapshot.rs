//! The snapshot's envelope: the signed state that instances are sent and keep on disk.
//!
//! `{"format":1,"key":ID,"signature":HEX,"snapshot":{...}}`, exactly so, without spaces. The
//! signature (Ed25519) is over [`CONTEXT`], the key's sixteen bytes and the bytes of the value of
//! `snapshot` as they stand. An envelope that is written in any other way is refused.

mod envelope;
mod verifier;

pub use envelope::{UnsignedSnapshot, to_be_signed};
pub use verifier::{SnapshotError, SnapshotVerifier, VerifiedSnapshot};

/// What is signed before a snapshot's bytes, so that no signature made for anything else passes.
pub const CONTEXT: &[u8] = b"evergate snapshot v1\0";
/// No envelope is longer, in bytes.
pub const LONGEST: usize = 64 << 20;

const FORMAT: u32 = 1;
const SIGNATURE_LENGTH: usize = 64;

#[cfg(test)]
mod tests;
