//! One round: load, who serves, kill it, it comes back; as often as wanted, then the count.

use anyhow::Result;
use evergate_harness::load::Load;
use evergate_harness::processes::half_closed;
use evergate_harness::serving::{busiest, more};
use evergate_harness::soon;

use super::loads::Scene;

/// How hard a test tries.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Requests a second.
    pub(crate) rate: u32,
    /// How often each service is killed.
    pub(crate) kills: u32,
}

/// For every commit.
pub(crate) const MODERATE: Size = Size { rate: 40, kills: 1 };
/// What the product promises.
pub(crate) const FULL: Size = Size { rate: 200, kills: 3 };

/// What is killed.
#[derive(Clone, Copy)]
pub(crate) enum Victim {
    /// The instance of that service that serves.
    Instance(&'static str),
    /// The access point that serves, while no request is under way: one that is cannot be saved by anyone.
    AccessPoint,
    /// The preferred one of the two applications.
    Application,
}

/// Kills what serves while `load` runs.
pub(crate) async fn kill_under_load(scene: Scene, load: Load, victim: Victim, size: Size) -> Result<()> {
    let second = u64::from(size.rate);
    for round in 1..=size.kills {
        let (name, served) = match victim {
            Victim::Instance(service) => {
                let (name, served) = busiest(&scene.installation, service, &load, second).await?;
                let pid = scene.installation.kill(&name).await?;
                scene.installation.back(&name, pid).await?;
                (name, served)
            }
            Victim::AccessPoint => {
                let (name, served) = busiest(&scene.installation, "access-point", &load, second).await?;
                let pid = load.between_requests(kill_and_notice(&scene, &name)).await?;
                scene.installation.back(&name, pid).await?;
                (name, served)
            }
            Victim::Application => {
                more(&load, second).await?;
                let served = scene.kill_the_application_that_serves().await?;
                more(&load, second).await?;
                scene.restart_the_application().await?;
                ("an application".to_owned(), served)
            }
        };
        println!("kill {round}: {name}, which had served {served} calls");
        more(&load, second * 2).await?;
    }
    let report = load.stop().await?;
    println!("{} kills: {report}", size.kills);
    report.nothing_lost()?;
    scene.end().await
}

/// Kills an access point, and waits until the client has noticed that its idle connections are closed: sending on them
/// all the same would be the client's fault.
async fn kill_and_notice(scene: &Scene, name: &str) -> Result<u32> {
    let pid = scene.installation.kill(name).await?;
    let port = scene.installation.base();
    soon("the client noticed the closed connections", || half_closed(port).is_ok_and(|count| count == 0))
        .await?;
    Ok(pid)
}
