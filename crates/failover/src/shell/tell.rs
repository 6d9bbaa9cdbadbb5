//! Tells metrics and the log what an engine decided; also for those who drive one themselves.

use super::names;
use super::pool::Cost;
use crate::engine::{Cause, Command, Engine, MemberId, State};

/// Tells one thing that happened on a link.
pub fn tell(link: &str, command: &Command) {
    match command {
        Command::Changed(change) => {
            gauge(link, &change.member, change.to);
            let labels = [
                ("link", link.to_owned()),
                ("instance", change.member.to_string()),
                ("to", change.to.as_str().to_owned()),
                ("cause", change.cause.as_str().to_owned()),
            ];
            metrics::counter!(names::LINK_CHANGES, &labels).increment(1);
            tracing::info!(link, member = %change.member, from = change.from.as_str(), to = change.to.as_str(),
                cause = %change.cause, lasted_ms = change.lasted_ms, "a member's state changed");
        }
        Command::Failover(failover) => {
            let (from, to) = (failover.from.to_string(), failover.to.to_string());
            match failover.cause {
                Cause::Failback | Cause::Configured | Cause::Draining => {
                    tracing::info!(link, from, to, cause = %failover.cause, "calls go elsewhere, as wanted");
                }
                cause => tracing::warn!(link, from, to, %cause, took_ms = failover.took_ms, "failed over"),
            }
            let labels = [
                ("link", link.to_owned()),
                ("from", from),
                ("to", to),
                ("cause", failover.cause.as_str().to_owned()),
            ];
            metrics::counter!(names::FAILOVERS, &labels).increment(1);
        }
    }
}

/// Tells that a call was made again; nothing of a first attempt.
pub(super) fn tell_again(link: &str, cost: Cost) {
    match cost {
        Cost::Free => {}
        Cost::Hedge => tell_hedge(link),
        Cost::Retry => tell_retry(link),
    }
}

/// Tells that a second member was asked beside a first that is not under suspicion.
pub fn tell_hedge(link: &str) {
    metrics::counter!(names::HEDGES, "link" => link.to_owned()).increment(1);
}

/// Tells that a call was repeated after it was lost, or its member came under suspicion.
pub fn tell_retry(link: &str) {
    metrics::counter!(names::RETRIES, "link" => link.to_owned()).increment(1);
}

/// Tells the state of all members; to be called when their list is new.
pub fn tell_all(link: &str, engine: &Engine) {
    for member in engine.members() {
        if let Some(state) = engine.state(&member.id) {
            gauge(link, &member.id, state);
        }
    }
}

/// Tells that a member is no longer one.
pub fn tell_gone(link: &str, member: &MemberId) {
    set(link, member, None);
}

fn gauge(link: &str, member: &MemberId, state: State) {
    set(link, member, Some(state));
}

fn set(link: &str, member: &MemberId, state: Option<State>) {
    for each in State::ALL {
        let labels = [
            ("link", link.to_owned()),
            ("instance", member.to_string()),
            ("state", each.as_str().to_owned()),
        ];
        metrics::gauge!(names::LINK_STATE, &labels).set(if state == Some(each) { 1.0 } else { 0.0 });
    }
}
