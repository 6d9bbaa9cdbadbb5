//! The files that an instance starts from, as they may lie on a disk: what is read and written again is read
//! as the same.
#![no_main]

use evergate_keys::KeyBundle;
use evergate_process::bootstrap::Bootstrap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bootstrap) = serde_json::from_slice::<Bootstrap>(bytes) {
        let written = serde_json::to_vec(&bootstrap).expect("it has a form");
        let again: Bootstrap = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(serde_json::to_vec(&again).expect("it has a form"), written);
        assert_eq!(bootstrap.first_admitted().len(), bootstrap.administration.len());
    }
    if let Ok(bundle) = KeyBundle::from_json(bytes) {
        assert_eq!(KeyBundle::from_json(bundle.to_json().expose()).ok().as_ref(), Some(&bundle));
        let _ = (bundle.public_keys(), bundle.seed_opener(), bundle.code_mac());
    }
});
