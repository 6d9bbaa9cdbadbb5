//! The rules of design.md section 5, one sentence each.

mod silence;
mod states;
mod trials;

use std::time::Duration;

use evergate_model::Timestamp;
use evergate_model::topology::Mode;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(milliseconds)
}

fn pair(settings: Settings) -> Engine {
    let members = vec![Member::new("a", "a:1", 1), Member::new("b", "b:1", 2)];
    let mut engine = Engine::new(members, Mode::Failover, settings, at(0));
    for member in ["a", "b"] {
        assert_eq!(beat(&mut engine, member, at(0)), []);
    }
    engine
}

fn call_fails(engine: &mut Engine, member: &str, failure: Failure, now: Timestamp) -> Vec<Command> {
    engine.handle(Event::Started { member: member.into() }, now);
    engine.handle(Event::Failed { member: member.into(), started: now, failure }, now)
}

fn beat(engine: &mut Engine, member: &str, now: Timestamp) -> Vec<Command> {
    engine.handle(Event::HeartbeatAnswered { member: member.into(), started: now }, now)
}

fn active(engine: &Engine, now: Timestamp) -> String {
    engine.status(now).active.map(|id| id.to_string()).unwrap_or_default()
}

fn overdue(engine: &mut Engine, member: &str, started: Timestamp, now: Timestamp) -> Vec<Command> {
    engine.handle(Event::Started { member: member.into() }, started);
    let told = engine.handle(Event::Overdue { member: member.into(), started }, now);
    engine.handle(Event::Abandoned { member: member.into() }, now);
    told
}

fn answers(engine: &mut Engine, member: &str, started: Timestamp, now: Timestamp) {
    engine.handle(Event::Started { member: member.into() }, started);
    engine.handle(Event::Answered { member: member.into(), started }, now);
}

fn miss(engine: &mut Engine, member: &str, now: Timestamp) -> Vec<Command> {
    engine.handle(Event::HeartbeatMissed { member: member.into(), watcher_late: false }, now)
}

/// Three overdue calls at a member that answers heartbeats.
fn is_slow(engine: &mut Engine, member: &str, now: Timestamp) -> Vec<Command> {
    let mut told = Vec::new();
    for number in 0..3 {
        let started = now.minus(Duration::from_millis(10 * (3 - number)));
        told.extend(beat(engine, member, started));
        told.extend(overdue(engine, member, started, now));
    }
    told
}
