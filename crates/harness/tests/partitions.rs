//! An instance is alive and cut off: what is sent to it, what it sends, or both, is dropped by the kernel. Nobody waits
//! for it and nothing is lost. Wants root and nftables: each test runs in a network namespace of its own.

use anyhow::{Context, Result};
use evergate_harness::namespace::{BlackHole, Dropped, apart};
use evergate_harness::scene::{Cache, Loads, Scene, Victim};

/// How hard a test tries.
#[derive(Clone, Copy)]
struct Size {
    /// Requests a second.
    rate: u32,
    /// How often each instance is cut off in each way.
    times: u32,
    /// For how many seconds.
    seconds: u32,
    /// By how much an answer may take longer than is promised: development builds on a busy machine are slow.
    patience: u32,
}

/// For every commit.
const MODERATE: Size = Size { rate: 40, times: 1, seconds: 4, patience: 4 };
/// What the product promises.
const FULL: Size = Size { rate: 200, times: 3, seconds: 10, patience: 1 };

async fn policy(size: Size, cache: Cache, ways: &[Dropped]) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests(size.rate)?;
    cut_off_under_load(scene, loads, "policy", size, ways).await
}

async fn authentication(size: Size, cache: Cache, ways: &[Dropped]) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.sign_ins(size.rate).await?;
    cut_off_under_load(scene, loads, "authentication", size, ways).await
}

async fn distribution(size: Size, cache: Cache, ways: &[Dropped]) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.mails(size.rate)?;
    cut_off_under_load(scene, loads, "distribution", size, ways).await
}

async fn administration(size: Size, cache: Cache, ways: &[Dropped]) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.reads_and_writes(size.rate)?;
    cut_off_under_load(scene, loads, "administration", size, ways).await
}

/// Cuts off what serves while `loads` run, in each way, lets it be reached again; then counts.
async fn cut_off_under_load(
    scene: Scene,
    loads: Loads,
    service: &'static str,
    size: Size,
    ways: &[Dropped],
) -> Result<()> {
    loads.go_on(2).await?;
    let mut cut = Vec::new();
    for way in ways.iter().flat_map(|way| std::iter::repeat_n(*way, size.times as usize)) {
        let struck = scene.serving(&loads, Victim::Instance(service), u64::from(size.rate)).await?;
        let address = scene.installation.instance(&struck.name)?.address;
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")?;
        let hole = BlackHole::open(port, way)?;
        loads.go_on(size.seconds).await?;
        let packets = hole.dropped()?;
        drop(hole);
        anyhow::ensure!(packets > 0, "no packet was dropped");
        cut.push(format!("{way:?} {} had served {} ({packets} packets dropped)", struck.name, struck.served));
        loads.go_on(3).await?;
        scene.recovered(&struck).await?;
    }
    let reports = loads.stop().await?;
    reports.print(&format!("{service} cut off for {} s", size.seconds), &cut.join(", "));
    reports.nothing_lost()?;
    reports.nobody_waited(size.patience)?;
    scene.happened_once(&reports).await?;
    scene.end().await
}

macro_rules! partitions {
    ($($name:ident: $moderate:ident, $cached:ident, $uncached:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $moderate() -> Result<()> {
            let ways = [Dropped::FromIt, Dropped::Both];
            apart(stringify!($moderate), $name(MODERATE, Cache::Both, &ways)).await
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "soak"]
        async fn $cached() -> Result<()> {
            let ways = [Dropped::ToIt, Dropped::FromIt, Dropped::Both];
            apart(stringify!($cached), $name(FULL, Cache::Default, &ways)).await
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "soak"]
        async fn $uncached() -> Result<()> {
            let ways = [Dropped::ToIt, Dropped::FromIt, Dropped::Both];
            apart(stringify!($uncached), $name(FULL, Cache::Off, &ways)).await
        }
    )*};
}

partitions! {
    policy: nobody_waits_for_a_policy_instance_that_is_cut_off,
        policy_is_cut_off_three_times_each_way_at_full_rate,
        policy_is_cut_off_three_times_each_way_without_a_permit_cache;
    authentication: nobody_waits_for_an_authentication_instance_that_is_cut_off,
        authentication_is_cut_off_three_times_each_way_at_full_rate,
        authentication_is_cut_off_three_times_each_way_without_a_permit_cache;
    distribution: nobody_waits_for_a_distribution_instance_that_is_cut_off,
        distribution_is_cut_off_three_times_each_way_at_full_rate,
        distribution_is_cut_off_three_times_each_way_without_a_permit_cache;
    administration: nobody_waits_for_an_administration_instance_that_is_cut_off,
        administration_is_cut_off_three_times_each_way_at_full_rate,
        administration_is_cut_off_three_times_each_way_without_a_permit_cache;
}
