//! How far all instances of the installation are in applying snapshots, as administration tells it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The snapshot revision that every instance has applied which administration has heard of lately;
/// 0 while that is not known. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct AppliedByAll(Arc<watch::Sender<u64>>);

impl Default for AppliedByAll {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl AppliedByAll {
    /// Takes in what administration says.
    pub fn set(&self, revision: u64) {
        self.0.send_replace(revision);
    }

    /// Waits until everybody is at least so far; whether they were within `limit`.
    pub async fn reach(&self, revision: u64, limit: Duration) -> bool {
        let mut applied = self.0.subscribe();
        let reached = applied.wait_for(|applied| *applied >= revision);
        tokio::time::timeout(limit, reached).await.is_ok_and(|reached| reached.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_instance_that_lags_is_waited_for_but_not_for_ever() {
        let applied = AppliedByAll::default();
        let limit = Duration::from_secs(10);
        applied.set(6);
        assert!(!applied.reach(7, limit).await);
        let teller = applied.clone();
        let (reached, ()) = tokio::join!(applied.reach(7, limit), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            teller.set(8);
        });
        assert!(reached);
    }
}
