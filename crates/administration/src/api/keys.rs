//! Which keys there are and where they stand in their rotation; never the keys.

use axum::http::Method;
use evergate_keys::rotation::Event;
use evergate_keys::{KeyBundle, Purpose};
use evergate_model::Service;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::{Failure, Privilege, bundles, rotation};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/keys", Privilege::ReadKeys, "all keys, never their secrets", list)
            .gives::<List>(),
        Route::new(Method::POST, "/keys/rotate", Privilege::RotateKeys, "begins to replace keys", rotate)
            .takes::<Rotate>()
            .gives::<List>(),
    ]
}

#[derive(Serialize, JsonSchema)]
struct List {
    keys: Vec<KeyView>,
}

#[derive(Serialize, JsonSchema)]
struct KeyView {
    id: String,
    /// Whose instances hold it.
    service: String,
    purpose: String,
    /// `next` (made known, not used yet), `active` or `retired` (what it made still holds).
    state: String,
    created_at: Option<i64>,
    /// Since when it is in that state.
    since: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// `session-token`, `assertion`, `snapshot`, `progress-sealing`, `seed-opening`, `code-mac` or
    /// `enrolment-sealing`; absent: all of them.
    purpose: Option<String>,
    /// Whether the old key must not be believed for another moment: no overlap.
    #[serde(default)]
    emergency: bool,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    let mut reading = call.read().await?;
    let mut keys = Vec::new();
    for service in services() {
        keys.extend(views(&bundles::load(&mut reading, &call.office.vault, service).await?));
    }
    Ok(Answer::ok(&List { keys }))
}

async fn rotate(call: Call) -> Result<Answer, Stop> {
    let wanted: Rotate = call.json()?;
    let event = if wanted.emergency { Event::Emergency } else { Event::Begin };
    let purposes = purposes(wanted.purpose.as_deref())?;
    let mut write = call.begin().await?;
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let mut keys = Vec::new();
    let steps: Vec<_> = purposes.iter().map(|(service, purpose)| (*service, *purpose, event)).collect();
    rotation::take_steps(&mut write, &vault, &actor, now, &steps).await?;
    for (service, purpose) in purposes {
        let bundle = bundles::load(&mut write, &vault, service).await?;
        keys.extend(views(&bundle).into_iter().filter(|key| key.purpose == word(purpose)));
    }
    write.finish(Answer::accepted(&List { keys })).await
}

fn purposes(wanted: Option<&str>) -> Result<Vec<(Service, Purpose)>, Failure> {
    let all =
        services().flat_map(|service| Purpose::of(service).iter().map(move |purpose| (service, *purpose)));
    let chosen: Vec<_> =
        all.filter(|(_, purpose)| wanted.is_none_or(|name| name == word(*purpose))).collect();
    if chosen.is_empty() {
        return Err(Failure::NotFound(format!("key for `{}`", wanted.unwrap_or_default().escape_debug())));
    }
    Ok(chosen)
}

fn services() -> impl Iterator<Item = Service> {
    Service::ALL.into_iter().filter(|service| !Purpose::of(*service).is_empty())
}

fn views(bundle: &KeyBundle) -> Vec<KeyView> {
    let view = |key: &evergate_keys::BundleKey| KeyView {
        id: key.id.to_string(),
        service: bundle.service.to_string(),
        purpose: word(key.purpose),
        state: word(key.state),
        created_at: created_at(key.id),
        since: key.since.as_milliseconds(),
    };
    bundle.keys.iter().map(view).collect()
}

/// Ids begin with the moment they were made (RFC 9562, version 7).
fn created_at(id: evergate_model::Id<evergate_model::id::Key>) -> Option<i64> {
    let (head, _) = id.as_bytes().split_first_chunk::<6>()?;
    Some(head.iter().fold(0, |milliseconds, byte| milliseconds << 8 | i64::from(*byte)))
}

/// The name of a purpose or state, as JSON has it.
fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
