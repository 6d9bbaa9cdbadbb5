//! Who is signed in: policy's to say and to end.

use axum::extract::Path;
use axum::http::Method;
use evergate_failover::shell::CallOptions;
use evergate_model::Id;
use evergate_model::id::Session;
use evergate_store::users;
use evergate_wire::proto::{ListSessionsRequest, RevokeSessionsReply, RevokeSessionsRequest, SessionSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::{Failure, Privilege};

const MOST: u32 = 1000;

pub(super) fn routes() -> Vec<Route> {
    let (read, revoke) = (Privilege::ReadSessions, Privilege::RevokeSessions);
    vec![
        Route::new(Method::GET, "/sessions", read, "who is signed in", list)
            .query::<Filter>()
            .gives::<List>(),
        Route::new(Method::DELETE, "/sessions/{id}", revoke, "ends a session", end_one).gives::<Ended>(),
        Route::new(Method::DELETE, "/users/{name}/sessions", revoke, "ends a user's sessions", end_all)
            .gives::<Ended>(),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Only this user's.
    user: Option<String>,
    /// Only ids after this one.
    after: Option<String>,
    /// At most so many.
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct List {
    sessions: Vec<SessionView>,
}

#[derive(Serialize, JsonSchema)]
struct SessionView {
    id: String,
    user: String,
    opened_at: i64,
    /// When it was used last; known in steps of a minute.
    active_at: i64,
    ends_at: i64,
    client: String,
    user_agent: String,
    factors: Vec<String>,
}

/// What was ended. It is refused everywhere within a second of the answer.
#[derive(Serialize, JsonSchema)]
struct Ended {
    /// How many sessions.
    revoked: u32,
    /// The last entry in the log of revocations.
    position: i64,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    let filter: Filter = call.query()?;
    let user = match &filter.user {
        Some(name) => user_id(&call, name).await?,
        None => String::new(),
    };
    let request = ListSessionsRequest {
        token: String::new(),
        host: String::new(),
        user,
        limit: filter.limit.unwrap_or(MOST).min(MOST),
        after: filter.after.unwrap_or_default(),
    };
    let reply = call
        .office
        .joined
        .peers
        .policy(CallOptions::READ, move |mut client| {
            let request = request.clone();
            async move { client.list_sessions(request).await }
        })
        .await?;
    Ok(Answer::ok(&List { sessions: reply.sessions.into_iter().map(view).collect() }))
}

fn view(session: SessionSummary) -> SessionView {
    SessionView {
        id: session.session,
        user: session.user_name,
        opened_at: session.opened_at,
        active_at: session.last_seen_at,
        ends_at: session.ends_at,
        client: session.client,
        user_agent: session.user_agent,
        factors: session.factors.into_iter().map(|proven| proven.factor).collect(),
    }
}

async fn end_one(Path(id): Path<String>, call: Call) -> Result<Answer, Stop> {
    let session: Id<Session> =
        id.parse().map_err(|_| Failure::NotFound(format!("session `{}`", id.escape_debug())))?;
    let reply = revoke(&call, session.to_string(), String::new()).await?;
    Ok(Answer::ok(&Ended { revoked: reply.revoked, position: reply.position }))
}

async fn end_all(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let user = user_id(&call, &name).await?;
    let reply = revoke(&call, String::new(), user).await?;
    Ok(Answer::ok(&Ended { revoked: reply.revoked, position: reply.position }))
}

async fn revoke(call: &Call, session: String, user: String) -> Result<RevokeSessionsReply, Failure> {
    let actor = call.actor().to_string();
    let request = RevokeSessionsRequest {
        token: String::new(),
        host: String::new(),
        session,
        user,
        actor,
        effect_key: call.onward_key("revoke sessions").into(),
    };
    let revoked = call
        .office
        .joined
        .peers
        .policy(CallOptions::WRITE, move |mut client| {
            let request = request.clone();
            async move { client.revoke_sessions(request).await }
        })
        .await;
    Ok(revoked?)
}

async fn user_id(call: &Call, name: &str) -> Result<String, Failure> {
    let found = users::find_by_name(&mut *call.read().await?, name).await?;
    found.map(|user| user.id.to_string()).ok_or_else(|| Failure::NotFound(format!("user `{name}`")))
}
