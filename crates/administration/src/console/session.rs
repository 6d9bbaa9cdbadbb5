//! An administrator's console session: a random secret in a cookie, of which only the hash is kept.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use evergate_model::id::User;
use evergate_model::{Id, Secret, Timestamp};
use evergate_store::Tx;
use evergate_store::console_sessions::{self, ConsoleSession};
use evergate_store::groups::{self, ADMINISTRATORS};
use evergate_store::users::{self, State};

use crate::Failure;
use crate::api::{random_token, token_hash};
use crate::office::Office;

const COOKIE: &str = "__Host-evergate-console";
const ABSOLUTE: Duration = Duration::from_secs(12 * 3600);
const IDLE: Duration = Duration::from_secs(30 * 60);
/// The use of a session is noted once in so long.
const NOTE_USE_EVERY: Duration = Duration::from_secs(60);

/// An administrator who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) user: Id<User>,
    pub(crate) name: String,
    secret: Secret<String>,
}

impl SignedIn {
    /// Whoever's cookie is among these headers: still an administrator, still active.
    pub(crate) async fn find(office: &Office, headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let Some(secret) = cookie(headers, COOKIE) else { return Ok(None) };
        let (now, hash) = (office.now(), token_hash(&secret));
        let mut reading = office.store.read().await?;
        let found = console_sessions::find_by_hash(&mut reading, now, now.minus(IDLE), &hash).await?;
        let Some(session) = found else { return Ok(None) };
        let groups = groups::names_of(&mut reading, session.user).await?;
        let user = users::get(&mut reading, session.user).await?;
        let user = user.filter(|user| user.state == State::Active);
        drop(reading);
        let (Some(user), true) = (user, groups.iter().any(|group| group == ADMINISTRATORS)) else {
            return Ok(None);
        };
        if now.since(session.used_at) > NOTE_USE_EVERY {
            let mut tx = office.store.begin().await?;
            console_sessions::touch(&mut tx, now, &hash).await?;
            tx.commit().await?;
        }
        Ok(Some(Self { user: user.id, name: user.name, secret: Secret::new(secret) }))
    }

    /// Opens a session; the cookie to set.
    pub(super) async fn open(tx: &mut Tx, now: Timestamp, user: Id<User>) -> Result<String, Failure> {
        let (secret, hash) = random_token();
        let new = ConsoleSession { user, opened_at: now, used_at: now, ends_at: now.plus(ABSOLUTE) };
        console_sessions::add(tx, &new, &hash).await?;
        Ok(format!("{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict", secret.expose()))
    }

    /// Ends it; the cookie that removes the cookie.
    pub(super) async fn end(&self, office: &Office) -> Result<String, Failure> {
        let mut tx = office.store.begin().await?;
        console_sessions::end(&mut tx, &token_hash(self.secret.expose())).await?;
        tx.commit().await?;
        Ok(format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"))
    }

    /// What proves that a form was made for this session.
    pub(crate) fn form_token(&self) -> String {
        token_hash(&format!("evergate console form\0{}", self.secret.expose()))
    }

    /// Whether a header holds it.
    pub(crate) fn is_form_token(&self, value: Option<&HeaderValue>) -> bool {
        let sent = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Secret::new(sent.to_owned()) == Secret::new(self.form_token())
    }
}

/// The value of a cookie, if it is sent exactly once.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    let first = values.next().filter(|value| !value.is_empty() && value.len() <= 128);
    if values.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_counts_when_it_is_sent_once() {
        let headers = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(text).unwrap());
            headers
        };
        assert_eq!(cookie(&headers("a=1; b=2"), "b").as_deref(), Some("2"));
        assert_eq!(cookie(&headers("b=1; b=2"), "b"), None, "somebody planted one");
        assert_eq!(cookie(&headers("bb=1"), "b"), None);
        assert_eq!(cookie(&headers("b="), "b"), None);
    }
}
