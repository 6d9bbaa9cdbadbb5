//! Phase 2: whose request it is, by the session token in the cookie. No call is made: public keys
//! suffice, and a token seen before is known by its bytes.

pub mod cookies;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use evergate_model::snapshot::PublicKey;
use evergate_model::{Host, Timestamp};
use evergate_tokens::{Claims, KeyRingError, Verifier};
use http::HeaderMap;
use quick_cache::sync::Cache;

use crate::decide::sessions::{Life, Sessions};

/// Verified tokens that are remembered; each is some 1 to 4 KiB.
const REMEMBERED: usize = 8192;

/// A signed-in caller: made of a verified token only.
pub(crate) struct Caller {
    /// The token's text, as policy is sent it.
    pub(crate) token: Box<str>,
    /// SHA-256 of the text: what permits are remembered by.
    pub(crate) digest: [u8; 32],
    /// What the token says.
    pub(crate) claims: Claims,
    /// Whether the session still lives, as far as was heard.
    pub(crate) life: Life,
    last_noted: AtomicI64,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("session", &self.claims.facts.session).finish_non_exhaustive()
    }
}

impl Caller {
    /// When the session, and with it the token, ends.
    #[must_use]
    pub(crate) fn ends_at(&self) -> Timestamp {
        self.claims.expires_at.min(self.claims.facts.ends_at)
    }

    /// Whether this use should be noted: the last that was is at least `period` milliseconds ago.
    pub(crate) fn is_worth_noting(&self, now: Timestamp, period: i64) -> bool {
        let (now, last) = (now.as_milliseconds(), self.last_noted.load(Ordering::Relaxed));
        now - last >= period
            && self.last_noted.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The tokens that are believed: those signed by one set of keys.
#[derive(Debug)]
pub(crate) struct Tokens {
    verifier: Verifier,
    seen: Cache<Box<str>, Arc<Caller>>,
}

impl Tokens {
    /// Tokens signed by these keys.
    ///
    /// # Errors
    /// When one of them is no key.
    pub(crate) fn new(keys: &[PublicKey]) -> Result<Self, KeyRingError> {
        Ok(Self { verifier: Verifier::from_public_keys(keys)?, seen: Cache::new(REMEMBERED) })
    }

    /// Who asks, if it is a session that lives; whatever is wrong with a token, it is no session.
    ///
    /// # Errors
    /// When there are several: which one is meant cannot be known.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        host: &Host,
        sessions: &Sessions,
        now: Timestamp,
    ) -> Result<Option<Arc<Caller>>, cookies::Twice> {
        let Some(text) = cookies::find(headers, cookies::SESSION)? else { return Ok(None) };
        let caller = match self.seen.get(text) {
            Some(caller) if caller.claims.host == *host && now < caller.ends_at() => Some(caller),
            _ => self.verify(text, host, sessions, now),
        };
        Ok(caller.filter(|caller| !caller.life.has_ended()))
    }

    fn verify(&self, text: &str, host: &Host, sessions: &Sessions, now: Timestamp) -> Option<Arc<Caller>> {
        let claims = match self.verifier.verify(text, host, now) {
            Ok(verified) => verified.into_claims(),
            Err(error) => {
                tracing::debug!(%error, "session token not taken");
                return None;
            }
        };
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        let caller = Arc::new(Caller {
            token: text.into(),
            digest: sha256,
            life: sessions.life(claims.facts.session),
            claims,
            last_noted: AtomicI64::new(i64::MIN / 2),
        });
        self.seen.insert(text.into(), Arc::clone(&caller));
        Some(caller)
    }
}
