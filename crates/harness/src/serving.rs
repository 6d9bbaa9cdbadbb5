//! Which instance serves, and how much it has: from the counters that every instance keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::installation::Installation;
use crate::load::Load;
use crate::until::until;

/// Calls that each instance of a service has answered since it started.
///
/// # Errors
/// When an instance does not answer.
pub async fn calls(installation: &Installation, service: &str) -> Result<BTreeMap<String, u64>> {
    let mut calls = BTreeMap::new();
    for instance in installation.read()?.instances.into_iter().filter(|instance| instance.service == service)
    {
        let counter =
            if service == "access-point" { "evergate_decisions_total" } else { "evergate_calls_total" };
        let count = installation.metric(&instance.name, counter, &[]).await?;
        calls.insert(instance.name, count as u64);
    }
    Ok(calls)
}

/// The instance of a service that answered most calls while `load` went through the next `requests`, and how many it
/// has answered since it started.
///
/// # Errors
/// When none answered any.
pub async fn busiest(
    installation: &Installation,
    service: &str,
    load: &Load,
    requests: u64,
) -> Result<(String, u64)> {
    let before = calls(installation, service).await?;
    more(load, requests).await?;
    let after = calls(installation, service).await?;
    let grown = after.into_iter().map(|(name, count)| {
        let grown = count.saturating_sub(before.get(&name).copied().unwrap_or(0));
        (grown, name, count)
    });
    let (grown, name, count) = grown.max().with_context(|| format!("no instance of {service}"))?;
    anyhow::ensure!(grown > 0, "no instance of {service} answers anything");
    Ok((name, count))
}

/// Waits until `load` has gone through so many more requests.
///
/// # Errors
/// When it does not get on.
pub async fn more(load: &Load, requests: u64) -> Result<()> {
    let goal = load.done() + requests;
    let what = format!("{requests} more requests");
    until(&what, Duration::from_secs(60), async || (load.done() >= goal).then_some(())).await
}
