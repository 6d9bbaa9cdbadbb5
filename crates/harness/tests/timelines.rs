//! What one instance has seen of PostgreSQL's history, all others hear of, through administration; and a person can undo
//! it. Wants root and nftables: the test runs in a network of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::database::Database;
use evergate_harness::installation::Installation;
use evergate_harness::machines::{HUB, Network};
use evergate_harness::namespace::apart;
use evergate_harness::{processes, until};

/// The port of browsers.
const PORT: u16 = 8443;
const NODE: u8 = 11;
const INNER: [&str; 4] = ["administration1", "policy1", "authentication1", "distribution1"];
const SOON: Duration = Duration::from_secs(30);

fn network_file() -> String {
    let mut text = format!(
        "stack: acme\ndatabase: {{ url_file: database-url }}\nnodes:\n  node-a: {{ address: 10.77.0.{NODE} }}\ninstances:\n"
    );
    for instance in INNER {
        let service = instance.trim_end_matches('1');
        text += &format!("  {instance}: {{ service: {service}, node: node-a }}\n");
    }
    text += &format!(
        "  access-point1: {{ service: access-point, node: node-a, listen: [{{ port: {PORT}, all_interfaces: true }}] }}\n"
    );
    text
}

fn file(installation: &Installation, instance: &str) -> PathBuf {
    installation.data().join("instances").join(instance).join("database-timeline.json")
}

/// What an instance remembers: databases, the one in use first.
fn remembered(installation: &Installation, instance: &str) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(file(installation, instance)).ok()?).ok()
}

/// Waits until all instances with a database remember this timeline.
async fn all_remember(installation: &Installation, timeline: u32) -> Result<()> {
    for instance in INNER {
        let what = format!("{instance} remembers timeline {timeline}");
        until(&what, SOON, async || {
            let kept = remembered(installation, instance)?;
            (kept[0]["timeline"] == timeline).then_some(())
        })
        .await?;
    }
    Ok(())
}

async fn one_tells_all() -> Result<()> {
    let network = Network::start()?;
    let machine = Arc::new(network.machine(NODE).await?);
    let database = Database::start(HUB).await?;
    let files = tempfile::tempdir()?;
    std::fs::write(files.path().join("network.yml"), network_file())?;
    std::fs::write(files.path().join("database-url"), database.url())?;
    let file_of_network = files.path().join("network.yml").display().to_string();
    let mut installation =
        Installation::on(&machine, PORT, &["--network", &file_of_network, "--node", "node-a"])?;
    installation.up().await?;
    all_remember(&installation, 1).await?;
    ensure!(remembered(&installation, "access-point1").is_none(), "an access point has no database");

    // One instance has seen a promotion that nobody else has.
    let mut seen = remembered(&installation, "policy1").context("policy1 remembers nothing")?;
    seen[0]["timeline"] = 2.into();
    std::fs::write(file(&installation, "policy1"), seen.to_string())?;
    installation.kill("policy1").await?;
    all_remember(&installation, 2).await?;

    // Who starts the installation, or looks, goes by it too: the server is on timeline 1.
    installation.stop().await?;
    let checked = installation.evergate(&["database", "check"]).await;
    let said = checked.err().context("a server that was replaced was looked at")?.to_string();
    ensure!(said.contains("it was replaced: its timeline is 1, and 2 has been seen"), "{said}");
    ensure!(
        said.contains("instances/policy1/database-timeline.json"),
        "it does not say where that stands: {said}"
    );
    let mut refused = installation.spawn()?;
    let ended = until("`evergate up` refused", SOON, async || refused.try_wait().ok().flatten()).await;
    if ended.is_err() {
        processes::kill_now(refused.id()).await?;
    }
    ensure!(!ended?.success() && installation.said().contains("it was replaced"), "{}", installation.said());

    // It was a mistake: all files go, and all is as before.
    for instance in INNER {
        std::fs::remove_file(file(&installation, instance))?;
    }
    installation.up().await?;
    all_remember(&installation, 1).await?;
    installation.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_has_seen_of_the_database_all_others_hear_of() -> Result<()> {
    apart("what_one_instance_has_seen_of_the_database_all_others_hear_of", one_tells_all()).await
}
