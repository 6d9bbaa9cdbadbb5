//! `OpenSession` and `AddFactors`: what authentication says was proven becomes a session, and a
//! session's token.

use evergate_keys::random;
use evergate_model::factor::ProvenFactor;
use evergate_model::id::{Session as SessionKind, User};
use evergate_model::{Host, Id, Timestamp};
use evergate_store::effects::Effect;
use evergate_store::sessions::{self, NewSession, Session};
use evergate_store::{Actor, Tx, users};
use evergate_wire::convert::{self, ConvertError, parse};
use evergate_wire::proto::{AddFactorsRequest, OpenSessionRequest, TokenReply};
use serde::{Deserialize, Serialize};

use crate::PolicyError;
use crate::policy::Policy;

/// The longest text that is kept of a browser's own name, in characters.
const USER_AGENT: usize = 200;
/// More factors than that nobody proves at once.
const FACTORS: usize = 16;

/// What came of a write that gives a token: repeated, it gives the same session's again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenOutcome {
    pub(crate) session: Id<SessionKind>,
    pub(crate) issued_at: Timestamp,
}

pub(crate) async fn open_session(
    policy: &Policy,
    request: OpenSessionRequest,
) -> Result<TokenReply, PolicyError> {
    let user: Id<User> = parse("user", &request.user)?;
    let host: Host = parse("host", &request.host)?;
    let now = policy.now();
    let factors = factors(request.factors, now)?;
    let rules = policy.rules()?;
    let effect =
        Effect::new("open-session", &request.effect_key, &[user.as_bytes(), host.as_str().as_bytes()])?;
    let mut tx = policy.0.database.store()?.begin().await?;
    let outcome = match effect.done::<TokenOutcome>(&mut tx).await? {
        Some(outcome) => outcome,
        None => {
            let account = users::get(&mut tx, user).await?;
            if account.is_none_or(|account| account.state != users::State::Active) {
                return Err(PolicyError::NoUser);
            }
            let new = NewSession {
                id: random::new_id(now),
                user,
                factors,
                ends_at: now.plus(rules.configuration.sessions.absolute.as_duration()),
                client: request.client,
                user_agent: request.user_agent.chars().take(USER_AGENT).collect(),
            };
            sessions::open(&mut tx, &Actor::User(user), now, &new).await?;
            let outcome = TokenOutcome { session: new.id, issued_at: now };
            effect.keep(&mut tx, &outcome, now).await?;
            outcome
        }
    };
    finish(policy, tx, &outcome, &host).await
}

pub(crate) async fn add_factors(
    policy: &Policy,
    request: AddFactorsRequest,
) -> Result<TokenReply, PolicyError> {
    let host: Host = parse("host", &request.host)?;
    let now = policy.now();
    let factors = factors(request.factors, now)?;
    let claims = policy.claims(&request.token, &host, now)?;
    let id = claims.facts.session;
    let effect = Effect::new("add-factors", &request.effect_key, &[id.as_bytes(), host.as_str().as_bytes()])?;
    let mut tx = policy.0.database.store()?.begin().await?;
    let outcome = match effect.done::<TokenOutcome>(&mut tx).await? {
        Some(outcome) => outcome,
        None => {
            let session = policy.session_row(&mut tx, &claims, now).await?;
            sessions::add_factors(&mut tx, &Actor::User(session.facts.user), now, id, &factors).await?;
            sessions::seen(&mut tx, id, now).await?;
            let outcome = TokenOutcome { session: id, issued_at: now };
            effect.keep(&mut tx, &outcome, now).await?;
            outcome
        }
    };
    finish(policy, tx, &outcome, &host).await
}

/// Commits, and answers the token of the session for the host.
pub(crate) async fn finish(
    policy: &Policy,
    mut tx: Tx,
    outcome: &TokenOutcome,
    host: &Host,
) -> Result<TokenReply, PolicyError> {
    let session = sessions::get(&mut tx, outcome.session).await?;
    let alive = session.filter(|session| session.is_alive_at(policy.now())).ok_or(PolicyError::NoSession)?;
    let reply = token(policy, &alive, outcome.issued_at, host)?;
    tx.commit().await?;
    policy.0.cache.forget();
    Ok(reply)
}

fn token(
    policy: &Policy,
    session: &Session,
    issued_at: Timestamp,
    host: &Host,
) -> Result<TokenReply, PolicyError> {
    let facts = &session.facts;
    let position = policy.0.log.position();
    Ok(TokenReply {
        token: policy.signer()?.session_token(facts, host, issued_at, position)?,
        session: facts.session.to_string(),
        ends_at: facts.ends_at.as_milliseconds(),
    })
}

fn factors(
    factors: Vec<evergate_wire::proto::ProvenFactor>,
    now: Timestamp,
) -> Result<Vec<ProvenFactor>, PolicyError> {
    let factors = Policy::proven(convert::proven_factors(factors)?, now);
    if (1..=FACTORS).contains(&factors.len()) {
        Ok(factors)
    } else {
        Err(ConvertError::new("factors", "not 1 to 16 of them").into())
    }
}
