//! Other processes keep every core busy: slowness of the whole machine is nobody's fault, and no failover that this
//! brings about loses a request.

use std::process::Child;

use anyhow::Result;
use evergate_harness::processes;
use evergate_harness::scene::{Cache, Scene};

/// A process that never waits.
struct Busy(Child);

impl Busy {
    fn start() -> Result<Self> {
        let mut command = processes::tied("sh".as_ref());
        Ok(Self(command.args(["-c", "while :; do :; done"]).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

async fn starve(rate: u32, seconds: u32, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads =
        scene.requests(rate)?.and(scene.sign_ins(rate / 4).await?).and(scene.reads_and_writes(rate / 4)?);
    loads.go_on(2).await?;
    let suspected = scene.installation.times_a_member_went("suspect");
    let down = scene.installation.times_a_member_went("down");
    let cores = std::thread::available_parallelism()?.get();
    let busy: Vec<Busy> = (0..cores).map(|_| Busy::start()).collect::<Result<_>>()?;
    loads.go_on(seconds).await?;
    drop(busy);
    let suspected = scene.installation.times_a_member_went("suspect") - suspected;
    let down = scene.installation.times_a_member_went("down") - down;
    loads.go_on(2).await?;
    let reports = loads.stop().await?;
    let told = format!("{suspected} suspicions, {down} times a member held to be down");
    reports.print(&format!("{cores} cores kept busy for {seconds} s, cache {cache:?}"), &told);
    reports.nothing_lost()?;
    scene.happened_once(&reports).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_cores_lose_nothing() -> Result<()> {
    starve(40, 8, Cache::Both).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn cores_busy_for_a_minute_lose_nothing() -> Result<()> {
    starve(200, 60, Cache::Default).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn cores_busy_for_a_minute_lose_nothing_without_a_permit_cache() -> Result<()> {
    starve(200, 60, Cache::Off).await
}
