//! Waiting for a condition, never for a time.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until `condition` gives a value, `limit` at most; `what` says in the error what did not come to pass.
///
/// # Errors
/// When the limit has passed.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("not within {limit:?}: {what}");
        }
        sleep(LOOK).await;
    }
}

/// [`until`] for a plain condition, 10 s at most.
///
/// # Errors
/// When the limit has passed.
pub async fn soon(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    until(what, Duration::from_secs(10), async || condition().then_some(())).await
}
