//! What is sealed in the database: authority and internal keys, snapshots, listeners' keys. Each is
//! bound to a name, so that one cannot be put in another's place.

use std::sync::Arc;

use evergate_keys::wrapping::{WrappingKey, WrappingKeyError};
use evergate_model::id::Key;
use evergate_model::{Id, Secret, Service};

use crate::Failure;

/// Seals and opens with the installation's wrapping key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault(Arc<WrappingKey>);

impl Vault {
    /// The vault that this wrapping key (hex) opens.
    ///
    /// # Errors
    /// When the text is no wrapping key.
    pub fn from_hex(text: &Secret<String>) -> Result<Self, WrappingKeyError> {
        WrappingKey::from_hex(text).map(|key| Self(Arc::new(key)))
    }

    pub(crate) fn seal(&self, name: &str, plain: &[u8]) -> Vec<u8> {
        self.0.wrap(name, plain)
    }

    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, Failure> {
        let plain = self.0.unwrap(name, sealed).map_err(|_| Failure::Sealed(name.to_owned()))?;
        Ok(Secret::new(plain.to_vec()))
    }

    pub(crate) fn open_text(&self, name: &str, sealed: &[u8]) -> Result<Secret<String>, Failure> {
        let plain = self.open(name, sealed)?;
        let text = std::str::from_utf8(plain.expose()).map_err(|_| Failure::Sealed(name.to_owned()))?;
        Ok(Secret::new(text.to_owned()))
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
