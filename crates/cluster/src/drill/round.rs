//! One subject's drill: load, strike, watch, count.

use std::collections::BTreeMap;
use std::time::Duration;

use evergate_model::Service;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::eye::Eye;
use super::hand::{Back, pause};
use super::ledger;
use super::metrics::Metrics;
use super::report::{Failback, Fault, Healed, Mark, ServiceReport};
use super::scene::Scene;
use super::timeline::{Fate, Moment};
use super::victim::{Struck, Victim, callers};
use super::{DrillError, Subject, Timeline, traffic};
use crate::load::{Load, Loss, Sample, Tally};
use crate::running::{Running, RunningInstance};

/// The load runs for so long before the fault, so that the victim is seen to serve.
const WARM_UP: Duration = Duration::from_secs(2);
/// And so long after it at least.
const AFTERWARDS: Duration = Duration::from_secs(4);
/// A victim that is not back by then is not waited for.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest hold-down is 5 min: a failback that has not come some time after is not waited for.
const LONGEST_FAILBACK: Duration = Duration::from_secs(330);
/// A client on a busy machine hears so much later, at most, that a connection has ended.
const HEARD: Duration = Duration::from_millis(100);
/// Between two words to the operator.
const TELL: Duration = Duration::from_millis(500);

/// What was seen after the fault.
#[derive(Debug, Default)]
struct Seen {
    detected: Option<(Instant, String)>,
    killed: Option<(Instant, String)>,
    has_moved: bool,
    back: Option<Back>,
    failed_back: Option<Instant>,
}

/// Drills one subject.
pub(super) async fn round(scene: &mut Scene<'_>, subject: Subject) -> Result<ServiceReport, DrillError> {
    let options = scene.options;
    let running = Running::read(&options.data)?;
    let before = served(scene, &running, subject).await?;
    let since = scene.clock.now();
    let work = traffic::work(subject, &scene.fixture, options.rate);
    let load = Load::start(options.rate, work.exchange);
    warm_up(scene, subject, &load).await;
    let (mut victim, served) = busiest(scene, &running, subject, &before).await?;
    let what = options.fault.done();
    scene.step(&format!("{subject}: {}, which answered most ({served} calls), is {what}", victim.name()));
    let detail = json!({ "service": subject, "instance": victim.name(), "fault": options.fault });
    scene.note("struck", detail).await?;
    let eye = Eye::open(callers(&running, subject), victim.name()).await?;
    let struck = scene.hand.strike(&mut victim, options.fault).await?;
    let seen = watch(scene, &running, subject, &victim, struck, eye, &load).await?;
    let tally = load.stop().await;
    let once = ledger::count(scene.api, subject, &work.deeds, since).await?;
    let is_preferred = is_preferred(scene, &running, subject, &victim);
    let mut report = report(options.fault, subject, &victim, served, struck, &seen, &tally);
    report.failed_back = match seen.failed_back {
        Some(moment) => Failback::AfterMs(milliseconds(moment.saturating_duration_since(struck.at))),
        None if !is_preferred => Failback::NotPreferred,
        None if options.wait_for_failback => Failback::NotYet,
        None => Failback::NotAwaited,
    };
    report.once = once;
    report.faults = report.judged(seen.has_moved);
    Ok(report)
}

async fn warm_up(scene: &Scene<'_>, subject: Subject, load: &Load) {
    let began = Instant::now();
    while began.elapsed() < WARM_UP {
        sleep(TELL.min(WARM_UP)).await;
        tell(scene, subject, "warming up", load);
    }
}

/// Says how it goes.
fn tell(scene: &Scene<'_>, subject: Subject, phase: &str, load: &Load) {
    let (sent, lost) = load.so_far(|tally| (tally.sent(), tally.lost().count()));
    scene.now(&format!("{subject}: {phase}; {sent} answered or lost, {lost} of them lost"));
}

/// How many calls of the drill's kind each possible victim has answered.
async fn served(
    scene: &Scene<'_>,
    running: &Running,
    subject: Subject,
) -> Result<Vec<(Victim, f64)>, DrillError> {
    let mut served = Vec::new();
    match subject {
        Subject::Service(service) => {
            for instance in running.of(service) {
                let count = Metrics::read(instance).await?.served(service);
                served.push((Victim::Instance(instance.clone()), count));
            }
        }
        Subject::Upstream => {
            for (place, server) in scene.hand.servers.iter().enumerate() {
                let victim = Victim::Server { place, url: server.url(), process: server.process() };
                served.push((victim, server.served().await? as f64));
            }
        }
    }
    Ok(served)
}

/// The one that answered most since `before`, and how many.
async fn busiest(
    scene: &Scene<'_>,
    running: &Running,
    subject: Subject,
    before: &[(Victim, f64)],
) -> Result<(Victim, u64), DrillError> {
    let now = served(scene, running, subject).await?;
    let grown = before.iter().zip(now).map(|((_, before), (victim, now))| (victim, (now - before).max(0.0)));
    let busiest = grown.max_by(|(_, one), (_, other)| one.total_cmp(other));
    match busiest {
        Some((victim, calls)) if calls >= 1.0 => Ok((victim, calls as u64)),
        _ => Err(DrillError::NobodyServes(subject)),
    }
}

/// Whether callers return to the victim: it is the preferred one of its kind. Nobody prefers an access point:
/// it is back when it answers.
fn is_preferred(scene: &Scene<'_>, running: &Running, subject: Subject, victim: &Victim) -> bool {
    match subject {
        Subject::Service(Service::AccessPoint) => true,
        Subject::Service(service) => {
            running.preferred(service).is_some_and(|first| first.name.as_str() == victim.name())
        }
        Subject::Upstream => scene.hand.servers.first().is_some_and(|first| first.url() == victim.name()),
    }
}

async fn watch(
    scene: &mut Scene<'_>,
    running: &Running,
    subject: Subject,
    victim: &Victim,
    struck: Struck,
    mut eye: Eye,
    load: &Load,
) -> Result<Seen, DrillError> {
    let fault = scene.options.fault;
    let is_door = subject == Subject::Service(Service::AccessPoint);
    let awaits = scene.options.wait_for_failback && is_preferred(scene, running, subject, victim);
    let answered_before = if is_door { answered(victim, None).await.unwrap_or_default() } else { 0.0 };
    let mut seen = Seen { has_moved: is_door, ..Seen::default() };
    let mut told = Instant::now();
    loop {
        let passed = struck.at.elapsed();
        let may_end = passed >= AFTERWARDS && seen.back.is_some();
        let is_over = if awaits { seen.failed_back.is_some() } else { may_end };
        let is_too_long = if seen.back.is_some() { LONGEST_FAILBACK } else { LONGEST };
        if (may_end && is_over) || passed >= is_too_long {
            return Ok(seen);
        }
        pause(struck).await;
        if seen.back.is_none() {
            seen.back = scene.hand.back(victim, fault, struck).await?;
            seen.killed = scene.hand.killed.clone();
            if seen.back.is_some() && awaits {
                let name = victim.name();
                scene.step(&format!("{subject}: {name} is back; waiting for calls to return to it"));
            }
        }
        if is_door {
            look_at_door(victim, answered_before, &mut seen).await;
        } else {
            eye.look().await;
            seen.detected = seen.detected.or_else(|| eye.detected.clone());
            seen.has_moved = eye.has_moved();
            seen.failed_back = eye.all_back.filter(|_| seen.back.is_some());
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            tell(scene, subject, &phase(&seen, victim, passed), load);
        }
    }
}

/// What is waited for, in words.
fn phase(seen: &Seen, victim: &Victim, passed: Duration) -> String {
    let seconds = passed.as_secs();
    match seen {
        Seen { back: None, .. } => format!("{} is away for {seconds} s", victim.name()),
        Seen { failed_back: None, .. } => {
            format!("{} is back; waiting for calls to return to it, {seconds} s", victim.name())
        }
        _ => "everything is back".to_owned(),
    }
}

/// An access point is back when it answers requests again.
async fn look_at_door(victim: &Victim, answered_before: f64, seen: &mut Seen) {
    let Some(back) = seen.back.as_ref().filter(|_| seen.failed_back.is_none()) else { return };
    let at_least = if back.process.is_some() { 1.0 } else { answered_before + 1.0 };
    if answered(victim, back.process.as_ref()).await.is_some_and(|answered| answered >= at_least) {
        seen.failed_back = Some(Instant::now());
    }
}

/// How many requests an access point has answered, in its process now.
async fn answered(victim: &Victim, process: Option<&RunningInstance>) -> Option<f64> {
    let Victim::Instance(instance) = victim else { return None };
    let metrics = Metrics::read(process.unwrap_or(instance)).await.ok()?;
    Some(metrics.served(Service::AccessPoint))
}

fn report(
    fault: Fault,
    subject: Subject,
    victim: &Victim,
    served: u64,
    struck: Struck,
    seen: &Seen,
    tally: &Tally,
) -> ServiceReport {
    let after = |moment: Instant| milliseconds(moment.saturating_duration_since(struck.at));
    let fate = |sample: &Sample| fate(subject, fault, sample, struck);
    let lost: Vec<&Loss> =
        tally.lost().filter(|(sample, _)| fate(sample) == Fate::Lost).map(|(_, loss)| loss).collect();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for loss in &lost {
        *reasons.entry(loss.reason.clone()).or_default() += 1;
    }
    let times = tally.times();
    let at = |per_mille: usize| {
        let place = (times.len() * per_mille).div_ceil(1000).saturating_sub(1);
        times.get(place).copied().map_or(0, milliseconds)
    };
    let moments: Vec<Moment> = tally
        .samples
        .iter()
        .map(|sample| Moment {
            began_ms: offset(sample.began, struck.at),
            took: sample.took,
            fate: fate(sample),
        })
        .collect();
    let count = |wanted: Fate| moments.iter().filter(|moment| moment.fate == wanted).count() as u64;
    let mut report = ServiceReport {
        service: subject,
        load: subject.load(),
        instance: victim.name().to_owned(),
        served_before: served,
        sent: tally.sent(),
        lost: count(Fate::Lost),
        in_flight: count(Fate::InFlight),
        reasons,
        median_ms: at(500),
        p99_ms: at(990),
        slowest_ms: at(1000),
        detected_ms: seen.detected.as_ref().map(|(moment, _)| after(*moment)),
        taken_over_ms: tally.first_answer_after(struck.silent).map(after),
        healed: seen.back.as_ref().map(|back| Healed {
            after_ms: after(back.at),
            how: back.how,
            why: seen.killed.as_ref().map(|(_, why)| why.clone()),
        }),
        failed_back: Failback::NotYet,
        once: None,
        marks: Vec::new(),
        timeline: Timeline::of(&moments),
        faults: Vec::new(),
    };
    report.marks = marks(fault, &report, seen, after);
    report
}

fn marks(fault: Fault, report: &ServiceReport, seen: &Seen, after: impl Fn(Instant) -> u64) -> Vec<Mark> {
    let mark = |after_ms, what, detail: String| Mark { after_ms, what, detail };
    let mut marks = vec![mark(0, "struck", format!("{} is {}", report.instance, fault.done()))];
    if let (Some(after), Some((_, who))) = (report.detected_ms, &seen.detected) {
        marks.push(mark(after, "noticed", format!("{who} takes it to be not up")));
    }
    if let Some((moment, why)) = &seen.killed {
        marks.push(mark(after(*moment), "killed", format!("by the supervisor: {why}")));
    }
    if let Some(after) = report.taken_over_ms {
        marks.push(mark(
            after,
            "taken over",
            "the first request sent after the fault is answered".to_owned(),
        ));
    }
    if let Some(healed) = &report.healed {
        marks.push(mark(healed.after_ms, "healed", healed.how.to_owned()));
    }
    if let Some(after) = seen.failed_back.map(&after) {
        let detail = if report.service == Subject::Service(Service::AccessPoint) {
            "it answers requests again"
        } else {
            "all calls that had moved away are back"
        };
        marks.push(mark(after, "failed back", detail.to_owned()));
    }
    marks.sort_by_key(|mark| mark.after_ms);
    marks
}

/// What became of a request. Those on connections that a struck access point held cannot be answered
/// by anybody else, whose TLS they do not have; with a crash they broke when it was gone, or a moment
/// later, if they were written before the client had heard of the end; with a hang nothing new on
/// them was answered either.
fn fate(subject: Subject, fault: Fault, sample: &Sample, struck: Struck) -> Fate {
    let Some(loss) = &sample.loss else { return Fate::Answered };
    let was_held = loss.broken.is_some_and(|broken| {
        broken.opened <= struck.silent
            && sample.began + sample.took >= struck.at
            && (fault == Fault::Hang || broken.begun <= struck.silent + HEARD)
    });
    if subject == Subject::Service(Service::AccessPoint) && was_held { Fate::InFlight } else { Fate::Lost }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds from `zero` to `moment`, negative where it was before.
fn offset(moment: Instant, zero: Instant) -> i64 {
    let signed = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let after = signed(moment.saturating_duration_since(zero));
    let before = signed(zero.saturating_duration_since(moment));
    (after - before).div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Broken;

    const DOOR: Subject = Subject::Service(Service::AccessPoint);

    #[test]
    fn only_what_the_victim_had_on_its_own_connections_was_in_flight() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let struck = Struck { at: at(100), silent: at(105) };
        let of = |fault, subject, opened, begun, ended: u64| {
            let broken = Broken { opened: at(opened), begun: at(begun) };
            let loss = Loss { reason: String::new(), broken: Some(broken) };
            let took = Duration::from_millis(ended - begun);
            fate(subject, fault, &Sample { began: at(begun), took, loss: Some(loss) }, struck)
        };
        let crash = |opened, begun, ended| of(Fault::Crash, DOOR, opened, begun, ended);
        assert_eq!(crash(10, 95, 104), Fate::InFlight, "begun before the kill, broken by it");
        assert_eq!(crash(10, 103, 106), Fate::InFlight, "begun while the process was going");
        assert_eq!(crash(10, 90, 95), Fate::Lost, "broken before the kill");
        assert_eq!(crash(10, 204, 206), Fate::InFlight, "begun before the client heard of the end");
        assert_eq!(crash(10, 206, 220), Fate::Lost, "begun when the client must have known");
        assert_eq!(crash(110, 111, 120), Fate::Lost, "on a connection to another");
        let hang = |opened, begun, ended| of(Fault::Hang, DOOR, opened, begun, ended);
        assert_eq!(hang(10, 1500, 2100), Fate::InFlight, "on a connection that it held while it hung");
        assert_eq!(hang(110, 111, 2100), Fate::Lost, "on a new connection");
        let policy = Subject::Service(Service::Policy);
        assert_eq!(of(Fault::Crash, policy, 10, 95, 104), Fate::Lost, "browsers do not talk to policy");
    }

    #[test]
    fn an_answer_is_an_answer_also_a_bad_one() {
        let now = Instant::now();
        let struck = Struck { at: now, silent: now };
        let sample = |loss| Sample { began: now, took: Duration::from_millis(5), loss };
        let bad = sample(Some(Loss::because("answered 502")));
        assert_eq!(fate(DOOR, Fault::Crash, &bad, struck), Fate::Lost);
        assert_eq!(fate(DOOR, Fault::Crash, &sample(None), struck), Fate::Answered);
    }

    #[test]
    fn moments_before_the_fault_are_negative() {
        let zero = Instant::now() + Duration::from_secs(1);
        assert_eq!(offset(zero + Duration::from_micros(1999), zero), 1);
        assert_eq!(offset(zero, zero), 0);
        assert_eq!(offset(zero - Duration::from_micros(1), zero), -1);
    }

    #[test]
    fn the_operator_is_told_what_is_waited_for() {
        let victim = Victim::Server { place: 0, url: "http://127.0.0.1:1".to_owned(), process: 1 };
        let back = Back { at: Instant::now(), how: "", process: None };
        let mut seen = Seen::default();
        let passed = Duration::from_millis(3400);
        assert_eq!(phase(&seen, &victim, passed), "http://127.0.0.1:1 is away for 3 s");
        seen.back = Some(back);
        assert!(phase(&seen, &victim, passed).contains("waiting for calls to return"));
    }
}
