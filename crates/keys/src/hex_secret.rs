//! How a secret stands in a key file: lower-case hex. Only the key bundle may write one out.

use data_encoding::HEXLOWER;
use evergate_model::Secret;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

pub(crate) fn serialize<S: Serializer>(secret: &Secret<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(HEXLOWER.encode(secret.expose())))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret<[u8; 32]>, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    parse(&text).ok_or_else(|| D::Error::custom("a secret is not 32 bytes in lower-case hex"))
}

pub(crate) fn parse(text: &str) -> Option<Secret<[u8; 32]>> {
    let bytes = Zeroizing::new(HEXLOWER.decode(text.as_bytes()).ok()?);
    bytes.as_slice().try_into().ok().map(Secret::new)
}
