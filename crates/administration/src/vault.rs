//! What is sealed in the database: authority and internal keys, snapshots, listeners' keys. Each is
//! bound to a name, so that one cannot be put in another's place. And keyed hashes, for what may hold
//! a password and must be known again.

use std::sync::Arc;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use evergate_keys::wrapping::{WrappingKey, WrappingKeyError};
use evergate_model::id::Key;
use evergate_model::{Id, Secret, Service};

use crate::Failure;

/// What the key of hashes is derived for.
const HASHING: &[u8] = b"evergate administration keyed hashes v1";

/// Seals and opens with the installation's wrapping key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    wrapping: Arc<WrappingKey>,
    hashing: Arc<hmac::Key>,
}

impl Vault {
    /// The vault that this wrapping key (hex) opens.
    ///
    /// # Errors
    /// When the text is no wrapping key.
    pub fn from_hex(text: &Secret<String>) -> Result<Self, WrappingKeyError> {
        let wrapping = Arc::new(WrappingKey::from_hex(text)?);
        let whole = hmac::Key::new(hmac::HMAC_SHA256, text.expose().as_bytes());
        let derived = hmac::sign(&whole, HASHING);
        Ok(Self { wrapping, hashing: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())) })
    }

    pub(crate) fn seal(&self, name: &str, plain: &[u8]) -> Vec<u8> {
        self.wrapping.wrap(name, plain)
    }

    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, Failure> {
        let plain = self.wrapping.unwrap(name, sealed).map_err(|_| Failure::Sealed(name.to_owned()))?;
        Ok(Secret::new(plain.to_vec()))
    }

    pub(crate) fn open_text(&self, name: &str, sealed: &[u8]) -> Result<Secret<String>, Failure> {
        let plain = self.open(name, sealed)?;
        let text = std::str::from_utf8(plain.expose()).map_err(|_| Failure::Sealed(name.to_owned()))?;
        Ok(Secret::new(text.to_owned()))
    }

    /// A hash of these parts, the same at every instance of the installation, from which nobody
    /// without its wrapping key can guess at them. The first part says what it is for.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.hashing);
        for part in parts {
            // Behind its length, so that moving a byte from one part to the next is a change.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        HEXLOWER.encode(context.sign().as_ref())
    }
}

/// The name under which a key is sealed.
pub(crate) fn key_name(id: Id<Key>) -> String {
    format!("key/{id}")
}

/// The name under which a snapshot is sealed.
pub(crate) fn snapshot_name(audience: Service, revision: u64) -> String {
    format!("snapshot/{audience}/{revision}")
}

/// The name under which the key of a certificate for browsers is sealed.
pub(crate) fn certificate_name(name: &str) -> String {
    format!("certificate/{name}")
}

#[cfg(test)]
mod tests {
    use evergate_keys::wrapping;

    use super::*;

    #[test]
    fn a_keyed_hash_is_one_installations_and_tells_where_parts_begin() {
        let key = wrapping::generate();
        let [vault, standby] = [&key, &key].map(|key| Vault::from_hex(key).unwrap());
        let hash = vault.hash(&[b"ab", b"c"]);
        assert_eq!(hash, standby.hash(&[b"ab", b"c"]));
        assert_ne!(hash, vault.hash(&[b"a", b"bc"]));
        assert_ne!(hash, Vault::from_hex(&wrapping::generate()).unwrap().hash(&[b"ab", b"c"]));
    }
}
