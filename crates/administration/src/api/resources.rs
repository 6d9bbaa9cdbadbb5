//! The protected applications, one at a time. A change is published at once, unless it is for the
//! draft.

mod test;

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::Method;
use evergate_model::configuration::Resource;
use evergate_model::{Configuration, Name};
use evergate_store::configurations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::configuration::{Edit, Edited, edit};
use crate::{Failure, Privilege};

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Privilege::ReadConfiguration, Privilege::WriteConfiguration);
    vec![
        Route::new(Method::GET, "/resources", read, "all resources", list).gives::<List>(),
        Route::new(Method::GET, "/resources/{name}", read, "one resource", show).gives::<Resource>(),
        Route::new(Method::PUT, "/resources/{name}", write, "adds or replaces a resource", put)
            .query::<HowToPut>()
            .takes::<Resource>()
            .gives::<Edited>(),
        Route::new(Method::DELETE, "/resources/{name}", write, "removes a resource", remove)
            .query::<How>()
            .gives::<Edited>(),
        Route::new(
            Method::POST,
            "/resources/{name}/test",
            read,
            "what would be decided, and why",
            test::test,
        )
        .takes::<test::Test>()
        .gives::<test::Tested>(),
    ]
}

/// How a change is made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Whether it stays in the draft.
    #[serde(default)]
    draft: bool,
    /// Why.
    comment: Option<String>,
    /// The version that must still be the latest.
    base: Option<u64>,
}

/// How a resource is put.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HowToPut {
    /// Whether it stays in the draft.
    #[serde(default)]
    draft: bool,
    /// Why.
    comment: Option<String>,
    /// The version that must still be the latest.
    base: Option<u64>,
    /// Whether another resource of that name is left as it is, and the change refused.
    #[serde(default)]
    keep: bool,
}

#[derive(Serialize, JsonSchema)]
struct List {
    resources: BTreeMap<Name, Resource>,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    Ok(Answer::ok(&List { resources: published(&call).await?.resources }))
}

async fn show(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut all = published(&call).await?.resources;
    let found = name.parse::<Name>().ok().and_then(|name| all.remove(&name));
    Ok(Answer::ok(&found.ok_or_else(|| not_found(&name))?))
}

async fn put(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let resource: Resource = call.json()?;
    let name: Name = name
        .parse()
        .map_err(|error: evergate_model::name::NameError| Failure::invalid("name", error.to_string()))?;
    let HowToPut { draft, comment, base, keep } = call.query()?;
    let how = How { draft, comment, base };
    change_as(&call, how, &format!("resource {name}"), move |configuration| {
        if keep && configuration.resources.get(&name).is_some_and(|there| *there != resource) {
            return Err(Failure::Kept(format!("resource `{name}`")));
        }
        configuration.resources.insert(name, resource);
        Ok(())
    })
    .await
}

async fn remove(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    change(&call, &format!("without resource {name}"), |configuration| {
        let key = name.parse::<Name>().ok();
        key.and_then(|key| configuration.resources.remove(&key)).ok_or_else(|| not_found(&name)).map(drop)
    })
    .await
}

/// Changes the configuration as the query says.
pub(super) async fn change(
    call: &Call,
    what: &str,
    change: impl FnOnce(&mut Configuration) -> Result<(), Failure> + Send,
) -> Result<Answer, Stop> {
    change_as(call, call.query()?, what, change).await
}

async fn change_as(
    call: &Call,
    how: How,
    what: &str,
    change: impl FnOnce(&mut Configuration) -> Result<(), Failure> + Send,
) -> Result<Answer, Stop> {
    let mut write = call.begin().await?;
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let comment = how.comment.as_deref().unwrap_or(what);
    let how = Edit { actor: &actor, comment, as_draft: how.draft, base: how.base };
    let edited = edit(&mut write, &vault, now, &how, change).await?;
    write.finish(Answer::ok(&edited)).await
}

/// The published configuration.
pub(super) async fn published(call: &Call) -> Result<Configuration, Failure> {
    let latest = configurations::latest(&mut *call.read().await?).await?;
    latest.map(|(_, configuration)| configuration).ok_or(Failure::Missing("configuration"))
}

fn not_found(name: &str) -> Failure {
    Failure::NotFound(format!("resource `{name}`"))
}
