//! Keeps a rate, whatever becomes of the requests (an open loop: a slow server does not slow its
//! clients down, so nothing hides in the waiting).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::tally::{Loss, Sample, Tally};

/// A turn that takes longer is lost; one may be of several requests.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is done at each turn; it is told the turn's number.
pub type Exchange = dyn Fn(u64) -> Pin<Box<dyn Future<Output = Result<(), Loss>> + Send>> + Send + Sync;

/// A load that runs until it is stopped.
#[derive(Debug)]
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Load {
    /// Starts so many turns a second.
    #[must_use]
    pub fn start(rate: u32, exchange: Arc<Exchange>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut task = JoinSet::new();
        task.spawn(pace(rate.max(1), exchange, Arc::clone(&tally), stopped));
        Self { tally, stop, task }
    }

    /// How many turns are over.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.so_far(Tally::sent)
    }

    /// Looks at what became of the turns so far.
    pub fn so_far<T>(&self, look: impl FnOnce(&Tally) -> T) -> T {
        look(&self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins no more turns, waits for the last to end, and tells what became of all.
    pub async fn stop(mut self) -> Tally {
        self.stop.send_replace(true);
        while self.task.join_next().await.is_some() {}
        std::mem::take(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn pace(
    rate: u32,
    exchange: Arc<Exchange>,
    tally: Arc<Mutex<Tally>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut turns = JoinSet::new();
    for number in 0.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
        turns.spawn(turn(Arc::clone(&exchange), number, Arc::clone(&tally)));
        while turns.try_join_next().is_some() {}
    }
    while turns.join_next().await.is_some() {}
}

async fn turn(exchange: Arc<Exchange>, number: u64, tally: Arc<Mutex<Tally>>) {
    let began = Instant::now();
    let loss = match timeout(PATIENCE, exchange(number)).await {
        Ok(outcome) => outcome.err(),
        Err(_) => Some(Loss::because(format!("no answer within {PATIENCE:?}"))),
    };
    let sample = Sample { began, took: began.elapsed(), loss };
    tally.lock().unwrap_or_else(PoisonError::into_inner).samples.push(sample);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_exchange_does_not_slow_the_rate() {
        let slow: Arc<Exchange> = Arc::new(|number| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                if number == 7 { Err(Loss::because("the seventh")) } else { Ok(()) }
            })
        });
        let load = Load::start(100, slow);
        tokio::time::sleep(Duration::from_millis(1005)).await;
        let tally = load.stop().await;
        assert!((100..=102).contains(&tally.sent()), "{}", tally.sent());
        assert_eq!(tally.reasons().into_iter().collect::<Vec<_>>(), [("the seventh".to_owned(), 1)]);
        assert_eq!(tally.times().last(), Some(&Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_never_answered_is_lost() {
        let load = Load::start(1, Arc::new(|_| Box::pin(std::future::pending())));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(load.stop().await.reasons().get("no answer within 15s"), Some(&1));
    }
}
