//! Asks every member, every 250 ms, whether it lives.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior};

use super::dial::{Beat, BeatError, Dial, DialError};
use super::lateness::is_late_for;
use super::pool::{Pool, Shared};
use crate::engine::{Event, Failure, Member};

/// A connection that left so many heartbeats unanswered is given up: it may lead nowhere since a
/// network failed and healed, while a new one would be answered.
const SILENT_BEFORE_NEW: u32 = 3;

impl<D: Dial> Pool<D> {
    /// Sends heartbeats for as long as it is polled; whoever made the pool spawns it.
    pub async fn run(self) {
        let mut configured = self.0.configured.subscribe();
        loop {
            let mut watchers: FuturesUnordered<_> =
                self.members().into_iter().map(|member| watch(&self.0, member)).collect();
            tokio::select! {
                biased;
                () = self.0.pulse.run() => {}
                () = async { while watchers.next().await.is_some() {} std::future::pending().await } => {}
                changed = configured.changed() => if changed.is_err() { return },
            }
        }
    }
}

async fn watch<D: Dial>(shared: &Shared<D>, member: Member) {
    let mut ticks = tokio::time::interval(shared.options.heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    loop {
        let due = ticks.tick().await;
        let tick_was_late = is_late_for(due);
        shared.handle(beat(shared, &member, tick_was_late, &mut silent).await);
    }
}

/// One heartbeat, as the event it becomes. `silent` counts those that a connection left unanswered.
async fn beat<D: Dial>(shared: &Shared<D>, member: &Member, tick_was_late: bool, silent: &mut u32) -> Event {
    let (id, started) = (member.id.clone(), shared.now());
    let failed = |failure| Event::HeartbeatFailed { member: member.id.clone(), started, failure };
    let link = match shared.links.get(member).await {
        Ok(link) => link,
        Err(DialError::Refused(_)) => return failed(Failure::Refused),
        Err(DialError::Dropped(_)) => return failed(Failure::Reset),
        Err(DialError::TimedOut) => {
            return Event::HeartbeatMissed {
                member: id,
                watcher_late: tick_was_late || shared.pulse.was_away(),
            };
        }
    };
    let deadline = Instant::now() + shared.options.heartbeat;
    match tokio::time::timeout_at(deadline, shared.dial.beat(&link.link)).await {
        Ok(Ok(beat)) => {
            *silent = 0;
            match beat {
                Beat::Serving => Event::HeartbeatAnswered { member: id, started },
                Beat::Draining => Event::SaidDraining { member: id },
            }
        }
        Ok(Err(BeatError::Lost(_))) => {
            shared.give_up(member, &link);
            failed(Failure::Reset)
        }
        Err(_) | Ok(Err(BeatError::TimedOut)) => {
            let watcher_late = tick_was_late || is_late_for(deadline) || shared.pulse.was_away();
            *silent += u32::from(!watcher_late);
            if *silent >= SILENT_BEFORE_NEW {
                *silent = 0;
                shared.give_up(member, &link);
            }
            Event::HeartbeatMissed { member: id, watcher_late }
        }
    }
}
