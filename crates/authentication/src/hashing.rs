//! Password hashing in a bounded pool: as many threads as cores but one, a short queue, and a
//! refusal beyond it, so that a flood of sign-ins cannot starve everything else, and whoever is let
//! in is answered while they still wait.

use std::sync::Arc;
use std::time::Duration;

use evergate_keys::password::{self, HashError};
use evergate_model::Secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// How many may wait for each thread: at some 22 ms each, about as long as [`PATIENCE`].
const QUEUE: usize = 90;
/// How long somebody waits for their turn before they are turned away: a form that was sent.
const PATIENCE: Duration = Duration::from_secs(2);
/// Turns beyond the threads: one who counts the attempt in the database while the others hash.
const BESIDES: usize = 1;

/// The pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HashingPool {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// A turn at the threads, taken before anything is counted against a user. Whoever has it waits for
/// one other at most.
#[derive(Debug)]
pub struct Turn {
    threads: Arc<Semaphore>,
    _turn: OwnedSemaphorePermit,
}

impl HashingPool {
    /// A pool for a machine with so many cores.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        let threads = cores.saturating_sub(1).max(1);
        let turns = threads + BESIDES;
        Self {
            places: Arc::new(Semaphore::new(threads * QUEUE)),
            turns: Arc::new(Semaphore::new(turns)),
            threads: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Waits for a turn, in order of arrival.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, or the turn does not come soon enough.
    pub async fn take_turn(&self) -> Result<Turn, Error> {
        // Given back when the turn has come: it counts who waits.
        let _place = self.places.try_acquire().map_err(|_| Error::Busy)?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| Error::Busy)?.map_err(|_| ENDING)?;
        Ok(Turn { threads: Arc::clone(&self.threads), _turn: turn })
    }
}

const ENDING: Error = Error::Fault("the process is ending");

impl Turn {
    /// Whether the password is the one of this hash; without a hash it takes as long.
    ///
    /// # Errors
    /// When the process is ending.
    pub async fn verify(&self, password: Secret<String>, phc: Option<String>) -> Result<bool, Error> {
        self.work(move || password::verify(&password, phc.as_deref())).await
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// When there is no memory for it, or the process is ending.
    pub async fn hash(&self, password: Secret<String>) -> Result<String, Error> {
        let hashed = self.work(move || password::hash(&password)).await?;
        hashed.map_err(|HashError| Error::Fault("a password could not be hashed"))
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| ENDING)?;
        let work = move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _thread = thread;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| ENDING)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once_and_a_long_one_after_a_while() {
        let pool = HashingPool::for_cores(2);
        let turns = [pool.take_turn().await.unwrap(), pool.take_turn().await.unwrap()];
        let mut waiting: Vec<_> = (0..QUEUE).map(|_| Box::pin(pool.take_turn())).collect();
        for waiting in &mut waiting {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        assert!(matches!(pool.take_turn().now_or_never(), Some(Err(Error::Busy))));
        let first = waiting.remove(0);
        assert!(matches!(first.await, Err(Error::Busy)), "after two seconds");
        drop((waiting, turns));
        assert!(pool.take_turn().await.is_ok());
    }

    #[tokio::test]
    async fn whoever_has_a_turn_is_answered_and_gives_it_back() {
        let pool = HashingPool::for_cores(1);
        for _ in 0..3 {
            let turn = pool.take_turn().await.unwrap();
            assert!(!turn.verify(Secret::new("x".to_owned()), None).await.unwrap());
        }
    }
}
