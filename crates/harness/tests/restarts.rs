//! All instances are restarted one after the other under load, also on another build and back: nothing is lost.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use evergate_harness::load::Connections;
use evergate_harness::scene::{Cache, Scene};
use evergate_harness::{Installation, processes};
use tokio::time::Instant;

/// Another build of the program: the one that `EVERGATE_OTHER_PROGRAM` names; where the tests run with release builds,
/// the development build; else the same with something at its end.
fn another_build(scratch: &Path, this: &Path) -> Result<PathBuf> {
    let copy = scratch.join("another");
    let named = std::env::var_os("EVERGATE_OTHER_PROGRAM").map(PathBuf::from);
    let beside = std::env::current_exe()?.ancestors().nth(2).map(|directory| directory.join("evergate"));
    let is_released = std::env::var_os("EVERGATE_PROGRAMS").is_some();
    let other = named.or_else(|| beside.filter(|path| is_released && path.is_file()));
    std::fs::copy(other.as_deref().unwrap_or(this), &copy).context("cannot copy the other build")?;
    if other.is_none() {
        std::fs::File::options().append(true).open(&copy)?.write_all(b"another build")?;
    }
    println!(
        "the other build: {}",
        other.map_or("the same, changed".to_owned(), |path| path.display().to_string())
    );
    Ok(copy)
}

/// Puts a build in the place of the program that runs.
fn replace(program: &Path, build: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let beside = program.with_extension("new");
    std::fs::copy(build, &beside)?;
    std::fs::rename(&beside, program)?;
    Ok(std::fs::metadata(program)?.ino())
}

/// Restarts all; every process must be another one, of the file that is there now.
async fn restart_all(scene: &Scene, inode: u64) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let before = scene.installation.read()?;
    let since = Instant::now();
    scene.installation.evergate(&["instance", "restart", "--all"]).await?;
    println!("all restarted in {:.1?}", since.elapsed());
    let after = scene.installation.read()?;
    for (old, new) in before.instances.iter().zip(&after.instances) {
        ensure!(old.pid != new.pid, "{} was not restarted", old.name);
        ensure!(processes::is_running(new.pid), "{} does not run", new.name);
        let running = std::fs::metadata(format!("/proc/{}/exe", new.pid))?.ino();
        ensure!(running == inode, "{} runs another file than is on disk", new.name);
    }
    Ok(())
}

async fn restart_under_load(rate: u32, rounds: u32) -> Result<()> {
    let mut installation = Installation::prepare(&[])?;
    let program = installation.use_a_copy()?.to_owned();
    let scene = Scene::before(installation, Cache::Both).await?;
    let this = scene.installation.scratch().join("this");
    std::fs::copy(&program, &this)?;
    let other = another_build(scene.installation.scratch(), &this)?;
    let loads =
        scene.sign_ins(rate).await?.and(scene.reads_and_writes(rate / 2)?).and(scene.mails(rate / 2)?);
    let loads = loads.and(scene.requests_on(rate / 2, Connections::New)?);
    loads.go_on(1).await?;
    for _ in 0..rounds {
        restart_all(&scene, replace(&program, &other)?).await?;
        restart_all(&scene, replace(&program, &this)?).await?;
    }
    loads.go_on(2).await?;
    let reports = loads.stop().await?;
    reports.print(&format!("{} restarts of all", rounds * 2), "by turns on two builds");
    reports.nothing_lost()?;
    scene.happened_once(&reports).await?;
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarting_all_on_another_build_and_back_loses_nothing() -> Result<()> {
    restart_under_load(40, 1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn restarting_all_three_times_at_full_rate_loses_nothing() -> Result<()> {
    // All loads together 200 a second and more: twice as much is beyond what one SQLite file takes in.
    restart_under_load(80, 3).await
}
