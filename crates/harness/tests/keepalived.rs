//! keepalived, configured as `docs/load-balancer.md` shows, on two machines with an access point each: the address moves
//! when the access point of the machine that has it can serve no more, or the machine dies, and comes back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::balancer::machine::{MOVING, Machine, bridge};
use evergate_harness::balancer::shown;
use evergate_harness::client::Way;
use evergate_harness::load::{Connections, Load, Plan};
use evergate_harness::namespace::apart;
use evergate_harness::scene::{Cache, Scene};
use evergate_harness::serving::more;
use evergate_harness::{Answer, Installation, ports, until};
use http::Request;
use tokio::time::Instant;

const RATE: u32 = 50;
const LIMIT: Duration = Duration::from_secs(30);

async fn is_at(machine: &Machine, what: &str) -> Result<Duration> {
    let since = Instant::now();
    until(what, LIMIT, async || machine.has_it().ok().filter(|has| *has).map(drop))
        .await
        .with_context(|| machine.said())?;
    Ok(since.elapsed())
}

/// Requests of the signed-in user to the address that moves, each on a new connection.
fn load(scene: &Scene) -> Result<Load> {
    let url = scene.installation.url("cached");
    let cookie = scene.client().cookie_header("cached.localhost");
    let make = move |number: u64| {
        let request = Request::builder().uri(format!("{url}{number}")).header("cookie", &cookie);
        request.body(Default::default()).expect("a request of constants")
    };
    let judge = |answer: &Answer| (!answer.status.is_success()).then(|| answer.status.to_string());
    let plan =
        Plan { rate: RATE, connections: Connections::New, make: Arc::new(make), judge: Arc::new(judge) };
    let way = Way { to: MOVING.into(), port: Some(443), from: None };
    Load::start_by(way, &scene.installation.read()?.local_ca, plan)
}

/// Does what takes the address from one machine to the other; what was lost meanwhile is told, and from then on nothing is.
async fn moves(
    scene: &Scene,
    to: &Machine,
    what: &str,
    strike: impl Future<Output = Result<()>>,
) -> Result<()> {
    let during = load(scene)?;
    more(&during, u64::from(RATE)).await?;
    strike.await?;
    let took = is_at(to, what).await?;
    let report = during.stop().await?;
    println!("{what} after {took:.1?}: {report} {:?}", report.reasons);
    let after = load(scene)?;
    more(&after, u64::from(RATE) * 2).await?;
    after.stop().await?.nothing_lost()
}

/// Two machines, of which the first has the address.
struct Place {
    scene: Scene,
    program: PathBuf,
    one: Machine,
    two: Machine,
}

async fn start() -> Result<Place> {
    let mut installation = Installation::prepare(&[])?;
    let ports = [ports::free()?, ports::free()?];
    let [first, second] = ports.map(|port| format!("port: {port}"));
    let behind = ", proxy_protocol: { from: [10.0.0.5] }";
    let network = shown("yaml", &[("port: 8443", &first), ("port: 8444", &second), (behind, "")])?;
    let file = installation.scratch().join("network.yml");
    std::fs::write(&file, network)?;
    installation.also(&["--network", &file.display().to_string()]);
    let program = installation.use_a_copy()?.to_owned();
    let scene = Scene::before(installation, Cache::Default).await?;
    let local_ca = scene.installation.read()?.local_ca;
    bridge()?;
    let one = Machine::start(1, ports[0], &local_ca).await?;
    let two = Machine::start(2, ports[1], &local_ca).await?;
    is_at(&one, "the first machine has the address").await?;
    ensure!(!two.has_it()?, "both machines have the address");
    Ok(Place { scene, program, one, two })
}

async fn the_address_moves() -> Result<()> {
    let Place { scene, program, mut one, two } = start().await?;
    // A death that lasts: the program is gone, and its supervisor tries in vain.
    let kept = program.with_extension("kept");
    let pid = scene.installation.instance("access-point1")?.pid;
    moves(&scene, &two, "the access point died, and the address moved", async {
        std::fs::rename(&program, &kept)?;
        scene.installation.kill("access-point1").await.map(drop)
    })
    .await?;
    moves(&scene, &one, "the access point came back, and so did the address", async {
        std::fs::rename(&kept, &program)?;
        scene.installation.back("access-point1", pid).await.map(drop)
    })
    .await?;

    moves(&scene, &two, "the machine lost power, and the address moved", async { one.lose_power() }).await?;
    one.power_up()?;
    let took = is_at(&one, "the machine is back, and so is the address").await?;
    println!("the machine is back, and so is the address after {took:.1?}");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_moves_when_its_access_point_or_its_machine_dies_and_comes_back() -> Result<()> {
    let test = "the_address_moves_when_its_access_point_or_its_machine_dies_and_comes_back";
    apart(test, the_address_moves()).await
}

async fn the_address_moves_by_asking() -> Result<()> {
    let Place { scene, one, two, .. } = start().await?;
    let ask = async |wish| scene.installation.evergate(&["instance", wish, "access-point1"]).await.map(drop);
    moves(&scene, &two, "the access point drained, and the address moved", ask("drain")).await?;
    moves(&scene, &one, "the access point was resumed, and the address came back", ask("resume")).await?;

    let load = load(&scene)?;
    more(&load, u64::from(RATE)).await?;
    let pid = load.between_requests(scene.installation.kill("access-point1")).await?;
    scene.installation.back("access-point1", pid).await?;
    more(&load, u64::from(RATE)).await?;
    let report = load.stop().await?;
    println!("killed and restarted: {report} {:?}", report.reasons);
    ensure!(one.has_it()?, "the address moved though the access point was back at once");
    scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn the_address_moves_when_its_access_point_drains_and_stays_when_it_is_restarted_at_once() -> Result<()>
{
    let test = "the_address_moves_when_its_access_point_drains_and_stays_when_it_is_restarted_at_once";
    apart(test, the_address_moves_by_asking()).await
}
