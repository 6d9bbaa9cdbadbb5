//! `network.yml` as people write it: every refusal says why.
#![no_main]

use evergate_cluster::network::Network;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = Network::parse(text) {
        assert!(!problems.is_empty());
    }
});
