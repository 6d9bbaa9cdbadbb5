//! What silence, slowness and signs of life mean.

use super::*;

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
fn calls_of_a_silence_that_has_ended_do_not_make_slow_when_their_deadlines_come() {
    let mut engine = pair(Settings::default());
    miss(&mut engine, "a", at(1250));
    beat(&mut engine, "a", at(1500));
    assert_eq!(active(&engine, at(2500)), "a", "steady again");
    for _ in 0..5 {
        call_fails_late(&mut engine, "a", at(1100), at(3100));
    }
    assert_eq!(active(&engine, at(3100)), "a");
    assert_eq!(engine.state(&"a".into()), Some(State::Up));
}

#[test]
fn who_was_slow_before_it_fell_is_not_slow_for_it_when_it_rises() {
    let mut engine = pair(Settings::default());
    is_slow(&mut engine, "a", at(1000));
    assert!(!engine.is_well(&"a".into(), at(1000)));
    call_fails(&mut engine, "a", Failure::Refused, at(1100));
    beat(&mut engine, "a", at(1200));
    assert!(engine.is_well(&"a".into(), at(1200)));
    assert_eq!(active(&engine, at(11_199)), "b", "held down all the same");
}

fn call_fails_late(engine: &mut Engine, member: &str, started: Timestamp, now: Timestamp) {
    engine.handle(Event::Started { member: member.into() }, started);
    engine.handle(Event::Failed { member: member.into(), started, failure: Failure::TimedOut }, now);
}

#[test]
fn one_that_is_slow_is_well_again_by_an_answer_in_time_but_not_preferred_for_it() {
    let mut engine = pair(Settings::default());
    is_slow(&mut engine, "a", at(1000));
    assert!(!engine.is_well(&"a".into(), at(1000)));
    answers(&mut engine, "a", at(1100), at(1110));
    assert!(engine.is_well(&"a".into(), at(1110)));
    assert_eq!(active(&engine, at(1110)), "b");
    overdue(&mut engine, "a", at(1200), at(1350));
    assert!(!engine.is_well(&"a".into(), at(1350)));
}
