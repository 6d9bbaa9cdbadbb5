//! Waits until every instance says that it is ready, or until it is plain that one never will be.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use evergate_model::Instance;
use evergate_process::http_client::HttpClient;
use evergate_process::supervisor::{ChildState, Children};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::announce::Announcer;
use super::layout::Layout;
use crate::logs;

const POLL: Duration = Duration::from_millis(25);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// A process that has ended so often without ever being ready will not get better.
const HOPELESS: u64 = 4;
/// So many lines of its log are shown then.
const LOG_LINES: usize = 8;

/// Waits until all instances are ready.
pub(super) async fn wait(
    layout: &Layout,
    mut states: watch::Receiver<Children>,
    logs: &Path,
    announcer: &Announcer,
) -> anyhow::Result<()> {
    let mut missing: BTreeSet<&str> = layout.here().map(|instance| instance.name.as_str()).collect();
    let mut asked: FuturesUnordered<_> = layout.here().map(until_ready).collect();
    loop {
        announcer.waiting_for(&missing);
        tokio::select! {
            ready = asked.next() => match ready {
                Some(instance) => drop(missing.remove(instance.name.as_str())),
                None => return Ok(()),
            },
            changed = states.changed() => {
                changed?;
                let hopeless = find_hopeless(&states.borrow_and_update(), &missing);
                if let Some((name, state)) = hopeless {
                    bail!("`{name}` cannot be started: {}", last_words(&name, &state, logs));
                }
            }
        }
    }
}

async fn until_ready(instance: &Instance) -> &Instance {
    let client = HttpClient::plain().within(ANSWER_LIMIT);
    loop {
        let request = http::Request::get(format!("http://{}/ready", instance.operations)).body(Bytes::new());
        if let Ok(request) = request
            && client.send(request).await.is_ok_and(|answer| answer.status().is_success())
        {
            return instance;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn find_hopeless(states: &Children, missing: &BTreeSet<&str>) -> Option<(String, ChildState)> {
    states
        .iter()
        .filter(|(name, _)| missing.contains(name.as_str()))
        .find(|(_, state)| state.pid.is_none() && state.starts >= HOPELESS)
        .map(|(name, state)| (name.clone(), state.clone()))
}

/// How it ended, and what it said last.
fn last_words(name: &str, state: &ChildState, directory: &Path) -> String {
    let ended = state.last_end.as_deref().unwrap_or("it does not run");
    let log = directory.join(format!("{name}.log"));
    let said = logs::last_lines(&log, LOG_LINES).join("\n  ");
    format!("{ended}\n  {said}\nhint: its whole log is `{}`", log.display())
}
