//! Hashing and checking passwords: slow on purpose, so off the async threads and few at a time.

use std::sync::Arc;

use evergate_keys::password;
use evergate_model::Secret;
use tokio::sync::Semaphore;

use crate::Failure;

/// At once; administrators are few.
const AT_ONCE: usize = 1;
/// Waiting besides; more are sent away.
const WAITING: usize = 8;

/// The place where passwords are hashed.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    room: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)), queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }

    /// The PHC string of a new password.
    pub(crate) async fn hash(&self, new: Secret<String>) -> Result<String, Failure> {
        let hashed = self.run(move || password::hash(&new)).await?;
        hashed.map_err(|error| Failure::crypto("hashing a password")(&error))
    }

    /// Whether `typed` is the password with this PHC string; `None` takes as long and is wrong.
    pub(crate) async fn verify(&self, typed: Secret<String>, phc: Option<String>) -> Result<bool, Failure> {
        self.run(move || password::verify(&typed, phc.as_deref())).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let _place = self.queue.try_acquire().map_err(|_| Failure::Busy)?;
        let _room = self.room.acquire().await.map_err(|_| Failure::Busy)?;
        tokio::task::spawn_blocking(work).await.map_err(|error| Failure::crypto("hashing a password")(&error))
    }
}
