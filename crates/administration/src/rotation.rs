//! Rotating the keys of a kind of service: the pure plan is `keys::rotation`; here it is driven by
//! what administrators ask for and what the instances say they have applied.

use std::time::Duration;

use evergate_keys::rotation::{Event, handle};
use evergate_keys::{KeyBundle, KeyState, Purpose};
use evergate_model::{Service, Timestamp};
use evergate_store::{Actor, Connection, Tx, configurations, installation};
use evergate_wire::report::{InstanceReport, InstanceState};

use crate::office::Office;
use crate::vault::Vault;
use crate::{Failure, bundles, lease, publishing, statuses};

/// What happens to the keys of one purpose.
pub(crate) type Step = (Service, Purpose, Event);

/// Does what each of the events asks for; whether anything changed. New keys reach the instances by
/// their bundle's generation, the public halves by new snapshots.
pub(crate) async fn take_steps(
    tx: &mut Tx,
    vault: &Vault,
    actor: &Actor,
    now: Timestamp,
    steps: &[Step],
) -> Result<bool, Failure> {
    let sessions = longest_session(tx).await?;
    let mut is_changed = false;
    for (service, purpose, event) in steps {
        let event = without_haste(*purpose, *event);
        let mut bundle = bundles::load(tx, vault, *service).await?;
        let commands = handle(&bundle, *purpose, event, now, sessions);
        if !commands.is_empty() {
            bundle.apply(&commands, now);
            bundles::save(tx, vault, actor, now, &bundle).await?;
            tracing::info!(%service, %purpose, generation = bundle.generation, "keys changed");
            is_changed = true;
        }
    }
    if is_changed {
        publishing::publish_snapshots(tx, vault, now).await?;
    }
    Ok(is_changed)
}

/// Instances learn of a new key of snapshots from a snapshot that is signed with the old one, and
/// from nothing else but a new bootstrap file: there is no way without overlap.
const fn without_haste(purpose: Purpose, event: Event) -> Event {
    match (purpose, event) {
        (Purpose::Snapshot, Event::Emergency) => Event::Begin,
        (_, event) => event,
    }
}

async fn longest_session(connection: &mut Connection) -> Result<Duration, Failure> {
    let latest = configurations::latest(connection).await?.ok_or(Failure::Missing("configuration"))?;
    Ok(latest.1.sessions.absolute.as_duration())
}

/// Goes on with rotations that were begun, and forgets keys whose time is over: the active
/// instance's business, every few seconds.
pub(crate) async fn go_on(office: &Office) -> Result<(), Failure> {
    let mut steps = Vec::new();
    for service in Service::ALL {
        for purpose in Purpose::of(service) {
            steps.extend(due(office, service, *purpose).await?.map(|event| (service, *purpose, event)));
        }
    }
    if steps.is_empty() {
        return Ok(());
    }
    let Some(mut tx) = lease::begin_as_active(office).await? else { return Ok(()) };
    if take_steps(&mut tx, &office.vault, &Actor::System, office.now(), &steps).await? {
        tx.commit().await?;
    }
    Ok(())
}

/// What happened to the keys of a purpose, if anything has to be done about it: found out without
/// the write lock.
async fn due(office: &Office, service: Service, purpose: Purpose) -> Result<Option<Event>, Failure> {
    let mut reading = office.store.read().await?;
    let bundle = bundles::load(&mut reading, &office.vault, service).await?;
    let event = if bundle.of(purpose).any(|key| key.state == KeyState::Next) {
        let installation = installation::get(&mut reading).await?.ok_or(Failure::Missing("installation"))?;
        let reports = statuses::latest(&mut reading, office.now()).await?;
        let everybody = installation.topology.instances.iter().map(|instance| reports.get(&instance.name));
        let known = Known { purpose, bundle: &bundle, revision: installation.revision, now: office.now() };
        if !known.to_all(everybody) {
            return Ok(None);
        }
        Event::Confirmed { generation: bundle.generation }
    } else {
        Event::Tick
    };
    let sessions = longest_session(&mut reading).await?;
    let commands = handle(&bundle, purpose, event, office.now(), sessions);
    Ok((!commands.is_empty()).then_some(event))
}

/// An instance that was heard of so lately will be back with what it knew then.
const BACK_SOON: Duration = Duration::from_secs(120);

/// What has to be known before a key is used.
struct Known<'a> {
    purpose: Purpose,
    bundle: &'a KeyBundle,
    revision: u64,
    now: Timestamp,
}

impl Known<'_> {
    /// Whether every instance has the latest snapshot, and those that hold the keys have the bundle.
    /// One that is away for long does not count: it becomes ready only with the current ones. But
    /// nobody may miss the key of snapshots: it is only learnt of from a snapshot signed with the
    /// one before.
    fn to_all<'a>(&self, everybody: impl Iterator<Item = Option<&'a InstanceReport>>) -> bool {
        let mut everybody = everybody;
        everybody.all(|report| match report {
            Some(report) => self.is_away(report) || self.to(report),
            None => self.purpose != Purpose::Snapshot,
        })
    }

    fn is_away(&self, report: &InstanceReport) -> bool {
        self.purpose != Purpose::Snapshot
            && report.state == InstanceState::Silent
            && self.now.since(report.at) > BACK_SOON
    }

    fn to(&self, report: &InstanceReport) -> bool {
        let is_holder = report.service == self.bundle.service;
        report.revision >= self.revision && (!is_holder || report.key_generation >= self.bundle.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn report(service: Service, revision: u64, key_generation: u64) -> InstanceReport {
        InstanceReport {
            instance: format!("{service}1").parse().unwrap(),
            service,
            pid: 1,
            since: Timestamp::MIN,
            program: String::new(),
            revision,
            configuration: 1,
            key_generation,
            state: InstanceState::Ready,
            reasons: Vec::new(),
            links: Vec::new(),
            database: None,
            at: NOW,
        }
    }

    fn silent(report: InstanceReport, seconds: u64) -> InstanceReport {
        let at = NOW.minus(Duration::from_secs(seconds));
        InstanceReport { state: InstanceState::Silent, at, ..report }
    }

    fn is_known(purpose: Purpose, reports: &[Option<InstanceReport>]) -> bool {
        let mut bundle = KeyBundle::generate(Service::Policy, NOW);
        bundle.generation = 2;
        let known = Known { purpose, bundle: &bundle, revision: 7, now: NOW };
        known.to_all(reports.iter().map(Option::as_ref))
    }

    #[test]
    fn a_key_is_known_when_all_have_it_who_will_need_it() {
        let policy = || Some(report(Service::Policy, 7, 2));
        let edge = |revision| report(Service::AccessPoint, revision, 0);
        let known = |reports: &[_]| is_known(Purpose::SessionToken, reports);
        assert!(known(&[policy(), Some(edge(7))]));
        assert!(!known(&[Some(report(Service::Policy, 7, 1)), Some(edge(7))]), "policy lacks the key");
        assert!(!known(&[policy(), Some(edge(6))]), "the edge lacks it");
        assert!(!known(&[policy(), Some(silent(edge(6), 10))]), "the edge was just killed");
        assert!(known(&[policy(), Some(silent(edge(6), 600))]), "the edge is away");
        assert!(known(&[policy(), None]), "one never came");
    }

    #[test]
    fn the_key_of_snapshots_waits_for_everybody() {
        let edge = |revision| report(Service::AccessPoint, revision, 0);
        assert!(is_known(Purpose::Snapshot, &[Some(edge(7))]));
        assert!(!is_known(Purpose::Snapshot, &[Some(silent(edge(6), 600))]));
        assert!(!is_known(Purpose::Snapshot, &[None]));
    }

    async fn rotate_snapshot_key(office: &Office) {
        for event in [Event::Begin, Event::Confirmed { generation: u64::MAX }] {
            let mut tx = office.store.begin().await.unwrap();
            let steps = [(Service::Administration, Purpose::Snapshot, event)];
            assert!(take_steps(&mut tx, &office.vault, &Actor::System, NOW, &steps).await.unwrap());
            publishing::publish_snapshots(&mut tx, &office.vault, NOW).await.unwrap();
            tx.commit().await.unwrap();
            crate::upkeep::apply_latest(office).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_instance_restarted_after_two_rotations_believes_its_snapshot() {
        let fixture = crate::testing::Fixture::new().await;
        crate::upkeep::apply_latest(&fixture.office).await.unwrap();
        rotate_snapshot_key(&fixture.office).await;
        rotate_snapshot_key(&fixture.office).await;
        let applied = fixture.office.joined.feed.snapshot().unwrap();
        assert_eq!(applied.head.revision, fixture.office.store_revision().await);
        let instance = fixture.restarted();
        let feed = evergate_wire::feed::Feed::open(&instance).unwrap();
        assert_eq!(feed.snapshot().unwrap().head, applied.head);
    }
}
