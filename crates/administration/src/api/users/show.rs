//! Users as they are shown.

use axum::extract::Path;
use evergate_store::users::{self, User};
use evergate_store::{Connection, credentials, groups};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Answer, Call, Stop};
use super::not_found;
use crate::Failure;

/// So many on a page where it is not said.
const PAGE: u32 = 1000;

/// A page of users.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Page {
    /// Only names after this one.
    after: Option<String>,
    /// At most so many.
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::api) struct List {
    users: Vec<UserView>,
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api) struct UserView {
    id: String,
    name: String,
    email: Option<String>,
    groups: Vec<String>,
    /// `active` or `locked`.
    state: String,
    /// What the user signs in with: `password`, `totp`, `recovery-codes`.
    credentials: Vec<String>,
    created_at: i64,
    /// When an invitation went out that nobody has followed yet.
    invited_at: Option<i64>,
}

impl UserView {
    pub(super) async fn load(connection: &mut Connection, user: User) -> Result<Self, Failure> {
        let credentials = credentials::list(connection, user.id).await?;
        let sort = |credential: credentials::Credential| {
            serde_json::to_value(credential.sort).ok()?.as_str().map(str::to_owned)
        };
        Ok(Self {
            id: user.id.to_string(),
            groups: groups::names_of(connection, user.id).await?,
            credentials: credentials.into_iter().filter_map(sort).collect(),
            name: user.name,
            email: user.email,
            state: user.state.to_string(),
            created_at: user.created_at.as_milliseconds(),
            invited_at: user.invited_at.map(evergate_model::Timestamp::as_milliseconds),
        })
    }
}

pub(super) async fn list(call: Call) -> Result<Answer, Stop> {
    let page: Page = call.query()?;
    let mut reading = call.read().await?;
    let limit = page.limit.unwrap_or(PAGE).min(PAGE);
    let mut views = Vec::new();
    for user in users::list(&mut reading, page.after.as_deref().unwrap_or_default(), limit).await? {
        views.push(UserView::load(&mut reading, user).await?);
    }
    Ok(Answer::ok(&List { users: views }))
}

pub(super) async fn show(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut reading = call.read().await?;
    let user = users::find_by_name(&mut reading, &name).await?.ok_or_else(|| not_found(&name))?;
    Ok(Answer::ok(&UserView::load(&mut reading, user).await?))
}
