//! One installation on two machines and a PostgreSQL, from one `network.yml`: either machine dies whole, or is cut off,
//! and nothing is lost of what comes to the other. Wants root and nftables: each test runs in a network of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::database::Database;
use evergate_harness::installation::Installation;
use evergate_harness::machines::{HUB, Machine, Network};
use evergate_harness::namespace::apart;
use evergate_harness::scene::{Cache, Loads, Scene};
use evergate_harness::until;

/// All services; two instances of each.
const SERVICES: [&str; 5] = ["administration", "policy", "authentication", "distribution", "access-point"];
/// The port of browsers.
const PORT: u16 = 8443;
const NODE_A: u8 = 11;
const NODE_B: u8 = 12;

/// How hard a test tries.
#[derive(Clone, Copy)]
struct Size {
    /// Requests a second.
    rate: u32,
    /// How often.
    times: u32,
    /// For how many seconds a machine is cut off, or dead.
    seconds: u32,
    /// By how much an answer may take longer than is promised: development builds on a busy machine are slow.
    patience: u32,
}

/// For every commit.
const MODERATE: Size = Size { rate: 40, times: 1, seconds: 6, patience: 4 };
/// What the product promises.
const FULL: Size = Size { rate: 200, times: 3, seconds: 60, patience: 1 };
/// Of the machine that writers are on: the database has to find out that whoever held its write lock is gone, so writes
/// may wait 2 s (docs/without-swarm.md).
const KILLED: Size = Size { seconds: 15, patience: 4, ..FULL };

/// The file that both machines have: two of each service, the first of them on the first machine.
fn network_file() -> String {
    let mut text = format!(
        "stack: acme\ndatabase: {{ url_file: database-url }}\nnodes:\n  node-a: {{ address: 10.77.0.{NODE_A} }}\n  \
         node-b: {{ address: 10.77.0.{NODE_B} }}\ninstances:\n"
    );
    for service in SERVICES {
        for (number, node) in [(1, "node-a"), (2, "node-b")] {
            let listen = if service == "access-point" {
                format!(", listen: [{{ port: {PORT}, all_interfaces: true }}]")
            } else {
                String::new()
            };
            text += &format!(
                "  {service}{number}: {{ service: {service}, node: {node}, priority: {number}{listen} }}\n"
            );
        }
    }
    text
}

/// Two machines with an installation on them.
struct Pair {
    first: Installation,
    second: Installation,
    machines: [Arc<Machine>; 2],
    database: Database,
    _network: Network,
    _files: tempfile::TempDir,
}

impl Pair {
    /// Starts the first machine, has a token made there, and joins by it from the second.
    async fn start() -> Result<Self> {
        let network = Network::start()?;
        let machines = [Arc::new(network.machine(NODE_A).await?), Arc::new(network.machine(NODE_B).await?)];
        let database = Database::start(HUB).await?;
        let files = tempfile::tempdir()?;
        let at = |name: &str| files.path().join(name).display().to_string();
        std::fs::write(at("network.yml"), network_file())?;
        std::fs::write(at("database-url"), database.url())?;
        let (file, token) = (at("network.yml"), at("token"));
        let mut first = Installation::on(&machines[0], PORT, &["--network", &file, "--node", "node-a"])?;
        first.up().await.context("on the first machine")?;
        first.evergate(&["cluster", "join-token", "node-b", "-o", &token]).await?;
        let words = ["--network", &file, "--node", "node-b", "--join", &token];
        let mut second = Installation::on(&machines[1], PORT, &words)?;
        second.up().await.context("on the second machine")?;
        Ok(Self { first, second, machines, database, _network: network, _files: files })
    }
}

/// Loads of every kind.
async fn everything(scene: &Scene, rate: u32) -> Result<Loads> {
    let loads = scene.sign_ins(rate / 2).await?.and(scene.reads_and_writes(rate / 4)?);
    Ok(loads.and(scene.mails(rate / 8)?).and(scene.requests(rate)?))
}

/// Which machine is struck; requests go to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Struck {
    First,
    Second,
}

/// What is done to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed,
    CutOff,
}

async fn strike(struck: Struck, fault: Fault, size: Size) -> Result<()> {
    let Pair { first, mut second, machines, database, _network, _files } = Pair::start().await?;
    let mut scene = Scene::of(first, Cache::Both).await?;
    let other = if struck == Struck::First { &machines[1] } else { &machines[0] };
    let victim = if struck == Struck::First { &machines[0] } else { &machines[1] };
    scene.installation.enter_by(other.address());
    let loads = everything(&scene, size.rate).await?;
    loads.go_on(2).await?;
    for _ in 0..size.times {
        match fault {
            Fault::Killed => {
                let ended = victim.kill().await?;
                ensure!(ended >= 6, "only {ended} processes ended with the machine");
                loads.go_on(size.seconds).await?;
                victim.heal()?;
                let installation =
                    if struck == Struck::First { &mut scene.installation } else { &mut second };
                installation.forget_supervisor();
                installation.up().await.context("the machine that was killed starts again")?;
            }
            Fault::CutOff => {
                victim.cut_off()?;
                loads.go_on(size.seconds).await?;
                victim.heal()?;
            }
        }
        let mut last = serde_json::Value::Null;
        until("every call goes to the preferred instance again", Duration::from_secs(60), async || {
            last = scene.installation.evergate_json(&["status"]).await.ok()?;
            preferred_are_active(&last).then_some(())
        })
        .await
        .with_context(|| format!("the links are {:#}", last["links"]))?;
    }
    loads.go_on(2).await?;
    let reports = loads.stop().await?;
    let (who, what) = (
        if struck == Struck::First { "the first machine" } else { "the second machine" },
        if fault == Fault::Killed { "killed" } else { "cut off" },
    );
    reports.print(&format!("{who} {what} {} times", size.times), &format!("for {} s", size.seconds));
    reports.nothing_lost()?;
    scene.happened_once(&reports).await?;
    reports.nobody_waited(size.patience)?;
    second.stop().await?;
    scene.end().await?;
    drop(database);
    Ok(())
}

/// Whether every link of every instance goes to the first instance of a service.
fn preferred_are_active(status: &serde_json::Value) -> bool {
    let all = status["links"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Applications have links, too.
    let is_ours = |link: &&serde_json::Value| link["to"].as_str().is_some_and(|to| SERVICES.contains(&to));
    let links: Vec<_> = all.iter().filter(is_ours).collect();
    let is_preferred =
        |link: &&serde_json::Value| link["active"].as_str().is_some_and(|active| active.ends_with('1'));
    let callers: BTreeSet<_> = links.iter().filter_map(|link| link["from"].as_str()).collect();
    callers.len() == 2 * SERVICES.len() && links.iter().all(is_preferred)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_machine_is_killed_whole_and_comes_back() -> Result<()> {
    let test = "the_first_machine_is_killed_whole_and_comes_back";
    apart(test, strike(Struck::First, Fault::Killed, MODERATE)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_machine_is_killed_whole_and_comes_back() -> Result<()> {
    let test = "the_second_machine_is_killed_whole_and_comes_back";
    apart(test, strike(Struck::Second, Fault::Killed, MODERATE)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_machine_is_cut_off_and_reached_again() -> Result<()> {
    let test = "the_first_machine_is_cut_off_and_reached_again";
    apart(test, strike(Struck::First, Fault::CutOff, MODERATE)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn the_first_machine_is_killed_three_times_at_full_rate() -> Result<()> {
    let test = "the_first_machine_is_killed_three_times_at_full_rate";
    apart(test, strike(Struck::First, Fault::Killed, KILLED)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn the_second_machine_is_killed_three_times_at_full_rate() -> Result<()> {
    let test = "the_second_machine_is_killed_three_times_at_full_rate";
    apart(test, strike(Struck::Second, Fault::Killed, Size { seconds: 15, ..FULL })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn the_first_machine_is_cut_off_for_a_minute_at_full_rate() -> Result<()> {
    let test = "the_first_machine_is_cut_off_for_a_minute_at_full_rate";
    apart(test, strike(Struck::First, Fault::CutOff, Size { times: 1, ..FULL })).await
}
