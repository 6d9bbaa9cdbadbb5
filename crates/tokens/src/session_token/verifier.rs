//! The one door between a cookie's text and what is believed.

use data_encoding::BASE64URL_NOPAD;
use evergate_model::id::Key;
use evergate_model::snapshot::{KeyPurpose, PublicKey};
use evergate_model::{Host, Id, Timestamp};

use super::{CONTEXT, Claims, LONGEST_TEXT, PREFIX, SIGNATURE_LENGTH, reader};
use crate::key_ring::{Checked, KeyRing, KeyRingError};

/// Verifies session tokens with the public keys of policy, of several generations.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    keys: KeyRing,
}

/// Why a text is not a session token that holds here and now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than any token.
    #[error("the session token is longer than {LONGEST_TEXT} bytes")]
    TooLong,
    /// It is of a version of which nothing is known, or no token at all.
    #[error("the session token does not begin with `{PREFIX}`")]
    UnknownVersion,
    /// Its bytes are not a token's.
    #[error("the session token is malformed")]
    Malformed,
    /// The key that it names is not, or no longer, among the public keys.
    #[error("the session token is signed with the unknown key `{0}`")]
    UnknownKey(Id<Key>),
    /// It was not made by the holder of the key, or was changed.
    #[error("the session token's signature is wrong")]
    Forged,
    /// It is for another host.
    #[error("the session token is for the host `{0}`")]
    OtherHost(Host),
    /// It has expired.
    #[error("the session token expired at {0}")]
    Expired(Timestamp),
}

/// What a genuine token said, for this host, at this moment: made by [`Verifier::verify`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    claims: Claims,
}

impl VerifiedToken {
    /// What it says.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What it says, to keep.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

impl Verifier {
    /// A verifier by the keys for session tokens among `keys`.
    ///
    /// # Errors
    /// When one of them is not an Ed25519 public key.
    pub fn from_public_keys(keys: &[PublicKey]) -> Result<Self, KeyRingError> {
        Ok(Self { keys: KeyRing::from_public_keys(keys, KeyPurpose::SessionToken)? })
    }

    /// What `text` says, if it is a genuine token for `host` that has not expired.
    ///
    /// # Errors
    /// Says which of the tests it failed first; nothing that it claims is believed then.
    pub fn verify(&self, text: &str, host: &Host, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        let claims = self.genuine(text)?;
        if claims.host != *host {
            return Err(TokenError::OtherHost(claims.host));
        }
        let expires_at = claims.expires_at.min(claims.facts.ends_at);
        if now >= expires_at {
            return Err(TokenError::Expired(expires_at));
        }
        Ok(VerifiedToken { claims })
    }

    fn genuine(&self, text: &str) -> Result<Claims, TokenError> {
        if text.len() > LONGEST_TEXT {
            return Err(TokenError::TooLong);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(TokenError::UnknownVersion)?;
        let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| TokenError::Malformed)?;
        let (body, signature) = bytes.split_last_chunk::<SIGNATURE_LENGTH>().ok_or(TokenError::Malformed)?;
        let (key, claims) = reader::read(body).map_err(|_| TokenError::Malformed)?;
        match self.keys.check(key, &[CONTEXT, body].concat(), signature) {
            Checked::Genuine => Ok(claims),
            Checked::Forged => Err(TokenError::Forged),
            Checked::UnknownKey => Err(TokenError::UnknownKey(key)),
        }
    }
}
