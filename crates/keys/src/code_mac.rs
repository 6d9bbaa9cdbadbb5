//! Short codes and what else is compared but never shown again: kept as an HMAC-SHA256 under a key
//! that the database does not have, so that a stolen database does not give six digits away.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use evergate_model::id::{Key, Request};
use evergate_model::{Id, Secret};

use crate::KeyError;

/// The length of a kept code: the key's id and the tag.
pub const LENGTH: usize = 48;

/// Makes and compares kept codes, with the keys of several generations.
#[derive(Debug)]
pub struct CodeMac {
    active: Id<Key>,
    keys: BTreeMap<Id<Key>, hmac::Key>,
}

impl CodeMac {
    /// Makes with the key `active`, which must be among `keys`.
    ///
    /// # Errors
    /// When it is not.
    pub fn new<'a>(
        active: Id<Key>,
        keys: impl IntoIterator<Item = (Id<Key>, &'a Secret<[u8; 32]>)>,
    ) -> Result<Self, KeyError> {
        let load = |secret: &Secret<[u8; 32]>| hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        let keys: BTreeMap<_, _> = keys.into_iter().map(|(id, secret)| (id, load(secret))).collect();
        if keys.contains_key(&active) { Ok(Self { active, keys }) } else { Err(KeyError::Malformed(active)) }
    }

    /// The kept form of `code`; `context` says what it is and whose.
    #[must_use]
    pub fn keep(&self, context: &[u8], code: &str) -> Vec<u8> {
        self.candidates(context, code).into_iter().next().unwrap_or_default()
    }

    /// All kept forms that `code` may have, by the active key first: for finding its row.
    #[must_use]
    pub fn candidates(&self, context: &[u8], code: &str) -> Vec<Vec<u8>> {
        let active = self.keys.get_key_value(&self.active);
        let others = self.keys.iter().filter(|(id, _)| **id != self.active).rev();
        active.into_iter().chain(others).map(|(id, key)| tagged(*id, key, context, code)).collect()
    }

    /// Whether `kept` is a kept form of `code`; takes the same time wherever they differ.
    #[must_use]
    pub fn matches(&self, context: &[u8], code: &str, kept: &[u8]) -> bool {
        let Some((id, tag)) = kept.split_first_chunk::<16>() else { return false };
        let key = self.keys.get(&Id::from_bytes(*id));
        key.is_some_and(|key| hmac::verify(key, &framed(&[context, code.as_bytes()]), tag).is_ok())
    }
}

/// The key under which the effect of a form is remembered, so that one submission, however often
/// it arrives, has one effect: HMAC-SHA256 of the submitted fields under the id of the request.
#[must_use]
pub fn effect_key(request: Id<Request>, fields: &[&[u8]]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, request.as_bytes());
    data_encoding::HEXLOWER.encode(hmac::sign(&key, &framed(fields)).as_ref())
}

fn tagged(id: Id<Key>, key: &hmac::Key, context: &[u8], code: &str) -> Vec<u8> {
    let tag = hmac::sign(key, &framed(&[context, code.as_bytes()]));
    [id.as_bytes().as_slice(), tag.as_ref()].concat()
}

/// The parts, each behind its length, so that moving a byte from one to the next is a change.
fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use evergate_model::Timestamp;

    use super::*;
    use crate::random;

    fn key() -> (Id<Key>, Secret<[u8; 32]>) {
        (random::new_id(Timestamp::from_seconds(1)), Secret::new(random::bytes()))
    }

    fn mac(keys: &[&(Id<Key>, Secret<[u8; 32]>)]) -> CodeMac {
        CodeMac::new(keys[0].0, keys.iter().map(|(id, secret)| (*id, secret))).unwrap()
    }

    #[test]
    fn a_kept_code_matches_itself_in_its_context() {
        let mac = mac(&[&key()]);
        let kept = mac.keep(b"recovery", "abcde");
        assert_eq!(kept.len(), LENGTH);
        assert!(mac.matches(b"recovery", "abcde", &kept));
        assert!(!mac.matches(b"recovery", "abcdf", &kept));
        assert!(!mac.matches(b"email", "abcde", &kept));
        assert!(!mac.matches(b"recovery", "abcde", &kept[..47]));
    }

    #[test]
    fn codes_of_an_older_generation_still_match() {
        let (old, new) = (key(), key());
        let kept = mac(&[&old]).keep(b"c", "123");
        let both = mac(&[&new, &old]);
        assert!(both.matches(b"c", "123", &kept));
        assert!(both.candidates(b"c", "123").contains(&kept));
        assert!(!mac(&[&new]).matches(b"c", "123", &kept));
    }

    #[test]
    fn different_fields_are_different_effects() {
        let request = random::new_id(Timestamp::from_seconds(1));
        let key = effect_key(request, &[b"ab", b"c"]);
        assert_eq!(key, effect_key(request, &[b"ab", b"c"]));
        assert_ne!(key, effect_key(request, &[b"a", b"bc"]));
        assert_ne!(key, effect_key(random::new_id(Timestamp::from_seconds(1)), &[b"ab", b"c"]));
    }
}
