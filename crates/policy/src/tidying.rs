//! Forgets what is of no use any more. Every instance does it; what one has done the other finds
//! done.

use std::time::Duration;

use evergate_store::{StoreError, effects, hand_overs, revocations, sessions};

use crate::policy::Policy;

const PERIOD: Duration = Duration::from_secs(60);
/// What has expired is kept so long for whoever looks into what happened.
const KEPT: Duration = Duration::from_secs(3600);
/// How long the outcome of a write is remembered: callers repeat within seconds.
const EFFECTS_KEPT: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn tidy_forever(policy: Policy) {
    loop {
        tokio::time::sleep(PERIOD).await;
        policy.0.log.forget(policy.now());
        if let Err(error) = tidy(&policy).await {
            tracing::debug!(%error, "tidying put off");
        }
    }
}

async fn tidy(policy: &Policy) -> Result<(), StoreError> {
    let Ok(store) = policy.0.database.store() else { return Ok(()) };
    let now = policy.now();
    let mut tx = store.begin().await?;
    hand_overs::forget(&mut tx, now.minus(KEPT)).await?;
    revocations::forget(&mut tx, now.minus(KEPT)).await?;
    sessions::forget(&mut tx, now.minus(KEPT)).await?;
    effects::forget(&mut tx, now.minus(EFFECTS_KEPT)).await?;
    tx.commit().await
}
