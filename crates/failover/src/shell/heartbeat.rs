//! Asks every member, every 250 ms, whether it lives.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, MissedTickBehavior};

use super::dial::{Beat, BeatError, Dial, DialError};
use super::pool::{Pool, Shared};
use crate::engine::{Event, Failure, Member};

/// A watcher whose own timer ran so late cannot blame the watched (design.md section 5).
const LATE: Duration = Duration::from_millis(100);

impl<D: Dial> Pool<D> {
    /// Sends heartbeats for as long as it is polled; whoever made the pool spawns it.
    pub async fn run(self) {
        let mut configured = self.0.configured.subscribe();
        loop {
            let mut watchers: FuturesUnordered<_> =
                self.members().into_iter().map(|member| watch(&self.0, member)).collect();
            tokio::select! {
                () = async { while watchers.next().await.is_some() {} std::future::pending().await } => {}
                changed = configured.changed() => if changed.is_err() { return },
            }
        }
    }
}

async fn watch<D: Dial>(shared: &Shared<D>, member: Member) {
    let mut ticks = tokio::time::interval(shared.options.heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = ticks.tick().await;
        let tick_was_late = due.elapsed() >= LATE;
        shared.handle(beat(shared, &member, tick_was_late).await);
    }
}

/// One heartbeat, as the event it becomes.
async fn beat<D: Dial>(shared: &Shared<D>, member: &Member, tick_was_late: bool) -> Event {
    let (id, started) = (member.id.clone(), shared.now());
    let deadline = Instant::now() + shared.options.heartbeat;
    let missed =
        |id| Event::HeartbeatMissed { member: id, watcher_late: tick_was_late || deadline.elapsed() >= LATE };
    let failed = |failure| Event::HeartbeatFailed { member: member.id.clone(), started, failure };
    let asked = tokio::time::timeout_at(deadline, async {
        let link = shared.links.get(&shared.dial, member, shared.options.heartbeat).await;
        let link = link.map_err(|error| (error, None))?;
        match shared.dial.beat(&link.link).await {
            Ok(beat) => Ok(beat),
            Err(BeatError::TimedOut) => Err((DialError::TimedOut, None)),
            Err(BeatError::Lost(why)) => Err((DialError::Dropped(why), Some(link))),
        }
    });
    match asked.await {
        Ok(Ok(Beat::Serving)) => Event::HeartbeatAnswered { member: id, started },
        Ok(Ok(Beat::Draining)) => Event::SaidDraining { member: id },
        Err(_) | Ok(Err((DialError::TimedOut, _))) => missed(id),
        Ok(Err((DialError::Refused(_), _))) => failed(Failure::Refused),
        Ok(Err((DialError::Dropped(_), broken))) => {
            if let Some(broken) = broken {
                shared.links.discard(member, &broken).await;
            }
            failed(Failure::Reset)
        }
    }
}
