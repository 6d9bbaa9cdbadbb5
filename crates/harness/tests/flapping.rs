//! Whoever serves is killed every 3 s: nothing is lost, and each caller goes elsewhere once for each kill.

use std::time::Duration;

use anyhow::{Result, ensure};
use evergate_harness::scene::{Cache, Loads, Scene, Victim};
use evergate_harness::until;

/// From one kill to the next.
const PAUSE: Duration = Duration::from_secs(3);

/// How hard a test tries.
#[derive(Clone, Copy)]
struct Size {
    /// Requests a second.
    rate: u32,
    /// How often whoever serves is killed.
    kills: u32,
}

/// For every commit.
const MODERATE: Size = Size { rate: 40, kills: 4 };
/// What the product promises: five minutes.
const FULL: Size = Size { rate: 200, kills: 100 };

/// How often the access points went to another instance of the service, the most by one of them.
async fn switches(scene: &Scene, service: &str) -> Result<u64> {
    let link = format!("link=\"{service}\"");
    let mut most = 0;
    for caller in ["access-point1", "access-point2"] {
        let count = scene.installation.metric(caller, "evergate_failovers_total", &[&link]).await?;
        most = most.max(count as u64);
    }
    Ok(most)
}

async fn kill_again_and_again(scene: Scene, loads: Loads, service: &'static str, size: Size) -> Result<()> {
    loads.go_on(2).await?;
    let switched = switches(&scene, service).await?;
    let mut served = 0;
    for _ in 0..size.kills {
        let at = loads.first().elapsed();
        let requests = u64::from(size.rate).div_ceil(2);
        let struck = scene.serving(&loads, Victim::Instance(service), requests).await?;
        scene.kill(&loads, Victim::Instance(service), &struck).await?;
        served += struck.served;
        let what = "3 s after the last kill";
        until(what, PAUSE * 2, async || (loads.first().elapsed() >= at + PAUSE).then_some(())).await?;
        scene.recovered(&struck).await?;
    }
    let switched = switches(&scene, service).await? - switched;
    loads.go_on(2).await?;
    let reports = loads.stop().await?;
    let test = format!("{service} killed {} times, every {PAUSE:?}", size.kills);
    reports.print(&test, &format!("the victims had served {served}; {switched} switches of a caller"));
    reports.nothing_lost()?;
    ensure!(switched > 0, "nobody switched: the metric tells nothing");
    ensure!(switched <= u64::from(size.kills), "{switched} switches for {} kills", size.kills);
    scene.happened_once(&reports).await?;
    scene.end().await
}

async fn policy(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests(size.rate)?;
    kill_again_and_again(scene, loads, "policy", size).await
}

async fn authentication(size: Size) -> Result<()> {
    let scene = Scene::start(Cache::Both).await?;
    let loads = scene.sign_ins(size.rate).await?;
    kill_again_and_again(scene, loads, "authentication", size).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_serves_is_killed_again_and_again() -> Result<()> {
    policy(MODERATE, Cache::Both).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn policy_is_killed_every_three_seconds_for_five_minutes() -> Result<()> {
    policy(FULL, Cache::Default).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn policy_is_killed_every_three_seconds_for_five_minutes_without_a_permit_cache() -> Result<()> {
    policy(FULL, Cache::Off).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn authentication_is_killed_every_three_seconds_for_five_minutes() -> Result<()> {
    authentication(FULL).await
}
