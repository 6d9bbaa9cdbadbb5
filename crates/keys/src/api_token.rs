//! Tokens for the administration API: 256 random bits, of which only the hash is kept.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use evergate_model::Secret;
use zeroize::Zeroizing;

use crate::random;

/// What the text begins with.
pub const PREFIX: &str = "evergate_";

/// A new token; it is shown once.
#[must_use]
pub fn generate() -> Secret<String> {
    let bytes = Zeroizing::new(random::bytes::<32>());
    Secret::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(bytes.as_ref())))
}

/// What is kept of a token, and found by: its SHA-256 (no salt and no slow hash, because nobody
/// can try out 256 random bits). None for a text that is no token.
#[must_use]
pub fn hash(text: &str) -> Option<[u8; 32]> {
    let is_token = text.len() == PREFIX.len() + 43 && text.starts_with(PREFIX);
    is_token.then(|| digest(&SHA256, text.as_bytes()).as_ref().try_into().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_hash_and_other_texts_have_none() {
        let token = generate();
        assert!(hash(token.expose()).is_some());
        assert_ne!(hash(token.expose()), hash(generate().expose()));
        assert_eq!(hash("evergate_short"), None);
        assert_eq!(hash(&token.expose().replace(PREFIX, "evergoat_")), None);
    }
}
