//! Ed25519 signing keys (RFC 8032): session tokens, assertions, snapshots.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use evergate_model::id::Key;
use evergate_model::snapshot::{KeyPurpose, PublicKey, Snapshot};
use evergate_model::{Id, Secret};
use evergate_tokens::session_token::{self, Claims, EncodeError};
use evergate_tokens::snapshot;

use crate::{Assertion, KeyError, assertion};

/// A private key with the id that what it signs names.
#[derive(Debug)]
pub struct SigningKey {
    id: Id<Key>,
    pair: Ed25519KeyPair,
}

/// A signed snapshot, as instances are sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedSnapshot {
    /// The whole envelope.
    pub bytes: Vec<u8>,
    /// What identifies it: the SHA-256 of the snapshot's own bytes, hex.
    pub hash: String,
}

impl SigningKey {
    /// The key with that id and seed.
    ///
    /// # Errors
    /// When the library refuses the seed.
    pub fn from_seed(id: Id<Key>, seed: &Secret<[u8; 32]>) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError::Malformed(id))?;
        Ok(Self { id, pair })
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> Id<Key> {
        self.id
    }

    /// What verifies the signatures.
    #[must_use]
    pub fn public_key(&self, purpose: KeyPurpose) -> PublicKey {
        PublicKey { id: self.id, purpose, key: HEXLOWER.encode(self.pair.public_key().as_ref()) }
    }

    /// The text of a session token that says `claims`.
    ///
    /// # Errors
    /// When the claims do not fit a token; those [without groups](Claims::without_groups) may.
    pub fn sign_session_token(&self, claims: &Claims) -> Result<String, EncodeError> {
        let unsigned = session_token::to_be_signed(claims, self.id)?;
        let signature = self.sign(unsigned.message());
        Ok(unsigned.assemble(&signature))
    }

    /// The envelope of `snapshot`.
    ///
    /// # Errors
    /// When JSON has no form for something in the snapshot.
    pub fn sign_snapshot(&self, snapshot: &Snapshot) -> Result<SignedSnapshot, serde_json::Error> {
        let unsigned = snapshot::to_be_signed(snapshot, self.id)?;
        let signature = self.sign(unsigned.message());
        Ok(SignedSnapshot { bytes: unsigned.assemble(&signature), hash: unsigned.hash() })
    }

    /// The JWT (RFC 7519, EdDSA by RFC 8037) that says `assertion`.
    #[must_use]
    pub fn sign_assertion(&self, assertion: &Assertion) -> String {
        let message = assertion::message(assertion, self.id);
        let signature = self.sign(message.as_bytes());
        assertion::assemble(message, &signature)
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        let signature = self.pair.sign(message);
        bytes.copy_from_slice(signature.as_ref());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use data_encoding::BASE64URL_NOPAD;
    use evergate_model::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::random;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn the_first_vector_of_rfc_8032_is_met() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let key = SigningKey::from_seed(random::new_id(NOW), &crate::hex_secret::parse(seed).unwrap());
        let signature = HEXLOWER.encode(&key.unwrap().sign(b""));
        assert!(signature.starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"));
    }

    #[test]
    fn an_assertion_is_a_jwt_that_the_published_key_verifies() {
        let key = SigningKey::from_seed(random::new_id(NOW), &Secret::new(random::bytes())).unwrap();
        let assertion = Assertion {
            issuer: "https://portal.localhost".to_owned(),
            audience: "wiki".to_owned(),
            user: random::new_id(NOW),
            user_name: "alice".to_owned(),
            email: None,
            groups: vec!["staff".to_owned()],
            session: "pseudonym".to_owned(),
            issued_at: NOW,
            expires_at: NOW.plus(std::time::Duration::from_secs(300)),
        };
        let text = key.sign_assertion(&assertion);
        let [header, body, signature] = text.split('.').collect::<Vec<_>>().try_into().unwrap();
        let read = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
        let json = |part: &str| serde_json::from_slice::<Value>(&read(part)).unwrap();
        assert_eq!(json(header), serde_json::json!({"alg": "EdDSA", "typ": "JWT", "kid": key.id()}));
        assert_eq!(json(body)["exp"], 1_800_000_300);
        assert_eq!(json(body).get("email"), None);

        let set = evergate_tokens::jwks::document(&[key.public_key(KeyPurpose::Assertion)]);
        let x = read(set["keys"][0]["x"].as_str().unwrap());
        let message = format!("{header}.{body}");
        let verdict = UnparsedPublicKey::new(&ED25519, x).verify(message.as_bytes(), &read(signature));
        assert!(verdict.is_ok());
    }
}
