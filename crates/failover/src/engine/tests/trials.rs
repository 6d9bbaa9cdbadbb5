//! Members that nobody sends heartbeats: single calls try them.

use super::*;

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
