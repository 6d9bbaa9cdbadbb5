//! Machines that join: a token made for one node, and what the machine that holds it is given.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::Path;
use axum::http::Method;
use evergate_keys::api_token;
use evergate_model::{Instance, Name, Service, Topology};
use evergate_process::Bootstrap;
use evergate_process::bootstrap::ListenerSource;
use evergate_store::keys::Role;
use evergate_store::{configurations, installation, instances, join_tokens};
use schemars::JsonSchema;
use serde::Serialize;

use super::guard::Caller;
use super::instances::bootstrap_file;
use super::write::Write;
use super::{Answer, Call, Route, Stop};
use crate::bootstrap::{Common, issue_first};
use crate::{Failure, Privilege, authorities, certificates, publishing};

/// How long a join token is good for.
const TOKEN_LIFE: Duration = Duration::from_secs(86_400);

pub(super) fn routes() -> Vec<Route> {
    let make = Privilege::MakeBootstrapFiles;
    vec![
        Route::new(
            Method::POST,
            "/nodes/{name}/join-token",
            make,
            "a token by which a machine joins as this node, once",
            make_token,
        )
        .gives::<JoinToken>(),
        Route::new(
            Method::POST,
            "/nodes/{name}/join",
            None,
            "the bootstrap files of a node's instances, for its join token",
            join,
        )
        .gives::<Joined>(),
    ]
}

/// What a machine needs to join.
#[derive(Serialize, JsonSchema)]
struct JoinToken {
    /// The node that it becomes.
    node: String,
    /// The API's addresses, as other machines reach them.
    servers: Vec<String>,
    /// The certificates (PEM) that the servers' are from.
    local_ca: String,
    /// Shown once.
    token: String,
    /// In milliseconds since 1970.
    expires_at: i64,
}

/// What a machine that joins is given.
#[derive(Serialize, JsonSchema)]
struct Joined {
    /// The bootstrap file of each of the node's instances, by name.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    bootstraps: BTreeMap<Name, Bootstrap>,
    /// The host of sign-in, portal and account pages.
    portal_host: String,
    /// The console's host, if it is published.
    console_host: Option<String>,
}

async fn make_token(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let mut write = call.begin().await?;
    let topology = topology(&mut write).await?;
    let node = node_of(&topology, &name)?;
    let servers = servers(&mut write, &topology).await?;
    let local_ca = authorities::roots(&mut write, Role::Local).await?.concat();
    let token = api_token::generate();
    let hash = api_token::hash(token.expose()).ok_or(Failure::Missing("hash of a new token"))?;
    let (actor, now) = (write.actor.clone(), write.now);
    let expires_at = now.plus(TOKEN_LIFE);
    let hash = data_encoding::HEXLOWER.encode(&hash);
    join_tokens::add(&mut write, &actor, now, &node, &hash, expires_at).await?;
    let made = JoinToken {
        node: node.to_string(),
        servers,
        local_ca,
        token: token.expose().clone(),
        expires_at: expires_at.as_milliseconds(),
    };
    write.finish(Answer::created(&made)).await
}

/// Who holds a node's token gets that node's files, once; the token of another node gets nothing.
async fn join(Path(name): Path<String>, call: Call) -> Result<Answer, Stop> {
    let Caller::Node { node, token_hash } = call.caller.clone() else {
        return Err(Failure::Refused("a join token is needed".to_owned()).into());
    };
    if node.as_str() != name {
        return Err(Failure::Refused("the join token is another node's".to_owned()).into());
    }
    let mut write = call.begin().await?;
    let (actor, now) = (write.actor.clone(), write.now);
    if !join_tokens::accept(&mut write, &actor, now, &node, &token_hash).await? {
        return Err(Failure::Refused("the join token was used".to_owned()).into());
    }
    let topology = topology(&mut write).await?;
    let here: Vec<&Instance> = topology.instances.iter().filter(|one| one.node == node).collect();
    let bootstraps = bootstraps(&call, &mut write, &here).await?;
    let (_, configuration) =
        configurations::latest(&mut write).await?.ok_or(Failure::Missing("configuration"))?;
    let joined = Joined {
        bootstraps,
        portal_host: configuration.portal_host.to_string(),
        console_host: configuration.console_host.map(|host| host.to_string()),
    };
    write.finish(Answer::created(&joined)).await
}

/// A file with a new identity, admitted at once, for each of these instances.
async fn bootstraps(
    call: &Call,
    write: &mut Write,
    instances: &[&Instance],
) -> Result<BTreeMap<Name, Bootstrap>, Failure> {
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let authority = authorities::issuing(write, &vault, Role::Identity).await?;
    let mut identities = Vec::new();
    for instance in instances {
        identities.push(issue_first(write, &authority, &actor, now, instance).await?);
    }
    publishing::publish_snapshots(write, &vault, now).await?;
    // After all were admitted: an administration instance's file names the certificates of the others.
    let common = Common::load(write, &vault).await?;
    let mut files = BTreeMap::new();
    for (instance, identity) in instances.iter().zip(identities) {
        let file = bootstrap_file(&call.office, write, &common, instance, identity).await?;
        files.insert(instance.name.clone(), file);
    }
    Ok(files)
}

async fn topology(write: &mut Write) -> Result<Topology, Failure> {
    Ok(installation::get(write).await?.ok_or(Failure::Missing("installation"))?.topology)
}

fn node_of(topology: &Topology, name: &str) -> Result<Name, Failure> {
    let found = topology.instances.iter().map(|instance| &instance.node).find(|node| node.as_str() == name);
    found.cloned().ok_or_else(|| Failure::NotFound(format!("node `{name}` with instances on it")))
}

/// Where other machines reach the API.
async fn servers(write: &mut Write, topology: &Topology) -> Result<Vec<String>, Failure> {
    let mut servers = Vec::new();
    for instance in topology.of(Service::Administration) {
        let Some(host) = certificates::direct_host(instance) else { continue };
        let listeners = instances::listeners(write, &instance.name).await?.unwrap_or_default();
        let listeners: Vec<ListenerSource> = serde_json::from_str(&listeners).unwrap_or_default();
        let port = listeners.iter().find_map(|source| match source {
            ListenerSource::Address { address, .. } => address.strip_prefix(host.as_str())?.strip_prefix(':'),
            ListenerSource::Inherited { .. } => None,
        });
        servers.extend(port.map(|port| format!("https://{host}:{port}{}", super::ROOT)));
    }
    if servers.is_empty() {
        let why = "administration is reached from its own machine only; nodes join an installation whose \
                   `network.yml` gives its node an address";
        return Err(Failure::Conflict(why.to_owned()));
    }
    Ok(servers)
}
