//! What people type for codes and seeds: what is taken has one form, and that form is taken as itself.
#![no_main]

use evergate_keys::password::check_new;
use evergate_keys::totp::{self, Seed};
use evergate_keys::{api_token, email_code, recovery};
use evergate_model::{Secret, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for normalise in [email_code::normalise, totp::normalise, recovery::normalise] {
        if let Some(code) = normalise(text) {
            assert!(code.is_ascii() && (6..=10).contains(&code.len()));
            assert_eq!(normalise(&code), Some(code));
        }
    }
    if let Some(seed) = Seed::from_base32(text) {
        assert_eq!(Seed::from_base32(seed.to_base32().expose()), Some(seed.clone()));
        let _ = seed.matching_step(text, Timestamp::from_seconds(1_800_000_000));
        assert!(seed.to_uri(text, text).expose().is_ascii());
    }
    let _ = (api_token::hash(text), check_new(&Secret::new(text.to_owned()), "alice"));
});
