//! One service's drill: load, kill, watch.

use std::time::Duration;

use evergate_model::Service;
use tokio::time::{Instant, sleep};

use super::fixture::Fixture;
use super::metrics::Metrics;
use super::report::{Failback, ServiceReport};
use super::victim::{Killed, callers, kill_instance, restarted};
use super::{DrillError, Options, traffic};
use crate::load::{Load, Loss, Sample};
use crate::running::{Running, RunningInstance};

/// The load runs for so long before the kill, so that the victim is seen to serve.
const WARM_UP: Duration = Duration::from_secs(2);
/// And so long after it at least.
const AFTERWARDS: Duration = Duration::from_secs(4);
/// A failback that did not come by then is not waited for.
const LONGEST: Duration = Duration::from_secs(16);
/// Between two looks at the callers.
const LOOK: Duration = Duration::from_millis(10);

pub(super) async fn drill(
    options: &Options,
    service: Service,
    fixture: &Fixture,
    progress: &impl Fn(&str),
) -> Result<ServiceReport, DrillError> {
    let running = Running::read(&options.data)?;
    if running.of(service).count() < 2 {
        return Err(DrillError::Alone(service));
    }
    let before = served(&running, service).await?;
    let load = Load::start(options.rate, traffic::traffic(service, fixture));
    sleep(WARM_UP).await;
    let (victim, served) = busiest(&running, service, &before).await?;
    progress(&format!(
        "{service}: killing {} (process {}), which answered {served}",
        victim.name, victim.pid
    ));
    let moves = moves_to(&running, service, &victim).await?;
    let killed = kill_instance(&running, &victim).await?;
    let seen = watch(options, &running, service, &victim, killed, moves).await;
    let tally = load.stop().await;

    let in_flight = |(sample, loss): &(&Sample, &Loss)| {
        service == Service::AccessPoint && was_in_flight(sample, loss, killed)
    };
    let (in_flight, lost): (Vec<_>, Vec<_>) = tally.lost().partition(in_flight);
    let times = tally.times();
    let after_kill = |moment: Instant| moment.saturating_duration_since(killed.at);
    let reasons = lost.iter().fold(std::collections::BTreeMap::new(), |mut reasons, (_, loss)| {
        *reasons.entry(loss.reason.clone()).or_insert(0_u64) += 1;
        reasons
    });
    Ok(ServiceReport {
        service,
        load: traffic::described(service).to_owned(),
        instance: victim.name.clone(),
        served_before: served,
        sent: tally.sent(),
        lost: count(lost.len()),
        in_flight: count(in_flight.len()),
        reasons,
        median_ms: times.get(times.len() / 2).copied().map_or(0, milliseconds),
        slowest_ms: times.last().copied().map_or(0, milliseconds),
        detected_ms: seen.detected.map(after_kill).map(milliseconds),
        taken_over_ms: tally.first_answer_after(killed.at).map(after_kill).map(milliseconds),
        restarted_ms: seen.restarted.map(after_kill).map(milliseconds),
        failed_back: match seen.failed_back {
            Some(moment) => Failback::AfterMs(milliseconds(after_kill(moment))),
            None if victim_is_preferred(&running, service, &victim) => Failback::NotYet,
            None => Failback::NotPreferred,
        },
    })
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// On a connection that the victim had, begun before it was gone and broken by that.
fn was_in_flight(sample: &Sample, loss: &Loss, killed: Killed) -> bool {
    loss.broken.is_some_and(|broken| {
        broken.opened <= killed.gone && broken.begun <= killed.gone && sample.began + sample.took >= killed.at
    })
}

/// How many calls of the drill's kind each instance has answered.
async fn served(running: &Running, service: Service) -> Result<Vec<(RunningInstance, f64)>, DrillError> {
    let mut served = Vec::new();
    for instance in running.of(service) {
        served.push((instance.clone(), Metrics::read(instance).await?.served(service)));
    }
    Ok(served)
}

/// The instance that answered most since `before`, and how many.
async fn busiest(
    running: &Running,
    service: Service,
    before: &[(RunningInstance, f64)],
) -> Result<(RunningInstance, u64), DrillError> {
    let now = served(running, service).await?;
    let grown =
        before.iter().zip(now).map(|((_, before), (instance, now))| (instance, (now - before).max(0.0)));
    let (instance, calls) =
        grown.max_by(|(_, one), (_, other)| one.total_cmp(other)).ok_or(DrillError::NobodyServes(service))?;
    if calls < 1.0 {
        return Err(DrillError::NobodyServes(service));
    }
    Ok((instance, calls as u64))
}

/// How often the callers' calls went to the victim, all callers together.
async fn moves_to(running: &Running, service: Service, victim: &RunningInstance) -> Result<f64, DrillError> {
    let mut moves = 0.0;
    for caller in callers(running, service) {
        moves += Metrics::read(&caller).await?.moves_to(victim.name.as_str());
    }
    Ok(moves)
}

fn victim_is_preferred(running: &Running, service: Service, victim: &RunningInstance) -> bool {
    running.of(service).next().is_some_and(|first| first.name == victim.name)
}

/// What was seen after the kill.
#[derive(Debug, Default)]
struct Seen {
    detected: Option<Instant>,
    restarted: Option<Instant>,
    failed_back: Option<Instant>,
}

async fn watch(
    options: &Options,
    running: &Running,
    service: Service,
    victim: &RunningInstance,
    killed: Killed,
    moves_before: f64,
) -> Seen {
    let mut seen = Seen::default();
    let callers = callers(running, service);
    let mut reborn = None;
    let wait_for_failback = victim_is_preferred(running, service, victim) || service == Service::AccessPoint;
    while killed.at.elapsed() < LONGEST {
        let may_end = killed.at.elapsed() >= AFTERWARDS && seen.restarted.is_some();
        if may_end && (seen.failed_back.is_some() || !wait_for_failback) {
            break;
        }
        sleep(LOOK).await;
        reborn = reborn.or_else(|| restarted(&options.data, victim));
        if service == Service::AccessPoint {
            look_at_access_point(reborn.as_ref(), &mut seen).await;
            continue;
        }
        seen.restarted = seen.restarted.or_else(|| reborn.as_ref().map(|_| Instant::now()));
        let mut moves = 0.0;
        for caller in &callers {
            let Ok(metrics) = Metrics::read(caller).await else { continue };
            if seen.detected.is_none() && metrics.holds_up(victim.name.as_str()) == Some(false) {
                seen.detected = Some(Instant::now());
            }
            moves += metrics.moves_to(victim.name.as_str());
        }
        if seen.failed_back.is_none() && moves > moves_before {
            seen.failed_back = Some(Instant::now());
        }
    }
    seen
}

/// An access point is back when it answers requests again.
async fn look_at_access_point(reborn: Option<&RunningInstance>, seen: &mut Seen) {
    let Some(reborn) = reborn else { return };
    seen.restarted = seen.restarted.or_else(|| Some(Instant::now()));
    if seen.failed_back.is_none()
        && let Ok(metrics) = Metrics::read(reborn).await
        && metrics.served(Service::AccessPoint) >= 1.0
    {
        seen.failed_back = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Broken;

    #[test]
    fn only_what_the_victim_had_on_its_own_connections_was_in_flight() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let killed = Killed { at: at(100), gone: at(105) };
        let lost = |opened, begun, ended| {
            let loss =
                Loss { reason: String::new(), broken: Some(Broken { opened: at(opened), begun: at(begun) }) };
            let sample = Sample {
                began: at(begun),
                took: Duration::from_millis(ended - begun),
                loss: Some(loss.clone()),
            };
            was_in_flight(&sample, &loss, killed)
        };
        assert!(lost(10, 95, 104), "begun before the kill, broken by it");
        assert!(lost(10, 103, 106), "begun while the process was going");
        assert!(!lost(10, 90, 95), "broken before the kill");
        assert!(!lost(10, 110, 120), "begun when it was gone");
        assert!(!lost(110, 111, 120), "on a connection to another");
        let answered_badly = Loss::because("answered 502");
        let sample =
            Sample { began: at(99), took: Duration::from_millis(5), loss: Some(answered_badly.clone()) };
        assert!(!was_in_flight(&sample, &answered_badly, killed), "an answer is an answer");
    }
}
