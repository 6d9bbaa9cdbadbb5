//! `Host` headers from strangers: what is accepted is in the one form.
#![no_main]

use evergate_model::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(host) = Host::from_authority(text) {
        assert_eq!(Host::from_authority(host.as_str()).as_ref(), Ok(&host));
        assert_eq!(host.as_str(), host.as_str().to_ascii_lowercase());
    }
});
