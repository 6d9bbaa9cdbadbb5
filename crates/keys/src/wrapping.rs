//! The wrapping key: what administration's bootstrap file holds, so that authority keys can lie in
//! the database, in its backups and with its standbys without being readable there.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use data_encoding::HEXLOWER;
use evergate_model::Secret;
use zeroize::Zeroizing;

use crate::sealing::OpenError;
use crate::{hex_secret, random};

/// Wraps keys with AES-256-GCM. Wrapped bytes: nonce (12), ciphertext, tag (16); the name of what
/// is wrapped is authenticated with them.
#[derive(Debug)]
pub struct WrappingKey {
    key: RandomizedNonceKey,
}

/// The text of a wrapping key could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the wrapping key is not 32 bytes in lower-case hex")]
pub struct WrappingKeyError;

/// A new wrapping key, as bootstrap files carry it: 64 digits of lower-case hex.
#[must_use]
pub fn generate() -> Secret<String> {
    Secret::new(HEXLOWER.encode(Zeroizing::new(random::bytes::<32>()).as_ref()))
}

impl WrappingKey {
    /// The key that a bootstrap file carries.
    ///
    /// # Errors
    /// When it is not 32 bytes in lower-case hex.
    pub fn from_hex(text: &Secret<String>) -> Result<Self, WrappingKeyError> {
        let secret = hex_secret::parse(text.expose()).ok_or(WrappingKeyError)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, secret.expose()).map_err(|_| WrappingKeyError)?;
        Ok(Self { key })
    }

    /// `plain`, wrapped under `name`.
    #[must_use]
    #[expect(clippy::expect_used, reason = "fails only without the system's randomness, or above 64 GiB")]
    pub fn wrap(&self, name: &str, plain: &[u8]) -> Vec<u8> {
        let mut body = Zeroizing::new(plain.to_vec());
        let nonce =
            self.key.seal_in_place_append_tag(Aad::from(name), &mut *body).expect("cannot be wrapped");
        [nonce.as_ref().as_slice(), &body].concat()
    }

    /// What was wrapped under `name`.
    ///
    /// # Errors
    /// When it was not wrapped by this key under this name, or was changed.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (nonce, body) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = self.key.open_in_place(Nonce::from(nonce), Aad::from(name), &mut body);
        let length = opened.map_err(|_| OpenError)?.len();
        body.truncate(length);
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_comes_back_under_its_name_only() {
        let text = generate();
        let key = WrappingKey::from_hex(&text).unwrap();
        let wrapped = key.wrap("identity-ca", b"secret");
        let again = WrappingKey::from_hex(&text).unwrap();
        assert_eq!(again.unwrap("identity-ca", &wrapped).unwrap().as_slice(), b"secret");
        assert!(again.unwrap("local-ca", &wrapped).is_err());
        assert!(WrappingKey::from_hex(&generate()).unwrap().unwrap("identity-ca", &wrapped).is_err());
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(WrappingKey::from_hex(&Secret::new("00ff".to_owned())).is_err());
    }
}
