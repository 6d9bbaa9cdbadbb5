//! How members move from state to state, and what that costs them.

use super::*;

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
fn one_that_is_held_down_is_preferred_to_one_that_is_slow() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "b", Failure::Refused, at(1000));
    beat(&mut engine, "b", at(1250));
    assert_eq!(active(&engine, at(1250)), "a");
    is_slow(&mut engine, "a", at(1500));
    assert_eq!(active(&engine, at(1500)), "b");
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
fn a_call_that_was_made_while_it_was_down_tells_of_its_present_life() {
    let mut engine = pair(Settings::default());
    call_fails(&mut engine, "a", Failure::Refused, at(1000));
    engine.handle(Event::Started { member: "a".into() }, at(1050));
    beat(&mut engine, "a", at(1100));
    let reset = Event::Failed { member: "a".into(), started: at(1050), failure: Failure::Reset };
    engine.handle(reset, at(1200));
    assert_eq!(engine.state(&"a".into()), Some(State::Down), "known at once");
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
