//! Rotating the keys of a kind of service: the pure plan is `keys::rotation`; here it is driven by
//! what administrators ask for and what the instances say they have applied.

use std::time::Duration;

use evergate_keys::rotation::{Command, Event, handle};
use evergate_keys::{KeyBundle, KeyState, Purpose};
use evergate_model::{Service, Timestamp};
use evergate_store::{Actor, Tx, configurations, installation};
use evergate_wire::report::{InstanceReport, InstanceState};

use crate::office::Office;
use crate::vault::Vault;
use crate::{Failure, bundles, publishing, statuses};

/// Does what `event` asks for the keys of one purpose; whether anything changed. New keys reach the
/// instances by the bundle's generation, their public halves by new snapshots.
pub(crate) async fn step(
    tx: &mut Tx,
    vault: &Vault,
    actor: &Actor,
    now: Timestamp,
    service: Service,
    purpose: Purpose,
    event: Event,
) -> Result<Vec<Command>, Failure> {
    let mut bundle = bundles::load(tx, vault, service).await?;
    let sessions = longest_session(tx).await?;
    let commands = handle(&bundle, purpose, event, now, sessions);
    if !commands.is_empty() {
        bundle.apply(&commands, now);
        bundles::save(tx, vault, actor, now, &bundle).await?;
        publishing::publish_snapshots(tx, vault, now).await?;
        tracing::info!(%service, %purpose, generation = bundle.generation, "keys changed");
    }
    Ok(commands)
}

async fn longest_session(tx: &mut Tx) -> Result<Duration, Failure> {
    let latest = configurations::latest(tx).await?.ok_or(Failure::Missing("configuration"))?;
    Ok(latest.1.sessions.absolute.as_duration())
}

/// Goes on with rotations that were begun, and forgets keys whose time is over: the active
/// instance's business, every few seconds.
pub(crate) async fn go_on(office: &Office) -> Result<(), Failure> {
    for service in Service::ALL {
        for purpose in Purpose::of(service) {
            if let Some(event) = due(office, service, *purpose).await? {
                let mut tx = office.store.begin().await?;
                let commands =
                    step(&mut tx, &office.vault, &Actor::System, office.now(), service, *purpose, event)
                        .await?;
                if !commands.is_empty() {
                    tx.commit().await?;
                }
            }
        }
    }
    Ok(())
}

/// What happened to the keys of a purpose, if it can matter: read without the write lock.
async fn due(office: &Office, service: Service, purpose: Purpose) -> Result<Option<Event>, Failure> {
    let mut reading = office.store.read().await?;
    let bundle = bundles::load(&mut reading, &office.vault, service).await?;
    let has = |state| bundle.of(purpose).any(|key| key.state == state);
    if has(KeyState::Next) {
        let installation = installation::get(&mut reading).await?.ok_or(Failure::Missing("installation"))?;
        let reports = statuses::latest(&mut reading, office.now()).await?;
        let everybody = installation.topology.instances.iter().map(|instance| reports.get(&instance.name));
        return Ok(is_known_to(everybody, &bundle, installation.revision)
            .then_some(Event::Confirmed { generation: bundle.generation }));
    }
    Ok(has(KeyState::Retired).then_some(Event::Tick))
}

/// Whether every instance that serves has the latest snapshot, and those that hold the keys have the
/// bundle. One that is away becomes ready only with the current ones.
fn is_known_to<'a>(
    everybody: impl Iterator<Item = Option<&'a InstanceReport>>,
    bundle: &KeyBundle,
    revision: u64,
) -> bool {
    everybody.flatten().filter(|report| report.state != InstanceState::Silent).all(|report| {
        let has_keys = report.service != bundle.service || report.key_generation >= bundle.generation;
        report.revision >= revision && has_keys
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(service: Service, revision: u64, key_generation: u64, state: InstanceState) -> InstanceReport {
        InstanceReport {
            instance: format!("{service}1").parse().unwrap(),
            service,
            pid: 1,
            since: Timestamp::MIN,
            program: String::new(),
            revision,
            configuration: 1,
            key_generation,
            state,
            reasons: Vec::new(),
            links: Vec::new(),
            at: Timestamp::MIN,
        }
    }

    #[test]
    fn a_key_is_known_when_all_that_serve_have_it() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let mut bundle = KeyBundle::generate(Service::Policy, now);
        bundle.generation = 2;
        let ready = InstanceState::Ready;
        let known = |reports: &[InstanceReport]| is_known_to(reports.iter().map(Some), &bundle, 7);
        let policy = report(Service::Policy, 7, 2, ready);
        let edge = report(Service::AccessPoint, 7, 0, ready);
        assert!(known(&[policy.clone(), edge.clone()]));
        assert!(!known(&[report(Service::Policy, 7, 1, ready), edge.clone()]), "policy lacks the key");
        assert!(!known(&[policy.clone(), report(Service::AccessPoint, 6, 0, ready)]), "the edge lacks it");
        assert!(known(&[policy, report(Service::AccessPoint, 6, 0, InstanceState::Silent)]), "one is away");
    }
}
