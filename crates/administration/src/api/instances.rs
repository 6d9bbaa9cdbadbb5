//! Asking instances to drain, resume or restart, and moving the active administration.

use axum::extract::Path;
use axum::http::Method;
use evergate_model::{Instance, Name, Service};
use evergate_process::Bootstrap;
use evergate_store::keys::Role;
use evergate_store::{installation, instances, leases};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{InstanceStatus, collect};
use super::{Answer, Call, Route, Stop};
use crate::bootstrap::{Common, FirstIdentity, Own, issue_first};
use crate::lease::{ACTIVE, LENGTH};
use crate::office::Office;
use crate::{Failure, Privilege, authorities, publishing};

pub(super) fn routes() -> Vec<Route> {
    let operate = Privilege::OperateInstances;
    vec![
        Route::new(Method::GET, "/instances", Privilege::ReadStatus, "all instances", list).gives::<List>(),
        Route::new(Method::GET, "/instances/{name}", Privilege::ReadStatus, "one instance", show)
            .gives::<InstanceStatus>(),
        Route::new(Method::POST, "/instances/{name}/drain", operate, "gives it no more work", drain)
            .gives::<Asked>(),
        Route::new(Method::POST, "/instances/{name}/resume", operate, "gives it work again", resume)
            .gives::<Asked>(),
        Route::new(
            Method::POST,
            "/instances/{name}/restart",
            operate,
            "drains it, then a new process",
            restart,
        )
        .gives::<Asked>(),
        Route::new(
            Method::POST,
            "/instances/{name}/bootstrap",
            Privilege::MakeBootstrapFiles,
            "a new bootstrap file for it",
            bootstrap,
        ),
        Route::new(
            Method::POST,
            "/instances/{name}/dismiss-others",
            Privilege::MakeBootstrapFiles,
            "admits of its certificates only that of one bootstrap file, and what was renewed from it",
            dismiss_others,
        )
        .takes::<Line>()
        .gives::<Dismissed>(),
        Route::new(
            Method::POST,
            "/instances/{name}/activate",
            operate,
            "makes it the active administration",
            activate,
        ),
    ]
}

#[derive(Serialize, JsonSchema)]
struct List {
    instances: Vec<InstanceStatus>,
}

/// What was asked of an instance; it does so within about a second.
#[derive(Serialize, JsonSchema)]
struct Asked {
    instance: String,
    wish: String,
    /// Counts the wishes to this instance.
    number: u64,
}

async fn list(call: Call) -> Result<Answer, Stop> {
    Ok(Answer::ok(&List { instances: collect(&call.office).await?.instances }))
}

async fn show(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let all = collect(&call.office).await?.instances;
    let found = all.into_iter().find(|instance| instance.name == name);
    Ok(Answer::ok(&found.ok_or_else(|| not_found(&name))?))
}

async fn drain(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    ask(&call, &name, "drain").await
}

async fn resume(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    ask(&call, &name, "serve").await
}

async fn restart(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    ask(&call, &name, "restart").await
}

async fn ask(call: &Call, name: &str, wish: &str) -> Result<Answer, Stop> {
    let mut write = call.begin().await?;
    let (instance, _) = find(&mut write, name).await?;
    let (actor, now) = (write.actor.clone(), write.now);
    let number = instances::wish(&mut write, &actor, now, &instance, wish).await?;
    let asked = Asked { instance: name.to_owned(), wish: wish.to_owned(), number };
    write.finish(Answer::accepted(&asked)).await
}

/// Which bootstrap file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Line {
    /// SHA-256 of its certificate's DER, hex.
    certificate: String,
}

#[derive(Serialize, JsonSchema)]
struct Dismissed {
    /// How many certificates.
    dismissed: u64,
}

/// What the instance has left on another machine, or what somebody copied from there, is believed no more.
async fn dismiss_others(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let line: Line = call.json()?;
    let mut write = call.begin().await?;
    let (instance, _) = find(&mut write, &name).await?;
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let dismissed = instances::dismiss_others(&mut write, &actor, now, &instance, &line.certificate).await?;
    let dismissed = dismissed.ok_or_else(|| {
        Failure::Conflict(format!("nothing of `{name}` that came from that certificate is admitted"))
    })?;
    if dismissed > 0 {
        publishing::publish_snapshots(&mut write, &vault, now).await?;
    }
    write.finish(Answer::ok(&Dismissed { dismissed })).await
}

/// The file holds a new key with its first certificate, which is admitted at once.
async fn bootstrap(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut write = call.begin().await?;
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let topology = installation::get(&mut write).await?.ok_or(Failure::Missing("installation"))?.topology;
    let found = topology.instances.iter().find(|instance| instance.name.as_str() == name);
    let instance = found.ok_or_else(|| not_found(&name))?;
    let authority = authorities::issuing(&mut write, &vault, Role::Identity).await?;
    let identity = issue_first(&mut write, &authority, &actor, now, instance).await?;
    publishing::publish_snapshots(&mut write, &vault, now).await?;
    let common = Common::load(&mut write, &vault).await?;
    let file = bootstrap_file(&call.office, &mut write, &common, instance, identity).await?;
    write.finish(Answer::created(&file)).await
}

/// The bootstrap file of an instance with that identity.
pub(super) async fn bootstrap_file(
    office: &Office,
    tx: &mut evergate_store::Tx,
    common: &Common,
    instance: &Instance,
    identity: FirstIdentity,
) -> Result<Bootstrap, Failure> {
    let own = &office.instance.bootstrap;
    let database = own.database.as_deref().ok_or(Failure::Missing("address of the database"))?;
    let wrapping_key = own.wrapping_key.as_ref().ok_or(Failure::Missing("wrapping key"))?;
    let listeners = instances::listeners(tx, &instance.name).await?;
    let listeners = listeners.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(common.bootstrap(instance, Own { identity, database, wrapping_key, listeners }))
}

async fn activate(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut write = call.begin().await?;
    let (heir, service) = find(&mut write, &name).await?;
    if service != Service::Administration {
        return Err(Failure::Conflict(format!("`{name}` is no administration instance")).into());
    }
    let until = write.now.plus(LENGTH);
    if let Some(held) = leases::get(&mut write, ACTIVE).await?
        && held.holder != heir
    {
        leases::give_up(&mut write, ACTIVE, &held.holder, Some((&heir, until))).await?;
        let (actor, now) = (write.actor.clone(), write.now);
        let detail = serde_json::json!({ "before": held.holder });
        evergate_store::audit::append(&mut write, now, &actor, "instance.activated", &name, &detail).await?;
    }
    write.finish(Answer::nothing()).await
}

async fn find(tx: &mut evergate_store::Tx, name: &str) -> Result<(Name, Service), Failure> {
    let topology = installation::get(tx).await?.ok_or(Failure::Missing("installation"))?.topology;
    let found = topology.instances.into_iter().find(|instance| instance.name.as_str() == name);
    found.map(|instance| (instance.name, instance.service)).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> Failure {
    Failure::NotFound(format!("instance `{name}`"))
}
