//! Restarting all instances, one at a time: each waits in line with the wish [`QUEUED`], and the active
//! instance turns the next one's wish into a restart when all is well.

use std::collections::BTreeMap;

use evergate_model::{Name, Service, Topology};
use evergate_store::instances::{self, Wish};
use evergate_store::{Actor, installation};
use evergate_wire::report::{InstanceReport, InstanceState};

use crate::office::Office;
use crate::{Failure, statuses};

/// The wish of an instance that waits for its restart.
pub(crate) const QUEUED: &str = "restart-queued";
/// The wish of an instance that shall restart now.
pub(crate) const RESTART: &str = "restart";

/// Lets the next one restart, if it is time.
pub(crate) async fn go_on(office: &Office) -> Result<(), Failure> {
    let wishes = office.heads.borrow().wishes.clone();
    if !wishes.values().any(|wish| wish.wish == QUEUED) {
        return Ok(());
    }
    let mut reading = office.store.read().await?;
    let topology = installation::get(&mut reading).await?.ok_or(Failure::Missing("installation"))?.topology;
    let reports = statuses::latest(&mut reading, office.now()).await?;
    drop(reading);
    let Some(name) = next(&topology, &wishes, &reports, office.name()) else { return Ok(()) };
    let mut tx = office.store.begin().await?;
    instances::wish(&mut tx, &Actor::System, office.now(), &name, RESTART).await?;
    tx.commit().await?;
    Ok(())
}

/// Whose turn it is: nobody's while another one restarts or is not well, and `me` last, because
/// whoever leads afterwards goes on from there.
fn next(
    topology: &Topology,
    wishes: &BTreeMap<Name, Wish>,
    reports: &BTreeMap<Name, InstanceReport>,
    me: &Name,
) -> Option<Name> {
    let is_well = |name: &Name| {
        let Some(report) = reports.get(name) else { return false };
        let restarts = wishes.get(name).is_some_and(|wish| wish.wish == RESTART && report.since < wish.at);
        matches!(report.state, InstanceState::Ready | InstanceState::Degraded) && !restarts
    };
    if !topology.instances.iter().all(|instance| is_well(&instance.name)) {
        return None;
    }
    let waits = |name: &Name| wishes.get(name).is_some_and(|wish| wish.wish == QUEUED);
    let mut waiting: Vec<_> = topology.instances.iter().filter(|one| waits(&one.name)).collect();
    waiting.sort_by_key(|one| (one.name == *me, one.service == Service::Administration));
    waiting.first().map(|one| one.name.clone())
}

#[cfg(test)]
mod tests {
    use evergate_model::Timestamp;

    use super::*;
    use crate::testing::topology;

    fn report(name: &Name, since: i64, state: InstanceState) -> InstanceReport {
        InstanceReport {
            instance: name.clone(),
            service: Service::Policy,
            pid: 1,
            since: Timestamp::from_seconds(since),
            program: String::new(),
            revision: 1,
            configuration: 1,
            key_generation: 1,
            state,
            reasons: Vec::new(),
            links: Vec::new(),
            at: Timestamp::MIN,
        }
    }

    /// Carries a rolling restart out in thought; the order in which instances restarted.
    fn carry_out(me: &str) -> Vec<String> {
        let (topology, me): (Topology, Name) = (topology(), me.parse().unwrap());
        let wish = |name: &Name, wish: &str, at: i64| Wish {
            instance: name.clone(),
            wish: wish.to_owned(),
            number: 1,
            at: Timestamp::from_seconds(at),
        };
        let names: Vec<Name> = topology.instances.iter().map(|one| one.name.clone()).collect();
        let mut wishes: BTreeMap<Name, Wish> =
            names.iter().map(|name| (name.clone(), wish(name, QUEUED, 10))).collect();
        let mut reports: BTreeMap<Name, InstanceReport> =
            names.iter().map(|name| (name.clone(), report(name, 0, InstanceState::Ready))).collect();
        let mut order = Vec::new();
        for now in 20.. {
            let Some(name) = next(&topology, &wishes, &reports, &me) else { return order };
            wishes.insert(name.clone(), wish(&name, RESTART, now));
            assert_eq!(next(&topology, &wishes, &reports, &me), None, "{name} has not restarted yet");
            for state in [InstanceState::Draining, InstanceState::Silent, InstanceState::Starting] {
                reports.insert(name.clone(), report(&name, now, state));
                assert_eq!(next(&topology, &wishes, &reports, &me), None, "{name} is {state:?}");
            }
            reports.insert(name.clone(), report(&name, now, InstanceState::Ready));
            order.push(name.to_string());
        }
        order
    }

    #[test]
    fn all_restart_one_at_a_time_and_the_leader_last() {
        let order = carry_out("administration1");
        assert_eq!(order.len(), 10);
        assert_eq!(order[0], "policy1");
        assert_eq!(&order[8..], ["administration2", "administration1"]);
    }
}
