//! `ListSessions`: a user's own, or, for administration, anybody's.

use evergate_model::Host;
use evergate_store::sessions::{self, Filter, Session};
use evergate_wire::convert::{parse, parse_optional, proven_factors_to_proto};
use evergate_wire::proto::{ListSessionsReply, ListSessionsRequest, SessionSummary};

use crate::PolicyError;
use crate::ending::found;
use crate::policy::Policy;

/// So many are listed where the caller does not say, and so many at most.
const LIMITS: (u32, u32) = (100, 1000);

pub(crate) async fn list(
    policy: &Policy,
    request: ListSessionsRequest,
    is_administration: bool,
) -> Result<ListSessionsReply, PolicyError> {
    let now = policy.now();
    let store = policy.0.database.store()?;
    let own = if is_administration {
        None
    } else {
        // Not by the token alone: a session that has ended as idle shows nothing any more.
        let host: Host = parse("host", &request.host)?;
        Some(policy.session(&request.token, &host, None, now).await?.ok_or(PolicyError::NoSession)?.user)
    };
    let mut connection = store.read().await?;
    let user = if own.is_some() {
        own
    } else if request.user.is_empty() {
        None
    } else {
        Some(found(&mut connection, &request.user).await?.ok_or(PolicyError::NoUser)?)
    };
    let idle = policy.rules()?.configuration.sessions.idle.as_duration();
    let filter =
        Filter { user, after: parse_optional("after", &request.after)?, seen_since: Some(now.minus(idle)) };
    let limit = if request.limit == 0 { LIMITS.0 } else { request.limit.min(LIMITS.1) };
    let sessions = sessions::list(&mut connection, now, &filter, limit).await?;
    Ok(ListSessionsReply { sessions: sessions.iter().map(summary).collect() })
}

fn summary(session: &Session) -> SessionSummary {
    let facts = &session.facts;
    SessionSummary {
        session: facts.session.to_string(),
        user: facts.user.to_string(),
        user_name: facts.user_name.clone(),
        opened_at: facts.opened_at.as_milliseconds(),
        ends_at: facts.ends_at.as_milliseconds(),
        last_seen_at: session.last_seen_at.as_milliseconds(),
        client: session.client.clone(),
        user_agent: session.user_agent.clone(),
        factors: proven_factors_to_proto(&facts.factors),
    }
}
