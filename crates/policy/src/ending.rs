//! `EndSession` and `RevokeSessions`: sessions that end before their time.

use evergate_model::id::{ApiToken, Session, User};
use evergate_model::{Host, Id, Name};
use evergate_store::effects::Effect;
use evergate_store::{Actor, Tx, revocations, sessions, users};
use evergate_wire::convert::{ConvertError, parse, parse_optional};
use evergate_wire::proto::{EndSessionReply, EndSessionRequest, RevokeSessionsReply, RevokeSessionsRequest};

use serde::{Deserialize, Serialize};

use crate::PolicyError;
use crate::policy::Policy;

pub(crate) async fn end(policy: &Policy, request: EndSessionRequest) -> Result<EndSessionReply, PolicyError> {
    let host: Host = parse("host", &request.host)?;
    let now = policy.now();
    let claims = match policy.claims(&request.token, &host, now) {
        // Nothing to end: it has ended, as is known here by now, or never was.
        Err(PolicyError::NoSession) => {
            return Ok(EndSessionReply { position: position(Some(policy.0.log.position())) });
        }
        claims => claims?,
    };
    let mut tx = policy.0.database.store()?.begin().await?;
    let actor = Actor::User(claims.facts.user);
    let number = match sessions::revoke(&mut tx, &actor, now, claims.facts.session).await? {
        Some(number) => number,
        // It has ended already, as was not known here.
        None => revocations::position(&mut tx).await?,
    };
    finish(policy, tx).await?;
    Ok(EndSessionReply { position: position(Some(number)) })
}

/// By whom it is asked, and what they may end.
enum Asker {
    /// A user in this session: their own.
    Owner(Id<User>, Id<Session>),
    /// Administration, anybody's.
    Administration(Actor),
}

pub(crate) async fn revoke(
    policy: &Policy,
    request: RevokeSessionsRequest,
    administration: Option<&Name>,
) -> Result<RevokeSessionsReply, PolicyError> {
    let asker = match administration {
        Some(instance) => Asker::Administration(actor(&request.actor, instance)?),
        None => {
            let host: Host = parse("host", &request.host)?;
            let session = policy.session(&request.token, &host, None, policy.now()).await?;
            let facts = session.ok_or(PolicyError::NoSession)?;
            Asker::Owner(facts.user, facts.session)
        }
    };
    let session: Option<Id<Session>> = parse_optional("session", &request.session)?;
    let effect = effect(&request, &asker)?;
    let mut tx = policy.0.database.store()?.begin().await?;
    if let Some(effect) = &effect
        && let Some(Revoked { position, revoked }) = effect.done(&mut tx).await?
    {
        return Ok(RevokeSessionsReply { position, revoked });
    }
    let numbers = match session {
        Some(session) => one(policy, &mut tx, &asker, session).await?,
        None => many(policy, &mut tx, &asker, &request.user).await?,
    };
    let (position, revoked) =
        (position(numbers.iter().max().copied()), u32::try_from(numbers.len()).unwrap_or(u32::MAX));
    if let Some(effect) = &effect {
        effect.keep(&mut tx, &Revoked { position, revoked }, policy.now()).await?;
    }
    finish(policy, tx).await?;
    Ok(RevokeSessionsReply { position, revoked })
}

/// What came of ending sessions.
#[derive(Debug, Serialize, Deserialize)]
struct Revoked {
    position: i64,
    revoked: u32,
}

/// The effect, where the caller sent a key. It matters where all of a user's sessions are to end: done
/// again, later, it would end those that were opened since.
fn effect(request: &RevokeSessionsRequest, asker: &Asker) -> Result<Option<Effect>, PolicyError> {
    if request.effect_key.is_empty() {
        return Ok(None);
    }
    let asker = match asker {
        Asker::Owner(user, session) => format!("{user} {session}"),
        Asker::Administration(actor) => actor.to_string(),
    };
    let wanted = [asker.as_bytes(), request.session.as_bytes(), request.user.as_bytes()];
    Ok(Some(Effect::new("revoke-sessions", &request.effect_key, &wanted)?))
}

/// One session; a user's own, where a user asks. Nobody learns whether another's exists.
async fn one(
    policy: &Policy,
    tx: &mut Tx,
    asker: &Asker,
    session: Id<Session>,
) -> Result<Vec<u64>, PolicyError> {
    let found = sessions::get(tx, session).await?.ok_or(PolicyError::NoSuchSession)?;
    let actor = match asker {
        Asker::Administration(actor) => actor.clone(),
        Asker::Owner(user, _) if found.facts.user == *user => Actor::User(*user),
        Asker::Owner(..) => return Err(PolicyError::NoSuchSession),
    };
    Ok(sessions::revoke(tx, &actor, policy.now(), session).await?.into_iter().collect())
}

/// All of a user's, for administration; for a user all others of their own than the one they are in.
async fn many(policy: &Policy, tx: &mut Tx, asker: &Asker, user: &str) -> Result<Vec<u64>, PolicyError> {
    let now = policy.now();
    match asker {
        Asker::Owner(user, kept) => {
            Ok(sessions::revoke_others(tx, &Actor::User(*user), now, *user, *kept).await?)
        }
        Asker::Administration(actor) => {
            let user = found(tx, user).await?.ok_or(PolicyError::NoUser)?;
            Ok(sessions::revoke_user(tx, actor, now, user).await?)
        }
    }
}

/// A user by id or by name.
pub(crate) async fn found(
    connection: &mut evergate_store::Connection,
    user: &str,
) -> Result<Option<Id<User>>, PolicyError> {
    if let Ok(id) = user.parse() {
        return Ok(Some(id));
    }
    Ok(users::find_by_name(connection, user).await?.map(|user| user.id))
}

/// Commits, and has the log read at once.
async fn finish(policy: &Policy, tx: Tx) -> Result<(), PolicyError> {
    tx.commit().await?;
    policy.0.cache.forget();
    policy.0.log.wake();
    Ok(())
}

/// Who did it, in the form in which [`Actor`] prints; administration itself where nobody is named.
fn actor(text: &str, instance: &Name) -> Result<Actor, ConvertError> {
    if text.is_empty() {
        return Ok(Actor::Instance(instance.clone()));
    }
    if text == Actor::System.to_string() {
        return Ok(Actor::System);
    }
    if let Some(user) = text.strip_prefix("administrator ") {
        return Ok(Actor::Administrator(parse("actor", user)?));
    }
    if let Some(name) = text.strip_prefix("instance ") {
        return Ok(Actor::Instance(parse("actor", name)?));
    }
    match text.parse::<Id<ApiToken>>() {
        Ok(token) => Ok(Actor::ApiToken(token)),
        Err(_) => Ok(Actor::User(parse("actor", text)?)),
    }
}

fn position(number: Option<u64>) -> i64 {
    i64::try_from(number.unwrap_or(0)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use evergate_model::Timestamp;

    use super::*;

    #[test]
    fn every_actor_is_read_as_it_prints() {
        let now = Timestamp::from_seconds(1);
        let instance: Name = "administration1".parse().unwrap();
        for known in [
            Actor::User(Id::new(now, [1; 10])),
            Actor::Administrator(Id::new(now, [2; 10])),
            Actor::ApiToken(Id::new(now, [3; 10])),
            Actor::Instance("policy2".parse().unwrap()),
            Actor::System,
        ] {
            assert_eq!(actor(&known.to_string(), &instance).unwrap(), known);
        }
        assert_eq!(actor("", &instance).unwrap(), Actor::Instance(instance.clone()));
        assert!(actor("somebody", &instance).is_err());
    }
}
