//! Starts an access point: joins the installation, makes the site of each snapshot, and serves on
//! as many threads as there are cores.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use evergate_model::snapshot::{Part, Snapshot};
use evergate_process::bootstrap::ListenerSource;
use evergate_process::identity::provider;
use evergate_process::names::Names;
use evergate_process::{Instance, Lifecycle, Readiness};
use evergate_wire::joined::{Joined, join};
use evergate_wire::report::LinkReport;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Certificates;
use crate::decide::policy::Policy;
use crate::decide::{Decider, revocations};
use crate::desk::{Mode, Shared};
use crate::forward::pages::{Pages, PeerPages};
use crate::record::activity::{self, Activity};
use crate::record::spool::{self, Spool};
use crate::settings::Settings;
use crate::site::Site;
use crate::worker::{Listener, Worker};

/// How often time-driven work is done: hold-downs, tombstones.
const TICK: Duration = Duration::from_secs(1);
/// How often the names of servers are looked up.
const RESOLVE: Duration = Duration::from_secs(30);
/// How long the last report of activity may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs an access point until the process stops.
///
/// # Errors
/// When it cannot start.
pub async fn serve(instance: Instance) -> anyhow::Result<()> {
    serve_with(instance, Settings::default()).await
}

/// The same with these settings.
///
/// # Errors
/// When it cannot start.
pub async fn serve_with(instance: Instance, settings: Settings) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let listeners = open_listeners(&instance)?;
    let joined = join(&instance).context("cannot join the installation")?;
    let snapshot = tokio::select! {
        snapshot = joined.feed.first_snapshot() => snapshot,
        () = instance.lifecycle.stopping() => return Ok(()),
    };
    let certificates = Certificates::default();
    let site =
        Site::from_snapshot(&snapshot, None, &instance.clock).context("the snapshot cannot be served")?;
    show(&certificates, &snapshot)?;
    let shared = share(&instance, &joined, site);
    instance.readiness.started();
    let tls = TlsAcceptor::from(certificates.server_config().context("cannot set up TLS")?);
    let pages = PeerPages { peers: joined.peers.clone(), control: Handle::current() };
    start_threads(&instance.lifecycle, &listeners, Some(tls), &shared, Arc::new(pages), &settings)?;
    let extra = Arc::clone(&shared);
    joined.extra.set(move || {
        extra
            .site
            .load()
            .resources()
            .map(|r| LinkReport::new(&r.upstreams.link, r.upstreams.status()))
            .collect()
    });
    follow_snapshots(&instance, &joined, &certificates, &shared).await;
    Ok(())
}

fn open_listeners(instance: &Instance) -> anyhow::Result<Vec<Listener>> {
    let open = |source: &ListenerSource| {
        let is_shared = matches!(source, ListenerSource::Inherited { .. });
        let socket = source.open().with_context(|| match source {
            ListenerSource::Address { address, .. } => format!("cannot listen on `{address}`"),
            ListenerSource::Inherited { .. } => "no listening socket was inherited".to_owned(),
        })?;
        Ok(Listener { socket, is_shared, balancers: source.balancers().into() })
    };
    instance.bootstrap.listeners.iter().map(open).collect()
}

/// Builds what all threads share, and starts what keeps it true.
fn share(instance: &Instance, joined: &Joined, site: Site) -> Arc<Shared> {
    let policy: Arc<dyn Policy> = Arc::new(joined.peers.clone());
    let (clock, lifecycle) = (instance.clock.clone(), instance.lifecycle.clone());
    let shared = Arc::new(Shared {
        site: ArcSwap::from_pointee(site),
        decider: Arc::new(Decider::new(Arc::clone(&policy), clock.clone(), lifecycle.clone())),
        policy,
        spool: Arc::new(Spool::default()),
        activity: Arc::new(Activity::default()),
        clock,
        name: instance.bootstrap.instance.clone(),
        names: Names::system(&lifecycle),
        mode: follow_mode(&lifecycle, &instance.readiness),
        readiness: instance.readiness.clone(),
    });
    start_tasks(&lifecycle, &shared);
    shared
}

/// Starts the control runtime's work: revocations, the spool, activity, clocks, names.
pub(crate) fn start_tasks(lifecycle: &Lifecycle, shared: &Arc<Shared>) {
    let (policy, decider) = (|| Arc::clone(&shared.policy), &shared.decider);
    let (log, sessions) = (Arc::clone(&decider.log), Arc::clone(&decider.sessions));
    // Until the end: requests that are being drained need their revocations.
    lifecycle.spawn_until_end(
        "follow revocations",
        revocations::follow(policy(), log, sessions, shared.clock.clone()),
    );
    lifecycle.spawn_until_stop("deliver audit", spool::deliver(Arc::clone(&shared.spool), policy()));
    lifecycle.spawn_until_stop("report activity", activity::report(Arc::clone(&shared.activity), policy()));
    lifecycle.spawn_until_stop("tick", tick(Arc::clone(shared)));
    lifecycle.spawn_until_stop("resolve servers", resolve(Arc::clone(shared)));
    let (stop, last) = (lifecycle.clone(), Arc::clone(shared));
    lifecycle.spawn("last activity report", async move {
        stop.stopping().await;
        drop(tokio::time::timeout(LAST_WORDS, last.activity.tell(&*last.policy)).await);
    });
}

async fn tick(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(TICK).await;
        shared.decider.sessions.forget(shared.clock.now());
        for resource in shared.site.load().resources() {
            resource.upstreams.tick();
        }
    }
}

async fn resolve(shared: Arc<Shared>) {
    loop {
        let site = shared.site.load_full();
        for server in site.resources().flat_map(|resource| resource.upstreams.servers()) {
            shared.names.refresh(server.host());
        }
        tokio::time::sleep(RESOLVE).await;
    }
}

/// Says whether connections are taken: from the wish to stop, and from readiness (an administrator
/// may ask it to drain).
pub(crate) fn follow_mode(lifecycle: &Lifecycle, readiness: &Readiness) -> watch::Receiver<Mode> {
    let (sender, mode) = watch::channel(Mode::Serving);
    let (stop, mut states) = (lifecycle.clone(), readiness.watch());
    // Until the end: threads see the mode until they have ended.
    lifecycle.spawn_until_end("follow mode", async move {
        loop {
            let mode = if states.borrow_and_update().ready { Mode::Serving } else { Mode::Draining };
            sender.send_replace(mode);
            tokio::select! {
                () = stop.stopping() => break,
                changed = states.changed() => if changed.is_err() { break },
            }
        }
        sender.send_replace(Mode::Stopping);
        sender.closed().await;
    });
    mode
}

/// Starts the serving threads; the process ends when all of them have, and stops if one fails.
pub(crate) fn start_threads(
    lifecycle: &Lifecycle,
    listeners: &[Listener],
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared>,
    pages: Arc<dyn Pages>,
    settings: &Arc<Settings>,
) -> anyhow::Result<()> {
    let upstream_tls = upstream_tls(settings)?;
    for number in 0..settings.threads.max(1) {
        let worker = Worker {
            listeners: listeners.iter().map(Listener::try_clone).collect::<Result<_, _>>()?,
            tls: tls.clone(),
            upstream_tls: Arc::clone(&upstream_tls),
            shared: Arc::clone(shared),
            pages: Arc::clone(&pages),
            settings: Arc::clone(settings),
        };
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name(format!("serve-{number}")).spawn(move || {
            // Dropped without a word if the thread panics.
            drop(ended.send(worker.run()));
        })?;
        let stop = lifecycle.clone();
        lifecycle.spawn("serving thread", async move {
            match has_ended.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a serving thread failed"),
                Err(_) => tracing::error!("a serving thread panicked"),
            }
            stop.stop("a serving thread ended");
        });
    }
    Ok(())
}

/// TLS towards servers: verified by the system's certificates.
fn upstream_tls(settings: &Settings) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = settings.upstream_roots.iter().find(|file| file.exists()) {
        let certificates = CertificateDer::pem_file_iter(file)
            .with_context(|| format!("cannot read the certificates in `{}`", file.display()))?;
        roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Serves each new snapshot, until the process stops.
async fn follow_snapshots(
    instance: &Instance,
    joined: &Joined,
    certificates: &Certificates,
    shared: &Arc<Shared>,
) {
    let mut snapshots = joined.feed.snapshots();
    loop {
        tokio::select! {
            () = instance.lifecycle.stopping() => return,
            changed = snapshots.changed() => if changed.is_err() { return },
        }
        let Some(snapshot) = snapshots.borrow_and_update().clone() else { continue };
        match take(&snapshot, certificates, shared) {
            Ok(()) => instance.readiness.clear("site"),
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the snapshot cannot be served; going on with the last"
                );
                instance
                    .readiness
                    .degraded("site", format!("the latest snapshot cannot be served: {error:#}"));
            }
        }
    }
}

fn take(snapshot: &Snapshot, certificates: &Certificates, shared: &Shared) -> anyhow::Result<()> {
    let before = shared.site.load_full();
    let site = Site::from_snapshot(snapshot, Some(&before), &shared.clock)?;
    show(certificates, snapshot)?;
    for resource in before.resources() {
        resource
            .upstreams
            .tell_gone(site.resources().find(|r| r.name == resource.name).map(|r| &*r.upstreams));
    }
    shared.site.store(Arc::new(site));
    Ok(())
}

fn show(certificates: &Certificates, snapshot: &Snapshot) -> anyhow::Result<()> {
    if let Part::AccessPoint(part) = &snapshot.part {
        certificates.replace(&part.certificates, &part.portal_host)?;
    }
    Ok(())
}
