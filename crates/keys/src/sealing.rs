//! Sealing: what leaves a service and comes back, readable and changeable by nobody between.
//!
//! AES-256-GCM with random nonces (NIST SP 800-38D: at most 2^32 of one key, far above what one
//! generation seals). Sealed bytes: a version byte, the key's id (16), nonce (12), ciphertext, tag
//! (16). The context (what it is and for whom) is authenticated with them, not contained.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, RandomizedNonceKey, UnboundKey};
use data_encoding::BASE64URL_NOPAD;
use evergate_model::id::Key;
use evergate_model::{Id, Secret};
use zeroize::Zeroizing;

use crate::KeyError;

const VERSION: u8 = 1;
const ID_LENGTH: usize = 16;

/// Seals with the active key, and opens what any of the keys sealed.
#[derive(Debug)]
pub struct Sealer {
    active: Id<Key>,
    keys: BTreeMap<Id<Key>, RandomizedNonceKey>,
}

/// The bytes were not sealed by us for this context, or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed cannot be opened")]
pub struct OpenError;

impl Sealer {
    /// Seals with the key `active`, which must be among `keys`.
    ///
    /// # Errors
    /// When `active` is not, or a key is malformed.
    pub fn new<'a>(
        active: Id<Key>,
        keys: impl IntoIterator<Item = (Id<Key>, &'a Secret<[u8; 32]>)>,
    ) -> Result<Self, KeyError> {
        let keys: BTreeMap<_, _> = keys
            .into_iter()
            .map(|(id, secret)| {
                let key = RandomizedNonceKey::new(&AES_256_GCM, secret.expose());
                key.map(|key| (id, key)).map_err(|_| KeyError::Malformed(id))
            })
            .collect::<Result<_, _>>()?;
        if keys.contains_key(&active) { Ok(Self { active, keys }) } else { Err(KeyError::Malformed(active)) }
    }

    /// `plain`, sealed for `context`.
    #[must_use]
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut body = Zeroizing::new(plain.to_vec());
        let nonce = self.seal_in_place(context, &mut body);
        [&[VERSION], self.active.as_bytes().as_slice(), nonce.as_ref(), &body].concat()
    }

    #[expect(clippy::expect_used, reason = "`new` keeps `active` in `keys`; sealing fails above 64 GiB only")]
    fn seal_in_place(&self, context: &[u8], body: &mut Vec<u8>) -> [u8; NONCE_LEN] {
        let key = self.keys.get(&self.active).expect("the active key is gone");
        let nonce = key.seal_in_place_append_tag(Aad::from(context), body).expect("cannot be sealed");
        *nonce.as_ref()
    }

    /// The same as text: base64url without padding.
    #[must_use]
    pub fn seal_text(&self, context: &[u8], plain: &[u8]) -> String {
        BASE64URL_NOPAD.encode(&self.seal(context, plain))
    }

    /// What was sealed for `context`.
    ///
    /// # Errors
    /// When it was not sealed by one of the keys for this context, or was changed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (version, rest) = sealed.split_first().ok_or(OpenError)?;
        let (id, rest) = rest.split_first_chunk::<ID_LENGTH>().ok_or(OpenError)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
        let key = self.keys.get(&Id::from_bytes(*id)).filter(|_| *version == VERSION).ok_or(OpenError)?;
        let mut body = Zeroizing::new(body.to_vec());
        let opened = key.open_in_place(Nonce::from(nonce), Aad::from(context), &mut body);
        let length = opened.map_err(|_| OpenError)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// What was sealed as text for `context`.
    ///
    /// # Errors
    /// As [`open`](Self::open), or when it is not base64url.
    pub fn open_text(&self, context: &[u8], sealed: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.open(context, &BASE64URL_NOPAD.decode(sealed.as_bytes()).map_err(|_| OpenError)?)
    }
}

/// AES-256-GCM under a key that is used for one message only, with the nonce zero.
pub(crate) fn seal_once(key: &[u8; 32], context: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let mut body = plain.to_vec();
    once(key)?.seal_in_place_append_tag(zero_nonce(), Aad::from(context), &mut body).ok()?;
    Some(body)
}

/// What [`seal_once`] sealed.
pub(crate) fn open_once(key: &[u8; 32], context: &[u8], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(body.to_vec());
    let length = once(key)?.open_in_place(zero_nonce(), Aad::from(context), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

fn once(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use evergate_model::Timestamp;

    use super::*;
    use crate::random;

    fn key(second: i64) -> (Id<Key>, Secret<[u8; 32]>) {
        (random::new_id(Timestamp::from_seconds(second)), Secret::new(random::bytes()))
    }

    fn sealer(keys: &[(Id<Key>, Secret<[u8; 32]>)]) -> Sealer {
        Sealer::new(keys[0].0, keys.iter().map(|(id, secret)| (*id, secret))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_own_context_only() {
        let sealer = sealer(&[key(1)]);
        let sealed = sealer.seal_text(b"progress", b"plain");
        assert_eq!(sealer.open_text(b"progress", &sealed).unwrap().as_slice(), b"plain");
        assert_eq!(sealer.open_text(b"other", &sealed).unwrap_err(), OpenError);
    }

    #[test]
    fn an_older_generation_still_opens() {
        let (old, new) = (key(1), key(2));
        let sealed = sealer(std::slice::from_ref(&old)).seal(b"c", b"plain");
        assert_eq!(sealer(&[new.clone(), old]).open(b"c", &sealed).unwrap().as_slice(), b"plain");
        assert!(sealer(&[new]).open(b"c", &sealed).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let sealer = sealer(&[key(1)]);
        let sealed = sealer.seal(b"c", b"some plain text");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open(b"c", &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(sealer.open(b"c", &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let sealer = sealer(&[key(1)]);
        assert_ne!(sealer.seal(b"c", b"plain"), sealer.seal(b"c", b"plain"));
    }
}
