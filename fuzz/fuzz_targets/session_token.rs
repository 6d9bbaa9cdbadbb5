//! Session tokens from strangers: without the private key none is accepted, whatever it looks like,
//! also when it names a key that exists and is written as tokens are.
#![no_main]

use data_encoding::BASE64URL_NOPAD;
use evergate_model::snapshot::{KeyPurpose, PublicKey};
use evergate_model::{Host, Id, Timestamp};
use evergate_tokens::session_token::{PREFIX, TokenError, Verifier};
use libfuzzer_sys::fuzz_target;

/// The public key of RFC 8037, appendix A.2.
const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fuzz_target!(|bytes: &[u8]| {
    let host: Host = "wiki.example.com".parse().expect("a host");
    let id = Id::from_bytes(bytes.first_chunk().copied().unwrap_or_default());
    let key = PublicKey { id, purpose: KeyPurpose::SessionToken, key: KEY.to_owned() };
    let verifier = Verifier::from_public_keys(&[key]).expect("a key");
    let verify = |text: &str| verifier.verify(text, &host, Timestamp::MIN).expect_err("nobody signed this");

    let error = verify(&format!("{PREFIX}{}", BASE64URL_NOPAD.encode(bytes)));
    let expected = matches!(error, TokenError::Malformed | TokenError::Forged | TokenError::TooLong);
    assert!(expected, "{error}");
    if let Ok(text) = std::str::from_utf8(bytes) {
        verify(text);
    }
});
