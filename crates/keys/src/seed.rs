//! Sealing for somebody else: distribution seals a soft token's seed, which only authentication
//! can open.
//!
//! X25519 (RFC 7748) with an ephemeral key, HKDF-SHA256 (RFC 5869), AES-256-GCM. Sealed bytes: a
//! version byte, the recipient's key id (16), the ephemeral public key (32), ciphertext, tag (16).
//! The key is derived from the shared secret and from both public keys, and is used once.

use std::collections::BTreeMap;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::hkdf;
use data_encoding::HEXLOWER;
use evergate_model::id::{Key, User};
use evergate_model::snapshot::{KeyPurpose, PublicKey};
use evergate_model::{Id, Secret};
use zeroize::Zeroizing;

use crate::KeyError;
use crate::sealing::{OpenError, open_once, seal_once};

const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"evergate seed v1\0";

/// Seals for the holder of a private key.
#[derive(Debug, Clone)]
pub struct SeedSealer {
    recipient: Id<Key>,
    public: [u8; 32],
}

/// Opens what was sealed for any of its keys.
#[derive(Debug)]
pub struct SeedOpener {
    keys: BTreeMap<Id<Key>, (PrivateKey, [u8; 32])>,
}

impl SeedSealer {
    /// Seals for the first key for seeds among `keys`; none if there is none that can be used.
    #[must_use]
    pub fn from_public_keys(keys: &[PublicKey]) -> Option<Self> {
        let key = keys.iter().find(|key| key.purpose == KeyPurpose::SeedSealing)?;
        let public = HEXLOWER.decode(key.key.as_bytes()).ok()?.try_into().ok()?;
        Some(Self { recipient: key.id, public })
    }

    /// `seed`, sealed for `context`, such as whose it is.
    ///
    /// # Errors
    /// When the recipient's public key is not one of the curve's.
    pub fn seal(&self, context: &[u8], seed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let wrong = || KeyError::Malformed(self.recipient);
        let ephemeral = PrivateKey::generate(&X25519).map_err(|_| wrong())?;
        let ephemeral_public = public_of(&ephemeral).ok_or_else(wrong)?;
        let key = shared_key(&ephemeral, &self.public, &ephemeral_public, &self.public).ok_or_else(wrong)?;
        let body = seal_once(&key, context, seed).ok_or_else(wrong)?;
        Ok([&[VERSION], self.recipient.as_bytes().as_slice(), &ephemeral_public, &body].concat())
    }
}

impl SeedOpener {
    /// Opens with these private keys.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = (Id<Key>, &'a Secret<[u8; 32]>)>,
    ) -> Result<Self, KeyError> {
        let load = |(id, secret): (Id<Key>, &Secret<[u8; 32]>)| {
            let loaded = load(secret).ok_or(KeyError::Malformed(id))?;
            Ok((id, loaded))
        };
        Ok(Self { keys: keys.into_iter().map(load).collect::<Result<_, _>>()? })
    }

    /// What was sealed for `context`.
    ///
    /// # Errors
    /// When it was not sealed for one of the keys and this context, or was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (version, rest) = sealed.split_first().ok_or(OpenError)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(OpenError)?;
        let (ephemeral, body) = rest.split_first_chunk::<32>().ok_or(OpenError)?;
        let keys = self.keys.get(&Id::from_bytes(*id)).filter(|_| *version == VERSION);
        let (private, public) = keys.ok_or(OpenError)?;
        let key = shared_key(private, ephemeral, ephemeral, public).ok_or(OpenError)?;
        open_once(&key, context, body).ok_or(OpenError)
    }
}

/// The context of a soft token's seed: the id of the user whose it is, as text.
#[must_use]
pub fn context(user: Id<User>) -> Vec<u8> {
    user.to_string().into_bytes()
}

/// A new private key.
#[must_use]
#[expect(clippy::expect_used, reason = "fails only without the system's randomness: then stop")]
pub fn generate() -> Secret<[u8; 32]> {
    let private = PrivateKey::generate(&X25519).expect("no key could be made");
    let seed: Curve25519SeedBin<'_> = private.as_be_bytes().expect("a key without bytes");
    let mut bytes = [0; 32];
    bytes.copy_from_slice(seed.as_ref());
    Secret::new(bytes)
}

/// What seals for the holder of `secret`.
///
/// # Errors
/// When the secret is not a private key.
pub fn public_key(id: Id<Key>, secret: &Secret<[u8; 32]>) -> Result<PublicKey, KeyError> {
    let (_, public) = load(secret).ok_or(KeyError::Malformed(id))?;
    Ok(PublicKey { id, purpose: KeyPurpose::SeedSealing, key: HEXLOWER.encode(&public) })
}

fn load(secret: &Secret<[u8; 32]>) -> Option<(PrivateKey, [u8; 32])> {
    let private = PrivateKey::from_private_key(&X25519, secret.expose()).ok()?;
    let public = public_of(&private)?;
    Some((private, public))
}

fn public_of(private: &PrivateKey) -> Option<[u8; 32]> {
    private.compute_public_key().ok()?.as_ref().try_into().ok()
}

/// The key for one message. Fails for the few peers' keys that force the shared secret to zero.
fn shared_key(
    own: &PrivateKey,
    peer: &[u8; 32],
    ephemeral_public: &[u8; 32],
    recipient_public: &[u8; 32],
) -> Option<Zeroizing<[u8; 32]>> {
    let derive = |secret: &[u8]| {
        let mut key = Zeroizing::new([0; 32]);
        let info = [CONTEXT, ephemeral_public, recipient_public];
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
        prk.expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut()))
            .map(|()| key)
            .map_err(drop)
    };
    agreement::agree(own, UnparsedPublicKey::new(&X25519, peer), (), derive).ok()
}

#[cfg(test)]
mod tests {
    use evergate_model::Timestamp;

    use super::*;
    use crate::random;

    fn pair() -> (SeedSealer, SeedOpener) {
        let (id, secret) = (random::new_id(Timestamp::from_seconds(1)), generate());
        let public = public_key(id, &secret).unwrap();
        (SeedSealer::from_public_keys(&[public]).unwrap(), SeedOpener::new([(id, &secret)]).unwrap())
    }

    #[test]
    fn only_the_recipient_opens_and_only_for_the_context() {
        let (sealer, opener) = pair();
        let sealed = sealer.seal(b"alice", b"seed").unwrap();
        assert_eq!(opener.open(b"alice", &sealed).unwrap().as_slice(), b"seed");
        assert!(opener.open(b"mallory", &sealed).is_err());
        assert!(pair().1.open(b"alice", &sealed).is_err());
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let (sealer, opener) = pair();
        let sealed = sealer.seal(b"alice", b"seed").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // X25519 ignores the top bit of a public key, but that key is bound by the derivation
            assert!(opener.open(b"alice", &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_point_of_order_one_is_refused() {
        let (_, opener) = pair();
        let id = *opener.keys.keys().next().unwrap();
        let sealed = [&[VERSION], id.as_bytes().as_slice(), &[0; 32], &[0; 32]].concat();
        assert!(opener.open(b"alice", &sealed).is_err());
        let weak = SeedSealer { recipient: id, public: [0; 32] };
        assert!(weak.seal(b"alice", b"seed").is_err());
    }
}
