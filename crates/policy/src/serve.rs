//! A policy instance's life: joins, waits for its first rules and keys, serves, follows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evergate_keys::KeyBundle;
use evergate_model::snapshot::Snapshot;
use evergate_process::shedding::{Limits, SheddingLayer};
use evergate_process::{Instance, Readiness, internal_listener};
use evergate_store::{Changes, Memory, Store, StoreError, sessions};
use evergate_wire::authorization::GateLayer;
use evergate_wire::feed::KeyFile;
use evergate_wire::joined;
use evergate_wire::proto::policy_server::PolicyServer;
use tokio::sync::watch;
use tower::Layer;

use crate::policy::Policy;

/// How often what was heard of activity is written.
const ACTIVITY_PERIOD: Duration = Duration::from_secs(5);
/// Sessions not heard of for so long are left to the database.
const ACTIVITY_KEPT: Duration = Duration::from_secs(600);
/// The log is written to disk at most so often.
const LOG_KEPT_EVERY: Duration = Duration::from_secs(1);

/// Decisions: a tenth of a second is what an access point waits before it asks another instance.
const DECISIONS: Limits =
    Limits { work: "decisions", running: 64, waiting: 448, patience: Duration::from_millis(100) };
/// Everything else; most of it writes.
const OTHER_CALLS: Limits =
    Limits { work: "calls", running: 256, waiting: 256, patience: Duration::from_secs(1) };

/// Serves until the process stops.
///
/// # Errors
/// When the bootstrap file is not a policy instance's or its address cannot be bound.
pub async fn serve(instance: Instance) -> anyhow::Result<()> {
    let url = instance.bootstrap.database.clone().context("the bootstrap file has no `database`")?;
    let joined = joined::join(&instance)?;
    let (clock, lifecycle) = (instance.clock.clone(), instance.lifecycle.clone());
    let memory = Memory::in_directory(&instance.data)?;
    if Store::has_timelines(&url) {
        joined.timelines.share(memory.reader(), memory.believer()).await;
    }
    let policy = Policy::new(clock, lifecycle, instance.readiness.clone(), &instance.data, memory);
    policy.start(&url).await;
    let sources = Sources { snapshots: joined.feed.snapshots(), keys: joined.feed.keys() };
    let sources = tokio::select! {
        sources = first(&policy, sources) => sources,
        () = instance.lifecycle.stopping() => return Ok(()),
    };
    let following = follow(policy.clone(), instance.readiness.clone(), sources);
    instance.lifecycle.spawn_until_stop("follow rules and keys", following);
    internal_listener::bind_and_serve(&instance, router(policy, &instance.readiness)).await?;
    instance.readiness.started();
    tracing::info!("serving");
    instance.lifecycle.stopping().await;
    Ok(())
}

/// The calls, each kind behind its own limits: writes that wait for the database's lock must not keep
/// decisions waiting, which need none. Heartbeats have no limits: busy is not down.
pub fn router(policy: Policy, readiness: &Readiness) -> axum::Router {
    let server = PolicyServer::new(policy);
    axum::Router::new()
        .route_service("/evergate.Policy/Decide", SheddingLayer::new(DECISIONS).layer(server.clone()))
        .route_service("/evergate.Policy/{*call}", SheddingLayer::new(OTHER_CALLS).layer(server))
        .merge(internal_listener::heartbeat(readiness))
        .layer(GateLayer)
}

/// Where rules and keys come from.
struct Sources {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    keys: watch::Receiver<Option<Arc<KeyFile>>>,
}

impl Sources {
    /// Waits for the next snapshot or bundle of keys; false when there will be none.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            changed = self.snapshots.changed() => changed.is_ok(),
            changed = self.keys.changed() => changed.is_ok(),
        }
    }

    /// Goes by what there is now; false where one of both is not there yet.
    fn apply(&mut self, policy: &Policy) -> anyhow::Result<bool> {
        let snapshot = self.snapshots.borrow_and_update().clone();
        let keys = self.keys.borrow_and_update().clone();
        let (Some(snapshot), Some(keys)) = (snapshot, keys) else { return Ok(false) };
        apply(policy, &snapshot, &keys).map(|()| true)
    }
}

/// Waits until there are rules and keys that can be used.
async fn first(policy: &Policy, mut sources: Sources) -> Sources {
    loop {
        match sources.apply(policy) {
            Ok(true) => return sources,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "what administration sent cannot be used");
            }
        }
        sources.changed().await;
    }
}

/// Goes by each new snapshot and bundle of keys; by the last good ones where one cannot be used.
async fn follow(policy: Policy, readiness: Readiness, mut sources: Sources) {
    while sources.changed().await {
        match sources.apply(&policy) {
            Ok(_) => readiness.clear("rules"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "what administration sent cannot be used; going on as before");
                readiness.degraded("rules", error);
            }
        }
    }
}

fn apply(policy: &Policy, snapshot: &Arc<Snapshot>, file: &Arc<KeyFile>) -> anyhow::Result<()> {
    let bundle: KeyBundle =
        serde_json::from_slice(file.bundle.expose()).context("the key bundle is malformed")?;
    policy.apply(snapshot, &bundle)?;
    tracing::info!(version = snapshot.head.version, keys = bundle.generation, "rules and keys applied");
    Ok(())
}

impl Policy {
    /// Opens the database, if it can be opened now, reads the revocation log, and starts what goes on
    /// in the background.
    pub async fn start(&self, url: &str) {
        let database = &self.0.database;
        if database.open(url).await
            && let Err(error) = database.read(|store| async move { self.0.log.read(&store).await }).await
        {
            tracing::warn!(%error, "starting with the revocation log as it was kept");
        }
        let lifecycle = &self.0.lifecycle;
        lifecycle.spawn_until_stop("follow revocations", follow_log(self.clone(), url.to_owned()));
        lifecycle.spawn_until_stop("keep revocations", keep_log(self.clone()));
        lifecycle.spawn("write activity", write_activity(self.clone()));
        lifecycle.spawn_until_stop("tidy", crate::tidying::tidy_forever(self.clone()));
    }
}

/// Opens the database if that has not been done, and reads the log whenever the database changes.
async fn follow_log(policy: Policy, url: String) {
    let inner = &policy.0;
    if inner.database.store().is_err() {
        inner.database.open_at_last(&url).await;
    }
    let mut changes: Option<Changes> = None;
    loop {
        inner.cache.forget();
        match inner.database.read(|store| async move { inner.log.read(&store).await }).await {
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "the revocation log could not be read"),
        }
        if changes.is_none() {
            changes = match inner.database.store() {
                Ok(store) => store.changes().await.ok(),
                Err(_) => None,
            };
        }
        let changed = async {
            match &mut changes {
                Some(changes) => changes.changed().await,
                None => std::future::pending().await,
            }
        };
        inner.log.due(changed).await;
    }
}

/// Keeps the log on disk when it has grown.
async fn keep_log(policy: Policy) {
    let mut position = policy.0.log.follow();
    while position.changed().await.is_ok() {
        policy.0.log.keep();
        tokio::time::sleep(LOG_KEPT_EVERY).await;
    }
}

/// Writes activity in batches, and once more when the process stops.
async fn write_activity(policy: Policy) {
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(ACTIVITY_PERIOD) => false,
            () = policy.0.lifecycle.stopping() => true,
        };
        if let Err(error) = write_batch(&policy).await {
            tracing::debug!(%error, "activity could not be written yet");
        }
        if is_last {
            return;
        }
    }
}

async fn write_batch(policy: &Policy) -> Result<(), StoreError> {
    let batch = policy.0.activity.due();
    if let (false, Ok(store)) = (batch.is_empty(), policy.0.database.store()) {
        let mut tx = store.begin().await?;
        for (session, at) in &batch {
            sessions::seen(&mut tx, *session, *at).await?;
        }
        tx.commit().await?;
    }
    policy.0.activity.written(&batch, policy.now().minus(ACTIVITY_KEPT));
    Ok(())
}
