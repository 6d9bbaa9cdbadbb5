//! Each service in turn is killed under load, and a client that never retries loses nothing. Here at a moderate rate;
//! `cargo xtask test soak` does it at full size and prints the figures.

#[path = "kills/loads.rs"]
mod loads;
#[path = "kills/rounds.rs"]
mod rounds;

use anyhow::Result;
use rounds::{FULL, MODERATE, Size, Victim, kill_under_load};

async fn policy(size: Size) -> Result<()> {
    let scene = loads::Scene::start().await?;
    let load = scene.requests_cached_and_not(size.rate).await?;
    kill_under_load(scene, load, Victim::Instance("policy"), size).await
}

async fn authentication(size: Size) -> Result<()> {
    let scene = loads::Scene::start().await?;
    let load = scene.sign_in_pages(size.rate).await?;
    kill_under_load(scene, load, Victim::Instance("authentication"), size).await
}

async fn distribution(size: Size) -> Result<()> {
    let scene = loads::Scene::start().await?;
    let load = scene.mails(size.rate).await?;
    kill_under_load(scene, load, Victim::Instance("distribution"), size).await
}

async fn administration(size: Size) -> Result<()> {
    let scene = loads::Scene::start().await?;
    let load = scene.reads_and_writes(size.rate).await?;
    kill_under_load(scene, load, Victim::Instance("administration"), size).await
}

async fn access_point(size: Size) -> Result<()> {
    let scene = loads::Scene::start().await?;
    let load = scene.idle_and_new_connections(size.rate).await?;
    kill_under_load(scene, load, Victim::AccessPoint, size).await
}

async fn application(size: Size) -> Result<()> {
    let scene = loads::Scene::start().await?;
    let load = scene.requests_cached_and_not(size.rate).await?;
    kill_under_load(scene, load, Victim::Application, size).await
}

macro_rules! at_both_sizes {
    ($($name:ident: $moderate:ident, $full:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $moderate() -> Result<()> {
            $name(MODERATE).await
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "soak"]
        async fn $full() -> Result<()> {
            $name(FULL).await
        }
    )*};
}

at_both_sizes! {
    policy: killing_policy_loses_no_decision, killing_policy_three_times_at_full_rate;
    authentication: killing_authentication_loses_no_step, killing_authentication_three_times_at_full_rate;
    distribution: killing_distribution_loses_no_mail, killing_distribution_three_times_at_full_rate;
    administration: killing_administration_loses_no_write, killing_administration_three_times_at_full_rate;
    access_point: killing_an_access_point_loses_no_connection, killing_an_access_point_three_times_at_full_rate;
    application: killing_an_application_loses_no_request, killing_an_application_three_times_at_full_rate;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn the_drill_says_the_same() -> Result<()> {
    let scene = loads::Scene::start().await?;
    let report = scene.installation.evergate(&["drill", "--service", "all", "--fault", "crash"]).await?;
    println!("{report}");
    scene.end().await
}
