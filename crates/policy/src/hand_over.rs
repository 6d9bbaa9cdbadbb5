//! `CreateHandOver` and `RedeemHandOver`: a session goes from the portal host to another host, once,
//! within a minute, to the browser that asked for it.

use aws_lc_rs::digest::{SHA256, digest};
use evergate_keys::random;
use evergate_model::id::HandOver;
use evergate_model::{Host, Id, Period};
use evergate_store::effects::Effect;
use evergate_store::hand_overs::{self, NewHandOver};
use evergate_wire::convert::{ConvertError, parse};
use evergate_wire::proto::{CreateHandOverReply, CreateHandOverRequest, RedeemHandOverRequest, TokenReply};

use crate::PolicyError;
use crate::opening::{TokenOutcome, finish};
use crate::policy::Policy;

/// How long a hand-over may take.
const LIFE: Period = Period::from_seconds(60);

pub(crate) async fn create(
    policy: &Policy,
    request: CreateHandOverRequest,
) -> Result<CreateHandOverReply, PolicyError> {
    let host: Host = parse("host", &request.host)?;
    if request.nonce_hash.len() != 32 {
        return Err(ConvertError::new("nonce_hash", "it is not 32 bytes long").into());
    }
    let rules = policy.rules()?;
    if !rules.is_published(&host) {
        return Err(PolicyError::NoHost(host, rules.version));
    }
    let now = policy.now();
    let claims = policy.claims(&request.token, &rules.configuration.portal_host, now)?;
    let session = claims.facts.session;
    let wanted: [&[u8]; 3] = [session.as_bytes(), host.as_str().as_bytes(), &request.nonce_hash];
    let effect = Effect::new("create-hand-over", &request.effect_key, &wanted)?;
    let mut tx = policy.0.database.store()?.begin().await?;
    let id = match effect.done::<Id<HandOver>>(&mut tx).await? {
        Some(id) => id,
        None => {
            policy.session_row(&mut tx, &claims, now).await?;
            let new = NewHandOver {
                id: random::new_id(now),
                session,
                host,
                nonce_hash: request.nonce_hash.to_vec(),
                expires_at: now.plus(LIFE.as_duration()),
            };
            hand_overs::add(&mut tx, &new).await?;
            effect.keep(&mut tx, &new.id, now).await?;
            new.id
        }
    };
    tx.commit().await?;
    Ok(CreateHandOverReply { hand_over: id.to_string() })
}

pub(crate) async fn redeem(
    policy: &Policy,
    request: RedeemHandOverRequest,
) -> Result<TokenReply, PolicyError> {
    let host: Host = parse("host", &request.host)?;
    // It comes out of an address bar: one that is no id is one that never was.
    let id: Id<HandOver> = request.hand_over.parse().map_err(|_| PolicyError::NoHandOver)?;
    let nonce_hash = digest(&SHA256, &request.nonce);
    let wanted: [&[u8]; 3] = [id.as_bytes(), host.as_str().as_bytes(), nonce_hash.as_ref()];
    let effect = Effect::new("redeem-hand-over", &request.effect_key, &wanted)?;
    let mut tx = policy.0.database.store()?.begin().await?;
    // Only now: an instance that hung before must not take a hand-over for good that has expired.
    let now = policy.now();
    let outcome = match effect.done::<TokenOutcome>(&mut tx).await? {
        Some(outcome) => outcome,
        None => {
            let session = hand_overs::redeem(&mut tx, now, id, &host, nonce_hash.as_ref())
                .await?
                .ok_or(PolicyError::NoHandOver)?;
            let outcome = TokenOutcome { session, issued_at: now };
            effect.keep(&mut tx, &outcome, now).await?;
            outcome
        }
    };
    finish(policy, tx, &outcome, &host).await
}
