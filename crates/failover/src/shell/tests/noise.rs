//! What is no fault, or must not be made worse: busy members, spent budgets, late timers, callers
//! that leave, members that say goodbye.

use std::sync::Arc;
use std::time::Duration;

use evergate_model::Timestamp;
use tokio::task::JoinSet;

use super::ms;
use super::world::{Caller, Way, World};
use crate::engine::{Cause, MemberId, State};
use crate::shell::{CallError, CallOptions, Chooser, PoolOptions};

const NOW: Duration = Duration::ZERO;

#[tokio::test(start_paused = true)]
async fn a_call_that_met_busy_asks_nobody_twice_because_it_is_slow() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Busy);
    caller.world.set("b", Way::Answers(ms(400)));
    let (answer, took) = caller.call(CallOptions::READ).await;
    assert_eq!((answer.unwrap().as_str(), took), ("b", ms(400)));
    assert_eq!(caller.world.asked("a"), 1);
    assert_eq!(caller.state("a"), State::Up);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_met_busy_and_then_silence_asks_who_was_not_asked_yet() {
    let caller = Caller::new(&["a", "b", "c"]).await;
    caller.world.set("a", Way::Busy);
    caller.world.set("b", Way::OnlyBeats);
    for kind in [CallOptions::READ, CallOptions::WRITE] {
        let (answer, took) = caller.call(kind).await;
        assert_eq!((answer.unwrap().as_str(), Some(took)), ("c", kind.patience));
    }
    assert_eq!(caller.world.asked("a"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stall_that_leaves_the_timer_of_a_call_hardly_late_blames_nobody() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Answers(ms(240)));
    let mut calls: JoinSet<_> = (0..10).map(|_| caller.call(CallOptions::READ)).collect();
    tokio::time::sleep(ms(1)).await;
    tokio::time::advance(ms(230)).await;
    while let Some(ended) = calls.join_next().await {
        ended.unwrap().0.unwrap();
    }
    let candidate = caller.candidate("a");
    assert_eq!(
        (candidate.state, candidate.cause, candidate.held_until),
        (State::Up, Cause::Configured, None)
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_are_busy_a_read_ends_at_once_and_a_write_asks_once_more() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Busy);
    caller.world.set("b", Way::Busy);
    let (answer, took) = caller.call(CallOptions::READ).await;
    assert!(matches!(answer, Err(CallError::NoAnswer { busy: true, attempts: 2, .. })), "{answer:?}");
    assert_eq!(took, NOW);
    let (answer, took) = caller.call(CallOptions::WRITE).await;
    assert!(matches!(answer, Err(CallError::NoAnswer { busy: true, attempts: 4, .. })), "{answer:?}");
    assert_eq!(took, ms(100));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_slow_member_rather_than_press_a_busy_one() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Hangs);
    caller.world.set("b", Way::Busy);
    let waiting = caller.call(CallOptions::READ);
    let wake = async {
        tokio::time::sleep(ms(1500)).await;
        caller.world.set("a", Way::Answers(NOW));
    };
    let ((answer, _), ()) = tokio::join!(waiting, wake);
    assert_eq!(answer.unwrap(), "a");
    assert_eq!(caller.world.asked("b"), 2);
}

#[tokio::test(start_paused = true)]
async fn second_questions_beyond_the_budget_are_paced() {
    let mut options = PoolOptions::internal("test", Timestamp::from_seconds(1));
    options.shares.smallest = 0;
    let caller = Caller::with(&["a", "b"], options).await;
    caller.world.set("a", Way::OnlyBeats);
    let (answer, took) = caller.call(CallOptions::READ).await;
    assert_eq!((answer.unwrap().as_str(), took), ("b", ms(150)));
    let (answer, took) = caller.call(CallOptions::READ).await;
    assert_eq!(answer.unwrap(), "b");
    assert!(took >= ms(600), "the second call of this second: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_budget_goes_on_at_once_when_its_first_attempt_breaks() {
    let mut options = PoolOptions::internal("test", Timestamp::from_seconds(1));
    options.shares.smallest = 0;
    let caller = Caller::with(&["a", "b"], options).await;
    caller.world.set("a", Way::OnlyBeats);
    caller.call(CallOptions::READ).await.0.unwrap();
    let waiting = caller.call(CallOptions::READ);
    let breaks = async {
        tokio::time::sleep(ms(475)).await;
        caller.world.set("a", Way::Gone);
    };
    let ((answer, took), ()) = tokio::join!(waiting, breaks);
    assert_eq!((answer.unwrap().as_str(), took), ("b", ms(475)));
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_ours_that_ran_late_blames_nobody_and_still_asks_another() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Answers(ms(390)));
    for _ in 0..2 {
        let mut calls: JoinSet<_> = (0..4).map(|_| caller.call(CallOptions::READ)).collect();
        tokio::task::yield_now().await;
        // Nothing of this process runs meanwhile.
        tokio::time::advance(ms(380)).await;
        while let Some(ended) = calls.join_next().await {
            assert_eq!(ended.unwrap().0.unwrap(), "b");
        }
    }
    let candidate = caller.candidate("a");
    assert_eq!(
        (candidate.state, candidate.cause, candidate.held_until),
        (State::Up, Cause::Configured, None)
    );
}

#[tokio::test(start_paused = true)]
async fn calls_whose_callers_leave_are_accounted_for_and_say_nothing() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::OnlyBeats);
    let mut calls: JoinSet<_> = (0..10).map(|_| caller.call(CallOptions::READ)).collect();
    tokio::time::sleep(ms(100)).await;
    assert_eq!(caller.pool.in_flight(), 10);
    calls.shutdown().await;
    assert_eq!((caller.pool.in_flight(), caller.state("a")), (0, State::Up));
    assert_eq!(caller.active(), "a");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_never_began_to_run_is_accounted_for() {
    let world: Arc<std::sync::OnceLock<Arc<World>>> = Arc::default();
    let mut options = PoolOptions::internal("test", Timestamp::from_seconds(1));
    let seen = Arc::clone(&world);
    options.chooser = Chooser::new(move |engine, tried, now| {
        let chosen = engine.pick(tried, 0, now);
        // At the moment in which the second is chosen the first wakes up and answers.
        if let Some(world) = seen.get().filter(|_| chosen == Some(MemberId::from("b"))) {
            world.set("a", Way::Answers(NOW));
        }
        chosen
    });
    let caller = Caller::with(&["a", "b"], options).await;
    assert!(world.set(Arc::clone(&caller.world)).is_ok());
    caller.world.set("a", Way::OnlyBeats);
    let (answer, _) = caller.call(CallOptions::READ).await;
    assert_eq!(answer.unwrap(), "a");
    assert_eq!((caller.world.asked("b"), caller.pool.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_alone_is_broken_off_brings_nobody_down() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::BreaksOff);
    let (answer, _) = caller.call(CallOptions::READ).await;
    assert_eq!(answer.unwrap(), "b");
    assert_eq!(caller.state("a"), State::Up);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_on_a_connection_that_stands_is_a_planned_stop_without_penalty() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::SaysGoodbye);
    let (answer, took) = caller.call(CallOptions::ONCE).await;
    assert_eq!((answer.unwrap().as_str(), took), ("b", NOW), "it reached nobody");
    assert_eq!(caller.candidate("a").cause, Cause::Draining);
    caller.world.set("a", Way::Gone);
    tokio::time::sleep(ms(600)).await;
    assert_eq!(caller.state("a"), State::Down);
    caller.world.set("a", Way::Answers(NOW));
    tokio::time::sleep(ms(600)).await;
    assert_eq!(caller.active(), "a", "without a hold-down");
}

#[tokio::test(start_paused = true)]
async fn a_call_to_nobody_at_all_waits_until_there_is_somebody() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Gone);
    caller.world.set("b", Way::Gone);
    tokio::time::sleep(ms(600)).await;
    assert!(!caller.pool.is_anyone_up());
    let waiting = caller.call(CallOptions::WRITE);
    let restart = async {
        tokio::time::sleep(ms(1500)).await;
        caller.world.set("b", Way::Answers(NOW));
    };
    let ((answer, took), ()) = tokio::join!(waiting, restart);
    assert_eq!(answer.unwrap(), "b");
    assert!(took <= ms(1600), "{took:?}");
}
