//! The JWK set (RFC 7517, RFC 8037) by which applications check assertions.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use evergate_model::snapshot::{KeyPurpose, PublicKey};
use serde_json::{Value, json};

/// The set of the keys for assertions among `keys`; one that is not hex is left out.
#[must_use]
pub fn document(keys: &[PublicKey]) -> Value {
    let assertion_keys = keys.iter().filter(|key| key.purpose == KeyPurpose::Assertion);
    json!({ "keys": assertion_keys.filter_map(entry).collect::<Vec<_>>() })
}

fn entry(key: &PublicKey) -> Option<Value> {
    let bytes = HEXLOWER.decode(key.key.as_bytes()).ok()?;
    let x = BASE64URL_NOPAD.encode(&bytes);
    Some(json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.id, "x": x }))
}

#[cfg(test)]
mod tests {
    use evergate_model::{Id, Timestamp};

    use super::*;

    #[test]
    fn only_keys_for_assertions_are_in_the_set() {
        let key = |purpose, byte| PublicKey {
            id: Id::new(Timestamp::from_seconds(1), [byte; 10]),
            purpose,
            // the public key of RFC 8037, appendix A.2
            key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".to_owned(),
        };
        let keys = [key(KeyPurpose::Assertion, 1), key(KeyPurpose::SessionToken, 2)];
        let set = document(&keys);
        assert_eq!(set["keys"].as_array().unwrap().len(), 1);
        assert_eq!(set["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(set["keys"][0]["kid"], keys[0].id.to_string());
    }
}
