//! Each service in turn is killed under load, and a client that never retries loses nothing. Here at a moderate rate;
//! `cargo xtask test soak` does it at full size, with the default permit cache and without one, and prints the figures.

use anyhow::Result;
use evergate_harness::load::Connections;
use evergate_harness::scene::{Cache, Loads, Scene, Victim};

/// How hard a test tries.
#[derive(Clone, Copy)]
struct Size {
    /// Requests a second.
    rate: u32,
    /// How often each service is killed.
    kills: u32,
}

/// For every commit.
const MODERATE: Size = Size { rate: 40, kills: 1 };
/// What the product promises.
const FULL: Size = Size { rate: 200, kills: 3 };

async fn policy(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests(size.rate)?;
    kill_under_load(scene, loads, Victim::Instance("policy"), size, cache).await
}

async fn authentication(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.sign_ins(size.rate).await?;
    kill_under_load(scene, loads, Victim::Instance("authentication"), size, cache).await
}

async fn distribution(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.mails(size.rate)?;
    kill_under_load(scene, loads, Victim::Instance("distribution"), size, cache).await
}

async fn administration(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.reads_and_writes(size.rate)?;
    kill_under_load(scene, loads, Victim::Instance("administration"), size, cache).await
}

async fn access_point(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests_on(size.rate, Connections::Both)?;
    kill_under_load(scene, loads, Victim::AccessPoint, size, cache).await
}

async fn application(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests(size.rate)?;
    kill_under_load(scene, loads, Victim::Application, size, cache).await
}

/// Kills what serves while `loads` run, lets it come back, as often as wanted; then counts.
async fn kill_under_load(scene: Scene, loads: Loads, victim: Victim, size: Size, cache: Cache) -> Result<()> {
    loads.go_on(1).await?;
    let mut served = Vec::new();
    for _ in 0..size.kills {
        let struck = scene.serving(&loads, victim, u64::from(size.rate)).await?;
        scene.kill(&loads, victim, &struck).await?;
        loads.go_on(1).await?;
        scene.recovered(&struck).await?;
        loads.go_on(2).await?;
        served.push(format!("{} {}", struck.name, struck.served));
    }
    let reports = loads.stop().await?;
    let test = format!("{victim:?} killed {} times, cache {cache:?}", size.kills);
    reports.print(&test, &format!("the victims had served: {}", served.join(", ")));
    reports.nothing_lost()?;
    scene.happened_once(&reports).await?;
    scene.end().await
}

macro_rules! kills {
    ($($name:ident: $moderate:ident, $cached:ident, $uncached:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $moderate() -> Result<()> {
            $name(MODERATE, Cache::Both).await
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "soak"]
        async fn $cached() -> Result<()> {
            $name(FULL, Cache::Default).await
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "soak"]
        async fn $uncached() -> Result<()> {
            $name(FULL, Cache::Off).await
        }
    )*};
}

kills! {
    policy: killing_policy_loses_no_decision,
        killing_policy_three_times_at_full_rate,
        killing_policy_three_times_without_a_permit_cache;
    authentication: killing_authentication_loses_no_step,
        killing_authentication_three_times_at_full_rate,
        killing_authentication_three_times_without_a_permit_cache;
    distribution: killing_distribution_loses_no_mail,
        killing_distribution_three_times_at_full_rate,
        killing_distribution_three_times_without_a_permit_cache;
    administration: killing_administration_loses_no_write,
        killing_administration_three_times_at_full_rate,
        killing_administration_three_times_without_a_permit_cache;
    access_point: killing_an_access_point_loses_no_connection,
        killing_an_access_point_three_times_at_full_rate,
        killing_an_access_point_three_times_without_a_permit_cache;
    application: killing_an_application_loses_no_request,
        killing_an_application_three_times_at_full_rate,
        killing_an_application_three_times_without_a_permit_cache;
}
