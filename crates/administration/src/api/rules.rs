//! Access rules with names.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::Method;
use evergate_model::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resources::{How, change, published};
use super::{Answer, Call, Route, Stop};
use crate::configuration::Edited;
use crate::{Failure, Privilege};

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Privilege::ReadConfiguration, Privilege::WriteConfiguration);
    vec![
        Route::new(Method::GET, "/rules", read, "all rules with names", list).gives::<List>(),
        Route::new(Method::GET, "/rules/{name}", read, "one rule", show).gives::<Rule>(),
        Route::new(Method::PUT, "/rules/{name}", write, "adds or replaces a rule", put)
            .query::<How>()
            .takes::<Rule>()
            .gives::<Edited>(),
        Route::new(Method::DELETE, "/rules/{name}", write, "removes a rule", remove)
            .query::<How>()
            .gives::<Edited>(),
    ]
}

#[derive(Serialize, JsonSchema)]
struct List {
    rules: BTreeMap<Name, String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    rule: String,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    Ok(Answer::ok(&List { rules: published(&call).await?.rules }))
}

async fn show(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut rules = published(&call).await?.rules;
    let found = name.parse::<Name>().ok().and_then(|name| rules.remove(&name));
    Ok(Answer::ok(&Rule { rule: found.ok_or_else(|| not_found(&name))? }))
}

async fn put(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let Rule { rule } = call.json()?;
    let name: Name = name
        .parse()
        .map_err(|error: evergate_model::name::NameError| Failure::invalid("name", error.to_string()))?;
    change(&call, &format!("rule {name}"), move |configuration| {
        configuration.rules.insert(name, rule);
        Ok(())
    })
    .await
}

async fn remove(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    change(&call, &format!("without rule {name}"), |configuration| {
        let key = name.parse::<Name>().ok();
        key.and_then(|key| configuration.rules.remove(&key)).ok_or_else(|| not_found(&name)).map(drop)
    })
    .await
}

fn not_found(name: &str) -> Failure {
    Failure::NotFound(format!("rule `{name}`"))
}
