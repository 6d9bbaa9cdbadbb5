//! Snapshots as they lie on a disk or come over a wire: without the private key none is accepted,
//! neither as they stand nor in an envelope that names a key which exists.
#![no_main]

use evergate_model::snapshot::{KeyPurpose, PublicKey};
use evergate_model::{Id, Service, Timestamp};
use evergate_tokens::snapshot::{SnapshotError, SnapshotVerifier};
use libfuzzer_sys::fuzz_target;

/// The public key of RFC 8037, appendix A.2.
const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fuzz_target!(|bytes: &[u8]| {
    let id = Id::new(Timestamp::from_seconds(0), [1; 10]);
    let key = PublicKey { id, purpose: KeyPurpose::Snapshot, key: KEY.to_owned() };
    let lineage = Id::new(Timestamp::from_seconds(0), [2; 10]);
    let verifier = SnapshotVerifier::new(lineage, Service::AccessPoint, &[key]).expect("a key");
    assert!(verifier.verify(bytes).is_err());

    if let Ok(payload) = std::str::from_utf8(bytes) {
        let signature = "00".repeat(64);
        let text = format!(r#"{{"format":1,"key":"{id}","signature":"{signature}","snapshot":{payload}}}"#);
        let error = verifier.verify(text.as_bytes()).expect_err("nobody signed this");
        assert!(matches!(error, SnapshotError::Malformed | SnapshotError::Forged), "{error}");
    }
});
