//! What was sealed and comes back through strangers' hands (the progress of a sign-in, an enrolment) or lies in a
//! database: without the key nothing opens, also when it names a key that exists.
#![no_main]

use evergate_keys::sealing::Sealer;
use evergate_keys::seed::{SeedOpener, generate};
use evergate_keys::wrapping::{self, WrappingKey};
use evergate_keys::CodeMac;
use evergate_model::{Id, Secret, Timestamp};
use libfuzzer_sys::fuzz_target;

struct Keys {
    sealer: Sealer,
    opener: SeedOpener,
    wrapping: WrappingKey,
    codes: CodeMac,
}

/// Made anew for every run of the program: no input can have been made with them.
fn keys() -> Keys {
    let id = Id::new(Timestamp::from_seconds(0), [1; 10]);
    let secret = generate();
    Keys {
        sealer: Sealer::new(id, [(id, &secret)]).expect("a key"),
        opener: SeedOpener::new([(id, &secret)]).expect("a key"),
        wrapping: WrappingKey::from_hex(&wrapping::generate()).expect("a key"),
        codes: CodeMac::new(id, [(id, &secret)]).expect("a key"),
    }
}

thread_local! {
    static KEYS: Keys = keys();
}

fuzz_target!(|bytes: &[u8]| {
    let id: Id<evergate_model::id::Key> = Id::new(Timestamp::from_seconds(0), [1; 10]);
    let naming_the_key = [&[1], id.as_bytes().as_slice(), bytes].concat();
    KEYS.with(|keys| {
        for sealed in [bytes, &naming_the_key] {
            assert!(keys.sealer.open(b"context", sealed).is_err());
            assert!(keys.opener.open(b"context", sealed).is_err());
            assert!(keys.wrapping.unwrap("name", sealed).is_err());
            assert!(!keys.codes.matches(b"context", "123456", sealed));
            assert!(!keys.codes.matches(b"context", "123456", sealed.get(1..).unwrap_or_default()));
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            assert!(keys.sealer.open_text(b"context", text).is_err());
            assert!(WrappingKey::from_hex(&Secret::new(text.to_owned())).is_err() || text.len() == 64);
        }
    });
});
