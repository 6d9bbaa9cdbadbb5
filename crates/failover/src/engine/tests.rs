//! The rules of design.md section 5, one sentence each.

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

#[test]
fn a_refusal_moves_the_calls_at_once_and_is_told_with_cause_and_duration() {
    let mut engine = pair(Settings::default());
    let told = call_fails(&mut engine, "a", Failure::Refused, at(5000));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(&told[0], Command::Changed(change) if change.lasted_ms == 5000));
    let expected =
        Failover { from: "a".into(), to: "b".into(), cause: Cause::Refused, at: at(5000), took_ms: 0 };
    assert_eq!(told[1], Command::Failover(expected));
    assert_eq!(active(&engine, at(5000)), "b");
}

#[test]
fn it_fails_back_after_ten_steady_seconds_and_each_further_fall_doubles_the_wait() {
    let mut engine = pair(Settings::default());
    let mut now = at(0);
    for hold in [10_u32, 20, 40, 80, 160, 300, 300] {
        now = now.plus(SECOND);
        call_fails(&mut engine, "a", Failure::Refused, now);
        beat(&mut engine, "a", now.plus(SECOND));
        let back = now.plus(SECOND * (1 + hold));
        assert_eq!(active(&engine, back.minus(Duration::from_millis(1))), "b", "after {hold} s");
        let told = engine.handle(Event::Tick, back);
        assert!(
            matches!(&told[..], [Command::Failover(Failover { cause: Cause::Failback, .. })]),
            "{told:?}"
        );
        now = back;
    }
}

#[test]
fn members_that_are_not_there_yet_are_no_failovers_and_carry_no_penalty() {
    let members = vec![Member::new("a", "a:1", 1), Member::new("b", "b:1", 2)];
    let mut engine = Engine::new(members, Mode::Failover, Settings::default(), at(0));
    let mut told = call_fails(&mut engine, "a", Failure::Refused, at(100));
    told.extend(call_fails(&mut engine, "b", Failure::Refused, at(200)));
    told.extend(beat(&mut engine, "b", at(300)));
    assert_eq!(active(&engine, at(300)), "b");
    told.extend(beat(&mut engine, "a", at(400)));
    assert_eq!(active(&engine, at(400)), "a", "at once");
    assert!(!told.iter().any(|command| matches!(command, Command::Failover(_))), "{told:?}");
    assert!(call_fails(&mut engine, "a", Failure::Refused, at(500)).len() == 2, "this is one");
}

#[test]
fn a_new_member_is_preferred_once_it_has_answered() {
    let mut engine = pair(Settings::default());
    let members = vec![Member::new("new", "n:1", 0), Member::new("a", "a:1", 1)];
    engine.handle(Event::Configured { members, mode: Mode::Failover }, at(1));
    assert_eq!(active(&engine, at(1)), "a");
    beat(&mut engine, "new", at(2));
    assert_eq!(active(&engine, at(2)), "new");
}

#[test]
fn a_member_that_stayed_up_long_enough_is_forgiven() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "a", Failure::Refused, at(1000));
    beat(&mut engine, "a", at(2000));
    let later = at(2000).plus(SECOND * 601);
    call_fails(&mut engine, "a", Failure::Refused, later);
    beat(&mut engine, "a", later);
    assert_eq!(active(&engine, later.plus(SECOND * 10)), "a");
}

#[test]
fn a_hold_down_blocks_preference_never_need() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "a", Failure::Refused, at(1000));
    beat(&mut engine, "a", at(1250));
    call_fails(&mut engine, "b", Failure::Refused, at(1300));
    assert_eq!(engine.pick(&[], 0, at(1300)), Some("a".into()));
}

#[test]
fn of_two_that_are_held_down_the_one_that_serves_goes_on() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "b", Failure::Refused, at(1000));
    beat(&mut engine, "b", at(1250));
    call_fails(&mut engine, "a", Failure::Refused, at(2000));
    beat(&mut engine, "a", at(2250));
    assert_eq!(active(&engine, at(2250)), "b");
    assert_eq!(active(&engine, at(12_250)), "a", "when both are steady, the preferred one");
}

#[test]
fn a_planned_stop_carries_no_penalty() {
    let mut engine = pair(Settings::default());
    engine.handle(Event::SaidDraining { member: "a".into() }, at(1000));
    assert_eq!(active(&engine, at(1000)), "b");
    call_fails(&mut engine, "a", Failure::Refused, at(2000));
    beat(&mut engine, "a", at(3000));
    assert_eq!(active(&engine, at(3000)), "a");
}

#[test]
fn a_missed_heartbeat_makes_suspect_and_with_a_call_that_timed_out_three_make_down() {
    let mut engine = pair(Settings::default());
    let miss = |engine: &mut Engine, now| {
        engine.handle(Event::HeartbeatMissed { member: "a".into(), watcher_late: false }, now)
    };
    miss(&mut engine, at(250));
    assert_eq!(engine.state(&"a".into()), Some(State::Suspect));
    assert_eq!(active(&engine, at(250)), "b");
    call_fails(&mut engine, "a", Failure::TimedOut, at(300));
    miss(&mut engine, at(500));
    assert_eq!(engine.state(&"a".into()), Some(State::Suspect));
    miss(&mut engine, at(750));
    assert_eq!(engine.state(&"a".into()), Some(State::Down));
}

#[test]
fn an_answer_that_was_on_its_way_when_the_member_died_does_not_revive_it() {
    let mut engine = pair(Settings::default());
    engine.handle(Event::Started { member: "a".into() }, at(1000));
    call_fails(&mut engine, "a", Failure::Refused, at(1001));
    engine.handle(Event::Answered { member: "a".into(), started: at(1000) }, at(1002));
    assert_eq!(engine.state(&"a".into()), Some(State::Down));
}

#[test]
fn a_reset_from_an_earlier_life_does_not_bring_down_the_next() {
    let mut engine = pair(Settings::default());
    engine.handle(Event::Started { member: "a".into() }, at(1000));
    call_fails(&mut engine, "a", Failure::Refused, at(1001));
    beat(&mut engine, "a", at(1100));
    let late = Event::Failed { member: "a".into(), started: at(1000), failure: Failure::Reset };
    engine.handle(late, at(1200));
    assert_eq!(engine.state(&"a".into()), Some(State::Up));
}

#[test]
fn when_nobody_is_left_the_way_over_nobody_is_told_as_one_failover() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "b", Failure::Refused, at(1000));
    let told = call_fails(&mut engine, "a", Failure::Reset, at(2000));
    assert!(!told.iter().any(|command| matches!(command, Command::Failover(_))), "{told:?}");
    assert_eq!(engine.status(at(2000)).active, None);
    assert!(engine.pick(&[], 0, at(2000)).is_some(), "something might answer");
    let told = beat(&mut engine, "b", at(2700));
    let is_it = |failover: &Failover| {
        failover.from == "a".into() && failover.cause == Cause::Reset && failover.took_ms == 700
    };
    assert!(told.iter().any(|c| matches!(c, Command::Failover(f) if is_it(f))), "{told:?}");
}

#[test]
fn without_heartbeats_one_call_at_a_time_tries_a_member_that_was_down() {
    let mut engine = pair(Settings::without_heartbeats());
    call_fails(&mut engine, "a", Failure::Refused, at(0));
    assert_eq!(engine.pick(&[], 0, at(9999)), Some("b".into()));
    assert_eq!(engine.pick(&[], 0, at(10_000)), Some("a".into()));
    engine.handle(Event::Started { member: "a".into() }, at(10_000));
    assert_eq!(engine.pick(&[], 0, at(10_000)), Some("b".into()), "its trial is under way");
    let failure = Failure::Refused;
    engine.handle(Event::Failed { member: "a".into(), started: at(10_000), failure }, at(10_001));
    assert_eq!(engine.pick(&[], 0, at(30_000)), Some("b".into()), "twice the wait");
    assert_eq!(engine.pick(&[], 0, at(30_001)), Some("a".into()));
    engine.handle(Event::Started { member: "a".into() }, at(30_001));
    engine.handle(Event::Answered { member: "a".into(), started: at(30_001) }, at(30_002));
    assert_eq!(active(&engine, at(30_002)), "a");
}

#[test]
fn in_balance_all_who_are_up_share_and_the_one_that_falls_is_told() {
    let members = vec![Member::new("a", "a:1", 1), Member::new("b", "b:1", 2)];
    let mut engine = Engine::new(members, Mode::Balance, Settings::default(), at(0));
    beat(&mut engine, "a", at(0));
    beat(&mut engine, "b", at(0));
    let picked: Vec<_> = (0..2).filter_map(|random| engine.pick(&[], random, at(0))).collect();
    assert_eq!(picked, vec!["a".into(), "b".into()]);
    let told = call_fails(&mut engine, "b", Failure::Refused, at(1));
    assert!(matches!(&told[1], Command::Failover(f) if f.from == "b".into() && f.to == "a".into()));
}

#[test]
fn a_new_list_keeps_what_is_known_of_those_who_stay() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "a", Failure::Refused, at(1));
    let members = vec![Member::new("a", "a:1", 1), Member::new("c", "c:1", 1)];
    let told = engine.handle(Event::Configured { members, mode: Mode::Failover }, at(2));
    assert_eq!(engine.state(&"a".into()), Some(State::Down));
    assert_eq!(engine.state(&"b".into()), None);
    assert!(
        matches!(&told[..], [Command::Failover(f)] if f.to == "c".into() && f.cause == Cause::Configured)
    );
    let moved = vec![Member::new("a", "elsewhere:1", 1)];
    engine.handle(Event::Configured { members: moved, mode: Mode::Failover }, at(3));
    assert_eq!(engine.state(&"a".into()), Some(State::Up), "another address is another server");
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

#[test]
fn two_overdue_calls_and_nothing_heard_make_suspect() {
    let mut engine = pair(Settings::default());
    assert_eq!(overdue(&mut engine, "a", at(1000), at(1150)), []);
    let told = overdue(&mut engine, "a", at(1005), at(1155));
    assert!(matches!(&told[0], Command::Changed(c) if c.to == State::Suspect && c.cause == Cause::Overdue));
    assert_eq!(active(&engine, at(1155)), "b");
    assert_eq!(engine.in_flight(), 0);
}

#[test]
fn overdue_calls_at_a_member_that_answers_others_are_no_suspicion() {
    let mut engine = pair(Settings::default());
    for number in 0..20 {
        let started = at(1000 + 100 * number);
        answers(&mut engine, "a", started, started.plus(Duration::from_millis(50)));
        assert_eq!(overdue(&mut engine, "a", started, started.plus(Duration::from_millis(60))), []);
    }
    assert_eq!(active(&engine, at(9000)), "a");
}

#[test]
fn a_sign_of_life_between_two_overdue_calls_takes_the_suspicion_back() {
    let mut engine = pair(Settings::default());
    for number in 0..2 {
        let started = at(1000 + 1000 * number);
        assert_eq!(overdue(&mut engine, "a", started, started.plus(Duration::from_millis(150))), []);
        beat(&mut engine, "a", started.plus(Duration::from_millis(200)));
    }
    assert_eq!(engine.state(&"a".into()), Some(State::Up));
}

#[test]
fn a_slow_member_is_left_for_longer_each_time_and_it_is_told_why() {
    let mut engine = pair(Settings::default());
    let mut now = at(1000);
    for hold in [1_u32, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        let told = is_slow(&mut engine, "a", now);
        let is_it = |f: &Failover| f.cause == Cause::Slow && f.took_ms == 30;
        assert!(matches!(&told[..], [Command::Failover(f)] if is_it(f)), "{told:?}");
        assert_eq!(engine.state(&"a".into()), Some(State::Up), "it answers");
        assert_eq!(engine.status(now).candidates[0].cause, Cause::Slow);
        let back = now.plus(SECOND * hold);
        assert_eq!(active(&engine, back.minus(Duration::from_millis(1))), "b", "after {hold} s");
        let told = engine.handle(Event::Tick, back);
        assert!(matches!(&told[..], [Command::Failover(f)] if f.cause == Cause::Failback), "{told:?}");
        now = back.plus(Duration::from_millis(40));
    }
}

#[test]
fn a_slow_member_is_punished_once_while_it_is_left() {
    let mut engine = pair(Settings::default());
    is_slow(&mut engine, "a", at(1000));
    is_slow(&mut engine, "a", at(1500));
    assert_eq!(active(&engine, at(2000)), "a");
}

#[test]
fn an_answer_in_time_ends_the_row_of_overdue_calls_and_a_late_one_does_not() {
    let row = |between: &dyn Fn(&mut Engine, Timestamp)| {
        let mut engine = pair(Settings::default());
        for number in 0..4 {
            let started = at(1000 + 1000 * number);
            beat(&mut engine, "a", started);
            overdue(&mut engine, "a", started, started.plus(Duration::from_millis(150)));
            between(&mut engine, started.plus(Duration::from_millis(200)));
        }
        assert_eq!(engine.in_flight(), 0);
        active(&engine, at(3500))
    };
    assert_eq!(row(&|engine, now| answers(engine, "a", now, now)), "a");
    let late = |engine: &mut Engine, now: Timestamp| {
        engine.handle(Event::Started { member: "a".into() }, now);
        engine.handle(Event::AnsweredLate { member: "a".into(), started: now }, now);
    };
    assert_eq!(row(&late), "b");
}

#[test]
fn suspicions_that_prove_wrong_hold_for_longer_each_time_and_are_forgotten() {
    let mut engine = pair(Settings::default());
    let mut now = at(1000);
    for hold in [1_u32, 2, 4, 8] {
        miss(&mut engine, "a", now);
        beat(&mut engine, "a", now);
        now = now.plus(SECOND * hold);
        assert_eq!(active(&engine, now.minus(Duration::from_millis(1))), "b", "after {hold} s");
        assert_eq!(active(&engine, now), "a");
    }
    now = now.plus(SECOND * 60);
    miss(&mut engine, "a", now);
    beat(&mut engine, "a", now);
    assert_eq!(active(&engine, now.plus(SECOND)), "a");
}

#[test]
fn a_call_that_timed_out_at_a_member_that_answered_others_is_no_suspicion() {
    let mut engine = pair(Settings::default());
    engine.handle(Event::Started { member: "a".into() }, at(1000));
    beat(&mut engine, "a", at(2000));
    let failure = Failure::TimedOut;
    let told = engine.handle(Event::Failed { member: "a".into(), started: at(1000), failure }, at(3000));
    assert_eq!(told, []);
    (0..5).for_each(|_| drop(miss(&mut engine, "a", at(3100))));
    assert_eq!(engine.state(&"a".into()), Some(State::Suspect), "no failed call: not down");
}

#[test]
fn whatever_is_answered_busy_too_is_a_sign_of_life() {
    let mut engine = pair(Settings::default());
    let signs: [&dyn Fn(&mut Engine); 3] = [
        &|engine| drop(call_fails(engine, "a", Failure::Busy, at(1100))),
        &|engine| answers(engine, "a", at(1100), at(1100)),
        &|engine| drop(beat(engine, "a", at(1100))),
    ];
    for sign in signs {
        overdue(&mut engine, "a", at(1000), at(1050));
        sign(&mut engine);
        assert_eq!(overdue(&mut engine, "a", at(1100), at(1250)), []);
        answers(&mut engine, "a", at(1250), at(1250));
        engine = pair(Settings::default());
    }
}

#[test]
fn a_sign_of_life_takes_misses_and_the_failed_call_back() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "a", Failure::TimedOut, at(1000));
    miss(&mut engine, "a", at(1100));
    miss(&mut engine, "a", at(1200));
    beat(&mut engine, "a", at(1300));
    miss(&mut engine, "a", at(1400));
    assert_eq!(engine.state(&"a".into()), Some(State::Suspect));
    call_fails(&mut engine, "a", Failure::TimedOut, at(1500));
    miss(&mut engine, "a", at(1600));
    assert_eq!(engine.state(&"a".into()), Some(State::Suspect), "two misses since");
    miss(&mut engine, "a", at(1700));
    assert_eq!(engine.state(&"a".into()), Some(State::Down));
}

#[test]
fn an_overdue_call_of_an_earlier_life_says_nothing_of_the_next() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "a", Failure::Reset, at(1000));
    beat(&mut engine, "a", at(1100));
    for _ in 0..5 {
        assert_eq!(overdue(&mut engine, "a", at(900), at(1200)), []);
    }
    assert_eq!(engine.state(&"a".into()), Some(State::Up));
}

#[test]
fn without_heartbeats_one_silent_call_makes_suspect_and_single_calls_try_it_ever_later() {
    let mut engine = pair(Settings::without_heartbeats());
    overdue(&mut engine, "a", at(1000), at(1300));
    assert_eq!(engine.state(&"a".into()), Some(State::Suspect));
    let mut tried = at(1300).plus(SECOND * 10);
    for hold in [20_u32, 40, 80, 160, 300, 300] {
        assert_eq!(engine.pick(&[], 0, tried.minus(Duration::from_millis(1))), Some("b".into()));
        assert_eq!(engine.pick(&[], 0, tried), Some("a".into()), "before a wait of {hold} s");
        assert_eq!(active(&engine, tried), "b", "a trial is no failback");
        engine.handle(Event::Started { member: "a".into() }, tried);
        assert_eq!(engine.pick(&[], 0, tried), Some("b".into()), "its trial is under way");
        let given_up = tried.plus(Duration::from_millis(300));
        engine.handle(Event::Overdue { member: "a".into(), started: tried }, given_up);
        engine.handle(Event::Abandoned { member: "a".into() }, given_up);
        tried = given_up.plus(SECOND * hold);
    }
    answers(&mut engine, "a", tried, tried.plus(SECOND));
    assert_eq!(active(&engine, tried.plus(SECOND)), "a");
}

#[test]
fn a_trial_of_which_nothing_became_known_is_made_again_after_the_same_wait() {
    let mut engine = pair(Settings::without_heartbeats());
    call_fails(&mut engine, "a", Failure::Refused, at(0));
    engine.handle(Event::Started { member: "a".into() }, at(10_000));
    engine.handle(Event::Abandoned { member: "a".into() }, at(10_001));
    assert_eq!(engine.pick(&[], 0, at(19_999)), Some("b".into()));
    assert_eq!(engine.pick(&[], 0, at(20_000)), Some("a".into()));
}

#[test]
fn a_suspect_is_the_last_choice_and_still_eligible() {
    let mut engine = pair(Settings::default());
    miss(&mut engine, "a", at(1000));
    assert_eq!(engine.pick(&[], 0, at(1000)), Some("b".into()));
    assert_eq!(engine.pick(&["b".into()], 0, at(1000)), Some("a".into()));
    engine.handle(Event::SaidDraining { member: "b".into() }, at(1100));
    assert_eq!(engine.pick(&[], 0, at(1100)), Some("a".into()), "rather than one that stops");
}

#[test]
fn somebody_is_up_until_all_are_down() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "a", Failure::Refused, at(1000));
    assert!(engine.is_anyone_up());
    call_fails(&mut engine, "b", Failure::Refused, at(1000));
    assert!(!engine.is_anyone_up());
}
