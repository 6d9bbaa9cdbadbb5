//! Forgetting what can no longer matter: windows of attempts, codes, effects, invitations. Every
//! instance does it; twice is as good as once.

use std::time::Duration;

use evergate_store::{StoreError, attempts, credentials, effects, email_codes, invitations};

use crate::site::Site;

/// How often.
const PERIOD: Duration = Duration::from_secs(600);
/// Codes and effects are kept for a day: callers repeat within seconds.
const DAY: Duration = Duration::from_secs(86_400);
/// Followed invitations say for a while that an account is new.
const INVITATIONS: Duration = Duration::from_secs(30 * 86_400);

/// Forgets, again and again.
pub(crate) async fn tidy(site: Site) {
    loop {
        tokio::time::sleep(PERIOD).await;
        if let Err(error) = once(&site).await {
            tracing::debug!(%error, "not tidied; the next round will");
        }
    }
}

async fn once(site: &Site) -> Result<(), StoreError> {
    let now = site.clock.now();
    let pause = site.settings().map_or(DAY, |settings| settings.limits.pause.as_duration());
    let mut tx = site.store.begin().await?;
    attempts::forget(&mut tx, now, now.minus(pause)).await?;
    email_codes::forget(&mut tx, now).await?;
    credentials::forget_used_codes(&mut tx, now.minus(DAY)).await?;
    effects::forget(&mut tx, now.minus(DAY)).await?;
    invitations::forget(&mut tx, now.minus(INVITATIONS)).await?;
    tx.commit().await
}
