//! Which instances there are, and where: told by `evergate cluster deploy`, which reads `network.yml`.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use evergate_model::{Name, Service, Topology};
use evergate_process::bootstrap::ListenerSource;
use evergate_store::{configurations, installation, instances};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::{Failure, Privilege, certificates, publishing, topology};

/// No installation has more instances.
const MOST: usize = 1000;

pub(super) fn routes() -> Vec<Route> {
    // Who may make bootstrap files can pass for any instance; saying where they are is no more.
    let put = Privilege::MakeBootstrapFiles;
    vec![
        Route::new(
            Method::GET,
            "/topology",
            Privilege::ReadStatus,
            "which instances there are, and where",
            get,
        )
        .gives::<Places>(),
        Route::new(
            Method::PUT,
            "/topology",
            put,
            "replaces it; instances that it does not name are admitted no more",
            replace,
        )
        .takes::<Places>()
        .gives::<Replaced>(),
    ]
}

/// Which instances there are, and where.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Places {
    /// The instances, in the order of `network.yml`, and the services whose callers share calls.
    #[schemars(with = "serde_json::Value")]
    topology: Topology,
    /// Where browsers and API clients reach access points and administration, as their processes see it.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    listeners: BTreeMap<Name, Vec<ListenerSource>>,
}

/// What came of it.
#[derive(Serialize, JsonSchema)]
struct Replaced {
    /// Whether it was another before.
    changed: bool,
}

async fn get(call: Call) -> Result<Answer, Stop> {
    let mut reading = call.read().await?;
    let topology = installation::get(&mut reading).await?.ok_or(Failure::Missing("installation"))?.topology;
    let mut listeners = BTreeMap::new();
    for instance in &topology.instances {
        if let Some(text) = instances::listeners(&mut reading, &instance.name).await? {
            listeners.insert(instance.name.clone(), serde_json::from_str(&text).unwrap_or_default());
        }
    }
    Ok(Answer::ok(&Places { topology, listeners }))
}

async fn replace(call: Call) -> Result<Answer, Stop> {
    let wanted: Places = call.json()?;
    check(&wanted)?;
    let mut write = call.begin().await?;
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let mut changed = topology::adopt(&mut write, &actor, now, &wanted.topology, &wanted.listeners).await?;
    let (_, configuration) =
        configurations::latest(&mut write).await?.ok_or(Failure::Missing("configuration"))?;
    changed |= certificates::provide(&mut write, &vault, now, &configuration).await?;
    if changed {
        publishing::publish_snapshots(&mut write, &vault, now).await?;
    }
    write.finish(Answer::ok(&Replaced { changed })).await
}

/// Nobody can take away by mistake what answers here.
fn check(wanted: &Places) -> Result<(), Failure> {
    let refused = |why: String| Err(Failure::Conflict(why));
    let instances = &wanted.topology.instances;
    let names: BTreeSet<&Name> = instances.iter().map(|instance| &instance.name).collect();
    if instances.len() > MOST || names.len() != instances.len() {
        return refused(format!("a topology has at most {MOST} instances, each of its own name"));
    }
    if let Some(stranger) = wanted.listeners.keys().find(|name| !names.contains(name)) {
        return refused(format!("`{stranger}` has listeners and is no instance of the topology"));
    }
    for service in [Service::Administration, Service::Policy, Service::Authentication, Service::AccessPoint] {
        if wanted.topology.of(service).next().is_none() {
            return refused(format!("no instance of {service} is left"));
        }
    }
    let is_address = |address: &str| {
        address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    let called = instances.iter().filter(|instance| instance.service != Service::AccessPoint);
    match called.into_iter().find(|instance| !is_address(&instance.address)) {
        Some(instance) => refused(format!("`{}` has no address `host:port`", instance.name)),
        None => Ok(()),
    }
}
