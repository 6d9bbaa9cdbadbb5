//! Rules of the engine that mutation testing found to be guarded by nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, reason = "a test")]

use std::time::Duration;

use evergate_failover::MemberId;
use evergate_failover::engine::{
    Budget, Cause, Command, Engine, Event, Failure, Member, Settings, Shares, State,
};
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

#[test]
fn a_late_answer_is_counted_as_one_like_any_other() {
    let mut engine = pair();
    for _ in 0..2 {
        engine.handle(Event::Started { member: "a".into() }, at(1));
        engine.handle(Event::AnsweredLate { member: "a".into(), started: at(1) }, at(500));
    }
    let counts = engine.counts(&"a".into()).unwrap();
    assert_eq!((counts.in_flight, counts.answered, counts.failed), (0, 2, 0));
}

#[test]
fn the_status_says_until_when_a_member_is_held_down_while_it_is_up_and_held_down() {
    let mut engine = pair();
    let held_until = |engine: &Engine, now| engine.status(now).candidates.first().unwrap().held_until;
    assert_eq!(held_until(&engine, at(0)), None, "it never fell");
    refuses(&mut engine, "a", at(1000));
    assert_eq!(held_until(&engine, at(1000)), None, "it is down");
    beat(&mut engine, "a", at(2000), at(2000));
    assert_eq!(held_until(&engine, at(2000)), Some(at(12_000)));
    assert_eq!(held_until(&engine, at(11_999)), Some(at(12_000)));
    assert_eq!(held_until(&engine, at(12_000)), None, "it is over");
    engine.handle(Event::HeartbeatMissed { member: "a".into(), watcher_late: false }, at(3000));
    assert_eq!(held_until(&engine, at(3000)), None, "it is suspect");
}

#[test]
fn of_many_equal_members_any_two_are_compared_and_the_less_loaded_gets_the_call() {
    const LOADS: [u64; 4] = [3, 1, 4, 2];
    let names = ["a", "b", "c", "d"];
    let members = names.map(|name| Member::new(name, name, 1)).to_vec();
    let mut engine = Engine::new(members, Mode::Failover, Settings::default(), at(0));
    for (name, load) in names.into_iter().zip(LOADS) {
        (0..load).for_each(|_| drop(engine.handle(Event::Started { member: name.into() }, at(0))));
    }
    for first in 0..4_u64 {
        for step in 0..12_u64 {
            let (one, other) =
                (usize::try_from(first).unwrap(), usize::try_from((first + 1 + step % 3) % 4).unwrap());
            let less = if LOADS[one] < LOADS[other] { one } else { other };
            assert_eq!(engine.pick(&[], first | (step << 32), at(0)), Some(names[less].into()));
        }
    }
}

#[test]
fn callers_use_the_members_as_the_last_list_said() {
    let members = || vec![Member::new("a", "a:1", 1), Member::new("b", "b:1", 2)];
    let mut engine = Engine::new(members(), Mode::Balance, Settings::default(), at(0));
    assert_eq!(engine.mode(), Mode::Balance);
    assert_eq!(engine.members().cloned().collect::<Vec<_>>(), members());
    engine.handle(Event::Configured { members: members(), mode: Mode::Failover }, at(1));
    assert_eq!(engine.mode(), Mode::Failover);
}

#[test]
fn several_members_can_be_busy_at_a_time() {
    let (mut budget, late) = (Budget::new(Shares::default(), at(0)), at(999));
    budget.said_busy(&"a".into(), at(0));
    budget.said_busy(&"b".into(), at(500));
    assert!(budget.is_busy(&"a".into(), late) && budget.is_busy(&"b".into(), late));
}

#[test]
fn states_and_causes_are_called_the_same_wherever_they_are_shown() {
    let states = [State::Up, State::Suspect, State::Draining, State::Down].map(State::as_str);
    assert_eq!(states, ["up", "suspect", "draining", "down"]);
    assert_eq!(State::ALL.map(State::as_str), states);
    let causes = [
        (Cause::Configured, "configured"),
        (Cause::Refused, "refused"),
        (Cause::Reset, "reset"),
        (Cause::TimedOut, "timed-out"),
        (Cause::Unanswered, "unanswered"),
        (Cause::Overdue, "overdue"),
        (Cause::Slow, "slow"),
        (Cause::Draining, "draining"),
        (Cause::Answered, "answered"),
        (Cause::Failback, "failback"),
    ];
    for (cause, name) in causes {
        assert_eq!((cause.as_str(), cause.to_string().as_str()), (name, name));
    }
}

#[test]
fn a_member_is_called_as_its_instance_is() {
    let id = MemberId::from("policy-1");
    assert_eq!((id.as_str(), id.to_string().as_str()), ("policy-1", "policy-1"));
    assert_eq!(MemberId::from(&"policy-1".parse::<evergate_model::Name>().unwrap()), id);
}

#[test]
fn a_busy_answer_of_an_earlier_life_is_no_sign_of_the_next() {
    let mut engine = pair();
    let fails = |engine: &mut Engine, started, failure, now| {
        engine.handle(Event::Started { member: "a".into() }, started);
        engine.handle(Event::Failed { member: "a".into(), started, failure }, now);
    };
    let misses = |engine: &mut Engine, now| {
        engine.handle(Event::HeartbeatMissed { member: "a".into(), watcher_late: false }, now);
    };
    refuses(&mut engine, "a", at(1000));
    beat(&mut engine, "a", at(2000), at(2000));
    fails(&mut engine, at(3000), Failure::TimedOut, at(5000));
    misses(&mut engine, at(5100));
    misses(&mut engine, at(5200));
    fails(&mut engine, at(500), Failure::Busy, at(5300));
    misses(&mut engine, at(5400));
    assert_eq!(engine.state(&"a".into()), Some(State::Down), "three misses and a call since");
}

#[test]
fn who_was_suspected_for_overdue_calls_is_held_as_one_that_is_slow_and_who_missed_a_heartbeat_is_not() {
    let who_serves_after = |doubt: &dyn Fn(&mut Engine)| {
        let mut engine = pair();
        doubt(&mut engine);
        assert_eq!(engine.state(&"a".into()), Some(State::Suspect));
        beat(&mut engine, "a", at(1600), at(1600));
        refuses(&mut engine, "b", at(1700));
        beat(&mut engine, "b", at(1800), at(1800));
        active(&engine, at(1800))
    };
    let overdue = |engine: &mut Engine| {
        for started in [at(1000), at(1005)] {
            engine.handle(Event::Started { member: "a".into() }, started);
            engine.handle(Event::Overdue { member: "a".into(), started }, at(1155));
            engine.handle(Event::Abandoned { member: "a".into() }, at(1155));
        }
    };
    let misses = |engine: &mut Engine| {
        engine.handle(Event::HeartbeatMissed { member: "a".into(), watcher_late: false }, at(1155));
    };
    assert_eq!(who_serves_after(&overdue), "b", "held down, but not slow");
    assert_eq!(who_serves_after(&misses), "a", "both are held down, and it rose first");
}
