//! Rules of the engine that mutation testing found to be guarded by nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test")]

use std::time::Duration;

use evergate_failover::engine::{Command, Engine, Event, Failure, Member, Settings, State};
use evergate_model::Timestamp;
use evergate_model::topology::Mode;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(milliseconds)
}

fn pair() -> Engine {
    let members = vec![Member::new("a", "a:1", 1), Member::new("b", "b:1", 2)];
    let mut engine = Engine::new(members, Mode::Failover, Settings::default(), at(0));
    beat(&mut engine, "a", at(0), at(0));
    beat(&mut engine, "b", at(0), at(0));
    engine
}

fn beat(engine: &mut Engine, member: &str, started: Timestamp, now: Timestamp) {
    engine.handle(Event::HeartbeatAnswered { member: member.into(), started }, now);
}

fn refuses(engine: &mut Engine, member: &str, now: Timestamp) {
    let failure = Failure::Refused;
    engine.handle(Event::HeartbeatFailed { member: member.into(), started: now, failure }, now);
}

fn active(engine: &Engine, now: Timestamp) -> String {
    engine.status(now).active.unwrap().to_string()
}

#[test]
fn a_new_priority_of_a_known_member_takes_effect_at_once() {
    let mut engine = pair();
    let members = vec![Member::new("a", "a:1", 3), Member::new("b", "b:1", 2)];
    engine.handle(Event::Configured { members, mode: Mode::Failover }, at(1000));
    assert_eq!(active(&engine, at(1000)), "b");
}

#[test]
fn a_heartbeat_from_before_it_drained_does_not_end_the_draining_and_one_sent_since_does() {
    let mut engine = pair();
    engine.handle(Event::SaidDraining { member: "a".into() }, at(1000));
    beat(&mut engine, "a", at(999), at(1001));
    assert_eq!(engine.state(&"a".into()), Some(State::Draining));
    beat(&mut engine, "a", at(1250), at(1251));
    assert_eq!(engine.state(&"a".into()), Some(State::Up));
    assert_eq!(active(&engine, at(1251)), "a", "without a penalty");
}

#[test]
fn a_planned_stop_does_not_lengthen_the_hold_down_of_a_later_fall() {
    let mut engine = pair();
    engine.handle(Event::SaidDraining { member: "a".into() }, at(1000));
    refuses(&mut engine, "a", at(2000));
    beat(&mut engine, "a", at(3000), at(3000));
    refuses(&mut engine, "a", at(4000));
    beat(&mut engine, "a", at(5000), at(5000));
    assert_eq!(active(&engine, at(14_999)), "b");
    assert_eq!(active(&engine, at(15_000)), "a", "10 s, as for a first fall");
}

#[test]
fn calls_that_wait_are_counted_and_those_that_ended_are_not() {
    let mut engine = pair();
    engine.handle(Event::Started { member: "a".into() }, at(1));
    engine.handle(Event::Started { member: "a".into() }, at(1));
    assert_eq!(engine.in_flight(), 2);
    engine.handle(Event::Answered { member: "a".into(), started: at(1) }, at(2));
    engine.handle(Event::Failed { member: "a".into(), started: at(1), failure: Failure::Busy }, at(3));
    let counts = engine.counts(&"a".into()).unwrap();
    assert_eq!((counts.in_flight, counts.answered, counts.failed), (0, 1, 1));
}

#[test]
fn overdue_calls_of_an_earlier_life_make_the_next_neither_suspect_nor_slow() {
    let mut engine = pair();
    refuses(&mut engine, "a", at(1000));
    beat(&mut engine, "a", at(2000), at(2000));
    let later = at(2000).plus(Duration::from_secs(20));
    for _ in 0..6 {
        engine.handle(Event::Overdue { member: "a".into(), started: at(500) }, later);
    }
    assert_eq!(engine.state(&"a".into()), Some(State::Up));
    assert_eq!(active(&engine, later), "a");
}

#[test]
fn a_failover_is_told_to_have_taken_the_time_since_the_first_sign_of_trouble() {
    let mut engine = pair();
    refuses(&mut engine, "b", at(500));
    engine.handle(Event::HeartbeatMissed { member: "a".into(), watcher_late: false }, at(1000));
    let answered = Event::HeartbeatAnswered { member: "b".into(), started: at(3000) };
    let told = engine.handle(answered, at(3000));
    let took = told.iter().find_map(|command| match command {
        Command::Failover(failover) => Some(failover.took_ms),
        Command::Changed(_) => None,
    });
    assert_eq!(took, Some(2000), "{told:?}");
}
