//! Groups and who is in them.

use axum::extract::Path;
use axum::http::Method;
use evergate_model::Id;
use evergate_model::id::User;
use evergate_store::groups::{self, ADMINISTRATORS, Group};
use evergate_store::{Tx, users};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::names::check_is_seen;
use crate::{Failure, Privilege};

/// Pages are not needed below so many groups.
const MOST: u32 = 10_000;

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Privilege::ReadUsers, Privilege::WriteUsers);
    vec![
        Route::new(Method::GET, "/groups", read, "all groups", list).gives::<List>(),
        Route::new(Method::POST, "/groups", write, "adds a group", add).takes::<New>().gives::<New>(),
        Route::new(Method::DELETE, "/groups/{name}", write, "removes a group", remove),
        Route::new(Method::GET, "/groups/{name}/members", read, "who is in it", members).gives::<Members>(),
        Route::new(Method::PUT, "/groups/{name}/members/{user}", write, "puts a user in", add_member),
        Route::new(Method::DELETE, "/groups/{name}/members/{user}", write, "takes a user out", remove_member),
    ]
}

#[derive(Serialize, JsonSchema)]
struct List {
    groups: Vec<GroupSummary>,
}

#[derive(Serialize, JsonSchema)]
struct GroupSummary {
    name: String,
    /// How many users are in it.
    members: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct Members {
    /// Names of users.
    members: Vec<String>,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    let all = groups::list(&mut *call.read().await?, "", MOST).await?;
    let summary = |Group { name, members }| GroupSummary { name, members };
    Ok(Answer::ok(&List { groups: all.into_iter().map(summary).collect() }))
}

async fn add(call: Call) -> Result<Answer, Stop> {
    let new: New = call.json()?;
    check_is_seen("name", &new.name)?;
    check_name(&new.name)?;
    let mut write = call.begin().await?;
    let (actor, now) = (write.actor.clone(), write.now);
    if !groups::add(&mut write, &actor, now, &new.name).await? {
        return Err(Failure::Conflict(format!("there is a group `{}` already", new.name)).into());
    }
    write.finish(Answer::created(&new)).await
}

async fn remove(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    if name == ADMINISTRATORS {
        return Err(Failure::Conflict(format!("`{ADMINISTRATORS}` must stay")).into());
    }
    let mut write = call.begin().await?;
    let (actor, now) = (write.actor.clone(), write.now);
    if !groups::remove(&mut write, &actor, now, &name).await? {
        return Err(not_found(&name).into());
    }
    write.finish(Answer::nothing()).await
}

async fn members(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut reading = call.read().await?;
    if !groups::exists(&mut reading, &name).await? {
        return Err(not_found(&name).into());
    }
    let members = groups::members(&mut reading, &name).await?;
    Ok(Answer::ok(&Members { members: members.into_iter().map(|(_, name)| name).collect() }))
}

async fn add_member(Path((group, user)): Path<(String, String)>, call: Call) -> Result<Answer, Stop> {
    guard(&call, &group)?;
    let mut write = call.begin().await?;
    let id = find(&mut write, &group, &user).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    groups::add_member(&mut write, &actor, now, &group, id).await?;
    write.finish(Answer::nothing()).await
}

async fn remove_member(Path((group, user)): Path<(String, String)>, call: Call) -> Result<Answer, Stop> {
    guard(&call, &group)?;
    let mut write = call.begin().await?;
    let id = find(&mut write, &group, &user).await?;
    if group == ADMINISTRATORS
        && groups::members(&mut write, &group).await?.iter().all(|(other, _)| *other == id)
    {
        return Err(Failure::Conflict(format!("`{user}` is the last administrator")).into());
    }
    let (actor, now) = (write.actor.clone(), write.now);
    groups::remove_member(&mut write, &actor, now, &group, id).await?;
    write.finish(Answer::nothing()).await
}

/// Whoever may make administrators may do everything.
fn guard(call: &Call, group: &str) -> Result<(), Failure> {
    if group == ADMINISTRATORS { call.caller.require(Privilege::ManageAdministrators) } else { Ok(()) }
}

async fn find(tx: &mut Tx, group: &str, user: &str) -> Result<Id<User>, Failure> {
    if !groups::exists(tx, group).await? {
        return Err(not_found(group));
    }
    let found = users::find_by_name(tx, user).await?;
    found.map(|user| user.id).ok_or_else(|| Failure::NotFound(format!("user `{user}`")))
}

/// A group's name stands in quotes in access rules and, joined by commas, in a header.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let is_good = !name.is_empty()
        && name.len() <= 128
        && name.trim() == name
        && !name.chars().any(|c| c.is_control() || matches!(c, '"' | ',' | '/' | '\\'));
    if is_good {
        Ok(())
    } else {
        Err(Failure::invalid("name", format!("`{}` cannot be a group's name", name.escape_debug())))
    }
}

fn not_found(name: &str) -> Failure {
    Failure::NotFound(format!("group `{name}`"))
}
