//! The keys this service signs with: session tokens and assertions.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use evergate_keys::{Assertion, BundleKey, KeyBundle, KeyError, KeyState, Purpose, SigningKey};
use evergate_model::id::Session;
use evergate_model::snapshot::PublicKey;
use evergate_model::{Host, Id, Name, Period, SessionFacts, Timestamp};
use evergate_tokens::Claims;

use crate::PolicyError;

/// How long an assertion is good.
pub(crate) const ASSERTION_LIFE: Period = Period::from_seconds(300);

/// Signs session tokens and assertions.
#[derive(Debug)]
pub struct Signer {
    tokens: SigningKey,
    assertions: SigningKey,
}

impl Signer {
    /// The keys to sign with: the active ones, if `published` shows that their public halves have
    /// been handed out; while they have not, the newest whose have.
    ///
    /// # Errors
    /// When the bundle has no key for one of the purposes, or one is malformed.
    pub fn from_bundle(bundle: &KeyBundle, published: &[PublicKey]) -> Result<Self, KeyError> {
        let key = |purpose| {
            let chosen = choose(bundle, purpose, published)?;
            SigningKey::from_seed(chosen.id, &chosen.secret)
        };
        Ok(Self { tokens: key(Purpose::SessionToken)?, assertions: key(Purpose::Assertion)? })
    }

    /// The token of a session for a host. Groups that make it too long are left out: then they are
    /// read from the database at each decision.
    pub(crate) fn session_token(
        &self,
        facts: &SessionFacts,
        host: &Host,
        issued_at: Timestamp,
        log_position: u64,
    ) -> Result<String, PolicyError> {
        let claims = Claims {
            facts: facts.clone(),
            host: host.clone(),
            issued_at,
            expires_at: facts.ends_at,
            log_position,
            groups_left_out: false,
        };
        self.tokens
            .sign_session_token(&claims)
            .or_else(|_| self.tokens.sign_session_token(&claims.without_groups()))
            .map_err(PolicyError::from)
    }

    /// The assertion that tells a resource who its caller is.
    pub(crate) fn assertion(
        &self,
        facts: &SessionFacts,
        resource: &Name,
        issuer: String,
        now: Timestamp,
    ) -> String {
        self.assertions.sign_assertion(&Assertion {
            issuer,
            audience: resource.to_string(),
            user: facts.user,
            user_name: facts.user_name.clone(),
            email: facts.email.clone(),
            groups: facts.groups.clone(),
            session: pseudonym(facts.session, resource),
            issued_at: now,
            expires_at: now.plus(ASSERTION_LIFE.as_duration()),
        })
    }
}

fn choose<'a>(
    bundle: &'a KeyBundle,
    purpose: Purpose,
    published: &[PublicKey],
) -> Result<&'a BundleKey, KeyError> {
    let active = bundle.active(purpose)?;
    let is_known = |key: &BundleKey| published.iter().any(|public| public.id == key.id);
    if is_known(active) {
        return Ok(active);
    }
    let older = bundle.of(purpose).filter(|key| key.state == KeyState::Retired && is_known(key));
    Ok(older.max_by_key(|key| key.since).unwrap_or(active))
}

/// What a resource knows a session by. Two resources cannot tell that they see the same one, because
/// neither knows the session's id.
pub(crate) fn pseudonym(session: Id<Session>, resource: &Name) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.as_bytes());
    let tag = hmac::sign(&key, resource.as_str().as_bytes());
    HEXLOWER.encode(tag.as_ref().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use evergate_keys::rotation::{self, Event};
    use evergate_model::Service;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    #[test]
    fn a_new_key_is_not_used_before_its_public_half_is_out() {
        let mut bundle = KeyBundle::generate(Service::Policy, NOW);
        let before = bundle.public_keys().unwrap();
        let first = bundle.active(Purpose::SessionToken).unwrap().id;
        for event in [Event::Begin, Event::Confirmed { generation: u64::MAX }] {
            let sessions = std::time::Duration::from_secs(60);
            let commands = rotation::handle(&bundle, Purpose::SessionToken, event, NOW, sessions);
            bundle.apply(&commands, NOW);
        }
        let second = bundle.active(Purpose::SessionToken).unwrap().id;
        assert_ne!(first, second);
        assert_eq!(choose(&bundle, Purpose::SessionToken, &before).unwrap().id, first);
        let after = bundle.public_keys().unwrap();
        assert_eq!(choose(&bundle, Purpose::SessionToken, &after).unwrap().id, second);
    }

    #[test]
    fn pseudonyms_differ_by_resource_and_by_session() {
        let session = |number| Id::<Session>::new(NOW, [number; 10]);
        let name = |text: &str| text.parse::<Name>().unwrap();
        let one = pseudonym(session(1), &name("wiki"));
        assert_eq!(one, pseudonym(session(1), &name("wiki")));
        assert_ne!(one, pseudonym(session(1), &name("mail")));
        assert_ne!(one, pseudonym(session(2), &name("wiki")));
        assert_eq!(one.len(), 32);
    }
}
