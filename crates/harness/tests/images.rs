//! Images of the programs, made without a registry, on a real engine: without root, with a root that nothing can write
//! to, and nothing to run in them but Evergate; the supervisor is the first process.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bollard::Docker;
use evergate_cluster::image::{self, Image, LIVE, Variant};
use evergate_harness::hosts::{Host, Hosts, Kind};
use evergate_harness::{Installation, processes, until};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
/// The user of the images.
const USER: u32 = 65532;
/// What a release's image may have at most.
const LARGEST: usize = 60_000_000;
/// Where the rendered file has them, and a container that nothing protects beyond that.
const CONTAINER: [&str; 7] =
    ["run", "--detach", "--read-only", "--cap-drop=ALL", "--network=none", "--tmpfs=/tmp", "--name"];

async fn loaded(engine: &Host, variant: Variant) -> Result<Image> {
    let program = processes::built(variant.program())?;
    let image = image::build(&program, variant, &format!("{}:test", variant.program()))?;
    let socket = engine.socket();
    let socket = socket.to_str().context("a path of text")?;
    let docker =
        Docker::connect_with_unix(socket, 120, bollard::API_DEFAULT_VERSION)?.negotiate_version().await?;
    image.load(&docker).await?;
    let id = engine.docker(&["image", "inspect", "--format", "{{.Id}}", image.reference()]).await?;
    ensure!(id.trim() == image.id(), "the engine calls it {id}, not {}", image.id());
    println!("{}: {} bytes", image.reference(), image.archive().len());
    Ok(image)
}

/// What an instance in a container finds, of an installation that has ended: its bootstrap file, its state, a database.
fn given(host: &Host, installation: &Installation, name: &str) -> Result<Vec<String>> {
    let from = installation.data().join("instances").join(name);
    let to = host.directory().join(name);
    let (secrets, data, database) = (to.join("secrets"), to.join("data"), to.join("database"));
    let own = data.join("instances").join(name);
    for directory in [&secrets, &own, &database] {
        std::fs::create_dir_all(directory)?;
    }
    for entry in std::fs::read_dir(&from)?.flatten().filter(|entry| entry.file_name() != "bootstrap.json") {
        std::fs::copy(entry.path(), own.join(entry.file_name()))?;
    }
    let mut bootstrap: Value = serde_json::from_slice(&std::fs::read(from.join("bootstrap.json"))?)?;
    bootstrap["operations"] = json!("127.0.0.1:8309");
    if bootstrap.get("database").is_some() {
        std::fs::copy(installation.data().join("evergate.db"), database.join("evergate.db"))?;
        bootstrap["database"] = json!("sqlite:/var/lib/evergate-database/evergate.db");
    }
    if bootstrap.get("listeners").is_some() {
        bootstrap["listeners"] = json!([{ "address": "0.0.0.0:8443" }]);
    }
    std::fs::write(secrets.join("bootstrap.json"), bootstrap.to_string())?;
    give_away(&to)?;
    let mount = |from: PathBuf, to: &str| format!("--volume={}:{to}", from.display());
    Ok(vec![
        format!("{}:ro", mount(secrets, "/run/secrets")),
        mount(data, "/var/lib/evergate"),
        mount(database, "/var/lib/evergate-database"),
    ])
}

fn give_away(path: &Path) -> Result<()> {
    chown(path, Some(USER), Some(USER))?;
    if path.is_dir() {
        std::fs::read_dir(path)?.flatten().try_for_each(|entry| give_away(&entry.path()))?;
    }
    Ok(())
}

/// Runs an instance as the rendered file does, kills it, ends it.
async fn lives_and_ends(
    engine: &Host,
    image: &Image,
    name: &str,
    given: Vec<String>,
    words: &[&str],
) -> Result<()> {
    let mut run: Vec<&str> = CONTAINER.to_vec();
    run.push(name);
    run.extend(given.iter().map(String::as_str));
    run.push(image.reference());
    run.extend(words);
    engine.docker(&run).await?;
    lives(engine, name).await?;
    let first = engine.docker(&["inspect", "--format", "{{.State.Pid}}", name]).await?;
    let first = first.trim();
    let users = engine.run("cat", &[format!("/proc/{first}/status")]).await?;
    ensure!(users.contains("Uid:\t65532\t65532\t65532\t65532"), "it runs as {users}");
    ensure!(users.contains("CapEff:\t0000000000000000"), "it may do {users}");

    let instance = child(engine, first).await.context("it has no instance")?;
    engine.run("kill", &["-KILL", &instance]).await?;
    until("the supervisor has started another", PATIENCE, async || {
        child(engine, first).await.filter(|again| *again != instance)
    })
    .await?;
    lives(engine, name).await?;

    let started = tokio::time::Instant::now();
    engine.docker(&["stop", "--time=30", name]).await?;
    let took = started.elapsed();
    ensure!(took < Duration::from_secs(20), "it is killed after 30 s, and took {took:?} to end");
    let ended =
        engine.docker(&["inspect", "--format", "{{.State.ExitCode}} {{.RestartCount}}", name]).await?;
    ensure!(ended.trim() == "0 0", "it ended with code and restarts {ended}");
    Ok(())
}

/// The health check of the rendered file succeeds, and one of somebody who is not there does not.
async fn lives(engine: &Host, name: &str) -> Result<()> {
    let ask = |url| async move { engine.docker(&["exec", name, LIVE[0], LIVE[1], url]).await };
    let lives = until("it lives", PATIENCE, async || ask("http://127.0.0.1:8309/live").await.ok()).await;
    if lives.is_err() {
        let said = engine.docker(&["logs", name]).await;
        lives.with_context(|| format!("`{name}` said {said:?}"))?;
    }
    ensure!(ask("http://127.0.0.1:8310/live").await.is_err(), "nobody is there, and lives");
    Ok(())
}

/// The one child of a process on the host.
async fn child(host: &Host, pid: &str) -> Option<String> {
    let told = host.run("cat", &[format!("/proc/{pid}/task/{pid}/children")]).await.ok()?;
    told.split_whitespace().next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_run_in_images_of_the_programs_on_this_machine() -> Result<()> {
    let mut installation = Installation::start().await?;
    installation.stop().await?;
    let hosts = Hosts::start()?;
    let engine = hosts.host("engine", Kind::Engine).await?;

    let inner = loaded(&engine, Variant::Inner).await?;
    let edge = loaded(&engine, Variant::AccessPoint).await?;
    for (image, variant) in [(&inner, Variant::Inner), (&edge, Variant::AccessPoint)] {
        let program = format!("--entrypoint=/usr/bin/{}", variant.program());
        let told =
            engine.docker(&["run", "--rm", "--read-only", &program, image.reference(), "--version"]).await?;
        ensure!(told.starts_with("evergate"), "it says {told}");
        for absent in ["/bin/sh", "/usr/bin/sh"] {
            let shell = format!("--entrypoint={absent}");
            ensure!(engine.docker(&["run", "--rm", &shell, image.reference()]).await.is_err(), "{absent}");
        }
    }

    let bootstrap = ["--bootstrap", "/run/secrets/bootstrap.json", "--data", "/var/lib/evergate"];
    let words = [&["run", "policy1"], &bootstrap[..]].concat();
    let given_to = given(&engine, &installation, "policy1")?;
    lives_and_ends(&engine, &inner, "policy1", given_to, &words).await?;
    let given_to = given(&engine, &installation, "access-point1")?;
    lives_and_ends(&engine, &edge, "access-point1", given_to, &bootstrap).await?;

    // A wrong command is not tried again and again.
    let given_to = given(&engine, &installation, "policy2")?;
    let mut wrong = vec!["run", "--rm"];
    wrong.extend(given_to.iter().map(String::as_str));
    wrong.extend([inner.reference(), "run", "policy1"]);
    wrong.extend(bootstrap);
    let refused =
        engine.docker(&wrong).await.err().context("another's bootstrap file is refused")?.to_string();
    ensure!(refused.contains("is the bootstrap file of `policy2`") && refused.contains("78"), "{refused}");
    Ok(())
}

/// Wants release builds, as soak tests have them.
#[test]
#[ignore = "soak"]
fn an_image_of_a_release_has_at_most_60_mb() -> Result<()> {
    for variant in [Variant::Inner, Variant::AccessPoint] {
        let image = image::build(&processes::built(variant.program())?, variant, "evergate:size")?;
        println!("image of {}: {:.1} MB", variant.program(), image.archive().len() as f64 / 1e6);
        ensure!(image.archive().len() < LARGEST, "it has {} bytes", image.archive().len());
    }
    Ok(())
}
