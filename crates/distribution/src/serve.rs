//! How an instance of distribution comes up and goes down.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evergate_process::shedding::{Limits, SheddingLayer};
use evergate_process::{Instance, internal_listener};
use evergate_store::{Memory, Settings, Store, StoreError, enrolments, outbox};
use evergate_wire::authorization::GateLayer;
use evergate_wire::joined;
use evergate_wire::proto::distribution_server::DistributionServer;
use tokio::sync::Notify;

use crate::delivery::Delivery;
use crate::service::Service;
use crate::{acceptance, current};

/// What is taken on; the outbox's own queue is shorter where it is the disk that is slow.
const CALLS: Limits =
    Limits { work: "calls", running: 1024, waiting: 512, patience: Duration::from_millis(500) };
/// How long a write waits for other writers: less than callers' deadline of 2 s.
const BUSY: Duration = Duration::from_millis(1500);
/// How often a database that cannot be opened is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often what has ended is tidied away, and how long it is kept.
const TIDYING: Duration = Duration::from_secs(3600);
const KEPT: Duration = Duration::from_secs(86_400);

/// Runs an instance until it is asked to stop.
///
/// # Errors
/// When the first keys cannot be used, or its address cannot be listened on.
pub async fn serve(instance: Instance) -> anyhow::Result<()> {
    let joined = joined::join(&instance).context("cannot join the installation")?;
    let url = instance.bootstrap.database.clone().context("the bootstrap file names no database")?;
    let lifecycle = instance.lifecycle.clone();
    let memory = Memory::in_directory(&instance.data)?;
    if Store::has_timelines(&url) {
        joined.timelines.share(memory.reader(), memory.believer()).await;
    }
    let store = tokio::select! {
        store = open(&url, &instance, &memory) => store,
        () = lifecycle.stopping() => return Ok(()),
    };
    let current = tokio::select! {
        current = current::first(&joined.feed) => current.context("the internal keys cannot be used")?,
        () = lifecycle.stopping() => return Ok(()),
    };
    let receiver = current.subscribe();
    lifecycle.spawn_until_stop("follow keys", current::follow(joined.feed.clone(), current));

    let accepted = Arc::new(Notify::new());
    let (door, writer) = acceptance::open(store.clone(), instance.clock.clone(), Arc::clone(&accepted));
    lifecycle.spawn("write the outbox", writer.run());
    let delivery = Delivery {
        store: store.clone(),
        clock: instance.clock.clone(),
        lifecycle: lifecycle.clone(),
        instance: instance.bootstrap.instance.clone(),
        directory: mail_directory(&instance.data),
        current: receiver.clone(),
        accepted,
    };
    lifecycle.spawn("deliver", delivery.run());
    lifecycle.spawn_until_stop("tidy", tidy(store.clone(), instance.clone()));

    let service = Service { store, clock: instance.clock.clone(), current: receiver, acceptance: door };
    let router = tonic::service::Routes::new(DistributionServer::new(service))
        .into_axum_router()
        .layer(SheddingLayer::new(CALLS))
        .merge(internal_listener::heartbeat(&instance.readiness))
        .layer(GateLayer);
    internal_listener::bind_and_serve(&instance, router).await?;
    instance.readiness.started();
    lifecycle.stopping().await;
    Ok(())
}

/// The database, however long it takes to open.
async fn open(url: &str, instance: &Instance, memory: &Memory) -> Store {
    loop {
        let settings = Settings { busy_timeout: BUSY, memory: memory.clone(), ..Settings::default() };
        match Store::open(url, settings).await {
            Ok(store) => {
                instance.readiness.clear("database");
                return store;
            }
            Err(error) => {
                tracing::error!(%error, "the database cannot be opened; trying again");
                instance.readiness.not_ready("database", "the database cannot be opened");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// `DIR/mail`, where the instance's own directory is `DIR/instances/NAME`.
fn mail_directory(data: &Path) -> std::path::PathBuf {
    data.ancestors().nth(2).unwrap_or(data).join("mail")
}

/// Forgets what ended a day ago. Both instances may: it is the same work.
async fn tidy(store: Store, instance: Instance) {
    loop {
        tokio::time::sleep(TIDYING).await;
        if let Err(error) = forget(&store, &instance).await {
            tracing::warn!(%error, "what has ended cannot be tidied away; trying again later");
        }
    }
}

async fn forget(store: &Store, instance: &Instance) -> Result<(), StoreError> {
    let before = instance.clock.now().minus(KEPT);
    let mut tx = store.begin().await?;
    let messages = outbox::forget(&mut tx, before).await?;
    let enrolments = enrolments::forget(&mut tx, before).await?;
    tx.commit().await?;
    tracing::debug!(messages, enrolments, "tidied away what has ended");
    Ok(())
}
