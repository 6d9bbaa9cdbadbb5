//! Password hashing in a bounded pool: as many threads as cores but one, a short queue, and a
//! refusal beyond it, so that a flood of sign-ins cannot starve everything else.

use std::sync::Arc;

use evergate_keys::password::{self, HashError};
use evergate_model::Secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// How many may wait for each thread: at some 22 ms each, a little over a second.
const QUEUE: usize = 50;

/// The pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HashingPool {
    places: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// A place in the queue, taken before anything is counted against a user.
#[derive(Debug)]
pub struct Place {
    threads: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

impl HashingPool {
    /// A pool for a machine with so many cores.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        let threads = cores.saturating_sub(1).max(1);
        Self { places: Arc::new(Semaphore::new(threads * QUEUE)), threads: Arc::new(Semaphore::new(threads)) }
    }

    /// A place in the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full.
    pub fn take_place(&self) -> Result<Place, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
        Ok(Place { threads: Arc::clone(&self.threads), _place: place })
    }
}

impl Place {
    /// Whether the password is the one of this hash; without a hash it takes as long.
    ///
    /// # Errors
    /// When the process is ending.
    pub async fn verify(self, password: Secret<String>, phc: Option<String>) -> Result<bool, Error> {
        self.work(move || password::verify(&password, phc.as_deref())).await
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// When there is no memory for it, or the process is ending.
    pub async fn hash(self, password: Secret<String>) -> Result<String, Error> {
        let hashed = self.work(move || password::hash(&password)).await?;
        hashed.map_err(|HashError| Error::Fault("a password could not be hashed"))
    }

    async fn work<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let ending = |_| Error::Fault("the process is ending");
        let thread = self.threads.acquire_owned().await.map_err(|_| Error::Fault("the process is ending"))?;
        let work = move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _thread = thread;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let pool = HashingPool::for_cores(2);
        let places: Vec<Place> = (0..QUEUE).map(|_| pool.take_place().unwrap()).collect();
        assert!(matches!(pool.take_place(), Err(Error::Busy)));
        drop(places);
        let verified = pool.take_place().unwrap().verify(Secret::new("x".to_owned()), None).await;
        assert!(!verified.unwrap());
        assert!(pool.take_place().is_ok());
    }
}
