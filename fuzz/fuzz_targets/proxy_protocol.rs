//! PROXY headers from a network that is believed: it does not matter in which pieces they come, none is longer than what
//! is read, and what is told of the client is an address that a client can have.
#![no_main]

use evergate_access_point::accept::proxy_protocol::{LONGEST, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    for end in 0..bytes.len().min(300) {
        let part = read(&bytes[..end]);
        assert!(part == Ok(None) || part == whole);
    }
    if bytes.len() >= LONGEST {
        assert_ne!(whole, Ok(None));
    }
    if let Ok(Some(header)) = whole {
        assert!(header.length <= bytes.len() && header.length <= LONGEST);
        assert!(!header.client.is_some_and(|client| client.is_unspecified() || client.is_multicast()));
        assert_eq!(header.client, header.client.map(|client| client.to_canonical()));
    }
});
