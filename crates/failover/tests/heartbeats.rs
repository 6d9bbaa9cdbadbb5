//! Heartbeats over connections that are slow to make, or silent; in a time that stands still between
//! events.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evergate_failover::engine::{Member, State};
use evergate_failover::shell::{Beat, BeatError, DialError, PoolOptions};
use evergate_failover::{CallError, CallOptions, Classify, Dial, Pool, Reach};
use evergate_model::Timestamp;
use evergate_model::topology::Mode;
use tokio::task::JoinSet;

/// Makes numbered connections; those below `silent` never answer.
struct Scripted {
    takes: Duration,
    silent: u32,
    dialled: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
}

impl Dial for Scripted {
    type Link = u32;
    async fn dial(&self, _: &Member) -> Result<u32, DialError> {
        tokio::time::sleep(self.takes).await;
        Ok(self.dialled.fetch_add(1, Ordering::SeqCst))
    }
    async fn beat(&self, link: &u32) -> Result<Beat, BeatError> {
        if *link < self.silent {
            std::future::pending::<()>().await;
        }
        self.answered.fetch_add(1, Ordering::SeqCst);
        Ok(Beat::Serving)
    }
}

struct World {
    pool: Pool<Scripted>,
    dialled: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

fn world(takes: Duration, silent: u32) -> World {
    let (dialled, answered) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let dial = Scripted { takes, silent, dialled: Arc::clone(&dialled), answered: Arc::clone(&answered) };
    let options = PoolOptions::internal("test", Timestamp::from_seconds(1));
    let pool = Pool::new(dial, vec![Member::new("a", "a:1", 1)], Mode::Failover, options);
    let mut tasks = JoinSet::new();
    tasks.spawn(pool.clone().run());
    World { pool, dialled, answered, _tasks: tasks }
}

fn state(pool: &Pool<Scripted>) -> State {
    pool.status().candidates.first().unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_longer_than_a_heartbeat_is_made_all_the_same() {
    let world = world(Duration::from_millis(700), 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.dialled.load(Ordering::SeqCst), 1);
    assert!(world.answered.load(Ordering::SeqCst) >= 8);
    assert_eq!(state(&world.pool), State::Up);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_silent_is_replaced_and_the_member_found_well() {
    let world = world(Duration::ZERO, 1);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(state(&world.pool), State::Suspect);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.dialled.load(Ordering::SeqCst), 2);
    assert_eq!(state(&world.pool), State::Up);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_never_answers_stays_suspect_and_is_still_offered() {
    let world = world(Duration::ZERO, u32::MAX);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(state(&world.pool), State::Suspect);
    assert!(world.pool.status().active.is_some());
}

/// Alive, and unable to answer now.
#[derive(Debug)]
struct Unable;
impl std::fmt::Display for Unable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unable")
    }
}
impl Classify for Unable {
    fn reach(&self) -> Reach {
        Reach::Unable
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_began_just_before_the_deadline_blames_nobody() {
    let world = world(Duration::ZERO, 0);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = tokio::time::Instant::now();
    let mut last = Duration::ZERO;
    let options = CallOptions::READ.within(Duration::from_millis(260));
    let answer: Result<(), _> = world
        .pool
        .call(options, |_| {
            last = began.elapsed();
            async move {
                if began.elapsed() < Duration::from_millis(245) {
                    return Err(Unable);
                }
                std::future::pending().await
            }
        })
        .await;
    assert!(matches!(answer, Err(CallError::NoAnswer { .. })), "{answer:?}");
    assert!(last >= Duration::from_millis(245), "one was under way at the deadline, since {last:?}");
    assert_eq!(state(&world.pool), State::Up);
}
