//! The installation's status as rows of the console's tables.

use evergate_model::Timestamp;
use evergate_pages::Moment;
use evergate_pages::console::{CandidateRow, EventRow, Health, InstanceRow, InstancesLive, LinkRow};

use crate::api::{InstanceStatus, LinkStatus, Status};

/// So many of the latest changes are shown.
const EVENTS: usize = 20;

/// The live tables.
pub(super) fn live(status: &Status) -> InstancesLive {
    let mut events: Vec<(i64, EventRow)> = status.links.iter().filter_map(event).collect();
    events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    InstancesLive {
        at: moment(status.at),
        version: status.version,
        instances: status.instances.iter().map(instance).collect(),
        links: status.links.iter().map(link).collect(),
        events: events.into_iter().take(EVENTS).map(|(_, event)| event).collect(),
    }
}

fn moment(milliseconds: i64) -> Moment {
    Moment(Timestamp::from_milliseconds(milliseconds))
}

fn instance(instance: &InstanceStatus) -> InstanceRow {
    InstanceRow {
        name: instance.name.clone(),
        service: instance.service.clone(),
        node: instance.node.clone(),
        priority: instance.priority,
        health: match instance.state.as_str() {
            "ready" => Health::Good,
            "silent" | "unknown" => Health::Bad,
            _ => Health::Fair,
        },
        state: instance.state.clone(),
        is_active: instance.active,
        address: instance.address.clone(),
        software: instance.version.clone().unwrap_or_default(),
        configuration: instance.configuration,
        keys: instance.keys,
        since: instance.since.map(moment),
    }
}

fn link(link: &LinkStatus) -> LinkRow {
    let candidate = |candidate: &crate::api::CandidateStatus| CandidateRow {
        instance: candidate.instance.clone(),
        state: candidate.state.clone(),
        health: match candidate.state.as_str() {
            "up" => Health::Good,
            "down" => Health::Bad,
            _ => Health::Fair,
        },
        is_active: link.active.as_ref() == Some(&candidate.instance),
    };
    LinkRow {
        from: link.from.clone(),
        to: link.to.clone(),
        candidates: link.candidates.iter().map(candidate).collect(),
        failovers: link.failovers,
        last: link.last.as_ref().map(|last| format!("{}, {} ms", last.cause, last.took_ms)),
    }
}

fn event(link: &LinkStatus) -> Option<(i64, EventRow)> {
    let last = link.last.as_ref()?;
    let now = link.active.as_deref().unwrap_or("nobody");
    let text = format!("calls to {} go to {now}: {}, {} ms", link.to, last.cause, last.took_ms);
    Some((last.at, EventRow { at: moment(last.at), instance: link.from.clone(), text }))
}
