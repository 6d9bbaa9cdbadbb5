//! How the service starts: joins the installation, opens the database, serves its pages.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evergate_keys::KeyBundle;
use evergate_model::snapshot::Snapshot;
use evergate_process::shedding::{Limits, SheddingLayer};
use evergate_process::{Instance, internal_listener};
use evergate_store::{Memory, Store};
use evergate_wire::authorization::GateLayer;
use evergate_wire::feed::KeyFile;
use evergate_wire::joined;
use tokio::sync::watch;

use crate::hashing::HashingPool;
use crate::neighbours::Calls;
use crate::routes;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::site::{Latest, Site};
use crate::tidying;

/// What is taken on. Somebody waits for a page longer than a program for an answer; who waits for
/// their password to be hashed is limited by the hashing pool besides.
const PAGES: Limits =
    Limits { work: "pages", running: 512, waiting: 512, patience: Duration::from_millis(500) };

/// Runs the service until the process stops.
///
/// # Errors
/// When the database cannot be opened or the listener cannot be bound.
pub async fn serve(instance: Instance) -> anyhow::Result<()> {
    let joined = joined::join(&instance)?;
    let url = instance.bootstrap.database.as_deref().context("the bootstrap file names no database")?;
    let memory = Memory::in_directory(&instance.data)?;
    if Store::has_timelines(url) {
        joined.timelines.share(memory.reader(), memory.believer()).await;
    }
    let settings = evergate_store::Settings { memory, ..Default::default() };
    let store = Store::open(url, settings).await.context("cannot open the database")?;
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let site = Site {
        store: store.clone(),
        neighbours: Arc::new(Calls::over(joined.peers.clone())),
        clock: instance.clock.clone(),
        hashing: HashingPool::for_cores(cores),
        settings: follow(&instance, joined.feed.snapshots(), read_snapshot),
        secrets: follow(&instance, joined.feed.keys(), read_keys),
    };
    instance.lifecycle.spawn_until_stop("tidy", tidying::tidy(site.clone()));
    instance.lifecycle.spawn_until_stop("become ready", become_ready(instance.clone(), site.clone()));
    // The heartbeat goes through the same layers and queue as the pages.
    let heartbeat = internal_listener::heartbeat(&instance.readiness);
    let router = routes::router(site).layer(SheddingLayer::new(PAGES)).merge(heartbeat).layer(GateLayer);
    internal_listener::bind_and_serve(&instance, router).await?;
    instance.lifecycle.stopping().await;
    store.close().await;
    Ok(())
}

/// Ready once there are settings and keys.
async fn become_ready(instance: Instance, mut site: Site) {
    let settings = site.settings.wait_for(Option::is_some).await.is_ok();
    let secrets = site.secrets.wait_for(Option::is_some).await.is_ok();
    if settings && secrets {
        instance.readiness.started();
    }
}

/// The latest of a source, read into what this service needs. What cannot be read leaves what was
/// there before.
fn follow<S, T>(
    instance: &Instance,
    mut source: watch::Receiver<Option<Arc<S>>>,
    read: fn(&S) -> anyhow::Result<T>,
) -> Latest<T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let (sender, receiver) = watch::channel(None);
    instance.lifecycle.spawn_until_stop("follow settings", async move {
        loop {
            let latest = source.borrow_and_update().clone();
            match latest.as_deref().map(read) {
                None => {}
                Some(Ok(value)) => {
                    sender.send_replace(Some(Arc::new(value)));
                }
                Some(Err(error)) => {
                    tracing::error!(error = format!("{error:#}"), "what administration sent cannot be used");
                }
            }
            if source.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn read_snapshot(snapshot: &Snapshot) -> anyhow::Result<Settings> {
    Ok(Settings::from_snapshot(snapshot)?)
}

fn read_keys(keys: &KeyFile) -> anyhow::Result<Secrets> {
    let bundle: KeyBundle = serde_json::from_slice(keys.bundle.expose())?;
    Ok(Secrets::from_bundle(&bundle)?)
}
