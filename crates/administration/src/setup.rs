//! Making an installation, and bringing an existing one up to what its operator wants now: at every
//! start of `evergate up`, before any instance runs.
//!
//! What counts is the database; files are made from it. Killed at any moment, the next start
//! finishes or begins again: secrets that are shown to people are written to their files first and
//! used from there, everything else is one transaction, and bootstrap files are remade from it.

mod bootstrap_files;
mod demo;
mod files;
mod first_start;
mod identities;
mod reconcile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use evergate_model::configuration::Resource;
use evergate_model::{Host, Instance, Name, Secret, Timestamp, Topology};
use evergate_process::Clock;
use evergate_process::bootstrap::ListenerSource;
use evergate_store::{Memory, Settings, Store, StoreError, configurations, installation};
use tokio::time::Instant;

use crate::vault::Vault;

pub use demo::DemoUser;
pub(crate) use demo::EMAIL as DEMO_EMAIL;
pub(crate) use files::new_password;
pub use files::{
    ADMINISTRATOR, API_TOKEN_FILE, DATABASE_PASSWORD_FILE, DATABASE_URL_FILE, DEMO_FILE, LOCAL_CA_FILE,
    PASSWORD_FILE, WRAPPING_KEY_FILE,
};

/// So long a database that is not there yet is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

/// What the installation should be.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// Its directory on this machine: absolute, there, for its owner alone.
    pub directory: PathBuf,
    /// The URL of its database, as its instances are told: [`sqlite_url`], or a PostgreSQL's.
    pub database: Secret<String>,
    /// The URL by which this process reaches the database, where that is another.
    pub database_from_here: Option<Secret<String>>,
    /// Its instances, on whichever node.
    pub topology: Topology,
    /// The node that this is; only its instances get their bootstrap files here. `None`: all of them.
    pub node: Option<Name>,
    /// Where browsers and API clients reach access points and administration instances.
    pub listeners: BTreeMap<Name, Vec<ListenerSource>>,
    /// What the hosts of portal and console lie under. Counts at the first start; after that the
    /// configuration says.
    pub domain: Host,
    /// The port that browsers use.
    pub public_port: u16,
    /// Resources to publish where there is none of that name; those that are there stay as they are.
    pub resources: BTreeMap<Name, Resource>,
    /// The demo's resource: the first start makes it and the demo user; later starts only move its
    /// servers, as long as both are there.
    pub demo: Option<(Name, Resource)>,
}

impl SetUp {
    /// The instances of this machine.
    fn here(&self) -> impl Iterator<Item = &Instance> {
        let is_here = |instance: &&Instance| self.node.as_ref().is_none_or(|node| instance.node == *node);
        self.topology.instances.iter().filter(is_here)
    }
}

/// What there is afterwards.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Whether it was made just now.
    pub first_start: bool,
    /// The certificate of the CA that browsers should believe.
    pub local_ca: PathBuf,
    /// The administrator's name.
    pub administrator: String,
    /// The file with the administrator's first password.
    pub password_file: PathBuf,
    /// The bootstrap file of each instance.
    pub bootstrap_files: BTreeMap<Name, PathBuf>,
    /// The host of sign-in, portal and account pages, as the configuration has it.
    pub portal_host: Host,
    /// The console's host, if it is published.
    pub console_host: Option<Host>,
    /// The resources that are published.
    pub resources: BTreeMap<Name, Resource>,
}

/// The URL of the SQLite database in an installation's directory.
#[must_use]
pub fn sqlite_url(directory: &Path) -> Secret<String> {
    Secret::new(format!("sqlite:{}", directory.join("evergate.db").display()))
}

/// The URL of the database of the installation in this directory: of the PostgreSQL that its last start
/// was told of, or of the SQLite beside.
///
/// # Errors
/// When the file that says so cannot be read.
pub fn database_url(directory: &Path) -> anyhow::Result<Secret<String>> {
    Ok(files::database_url(directory)?.unwrap_or_else(|| sqlite_url(directory)))
}

/// Keeps the URL of the database for the commands that work on this directory.
///
/// # Errors
/// When it cannot be written, or an installation on a PostgreSQL is to begin anew in an SQLite.
pub fn keep_database_url(directory: &Path, url: &Secret<String>) -> anyhow::Result<()> {
    files::keep_database_url(directory, url)
}

/// The password of a database that the installation runs itself: the one that it has, or a new one.
///
/// # Errors
/// When the file with it cannot be read or written.
pub fn database_password(directory: &Path) -> anyhow::Result<Secret<String>> {
    files::database_password(directory)
}

/// The signed snapshot of one service as it lies in an installation's database.
///
/// # Errors
/// When there is no installation in the directory, or it cannot be opened.
pub async fn latest_snapshot(directory: &Path, audience: evergate_model::Service) -> anyhow::Result<Vec<u8>> {
    let vault = Vault::from_hex(&files::wrapping_key(directory, false)?)?;
    let store = Store::open(database_url(directory)?.expose(), Settings::default()).await?;
    let newer = crate::publishing::newer_envelope(&mut *store.read().await?, &vault, audience, 0).await?;
    store.close().await;
    newer.map(|(_, envelope)| envelope).context("there is no snapshot")
}

/// Makes the installation or brings it up to date. No instance may run meanwhile.
///
/// # Errors
/// When the directory cannot be written or is full, the database is another program's, or a wanted
/// resource does not hold together with the configuration; nothing is damaged then.
pub async fn set_up(wanted: &SetUp, clock: &Clock) -> anyhow::Result<Installation> {
    let memory = Memory::of_instances(&wanted.directory)?;
    let settings = Settings { create: true, memory, ..Settings::default() };
    let url = wanted.database_from_here.as_ref().unwrap_or(&wanted.database);
    let store = open_patiently(url.expose(), settings).await.with_context(|| {
        format!("cannot open the database of the installation in `{}`", wanted.directory.display())
    })?;
    let outcome = write(wanted, &store, clock.now()).await;
    store.close().await;
    outcome
}

/// Opens the database; where all machines have just been switched on, its own may take longer.
async fn open_patiently(url: &str, settings: Settings) -> Result<Store, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    let mut was_told = false;
    loop {
        match Store::open(url, settings.clone()).await {
            Err(error) if error.is_too_early() && Instant::now() < deadline => {
                if !std::mem::replace(&mut was_told, true) {
                    let seconds = PATIENCE.as_secs();
                    tracing::warn!(
                        error = crate::failure::chain(&error),
                        seconds,
                        "waiting for the database"
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn write(wanted: &SetUp, store: &Store, now: Timestamp) -> anyhow::Result<Installation> {
    store.migrate().await.context("the database cannot be brought up to date")?;
    files::keep_database_url(&wanted.directory, &wanted.database)?;
    let is_new = installation::get(&mut *store.read().await?).await?.is_none();
    let wrapping_key = files::wrapping_key(&wanted.directory, is_new)?;
    let vault = &Vault::from_hex(&wrapping_key).context("the wrapping key cannot be used")?;
    let first_start = first_start::make_if_absent(store, vault, wanted, now).await?;
    let identities = reconcile::reconcile(store, vault, wanted, now).await?;
    let bootstrap_files = bootstrap_files::write(store, vault, wanted, &wrapping_key, identities).await?;
    let local_ca = files::write_local_ca(store, &wanted.directory).await?;
    let (_, configuration) = configurations::latest(&mut *store.read().await?)
        .await?
        .context("the database holds no configuration")?;
    Ok(Installation {
        portal_host: configuration.portal_host,
        console_host: configuration.console_host,
        resources: configuration.resources,
        first_start,
        local_ca,
        administrator: ADMINISTRATOR.to_owned(),
        password_file: wanted.directory.join(PASSWORD_FILE),
        bootstrap_files,
    })
}
