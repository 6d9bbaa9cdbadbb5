//! Private keys, and everything that is done with them: signing, sealing, certificates, password
//! hashes, one-time codes. The one place that draws randomness for secrets.
//!
//! **Not here:** verification, which an access point needs as well (the `tokens` crate); where
//! keys are stored and how they travel (administration, `process`); clocks.
//!
//! **Begin at** [`bundle::KeyBundle`] (what one kind of service is given), then
//! [`signing::SigningKey`] and [`sealing::Sealer`] (what it does with it).

pub mod api_token;
pub mod assertion;
pub mod bundle;
pub mod certificate_authority;
pub mod code_mac;
pub mod email_code;
pub mod password;
pub mod random;
pub mod recovery;
pub mod rotation;
pub mod sealing;
pub mod seed;
pub mod signing;
pub mod totp;
pub mod wrapping;

mod hex_secret;
mod typed;

pub use assertion::Assertion;
pub use bundle::{BundleKey, KeyBundle, KeyState, Purpose};
pub use code_mac::CodeMac;
pub use random::new_id;
pub use sealing::Sealer;
pub use seed::{SeedOpener, SeedSealer};
pub use signing::SigningKey;

/// Why bytes are not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes of this key are of another length or form.
    #[error("the key `{0}` is malformed")]
    Malformed(evergate_model::Id<evergate_model::id::Key>),
    /// There is no active key for a purpose.
    #[error("there is no active key for {0}")]
    Missing(Purpose),
}
