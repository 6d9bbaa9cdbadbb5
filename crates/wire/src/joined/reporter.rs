//! Reports to administration how this instance is, every second and at each change, and takes its
//! wishes.

use std::time::Duration;

use evergate_failover::shell::CallOptions;
use evergate_model::{DatabaseTimeline, Timestamp};
use evergate_process::Instance;

use super::Joined;
use crate::feed::Feed;
use crate::proto::{ReportStatusRequest, Wish};
use crate::report::{InstanceReport, InstanceState, LinkReport};

const PERIOD: Duration = Duration::from_secs(1);
/// The reason of an instance that an administrator has asked to drain.
const ASKED: &str = "asked-to-drain";
/// Within this every caller has had three heartbeats.
const NOTICED_AFTER: Duration = Duration::from_millis(1000);

/// Reports until the process stops.
pub(super) async fn report(instance: Instance, joined: Joined) {
    let since = instance.clock.now();
    let mut snapshots = joined.feed.snapshots();
    loop {
        let links = joined.peers.report().into_iter().chain(joined.extra.read()).collect();
        let mut report = describe(&instance, &joined.feed, links, since);
        report.database = joined.timelines.remembered();
        send(&instance, &joined, report).await;
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            changed = snapshots.changed() => if changed.is_err() { return },
        }
    }
}

/// What this instance says of itself; `since` is when its process started.
#[must_use]
pub fn describe(
    instance: &Instance,
    feed: &Feed,
    links: Vec<LinkReport>,
    since: Timestamp,
) -> InstanceReport {
    let readiness = instance.readiness.state();
    let is_draining = readiness.reasons.iter().any(|reason| reason.key == ASKED || reason.key == "draining");
    let state = match (readiness.ready, readiness.reasons.is_empty()) {
        (true, true) => InstanceState::Ready,
        (true, false) => InstanceState::Degraded,
        (false, _) if is_draining => InstanceState::Draining,
        (false, _) => InstanceState::Starting,
    };
    let snapshot = feed.snapshot();
    InstanceReport {
        instance: instance.bootstrap.instance.clone(),
        service: instance.bootstrap.service,
        pid: std::process::id(),
        since,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        revision: snapshot.as_ref().map_or(0, |snapshot| snapshot.head.revision),
        configuration: snapshot.as_ref().map_or(0, |snapshot| snapshot.head.version),
        key_generation: feed.key_generation(),
        state,
        reasons: readiness.reasons.into_iter().map(|reason| reason.text).collect(),
        links,
        database: None,
        at: instance.clock.now(),
    }
}

async fn send(instance: &Instance, joined: &Joined, report: InstanceReport) {
    let Ok(report) = serde_json::to_vec(&report) else { return };
    let request = ReportStatusRequest { report: report.into() };
    let sent = joined
        .peers
        .administration(CallOptions::READ, move |mut client| {
            let request = request.clone();
            async move { client.report_status(request).await }
        })
        .await;
    match sent {
        Ok(reply) => {
            joined.applied.set(reply.applied);
            joined.timelines.told(reply.database.map(DatabaseTimeline::from));
            heed(instance, reply.wish()).await;
        }
        Err(error) => tracing::debug!(%error, "the status report was not taken"),
    }
}

/// Does what administration asks of this instance. A restart is a drain that callers notice by
/// their heartbeats (every 250 ms), and then an orderly end: the supervisor starts the next process.
pub async fn heed(instance: &Instance, wish: Wish) {
    match wish {
        Wish::Serve | Wish::Unspecified => instance.readiness.clear(ASKED),
        Wish::Drain => instance.readiness.not_ready(ASKED, "an administrator asked it to drain"),
        Wish::Restart => {
            instance.readiness.not_ready(ASKED, "an administrator asked it to restart");
            tokio::time::sleep(NOTICED_AFTER).await;
            instance.lifecycle.stop("an administrator asked for a restart");
        }
    }
}
