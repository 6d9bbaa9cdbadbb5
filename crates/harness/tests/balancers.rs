//! HAProxy and nginx, configured as `docs/load-balancer.md` shows, in front of two access points: either may die, drain and
//! be restarted under load, and a client that never retries loses nothing. Applications are told the client's address.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::balancer::{Balancer, shown};
use evergate_harness::load::{Connections, Load, Plan};
use evergate_harness::namespace::{BlackHole, Dropped, apart};
use evergate_harness::scene::{Cache, Hung, Scene};
use evergate_harness::serving::{calls, more};
use evergate_harness::{Answer, Installation, ports, until};
use http::Request;
use tokio::time::Instant;

const RATE: u32 = 100;
/// Longer than anybody takes to notice anything.
const LIMIT: Duration = Duration::from_secs(20);

/// Which balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Haproxy,
    Nginx,
}

/// An installation by the page's network file, and a balancer before it.
struct Place {
    kind: Kind,
    access_points: [u16; 2],
    scene: Scene,
    balancer: Balancer,
}

impl Place {
    async fn start(kind: Kind) -> Result<Self> {
        let mut installation = Installation::prepare(&[])?;
        let access_points = [ports::free()?, ports::free()?];
        let [first, second] = access_points.map(|port| format!("port: {port}"));
        let network = shown(
            "yaml",
            &[
                ("port: 8443, all_interfaces: true", &first),
                ("port: 8444, all_interfaces: true", &second),
                ("from: [10.0.0.5]", "from: [127.0.0.1]"),
            ],
        )?;
        let file = installation.scratch().join("network.yml");
        std::fs::write(&file, network)?;
        installation.also(&["--network", &file.display().to_string()]);
        installation.use_a_copy()?;
        let scene = Scene::before(installation, Cache::Default).await?;
        let balancer = match kind {
            Kind::Haproxy => Balancer::haproxy(access_points, &scene.installation.read()?.local_ca)?,
            Kind::Nginx => Balancer::nginx(access_points)?,
        };
        balancer.leads(scene.client(), &scene.installation.url("cached")).await?;
        let place = Self { kind, access_points, scene, balancer };
        place.is_taken_to_be("UP").await?;
        Ok(place)
    }

    /// What HAProxy takes access-point1 to be; nginx asks nobody.
    async fn is_taken_to_be(&self, state: &str) -> Result<()> {
        match self.kind {
            Kind::Haproxy => self.balancer.takes("access-point1", state).await,
            Kind::Nginx => Ok(()),
        }
    }

    /// Requests of the signed-in user, each on a new connection through the balancer.
    fn load(&self) -> Result<Load> {
        let url = self.scene.installation.url("cached");
        let cookie = self.scene.client().cookie_header("cached.localhost");
        let make = move |number: u64| {
            let request = Request::builder().uri(format!("{url}{number}")).header("cookie", &cookie);
            request.body(Default::default()).expect("a request of constants")
        };
        let judge = |answer: &Answer| (!answer.status.is_success()).then(|| answer.status.to_string());
        let plan =
            Plan { rate: RATE, connections: Connections::New, make: Arc::new(make), judge: Arc::new(judge) };
        Load::start_by(self.balancer.way(), &self.scene.installation.read()?.local_ca, plan)
    }

    /// Waits until both access points get requests.
    async fn both_serve(&self) -> Result<()> {
        let installation = &self.scene.installation;
        let before = calls(installation, "access-point").await?;
        until("both access points serve", LIMIT, async || {
            let now = calls(installation, "access-point").await.ok()?;
            (now.len() == 2 && before.iter().all(|(name, count)| now[name] > *count)).then_some(())
        })
        .await
    }

    async fn is_told_the_clients_address(&self) -> Result<()> {
        let mut client = self.scene.client().twin()?.by(self.balancer.way());
        for _ in 0..4 {
            let url = format!("{}headers", self.scene.installation.url("cached"));
            let headers: Vec<(String, String)> = serde_json::from_slice(&client.get(&url).await?.body)?;
            let told: Vec<&str> = headers
                .iter()
                .filter(|(name, _)| name == "x-forwarded-for")
                .map(|(_, value)| value.as_str())
                .collect();
            ensure!(told == ["127.0.0.2"], "the application is told {told:?}");
        }
        Ok(())
    }
}

async fn nothing_is_lost_behind(kind: Kind) -> Result<()> {
    let place = Place::start(kind).await?;
    let installation = &place.scene.installation;
    place.is_told_the_clients_address().await?;
    let load = place.load()?;
    place.both_serve().await?;

    // One that is under way on an access point which is killed cannot be saved by anyone.
    let pid = load.between_requests(installation.kill("access-point1")).await?;
    more(&load, 100).await?;
    installation.back("access-point1", pid).await?;
    place.is_taken_to_be("UP").await?;
    place.both_serve().await?;
    println!("{kind:?}: killed at {:.1?}", load.elapsed());

    installation.evergate(&["instance", "drain", "access-point1"]).await?;
    let asked = Instant::now();
    place.is_taken_to_be("DOWN").await?;
    println!("{kind:?}: drained, noticed after {:.1?}", asked.elapsed());
    more(&load, 100).await?;
    installation.evergate(&["instance", "resume", "access-point1"]).await?;
    place.is_taken_to_be("UP").await?;
    place.both_serve().await?;

    for name in ["access-point1", "access-point2"] {
        let before = installation.instance(name)?.pid;
        let restarted = installation.evergate(&["instance", "restart", name]).await?;
        ensure!(installation.instance(name)?.pid != before, "{name} is the same process");
        println!("{kind:?}: {}", restarted.trim());
        more(&load, 100).await?;
    }
    place.both_serve().await?;

    let report = load.stop().await?;
    println!("{kind:?}: killed, drained, restarted: {report}");
    report.nothing_lost()?;
    let refused = "evergate_proxy_headers_refused_total";
    for name in ["access-point1", "access-point2"] {
        ensure!(installation.metric(name, refused, &[]).await? == 0.0, "{name} refused a header");
    }
    place.scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_haproxy_access_points_die_drain_and_restart_and_nothing_is_lost() -> Result<()> {
    nothing_is_lost_behind(Kind::Haproxy).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_access_points_die_drain_and_restart_and_nothing_is_lost() -> Result<()> {
    nothing_is_lost_behind(Kind::Nginx).await
}

/// The program is gone: a killed access point stays away until it is there again, and nothing is lost.
async fn dead_behind(kind: Kind) -> Result<()> {
    let place = Place::start(kind).await?;
    let installation = &place.scene.installation;
    let program = installation.scratch().join("evergate");
    let kept = program.with_extension("kept");
    let load = place.load()?;
    place.both_serve().await?;
    std::fs::rename(&program, &kept)?;
    let pid = load.between_requests(installation.kill("access-point1")).await?;
    place.is_taken_to_be("DOWN").await?;
    more(&load, u64::from(RATE) * 5).await?;
    std::fs::rename(&kept, &program)?;
    installation.back("access-point1", pid).await?;
    place.is_taken_to_be("UP").await?;
    place.both_serve().await?;
    let report = load.stop().await?;
    println!("{kind:?}: dead for 5 s and more: {report}");
    report.nothing_lost()?;
    place.scene.end().await
}

/// Nothing comes through to or from an access point, as if its machine had lost power: what that costs is told.
async fn cut_off_behind(kind: Kind) -> Result<()> {
    let place = Place::start(kind).await?;
    let load = place.load()?;
    place.both_serve().await?;
    let at = load.elapsed();
    let hole = BlackHole::open(place.access_points[0], Dropped::Both)?;
    place.is_taken_to_be("DOWN").await?;
    let noticed = load.elapsed() - at;
    more(&load, u64::from(RATE) * 10).await?;
    ensure!(hole.dropped()? > 0, "nothing was dropped");
    let before = load.stop().await?;
    // nginx tells nobody what it has noticed.
    let noticed = (kind == Kind::Haproxy).then_some(noticed);
    println!(
        "{kind:?}: cut off at {at:.1?}, noticed after {noticed:.1?}: {before}; lost {:?}",
        before.reasons
    );
    drop(hole);
    place.is_taken_to_be("UP").await?;
    let load = place.load()?;
    place.both_serve().await?;
    load.stop().await?.nothing_lost()?;
    place.scene.end().await
}

/// What it costs that an access point hangs is told, and must end with the hang.
async fn hang_behind(kind: Kind) -> Result<()> {
    let place = Place::start(kind).await?;
    let installation = &place.scene.installation;
    let load = place.load()?;
    place.both_serve().await?;
    let pid = installation.instance("access-point1")?.pid;
    let at = load.elapsed();
    let hung = Hung::hang(pid).await?;
    installation.back("access-point1", pid).await?;
    println!(
        "{kind:?}: hung for {:.1?}, until its supervisor had put another in its place",
        load.elapsed() - at
    );
    drop(hung);
    place.is_taken_to_be("UP").await?;
    let after = load.done();
    place.both_serve().await?;
    let report = load.stop().await?;
    println!("{kind:?}: hung at {at:.1?}: {report}; lost at {:.1?}: {:?}", report.at, report.reasons);
    let last = report.answered.iter().map(|answer| answer.at).max().context("nothing was answered")?;
    ensure!(after > 0 && last > at, "nothing was answered after the hang");
    let load = place.load()?;
    more(&load, 200).await?;
    load.stop().await?.nothing_lost()?;
    place.scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn what_a_hung_access_point_costs_behind_haproxy() -> Result<()> {
    hang_behind(Kind::Haproxy).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn what_a_hung_access_point_costs_behind_nginx() -> Result<()> {
    hang_behind(Kind::Nginx).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn behind_haproxy_an_access_point_that_stays_away_costs_nothing() -> Result<()> {
    dead_behind(Kind::Haproxy).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn what_an_access_point_that_is_cut_off_costs_behind_haproxy() -> Result<()> {
    apart("what_an_access_point_that_is_cut_off_costs_behind_haproxy", cut_off_behind(Kind::Haproxy)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn behind_nginx_an_access_point_that_stays_away_costs_nothing() -> Result<()> {
    dead_behind(Kind::Nginx).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn what_an_access_point_that_is_cut_off_costs_behind_nginx() -> Result<()> {
    apart("what_an_access_point_that_is_cut_off_costs_behind_nginx", cut_off_behind(Kind::Nginx)).await
}
