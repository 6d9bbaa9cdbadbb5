//! API tokens. Nobody can hand out what they do not have.

use axum::extract::Path;
use axum::http::Method;
use data_encoding::HEXLOWER;
use evergate_keys::{api_token, new_id};
use evergate_model::Timestamp;
use evergate_store::api_tokens::{self, ApiToken};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::{Failure, Privilege};

pub(super) fn routes() -> Vec<Route> {
    let manage = Privilege::ManageApiTokens;
    vec![
        Route::new(Method::GET, "/api-tokens", manage, "tokens in force", list).gives::<List>(),
        Route::new(Method::POST, "/api-tokens", manage, "makes a token", add).takes::<New>().gives::<Made>(),
        Route::new(Method::DELETE, "/api-tokens/{id}", manage, "revokes a token", revoke),
    ]
}

#[derive(Serialize, JsonSchema)]
struct List {
    api_tokens: Vec<TokenView>,
}

#[derive(Serialize, JsonSchema)]
struct TokenView {
    id: String,
    name: String,
    privileges: Vec<String>,
    created_at: i64,
    /// When it was used last; known in steps of a minute.
    used_at: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    /// What it allows; absent: everything that the caller may do.
    privileges: Option<Vec<Privilege>>,
}

#[derive(Serialize, JsonSchema)]
struct Made {
    id: String,
    /// The token; shown once.
    token: String,
    privileges: Vec<Privilege>,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    let all = api_tokens::list(&mut *call.read().await?).await?;
    let view = |token: ApiToken| TokenView {
        id: token.id.to_string(),
        name: token.name,
        privileges: token.privileges,
        created_at: token.made_at.as_milliseconds(),
        used_at: token.used_at.map(Timestamp::as_milliseconds),
    };
    Ok(Answer::ok(&List { api_tokens: all.into_iter().map(view).collect() }))
}

async fn add(call: Call) -> Result<Answer, Stop> {
    let new: New = call.json()?;
    if new.name.is_empty() || new.name.len() > 128 || new.name.chars().any(char::is_control) {
        return Err(Failure::invalid("name", "a token needs a name of at most 128 bytes").into());
    }
    let own = || Privilege::ALL.iter().copied().filter(|privilege| call.caller.may(*privilege)).collect();
    let privileges: Vec<Privilege> = new.privileges.unwrap_or_else(own);
    for privilege in &privileges {
        call.caller.require(*privilege)?;
    }
    let mut write = call.begin().await?;
    let (actor, now) = (write.actor.clone(), write.now);
    let text = api_token::generate();
    let hash = api_token::hash(text.expose()).ok_or(Failure::Missing("hash of a token"))?;
    let token = ApiToken {
        id: new_id(now),
        name: new.name,
        privileges: privileges.iter().map(ToString::to_string).collect(),
        made_at: now,
        used_at: None,
    };
    api_tokens::add(&mut write, &actor, now, &token, &HEXLOWER.encode(&hash)).await?;
    let made = Made { id: token.id.to_string(), token: text.expose().clone(), privileges };
    write.finish(Answer::created(&made)).await
}

async fn revoke(Path(id): Path<String>, call: Call) -> Result<Answer, Stop> {
    let not_found = || Failure::NotFound(format!("token `{}`", id.escape_debug()));
    let token = id.parse().map_err(|_| not_found())?;
    let mut write = call.begin().await?;
    let (actor, now) = (write.actor.clone(), write.now);
    if !api_tokens::revoke(&mut write, &actor, now, token).await? {
        return Err(not_found().into());
    }
    write.finish(Answer::nothing()).await
}
