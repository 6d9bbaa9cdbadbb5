//! Which administration instance is active: the holder of a lease in the database. It alone rotates
//! keys and renews certificates; reading and changing is every instance's business.

use std::time::Duration;

use evergate_store::{StoreError, Tx, leases};

use crate::office::Office;

/// The lease's name.
pub(crate) const ACTIVE: &str = "active";
/// How often it is taken or renewed.
const PERIOD: Duration = Duration::from_secs(1);
/// How long it holds: a standby leads within 5 s of the active one's death.
pub(crate) const LENGTH: Duration = Duration::from_secs(4);

/// Takes and renews the lease until the process stops.
pub(crate) async fn hold(office: Office) {
    let mut was_active = false;
    loop {
        let is_active = match take(&office).await {
            Ok(is_active) => is_active,
            Err(error) => {
                tracing::warn!(%error, "the lease could not be taken");
                false
            }
        };
        if is_active != was_active {
            tracing::info!(is_active, "active administration changed");
            was_active = is_active;
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn take(office: &Office) -> Result<bool, StoreError> {
    let now = office.now();
    // Whoever is asked to drain does not stand for election.
    let is_able = office.instance.readiness.state().ready;
    let held = leases::get(&mut *office.store.read().await?, ACTIVE).await?;
    let is_others =
        held.as_ref().is_some_and(|lease| lease.holder != *office.name() && lease.expires_at > now);
    if is_others || !is_able {
        return Ok(false);
    }
    let mut tx = office.store.begin().await?;
    let lease = leases::take(&mut tx, now, ACTIVE, office.name(), now.plus(LENGTH)).await?;
    tx.commit().await?;
    Ok(lease.is_some_and(|lease| lease.holder == *office.name()))
}

/// A transaction for what the active instance alone may do; `None` for every other. Asked inside it,
/// so that an instance that was active, hung, and wakes when another has taken over changes nothing.
pub(crate) async fn begin_as_active(office: &Office) -> Result<Option<Tx>, StoreError> {
    if !office.is_active() {
        return Ok(None);
    }
    let mut tx = office.store.begin().await?;
    let is_held = leases::is_held(&mut tx, office.now(), ACTIVE, office.name()).await?;
    Ok(is_held.then_some(tx))
}

/// Gives the lease up, so that the standby need not wait for it to expire.
pub(crate) async fn give_up(office: &Office) {
    let given = async {
        let mut tx = office.store.begin().await?;
        leases::give_up(&mut tx, ACTIVE, office.name(), None).await?;
        tx.commit().await
    };
    if let Err(error) = given.await {
        tracing::warn!(%error, "the lease could not be given up; it will expire");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[tokio::test]
    async fn an_instance_that_hung_while_another_took_over_begins_nothing() {
        let fixture = Fixture::new().await;
        let office = &fixture.office;
        office.instance.readiness.started();
        assert!(take(office).await.unwrap());
        let mut heads = office.heads.clone();
        heads.wait_for(|heads| heads.active.is_some()).await.unwrap();
        assert!(begin_as_active(office).await.unwrap().is_some());
        // It believes to be active as long as it has not heard otherwise; the database knows better.
        let heir = "administration2".parse().unwrap();
        let mut tx = office.store.begin().await.unwrap();
        let until = office.now().plus(LENGTH);
        leases::give_up(&mut tx, ACTIVE, office.name(), Some((&heir, until))).await.unwrap();
        tx.commit().await.unwrap();
        assert!(office.is_active());
        assert!(begin_as_active(office).await.unwrap().is_none());
    }
}
