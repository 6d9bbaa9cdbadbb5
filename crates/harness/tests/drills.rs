//! The product's own drill: it exits well where nothing is lost, and when it is interrupted, the installation heals.

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};
use evergate_harness::{Installation, processes, soon, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::Instant;

async fn drill(service: &str, fault: &str, rate: &str) -> Result<()> {
    let mut installation = Installation::start().await?;
    let report = installation.scratch().join("drill.html");
    let file = report.display().to_string();
    let arguments = ["drill", "--service", service, "--fault", fault, "--rate", rate, "--report", &file];
    let told = installation.evergate_for(&arguments, Duration::from_secs(1200)).await?;
    println!("{told}");
    let page = std::fs::read_to_string(&report)?;
    let is_page = page.to_lowercase().starts_with("<!doctype html") && page.contains("policy1");
    ensure!(is_page, "the report is no page on this drill");
    let outside = [" src=", "<link", "@import", "url(http"].iter().find(|word| page.contains(**word));
    ensure!(outside.is_none(), "the report is not self-contained: {outside:?}");
    healed(&installation, Duration::from_secs(10)).await?;
    installation.stop().await
}

/// Every instance runs, none is stopped, each link goes to its preferred instance, and nothing of the drill is left.
async fn healed(installation: &Installation, limit: Duration) -> Result<()> {
    let what = "the installation healed";
    let outcome = until(what, limit, async || {
        let up = installation.read().ok()?;
        let all_run = up
            .instances
            .iter()
            .all(|instance| processes::is_running(instance.pid) && !processes::is_stopped(instance.pid));
        let status = installation.evergate_json(&["status"]).await.ok()?;
        let instances = status["instances"].as_array()?;
        let ready = instances.iter().all(|instance| instance["state"] == "ready");
        let links = status["links"].as_array()?;
        let preferred = |link: &Value| link["active"] == link["candidates"][0]["instance"];
        let resources = installation.evergate(&["resource", "list"]).await.ok()?;
        let users = installation.evergate(&["user", "list"]).await.ok()?;
        let is_clean = !resources.contains("evergate-drill") && !users.contains("evergate-drill");
        (all_run && ready && links.iter().all(preferred) && is_clean).then_some(())
    });
    if let Err(error) = outcome.await {
        let status = installation.evergate(&["status"]).await;
        anyhow::bail!("{error}: {status:?}");
    }
    Ok(())
}

/// A drill in the background, until an instance has been struck.
async fn begin(installation: &Installation) -> Result<Child> {
    let mut command =
        installation.command(&["drill", "--service", "policy", "--fault", "hang", "--rate", "20"])?;
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let struck = until("the drill has struck", Duration::from_secs(60), async || {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(Err(anyhow::anyhow!("the drill ended with {status}")));
        }
        let up = installation.read().ok()?;
        up.instances.iter().any(|instance| processes::is_stopped(instance.pid)).then_some(Ok(()))
    });
    match struck.await.and_then(|struck| struck) {
        Ok(()) => Ok(child),
        Err(error) => {
            _ = child.kill();
            _ = child.wait();
            Err(error)
        }
    }
}

async fn interrupt(signal: Signal) -> Result<()> {
    let mut installation = Installation::start().await?;
    let mut child = begin(&installation).await?;
    let since = Instant::now();
    ensure!(processes::signal(child.id(), signal), "the drill has ended by itself");
    soon("the drill ended", || child.try_wait().is_ok_and(|status| status.is_some())).await?;
    healed(&installation, Duration::from_secs(60)).await?;
    println!("drill interrupted by {signal}: healed after {:.1?}", since.elapsed());
    installation.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_interrupted_from_the_keyboard_heals() -> Result<()> {
    interrupt(Signal::SIGINT).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_that_is_killed_heals() -> Result<()> {
    interrupt(Signal::SIGKILL).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_of_a_hang_loses_nothing() -> Result<()> {
    drill("policy", "hang", "40").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn a_drill_of_crashes_of_all_services_loses_nothing() -> Result<()> {
    drill("all", "crash", "200").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn a_drill_of_hangs_of_all_services_loses_nothing() -> Result<()> {
    drill("all", "hang", "200").await
}
