//! Members that hang, are slow or cut off: nobody who calls notices much.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use super::ms;
use super::world::{Caller, Way, p99};
use crate::engine::{Cause, State};
use crate::shell::{CallError, CallOptions};

const NOW: Duration = Duration::ZERO;

#[tokio::test(start_paused = true)]
async fn a_read_that_a_hung_member_has_is_answered_elsewhere_when_patience_is_over() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Hangs);
    let (answer, took) = caller.call(CallOptions::READ).await;
    assert_eq!((answer.unwrap().as_str(), took), ("b", ms(150)));
    assert_eq!(caller.state("a"), State::Up, "one call alone is no evidence");
    assert_eq!(caller.pool.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_a_hung_member_has_is_answered_elsewhere_when_patience_is_over() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Hangs);
    let (answer, took) = caller.call(CallOptions::WRITE).await;
    assert_eq!(answer.unwrap(), "b");
    assert!(took <= ms(300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_wins_and_the_loser_is_accounted_for() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Answers(ms(200)));
    caller.world.set("b", Way::Answers(ms(100)));
    let (answer, took) = caller.call(CallOptions::READ).await;
    assert_eq!((answer.unwrap().as_str(), took), ("a", ms(200)), "it was asked 150 ms before");
    assert_eq!((caller.world.asked("a"), caller.world.asked("b")), (1, 1));
    assert_eq!(caller.pool.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hang_under_load_is_noticed_by_its_silence_and_nobody_waits_longer_than_patience() {
    let caller = Caller::new(&["a", "b"]).await;
    let mut load = Box::pin(caller.load(CallOptions::READ, ms(3000), NOW));
    tokio::select! {
        _ = &mut load => unreachable!(),
        () = tokio::time::sleep(ms(1002)) => caller.world.set("a", Way::Hangs),
    }
    let took = load.await;
    let waited = took.iter().filter(|took| !took.is_zero()).count();
    assert!(took.iter().max() <= Some(&ms(160)), "{:?}", took.iter().max());
    assert!(waited <= 35, "those in flight when it was noticed: {waited}");
    assert_eq!(caller.candidate("a").cause, Cause::Overdue);
    assert_eq!((caller.active().as_str(), caller.pool.in_flight()), ("b", 0));
}

#[tokio::test(start_paused = true)]
async fn suspicion_moves_the_calls_in_flight_at_once_also_those_without_patience() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Hangs);
    let (answer, took) = caller.call(CallOptions::READ.with_patience(None)).await;
    assert_eq!(answer.unwrap(), "b");
    assert!(took <= ms(500), "the heartbeat of at most 250 ms later, and its 250 ms: {took:?}");
    assert_eq!(caller.candidate("a").cause, Cause::Unanswered);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_answers_heartbeats_alone_is_left_for_longer_each_time() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::OnlyBeats);
    let took = caller.load(CallOptions::READ, ms(30_000), NOW).await;
    let waited = took.iter().filter(|took| !took.is_zero()).count();
    assert!(took.iter().max() <= Some(&ms(200)), "{:?}", took.iter().max());
    assert!(waited * 20 < took.len(), "{waited} of {}", took.len());
    let status = caller.pool.status();
    assert!(status.failovers <= 12, "it was given five chances: {status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_answers_everything_after_two_seconds_leaves_p99_short_after_the_first() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Slow(ms(2000)));
    let took = caller.load(CallOptions::READ, ms(30_000), ms(1000)).await;
    assert!(p99(took.clone()) < ms(300), "{:?}", p99(took));
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_calls_alone_take_two_seconds_leaves_p99_short_after_the_first() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Answers(ms(2000)));
    let took = caller.load(CallOptions::WRITE, ms(30_000), ms(1000)).await;
    assert!(p99(took.clone()) <= ms(300), "{:?}", p99(took));
}

#[tokio::test(start_paused = true)]
async fn when_both_are_slow_every_call_is_answered_by_whoever_is_first() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Answers(ms(700)));
    caller.world.set("b", Way::Answers(ms(700)));
    let took = caller.load(CallOptions::READ, ms(10_000), NOW).await;
    assert!(took.iter().max() <= Some(&ms(700)), "{:?}", took.iter().max());
    assert_eq!((caller.state("a"), caller.state("b")), (State::Up, State::Up), "they answer");
    assert!(caller.pool.status().failovers <= 8, "{:?}", caller.pool.status());
}

#[tokio::test(start_paused = true)]
async fn an_effect_whose_answer_was_lost_is_asked_for_elsewhere_by_the_same_key() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::AnswersLost);
    let (answer, _) = caller.call(CallOptions::WRITE).await;
    assert_eq!(answer.unwrap(), "b");
    assert_eq!(caller.world.effects_tried.load(Ordering::SeqCst), 2);
    assert_eq!(caller.world.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_hangs_holds_none_of_those_who_wait_for_it() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::CutOff);
    caller.world.set("b", Way::CutOff);
    tokio::time::sleep(ms(2000)).await;
    caller.world.set("b", Way::Answers(NOW));
    tokio::time::sleep(ms(1500)).await;
    let mut calls: JoinSet<_> = (0..20).map(|_| caller.call(CallOptions::READ)).collect();
    while let Some(ended) = calls.join_next().await {
        let (answer, took) = ended.unwrap();
        assert_eq!((answer.unwrap().as_str(), took), ("b", NOW), "the suspect is the last choice");
    }
    let options = CallOptions::READ;
    caller.world.set("b", Way::Gone);
    tokio::time::sleep(ms(600)).await;
    let waiting = caller.call(options);
    let heal = async {
        tokio::time::sleep(ms(300)).await;
        caller.world.set("b", Way::Answers(NOW));
    };
    let ((answer, took), ()) = tokio::join!(waiting, heal);
    assert_eq!(answer.unwrap(), "b", "which came back while the other's dial hung");
    assert!(took <= ms(600), "{took:?}");
    assert_eq!(caller.pool.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn when_a_partition_heals_a_dead_connection_is_replaced_and_calls_waiting_on_it_move() {
    let caller = Caller::new(&["a"]).await;
    caller.world.set("a", Way::CutOff);
    let waiting = caller.call(CallOptions::READ);
    let heal = async {
        tokio::time::sleep(ms(300)).await;
        caller.world.heal_without_old_links("a");
    };
    let ((answer, took), ()) = tokio::join!(waiting, heal);
    assert_eq!(answer.unwrap(), "a");
    assert!(took <= ms(1100), "three heartbeats' silence, and a new connection: {took:?}");
    assert_eq!(caller.pool.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_restarts_while_the_other_hangs_gets_the_call_that_waits() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Hangs);
    caller.world.set("b", Way::Gone);
    let waiting = caller.call(CallOptions::WRITE);
    let restart = async {
        tokio::time::sleep(ms(700)).await;
        caller.world.set("b", Way::Answers(NOW));
    };
    let ((answer, took), ()) = tokio::join!(waiting, restart);
    assert_eq!(answer.unwrap(), "b");
    assert!(took <= ms(950), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_wakes_answers_the_calls_that_it_still_has() {
    let caller = Caller::new(&["a"]).await;
    caller.world.set("a", Way::Hangs);
    let waiting = caller.call(CallOptions::WRITE);
    let wake = async {
        tokio::time::sleep(ms(400)).await;
        caller.world.set("a", Way::Answers(NOW));
    };
    let ((answer, took), ()) = tokio::join!(waiting, wake);
    assert_eq!((answer.unwrap().as_str(), took), ("a", ms(400)));
    assert_eq!(caller.world.asked("a"), 1, "there was nobody else to ask");
}

#[tokio::test(start_paused = true)]
async fn what_may_be_made_once_is_asked_of_nobody_else_while_the_first_may_answer() {
    let caller = Caller::new(&["a", "b"]).await;
    caller.world.set("a", Way::Hangs);
    let (answer, took) = caller.call(CallOptions::ONCE).await;
    assert!(matches!(answer, Err(CallError::NoAnswer { attempts: 1, .. })), "{answer:?}");
    assert_eq!((took, caller.world.asked("b")), (ms(2000), 0));
}

#[tokio::test(start_paused = true)]
async fn with_three_members_the_third_is_asked_when_two_are_silent() {
    let caller = Caller::new(&["a", "b", "c"]).await;
    caller.world.set("a", Way::Hangs);
    caller.world.set("b", Way::Hangs);
    let (answer, took) = caller.call(CallOptions::READ).await;
    assert_eq!(answer.unwrap(), "c");
    assert!(took <= ms(300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_active_member_killed_every_three_seconds_costs_no_call_and_one_switch_a_kill() {
    let caller = Caller::new(&["a", "b"]).await;
    for name in ["a", "b"] {
        caller.world.set(name, Way::Answers(ms(8)));
    }
    let mut load = Box::pin(caller.load(CallOptions::WRITE, ms(300_000), NOW));
    let kills = async {
        for _ in 0..99 {
            tokio::time::sleep(ms(2600)).await;
            let victim = caller.active();
            caller.world.set(&victim, Way::Gone);
            tokio::time::sleep(ms(400)).await;
            caller.world.set(&victim, Way::Answers(ms(8)));
        }
        std::future::pending::<()>().await;
    };
    let took = tokio::select! {
        took = &mut load => took,
        () = kills => unreachable!(),
    };
    assert!(took.iter().max() <= Some(&ms(20)), "{:?}", took.iter().max());
    let status = caller.pool.status();
    assert_eq!(status.failovers, 99, "{status:?}");
    assert_eq!(caller.pool.in_flight(), 0);
}
