//! What has to be done now and then: reports written, snapshots applied to ourselves, and by the
//! active instance alone rotations driven on, certificates renewed, the old forgotten.

use std::time::Duration;

use evergate_model::Service;
use evergate_store::{
    attempts, configurations, console_sessions, credentials, effects, email_codes, instances,
};

use crate::office::Office;
use crate::{Failure, certificates, grpc, publishing, rotation, statuses};

const ROTATION_PERIOD: Duration = Duration::from_secs(2);
const CLEANING_PERIOD: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// Starts all of it; it ends with the process.
pub(crate) fn start(office: &Office) {
    let lifecycle = &office.instance.lifecycle;
    lifecycle.spawn_until_stop("apply snapshots", apply_snapshots(office.clone()));
    lifecycle.spawn_until_stop("report", report(office.clone()));
    lifecycle.spawn_until_stop("active", crate::lease::hold(office.clone()));
    lifecycle.spawn_until_stop("rotate", rotate(office.clone()));
    lifecycle.spawn_until_stop("renew", renew_own(office.clone()));
    lifecycle.spawn_until_stop("clean", clean(office.clone()));
}

/// Brings the latest snapshot from the database to this instance's own feed, and its keys.
pub(crate) async fn apply_latest(office: &Office) -> Result<(), Failure> {
    let feed = &office.joined.feed;
    let above = feed.snapshot().map_or(0, |snapshot| snapshot.head.revision);
    let mut reading = office.store.read().await?;
    let newer =
        publishing::newer_envelope(&mut reading, &office.vault, Service::Administration, above).await?;
    if let Some((revision, envelope)) = newer
        && let Err(error) = feed.accept(&envelope)
    {
        tracing::error!(revision, error = crate::failure::chain(&error), "our own snapshot was refused");
    }
    Ok(())
}

async fn apply_snapshots(office: Office) {
    let mut heads = office.heads.clone();
    loop {
        heads.mark_unchanged();
        if let Err(error) = apply_latest(&office).await {
            tracing::warn!(error = crate::failure::chain(&error), "the latest snapshot cannot be read");
        }
        if heads.changed().await.is_err() {
            return;
        }
    }
}

async fn report(office: Office) {
    loop {
        let links = office.joined.peers.report();
        let mut report =
            evergate_wire::joined::describe(&office.instance, &office.joined.feed, links, office.since);
        let generation = office.heads.borrow().generations.get(&Service::Administration).copied();
        report.key_generation = generation.unwrap_or(0);
        report.database = office.store.timeline();
        let wish = grpc::wish_for(&office, &report);
        office.statuses.put(report, office.now());
        if let Err(error) = office.statuses.write(&office.store).await {
            tracing::warn!(%error, "the instances' reports could not be written");
        }
        if let Err(error) = office.statuses.look(&office.store, office.now()).await {
            tracing::debug!(%error, "how far the instances are could not be read");
        }
        office.joined.applied.set(office.statuses.applied_by_all());
        evergate_wire::joined::heed(&office.instance, wish).await;
        tokio::time::sleep(statuses::PERIOD).await;
    }
}

async fn rotate(office: Office) {
    loop {
        tokio::time::sleep(ROTATION_PERIOD).await;
        if office.is_active()
            && let Err(error) = rotation::go_on(&office).await
        {
            tracing::warn!(error = crate::failure::chain(&error), "the rotation of keys waits");
        }
    }
}

/// This instance's own certificate; it asks nobody.
async fn renew_own(office: Office) {
    let is_own = evergate_wire::joined::install_stored(&office.instance);
    let ask = |signing_request: String| {
        let office = office.clone();
        async move {
            let identity = &office.instance.identity;
            let shown = identity.own().certificate_sha256.clone();
            let issued = grpc::issue(&office, &signing_request, identity.me(), &shown).await;
            issued.map_err(|error| crate::failure::chain(&error))
        }
    };
    let (instance, joined) = (office.instance.clone(), office.joined.clone());
    evergate_wire::joined::renew_by(instance, joined, is_own, ask).await;
}

async fn clean(office: Office) {
    loop {
        tokio::time::sleep(CLEANING_PERIOD).await;
        if office.is_active()
            && let Err(error) = clean_once(&office).await
        {
            tracing::warn!(error = crate::failure::chain(&error), "old rows could not be removed");
        }
    }
}

async fn clean_once(office: &Office) -> Result<(), Failure> {
    let Some(mut tx) = crate::lease::begin_as_active(office).await? else { return Ok(()) };
    let now = office.now();
    effects::forget(&mut tx, now.minus(DAY)).await?;
    credentials::forget_used_codes(&mut tx, now.minus(DAY)).await?;
    attempts::forget(&mut tx, now, now.minus(DAY)).await?;
    email_codes::forget(&mut tx, now.minus(DAY)).await?;
    console_sessions::forget(&mut tx, now).await?;
    let expired = instances::dismiss_expired(&mut tx, now.minus(DAY)).await?;
    let (_, configuration) =
        configurations::latest(&mut tx).await?.ok_or(Failure::Missing("configuration"))?;
    let is_renewed = certificates::provide(&mut tx, &office.vault, now, &configuration).await?;
    if expired > 0 || is_renewed {
        publishing::publish_snapshots(&mut tx, &office.vault, now).await?;
    }
    tx.commit().await?;
    Ok(())
}
