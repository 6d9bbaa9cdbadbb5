//! A simulated caller: a real pool with its heartbeats, that calls now singly and now in bursts,
//! and may get no processor or begin anew.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use evergate_failover::engine::Command;
use evergate_failover::shell::{CallKind, PoolOptions};
use evergate_failover::{CallError, CallOptions, Member, Pool};
use evergate_model::Timestamp;
use evergate_model::topology::Mode;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

use super::network::wait;
use super::planted::Bug;
use super::record::{Done, Entry};
use super::world::{Simulated, World, attempt};
use super::{Ms, index_of};

tokio::task_local! {
    /// The call that a choice is made for.
    pub static CALL: usize;
}

pub struct Caller {
    world: Arc<World>,
    index: usize,
    mode: Mode,
    running: Mutex<Running>,
}

/// One life of a caller.
struct Running {
    pool: Pool<Simulated>,
    tasks: JoinSet<()>,
}

impl Caller {
    pub fn new(world: &Arc<World>, index: usize, mode: Mode) -> Self {
        let running = Mutex::new(Running::begin(world, index, mode, 0));
        Self { world: Arc::clone(world), index, mode, running }
    }

    /// Dies with all its calls, and begins anew under a wall clock that jumped.
    pub fn restart(&self, jump: i64) {
        *self.running.lock().unwrap() = Running::begin(&self.world, self.index, self.mode, jump);
    }

    pub fn pool(&self) -> Pool<Simulated> {
        self.running.lock().unwrap().pool.clone()
    }

    /// Calls until then: on an average every so many milliseconds.
    pub async fn call_until(&self, end: Ms, every: Ms, numbers: &AtomicUsize) {
        while self.world.now() < end {
            let (pause, burst) = self.world.chance(|random| {
                let burst = if random.percent(3) { random.between(10, 60) } else { 1 };
                (random.between(1, every * 2), burst)
            });
            for _ in 0..burst {
                self.call_once(numbers);
            }
            wait(pause).await;
        }
    }

    /// One call of a kind that chance decides.
    pub fn call_once(&self, numbers: &AtomicUsize) {
        let kind = self.world.chance(|random| match random.between(0, 19) {
            0 => CallKind::Once,
            1..=7 => CallKind::Write,
            _ => CallKind::Read,
        });
        self.call(numbers.fetch_add(1, Ordering::SeqCst), kind);
    }

    fn call(&self, call: usize, kind: CallKind) {
        let (world, caller) = (Arc::clone(&self.world), self.index);
        let mut running = self.running.lock().unwrap();
        let pool = running.pool.clone();
        let calling = Starvable::new(&self.world, self.index, async move {
            world.add(Entry::Called { caller, call, kind });
            let mut number = 0;
            let options = world.bug.map_or(options(kind), |bug| bug.options(kind, options(kind)));
            let call_made = CALL.scope(
                call,
                pool.call(options, |connection| {
                    number += 1;
                    attempt(Arc::clone(&world), connection, (call, number - 1), kind)
                }),
            );
            let result = if world.bug == Some(Bug::LeaksCalls) {
                leaking(call, call_made).await
            } else {
                call_made.await
            };
            let done = match result {
                Ok(outcome) => Done::Answered(outcome),
                Err(CallError::Answered(_)) => Done::Error,
                Err(CallError::Lost(_)) => Done::Lost,
                Err(CallError::NoAnswer { .. }) => Done::NoAnswer,
            };
            world.add(Entry::Done { caller, call, done });
        });
        running.tasks.spawn(calling);
        while running.tasks.try_join_next().is_some() {}
    }
}

pub const fn options(kind: CallKind) -> CallOptions {
    match kind {
        CallKind::Read => CallOptions::READ,
        CallKind::Write => CallOptions::WRITE,
        CallKind::Once => CallOptions::ONCE,
    }
}

/// Planted: whoever waits goes away without dropping what it waited for.
async fn leaking<T>(call: usize, calling: impl Future<Output = T>) -> T {
    let mut calling = Box::pin(calling);
    if call % 50 == 7 {
        std::future::poll_fn(|context| {
            drop(calling.as_mut().poll(context));
            Poll::Ready(())
        })
        .await;
        std::mem::forget(calling);
        super::network::silence().await;
    }
    calling.await
}

impl Running {
    fn begin(world: &Arc<World>, caller: usize, mode: Mode, jump: i64) -> Self {
        let members = (0..world.shape.members).map(|m| {
            let priority = u32::try_from(m).unwrap();
            Member::new(&format!("m{m}"), &format!("m{m}:1"), priority)
        });
        let wall = Timestamp::from_seconds(1_800_000_000 + jump);
        let mut options = PoolOptions::internal("simulated", wall);
        options.chooser = super::planted::chooser(world, caller);
        if let Some(bug) = world.bug {
            bug.settle(&mut options);
        }
        let dial = Simulated { world: Arc::clone(world), caller };
        let pool = Pool::new(dial, members.collect(), mode, options);
        world.add(Entry::Made { caller });
        let mut tasks = JoinSet::new();
        tasks.spawn(Starvable::new(world, caller, watch(Arc::clone(world), caller, pool.events())));
        tasks.spawn(Starvable::new(world, caller, pool.clone().run()));
        Self { pool, tasks }
    }
}

/// Writes down every change that a pool tells.
async fn watch(world: Arc<World>, caller: usize, mut events: Receiver<Command>) {
    loop {
        let entry = match events.recv().await {
            Err(RecvError::Closed) => return,
            Err(RecvError::Lagged(missed)) => panic!("{missed} events were missed"),
            Ok(Command::Changed(change)) => Entry::Changed {
                caller,
                member: index_of(&change.member),
                from: change.from,
                to: change.to,
                cause: change.cause,
            },
            Ok(Command::Failover(failover)) => Entry::FailedOver {
                caller,
                from: index_of(&failover.from),
                to: index_of(&failover.to),
                cause: failover.cause,
            },
        };
        world.add(entry);
    }
}

/// What a caller does, while it gets the processor for it.
struct Starvable<F> {
    world: Arc<World>,
    caller: usize,
    until: Option<Pin<Box<Sleep>>>,
    inner: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Starvable<F> {
    fn new(world: &Arc<World>, caller: usize, inner: F) -> Self {
        Self { world: Arc::clone(world), caller, until: None, inner: Box::pin(inner) }
    }
}

impl<F: Future<Output = ()>> Future for Starvable<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let starved = self.world.starved.lock().unwrap()[self.caller];
        if Instant::now() < starved {
            let sleep = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(starved)));
            sleep.as_mut().reset(starved);
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        self.inner.as_mut().poll(context)
    }
}
