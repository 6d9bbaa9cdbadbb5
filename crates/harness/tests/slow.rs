//! An instance whose every answer takes 2 s: after a second hardly anybody waits for it. Wants root and nftables: its
//! callers are led to a relay before it, in a network namespace of the test's own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::namespace::{apart, lead};
use evergate_harness::relay::Relay;
use evergate_harness::scene::{Cache, Loads, Scene, Victim};
use evergate_harness::until;

/// How slow.
const SLOW: Duration = Duration::from_secs(2);
/// After a second, 99 of 100 answers come within this.
const NEARLY_ALL: Duration = Duration::from_millis(300);

/// How hard a test tries.
#[derive(Clone, Copy)]
struct Size {
    /// Requests a second.
    rate: u32,
    /// How often each instance is slow.
    times: u32,
    /// For how many seconds.
    seconds: u32,
    /// By how much an answer may take longer than is promised: development builds on a busy machine are slow.
    patience: u32,
}

/// For every commit.
const MODERATE: Size = Size { rate: 40, times: 1, seconds: 6, patience: 2 };
/// What the product promises.
const FULL: Size = Size { rate: 200, times: 3, seconds: 15, patience: 1 };

async fn policy(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests(size.rate)?;
    slow_under_load(scene, loads, "policy", size, cache).await
}

async fn authentication(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.sign_ins(size.rate).await?;
    slow_under_load(scene, loads, "authentication", size, cache).await
}

async fn distribution(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.mails(size.rate)?;
    slow_under_load(scene, loads, "distribution", size, cache).await
}

async fn administration(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.reads_and_writes(size.rate)?;
    slow_under_load(scene, loads, "administration", size, cache).await
}

/// Puts a relay before the preferred instance of the service, makes it slow while `loads` run, as often as wanted; then
/// counts.
async fn slow_under_load(
    scene: Scene,
    loads: Loads,
    service: &'static str,
    size: Size,
    cache: Cache,
) -> Result<()> {
    let name = format!("{service}1");
    let address = scene.installation.instance(&name)?.address;
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")?;
    let relay = Relay::before(port).await?;
    lead(port, relay.port())?;
    // Connections made before stay as they were: its callers must make new ones.
    scene.installation.evergate(&["instance", "restart", &name]).await?;
    let mut slow = Vec::new();
    let mut told = Vec::new();
    for _ in 0..size.times {
        let what = format!("{name} is the active one");
        let served = until(&what, Duration::from_secs(120), async || {
            let struck = scene.serving(&loads, Victim::Instance(service), u64::from(size.rate)).await.ok()?;
            (struck.name == name).then_some(struck.served)
        });
        let served = served.await?;
        let (from, delayed) = (loads.first().elapsed(), relay.delayed());
        relay.delay(SLOW);
        loads.go_on(size.seconds).await?;
        ensure!(relay.delayed() > delayed, "no answer came through the relay");
        slow.push((from + Duration::from_secs(1), loads.first().elapsed()));
        relay.delay(Duration::ZERO);
        told.push(format!("{name} had served {served}"));
        loads.go_on(3).await?;
    }
    let reports = loads.stop().await?;
    reports.print(
        &format!("{service} slow {} times for {} s, cache {cache:?}", size.times, size.seconds),
        &told.join(", "),
    );
    reports.nothing_lost()?;
    for (load, report) in reports.each() {
        for (from, to) in &slow {
            let meanwhile = report.between(*from, *to);
            println!("{load} from 1 s after it was slow on: {meanwhile}");
            ensure!(meanwhile.sent > 0, "{load}: nothing was sent meanwhile");
            let limit = NEARLY_ALL * size.patience;
            ensure!(meanwhile.nearly_all <= limit, "{load}: 99 % within {:?}", meanwhile.nearly_all);
        }
    }
    scene.happened_once(&reports).await?;
    scene.end().await
}

macro_rules! slow {
    ($($name:ident: $moderate:ident, $cached:ident, $uncached:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $moderate() -> Result<()> {
            apart(stringify!($moderate), $name(MODERATE, Cache::Both)).await
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "soak"]
        async fn $cached() -> Result<()> {
            apart(stringify!($cached), $name(FULL, Cache::Default)).await
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "soak"]
        async fn $uncached() -> Result<()> {
            apart(stringify!($uncached), $name(FULL, Cache::Off)).await
        }
    )*};
}

slow! {
    policy: a_slow_policy_instance_is_left,
        a_policy_instance_is_slow_three_times_at_full_rate,
        a_policy_instance_is_slow_three_times_without_a_permit_cache;
    authentication: a_slow_authentication_instance_is_left,
        an_authentication_instance_is_slow_three_times_at_full_rate,
        an_authentication_instance_is_slow_three_times_without_a_permit_cache;
    distribution: a_slow_distribution_instance_is_left,
        a_distribution_instance_is_slow_three_times_at_full_rate,
        a_distribution_instance_is_slow_three_times_without_a_permit_cache;
    administration: a_slow_administration_instance_is_left,
        an_administration_instance_is_slow_three_times_at_full_rate,
        an_administration_instance_is_slow_three_times_without_a_permit_cache;
}
