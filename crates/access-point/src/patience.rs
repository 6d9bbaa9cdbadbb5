//! A time limit on silence that costs nothing while things move: one timer, made at the first
//! wait, looked at only when nothing moves.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Runs out when nothing has moved for `limit`, and at the latest after twice that.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    has_moved: bool,
}

impl Patience {
    /// Patience for this long.
    #[must_use]
    pub(crate) const fn new(limit: Duration) -> Self {
        Self { limit, timer: None, has_moved: false }
    }

    /// Something moved.
    pub(crate) const fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Waits on; ready when the patience has run out.
    pub(crate) fn poll_exhausted(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        while timer.as_mut().poll(context).is_ready() {
            if !std::mem::take(&mut self.has_moved) {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_ended_and_movement_is_not() {
        let mut patience = Patience::new(Duration::from_secs(10));
        let begun = Instant::now();
        poll_fn(|context| patience.poll_exhausted(context)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
        let mut patience = Patience::new(Duration::from_secs(10));
        patience.moved();
        let begun = Instant::now();
        poll_fn(|context| patience.poll_exhausted(context)).await;
        assert_eq!(begun.elapsed().as_secs(), 20);
    }
}
