//! What a service is handed when it starts, and the frame that starts and ends it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::bootstrap::Bootstrap;
use crate::clock::Clock;
use crate::identity::Identity;
use crate::lifecycle::{Lifecycle, STOP_LIMIT};
use crate::readiness::Readiness;
use crate::telemetry::Metrics;
use crate::{files, limits, operations};

/// One running instance. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What it knew before it could ask.
    pub bootstrap: Arc<Bootstrap>,
    /// Its own directory (last good snapshot, keys); nobody else writes there.
    pub data: PathBuf,
    /// What time it is.
    pub clock: Clock,
    /// Its tasks, and the wish to stop.
    pub lifecycle: Lifecycle,
    /// Who it is, and whom it believes.
    pub identity: Identity,
    /// Whether it should be given work.
    pub readiness: Readiness,
}

impl Instance {
    /// An instance of this bootstrap file; nothing runs yet.
    ///
    /// # Errors
    /// When the identity cannot be used or the directory cannot be made.
    pub fn prepare(bootstrap: Bootstrap, data: &Path) -> anyhow::Result<Self> {
        let data = data.join("instances").join(bootstrap.instance.as_str());
        files::make_private_directory(&data)
            .with_context(|| format!("cannot make the directory `{}`", data.display()))?;
        let identity =
            Identity::from_bootstrap(&bootstrap).context("the bootstrap file's identity cannot be used")?;
        Ok(Self {
            bootstrap: Arc::new(bootstrap),
            data,
            clock: Clock::system(),
            lifecycle: Lifecycle::new(),
            identity,
            readiness: Readiness::starting(),
        })
    }
}

/// Runs a service until a signal ends it: operations listener first, then `serve`, then the drain,
/// at most 8 s in all after the signal.
///
/// # Errors
/// When it cannot start, or `serve` fails.
pub async fn run<F, S>(instance: Instance, serve: S) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
    S: FnOnce(Instance) -> F,
{
    if let Err(error) = limits::raise_open_files() {
        tracing::warn!(%error, "the number of open files cannot be raised");
    }
    let lifecycle = instance.lifecycle.clone();
    let readiness = instance.readiness.clone();
    lifecycle.stop_on_signals().context("cannot listen to signals")?;
    let metrics = Metrics::start()?;
    let address = instance.bootstrap.operations.clone();
    operations::serve(&lifecycle, &address, readiness.clone(), metrics)
        .await
        .with_context(|| format!("cannot listen on the operations address `{address}`"))?;
    tracing::info!(
        instance = %instance.identity.instance(),
        service = %instance.identity.service(),
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    let outcome = serve_until_stopped(&lifecycle, &readiness, serve(instance)).await;
    lifecycle.stop("the service ended");
    readiness.not_ready("draining", "draining");
    lifecycle.finish(STOP_LIMIT - Duration::from_secs(1)).await;
    tracing::info!("ended");
    outcome
}

/// Waits for the service to end by itself; once the process is stopping it may take half the limit.
async fn serve_until_stopped(
    lifecycle: &Lifecycle,
    readiness: &Readiness,
    serve: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    tokio::pin!(serve);
    tokio::select! {
        outcome = &mut serve => return outcome,
        () = lifecycle.stopping() => readiness.not_ready("draining", "draining"),
    }
    tokio::time::timeout(STOP_LIMIT / 2, serve).await.unwrap_or_else(|_| {
        tracing::warn!("the service did not end in time");
        Ok(())
    })
}
