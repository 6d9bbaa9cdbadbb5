//! An installation begins in a swarm: a new one, or the one that ran here under `evergate up`, whose database moves to
//! PostgreSQL and which goes on with its CA, keys, users, sessions and versions.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use evergate_administration::setup::{self, Installation, SetUp};
use evergate_cluster::deployed::Deployed;
use evergate_cluster::network::Network;
use evergate_cluster::render::{listeners, servers, topology};
use evergate_cluster::running::Running;
use evergate_model::{Host, Secret};
use evergate_process::Clock;
use evergate_store::moving::{self, MoveError};
use evergate_store::{Settings, Store, audit, installation};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::tell;
use crate::up::directory::Directory;

/// An installation that is told to stop has ended after 8 s (contract.md).
const STOPPING: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_millis(50);
/// The database of an installation on one machine, and what it is called once it has moved.
const SQLITE: &str = "evergate.db";
const MOVED: &str = "evergate.db.moved";

/// The directory of an installation that nothing runs on, and since when.
pub(super) struct Stopped {
    pub(super) directory: Directory,
    /// When the installation was told to stop, if it ran.
    pub(super) since: Option<Instant>,
}

/// Stops the installation that runs on a directory, if one does.
///
/// # Errors
/// When it does not end, or the directory cannot be used.
pub(super) async fn stop(data: &Path) -> anyhow::Result<Stopped> {
    let taken = Directory::take(data);
    let (Err(_), Ok(running)) = (&taken, Running::read(data)) else {
        return Ok(Stopped { directory: taken?, since: None });
    };
    // Whoever holds the lock lives, and has written its id there; a file that another left names nobody to be stopped.
    if Directory::holder(data) != Some(running.supervisor) {
        return Err(taken.err().unwrap_or_else(|| anyhow::anyhow!("`{}` is in use", data.display())));
    }
    let supervisor = Pid::from_raw(i32::try_from(running.supervisor).context("`up.json` names no process")?);
    tell(&format!("stopping the installation that runs here (process {supervisor})"));
    let since = Instant::now();
    kill(supervisor, Signal::SIGTERM).with_context(|| format!("cannot stop process {supervisor}"))?;
    loop {
        match Directory::take(data) {
            Ok(directory) => return Ok(Stopped { directory, since: Some(since) }),
            Err(error) if since.elapsed() >= STOPPING => return Err(error),
            Err(_) => tokio::time::sleep(PERIOD).await,
        }
    }
}

/// Whether a directory holds an installation on one machine.
pub(super) fn is_on_one_machine(data: &Path) -> bool {
    data.join(SQLITE).exists()
}

/// Where a database is.
pub(super) struct Urls {
    /// As instances are told.
    pub(super) told: Secret<String>,
    /// As it is reached from here, where that is another.
    pub(super) from_here: Option<Secret<String>>,
}

/// The database that an installation is to have, open.
pub(super) struct NewDatabase {
    pub(super) urls: Urls,
    pub(super) store: Store,
}

impl NewDatabase {
    /// Opens it; before anything is stopped, so that what is wrong with it costs nothing.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn open(urls: Urls) -> anyhow::Result<Self> {
        let url = urls.from_here.as_ref().unwrap_or(&urls.told);
        let store =
            Store::open(url.expose(), Settings::default()).await.context("cannot open the new database")?;
        store.migrate().await.context("the new database cannot be made ready")?;
        Ok(Self { urls, store })
    }
}

/// Moves the database of the installation in a directory; how many rows. Nothing where that was done before.
///
/// # Errors
/// When one of the two cannot be used; then both are as they were.
pub(super) async fn move_database(
    data: &Path,
    url: &Secret<String>,
    target: &Store,
) -> anyhow::Result<Option<u64>> {
    let file = data.join(SQLITE);
    if !is_on_one_machine(data) {
        anyhow::ensure!(
            setup::database_url(data)? == *url,
            "there is no installation on one machine in `{}`",
            data.display()
        );
        return Ok(None);
    }
    let source = Store::open(setup::sqlite_url(data).expose(), Settings::default()).await;
    let source = source.with_context(|| format!("cannot open `{}`", file.display()))?;
    source.migrate().await.with_context(|| format!("`{}` cannot be brought up to date", file.display()))?;
    let rows = match moving::move_all(&source, target).await {
        Ok(moved) => Some(moved.rows.iter().map(|(_, rows)| rows).sum()),
        // Killed after the move and before the file was put away.
        Err(MoveError::NotEmpty { .. }) if are_the_same(&source, target).await? => None,
        Err(error) => return Err(error).context("the database was not moved; nothing was changed"),
    };
    source.close().await;
    setup::keep_database_url(data, url)?;
    for end in ["", "-wal", "-shm"] {
        let (from, to) = (data.join(format!("{SQLITE}{end}")), data.join(format!("{MOVED}{end}")));
        if from.exists() {
            std::fs::rename(&from, &to).with_context(|| format!("cannot rename `{}`", from.display()))?;
        }
    }
    Ok(rows)
}

/// Whether the target is what the source was moved to, and neither has changed since.
async fn are_the_same(source: &Store, target: &Store) -> anyhow::Result<bool> {
    let mut seen = Vec::new();
    for store in [source, target] {
        let mut reading = store.read().await?;
        let lineage = installation::get(&mut reading).await?.map(|installation| installation.lineage);
        seen.push((lineage, audit::last_number(&mut reading).await?));
    }
    Ok(seen.first() == seen.last() && seen.iter().all(|(lineage, _)| lineage.is_some()))
}

/// Makes the installation, or tells it where everything is now; leaves the bootstrap files of its instances.
///
/// # Errors
/// When the database or the directory cannot be used.
pub(super) async fn set_up(
    network: &Network,
    directory: &Directory,
    database: Urls,
    domain: &Host,
) -> anyhow::Result<Installation> {
    let port = network.instances().iter().find_map(|planned| Some(planned.listen.first()?.port));
    let wanted = SetUp {
        directory: directory.path().to_owned(),
        database: database.told,
        database_from_here: database.from_here,
        topology: topology(network),
        node: None,
        listeners: listeners(network),
        domain: domain.clone(),
        public_port: port.unwrap_or(443),
        resources: Default::default(),
        demo: None,
    };
    let made = setup::set_up(&wanted, &Clock::system()).await.context("cannot set the installation up")?;
    let deployed = Deployed { stack: network.stack().clone(), servers: servers(network) };
    deployed.write(directory.path())?;
    Ok(made)
}

/// Applications that only the machine itself reaches are not reached from a container.
pub(super) fn unreachable(made: &Installation) -> Vec<String> {
    let is_own = |upstream: &str| {
        let host = upstream.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        host.is_some_and(|host| {
            let host = host.trim_matches(['[', ']']);
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        })
    };
    let mut lines = Vec::new();
    for (name, resource) in &made.resources {
        let upstreams = resource.upstreams.iter().map(ToString::to_string);
        lines.extend(upstreams.filter(|upstream| is_own(upstream)).map(|upstream| {
            format!(
                "warning: resource `{name}` is at {upstream}, which no access point in a container reaches"
            )
        }));
    }
    lines
}
