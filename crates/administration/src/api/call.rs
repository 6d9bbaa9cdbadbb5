//! A request that has passed its guard: who asks, what for, and under which key.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use data_encoding::HEXLOWER;
use evergate_keys::random;
use evergate_store::{Actor, Reading};
use serde::de::DeserializeOwned;

use super::Stop;
use super::guard::Caller;
use super::write::Write;
use crate::Failure;
use crate::office::Office;

/// Under which key a write happens once.
#[derive(Debug, Clone)]
pub(crate) struct EffectKey {
    pub(super) key: String,
    /// What is wanted: the same key with another is a mistake.
    pub(super) fingerprint: String,
}

/// A request that may be answered. Made by the guard alone.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(super) office: Office,
    pub(super) caller: Caller,
    pub(super) body: Bytes,
    pub(super) query: String,
    pub(super) effect: Option<EffectKey>,
}

impl FromRequestParts<Office> for Call {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Office) -> Result<Self, Failure> {
        parts.extensions.remove::<Self>().ok_or(Failure::NoCredentials)
    }
}

impl Call {
    /// Who asks, for the audit log.
    pub(super) fn actor(&self) -> Actor {
        self.caller.actor()
    }

    /// A connection to read from.
    pub(super) async fn read(&self) -> Result<Reading, Failure> {
        Ok(self.office.store.read().await?)
    }

    /// A transaction to write in, unless this request was answered before.
    pub(super) async fn begin(&self) -> Result<Write, Stop> {
        Write::begin(self).await
    }

    /// The body as JSON; an empty one is an empty object.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Failure::invalid(place, error.to_string())
        })
    }

    /// The query.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_urlencoded::from_str(&self.query).map_err(|error| Failure::invalid("query", error.to_string()))
    }

    /// A key for a call to another service on behalf of this request: the same for a repetition.
    pub(super) fn onward_key(&self, what: &str) -> Vec<u8> {
        onward_key(what, self.effect.as_ref())
    }
}

/// Of one length, however long the caller's own is; without one, a key that is never repeated.
fn onward_key(what: &str, effect: Option<&EffectKey>) -> Vec<u8> {
    let own = || HEXLOWER.encode(&random::bytes::<16>());
    let key = effect.map_or_else(own, |EffectKey { key, fingerprint }| [fingerprint.as_str(), key].join(" "));
    digest(&SHA256, [what, " ", &key].concat().as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_for_another_service_is_this_requests_and_not_too_long_for_it() {
        let effect =
            |key: &str, wanted: &str| EffectKey { key: key.to_owned(), fingerprint: wanted.to_owned() };
        let long = effect(&"k".repeat(200), "a");
        let key = onward_key("totp", Some(&long));
        assert_eq!((key.len(), &key), (32, &onward_key("totp", Some(&long))));
        for other in [effect(&"k".repeat(199), "a"), effect(&"k".repeat(200), "b")] {
            assert_ne!(key, onward_key("totp", Some(&other)));
        }
        assert_ne!(onward_key("totp", None), onward_key("totp", None));
    }
}
