//! Each service in turn hangs with its sockets open (SIGSTOP) and goes on later: nobody waits for it, nothing is lost, and
//! nothing that it was about to do happens twice. Here shortly and at a moderate rate; `cargo xtask test soak` does it
//! for 10 s at full rate and prints the figures.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::load::Connections;
use evergate_harness::processes;
use evergate_harness::scene::{Cache, Hung, Loads, Scene, Struck, Victim};
use evergate_harness::serving::calls;
use evergate_harness::sign_in::{submit, submit_once};
use evergate_harness::users::Credentials;
use evergate_harness::{Installation, soon, until};
use tokio::time::Instant;

/// How hard a test tries.
#[derive(Clone, Copy)]
struct Size {
    /// Requests a second.
    rate: u32,
    /// How often each service hangs.
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

async fn policy(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests(size.rate)?;
    hang_under_load(scene, loads, Victim::Instance("policy"), size, cache).await
}

async fn authentication(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.sign_ins(size.rate).await?;
    hang_under_load(scene, loads, Victim::Instance("authentication"), size, cache).await
}

async fn distribution(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.mails(size.rate)?;
    hang_under_load(scene, loads, Victim::Instance("distribution"), size, cache).await
}

async fn administration(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.reads_and_writes(size.rate)?;
    hang_under_load(scene, loads, Victim::Instance("administration"), size, cache).await
}

async fn access_point(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests_on(size.rate, Connections::New)?;
    hang_under_load(scene, loads, Victim::AccessPoint, size, cache).await
}

async fn application(size: Size, cache: Cache) -> Result<()> {
    let scene = Scene::start(cache).await?;
    let loads = scene.requests(size.rate)?;
    hang_under_load(scene, loads, Victim::Application, size, cache).await
}

/// Stops what serves while `loads` run, lets it go on, as often as wanted; then counts.
async fn hang_under_load(scene: Scene, loads: Loads, victim: Victim, size: Size, cache: Cache) -> Result<()> {
    loads.go_on(2).await?;
    let mut struck = Vec::new();
    for _ in 0..size.times {
        let one = scene.serving(&loads, victim, u64::from(size.rate)).await?;
        let at = loads.first().elapsed();
        let hung = scene.hang(&loads, victim, &one).await?;
        loads.go_on(size.seconds).await?;
        let end = if hung.is_there() { "went on" } else { "was killed" };
        drop(hung);
        struck.push(format!("{} at {at:.1?} had served {} and {end}", one.name, one.served));
        loads.go_on(2).await?;
        scene.recovered(&one).await?;
    }
    loads.go_on(2).await?;
    let reports = loads.stop().await?;
    let test = format!("{victim:?} hung {} times for {} s, cache {cache:?}", size.times, size.seconds);
    reports.print(&test, &struck.join(", "));
    reports.nothing_lost()?;
    reports.nobody_waited(size.patience)?;
    scene.happened_once(&reports).await?;
    scene.end().await
}

macro_rules! hangs {
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

hangs! {
    policy: nobody_waits_for_a_policy_instance_that_hangs,
        policy_hangs_three_times_at_full_rate,
        policy_hangs_three_times_without_a_permit_cache;
    authentication: nobody_waits_for_an_authentication_instance_that_hangs,
        authentication_hangs_three_times_at_full_rate,
        authentication_hangs_three_times_without_a_permit_cache;
    distribution: nobody_waits_for_a_distribution_instance_that_hangs,
        distribution_hangs_three_times_at_full_rate,
        distribution_hangs_three_times_without_a_permit_cache;
    administration: nobody_waits_for_an_administration_instance_that_hangs,
        administration_hangs_three_times_at_full_rate,
        administration_hangs_three_times_without_a_permit_cache;
    access_point: new_connections_pass_by_an_access_point_that_hangs,
        an_access_point_hangs_three_times_at_full_rate,
        an_access_point_hangs_three_times_without_a_permit_cache;
    application: nobody_waits_for_an_application_that_hangs,
        an_application_hangs_three_times_at_full_rate,
        an_application_hangs_three_times_without_a_permit_cache;
}

/// The byte of `-shm` whose lock is the one for writing: see the WAL-index format of SQLite.
const WRITE_LOCK: &str = "120";

/// Whether a process holds SQLite's write lock, as proc(5) on `/proc/locks` tells.
fn holds_the_write_lock(pid: u32, inode: u64) -> Result<bool> {
    let locks = std::fs::read_to_string("/proc/locks")?;
    let (pid, inode) = (pid.to_string(), format!(":{inode}"));
    Ok(locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_its = words.contains(&pid.as_str()) && words.iter().any(|word| word.ends_with(&inode));
        is_its && words.contains(&"WRITE") && words.get(words.len().saturating_sub(2)) == Some(&WRITE_LOCK)
    }))
}

/// Stops the process again and again until it is stopped while it holds the write lock.
async fn hang_with_the_write_lock(scene: &Scene, struck: &Struck) -> Result<Hung> {
    let shm = scene.installation.data();
    let shm = find(&shm, "-shm").context("there is no -shm beside the database")?;
    let inode = std::fs::metadata(&shm)?.ino();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let hung = Hung::hang(struck.pid).await?;
        if holds_the_write_lock(struck.pid, inode)? {
            return Ok(hung);
        }
        drop(hung);
        tokio::task::yield_now().await;
    }
    anyhow::bail!("{} was never caught with the lock of {}", struck.name, shm.display())
}

fn find(directory: &std::path::Path, ending: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return find(&path, ending);
        }
        path.to_str()?.ends_with(ending).then_some(path)
    })
}

async fn hang_with_the_lock(size: Size) -> Result<()> {
    let scene = Scene::start(Cache::Both).await?;
    let loads = scene.reads_and_writes(size.rate)?;
    loads.go_on(1).await?;
    let mut took = Vec::new();
    for _ in 0..size.times {
        let struck = scene.serving(&loads, Victim::Instance("administration"), u64::from(size.rate)).await?;
        let hung = hang_with_the_write_lock(&scene, &struck).await?;
        let since = Instant::now();
        soon("the supervisor killed it", || !hung.is_there()).await?;
        took.push(since.elapsed());
        loads.go_on(2).await?;
        scene.recovered(&struck).await?;
    }
    let reports = loads.stop().await?;
    reports.print(
        &format!("hung with the write lock {} times", size.times),
        &format!("killed after {took:.1?}"),
    );
    reports.nothing_lost()?;
    // Writes at other instances wait for the lock until then: the promise for one is that of the others.
    reports.nobody_waited(size.patience)?;
    scene.happened_once(&reports).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_hangs_with_the_write_lock_is_killed() -> Result<()> {
    hang_with_the_lock(MODERATE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn an_instance_hangs_with_the_write_lock_three_times_at_full_rate() -> Result<()> {
    hang_with_the_lock(FULL).await
}

/// Which instances of authentication have answered since `before`.
async fn answered(installation: &Installation, before: &BTreeMap<String, u64>) -> Result<Vec<String>> {
    let after = calls(installation, "authentication").await?;
    let grown = after.into_iter().filter(|(name, count)| before.get(name) != Some(count));
    Ok(grown.map(|(name, _)| name).collect())
}

/// Waits until sign-in pages come from the preferred instance, and from there alone.
async fn settled(installation: &Installation) -> Result<()> {
    until("the preferred instance serves", Duration::from_secs(30), async || {
        let before = calls(installation, "authentication").await.ok()?;
        for _ in 0..6 {
            let mut client = installation.client().ok()?;
            let page = client.get(&installation.read().ok()?.url).await.ok()?;
            client.follow(page).await.ok()?;
        }
        (answered(installation, &before).await.ok()? == ["authentication1"]).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_goes_on_elsewhere_when_its_instance_hangs_before_the_code() -> Result<()> {
    let mut installation = Installation::start().await?;
    let user = Credentials::of_demo(&installation).await?;
    settled(&installation).await?;
    let mut client = installation.client()?;
    let page = client.get(&installation.read()?.url).await?;
    let page = client.follow(page).await?;
    let before = calls(&installation, "authentication").await?;
    let values = [("name", user.name.clone()), ("password", user.password.clone())];
    let page = submit_once(&mut client, &page, "password", &values).await?;
    ensure!(page.form("code").is_some(), "no code is asked for: {} {}", page.status, page.text());
    let name = answered(&installation, &before).await?.pop().context("nobody answered")?;
    ensure!(name == "authentication1", "the password was checked by {name}");
    let hung = Hung::hang(installation.instance(&name)?.pid).await?;
    let since = Instant::now();
    let answer = submit(&mut client, &page, "code", &[("code", user.code()?)]).await?;
    let took = since.elapsed();
    ensure!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    let at = answer.url.host().unwrap_or_default();
    ensure!(at.starts_with("welcome."), "the sign-in did not lead to the application: {}", answer.url);
    println!("{name} hung; the code step and all after it took {took:.1?}");
    ensure!(took < Duration::from_secs(6), "the code step took {took:?}");
    ensure!(processes::is_stopped(installation.instance(&name)?.pid), "{name} did not hang all the while");
    drop(hung);
    installation.stop().await
}
