//! The hosts that other tests stand on: real engines and plain machines on this one, which can be cut off and killed
//! whole, and of which nothing is left. Wants root and Debian's `docker.io`, and fails without.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::hosts::{Host, Hosts, Kind, leftovers};
use evergate_harness::processes;
use evergate_harness::until;

/// Set for the run that is to be killed.
const NEVER_ENDED: &str = "EVERGATE_TEST_HOSTS_NEVER_ENDED";
/// A swarm takes a silent node for dead after some ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the manager sees a node in a state.
async fn sees(manager: &Host, node: &Host, state: &str) -> Result<()> {
    let what = format!("`{}` is {state}", node.name());
    until(&what, PATIENCE, async || {
        let format = ["node", "inspect", "--format", "{{.Status.State}}", node.name()];
        manager.docker(&format).await.is_ok_and(|told| told.trim() == state).then_some(())
    })
    .await
}

async fn join(manager: &Host, node: &Host) -> Result<()> {
    let token = manager.docker(&["swarm", "join-token", "--quiet", "worker"]).await?;
    let address = node.address().to_string();
    let to = format!("{}:2377", manager.address());
    node.docker(&["swarm", "join", "--token", token.trim(), "--advertise-addr", &address, &to]).await?;
    sees(manager, node, "ready").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_engines_form_a_swarm_that_sees_a_host_go_and_come_back() -> Result<()> {
    let hosts = Hosts::start()?;
    let number = hosts.number();
    let manager = hosts.host("node-a", Kind::Engine).await?;
    let mut worker = hosts.host("node-b", Kind::Engine).await?;
    let other = hosts.host("node-c", Kind::Engine).await?;
    let own = manager.address().to_string();
    manager.docker(&["swarm", "init", "--advertise-addr", &own]).await?;
    join(&manager, &worker).await?;
    join(&manager, &other).await?;
    let id = worker.docker(&["info", "--format", "{{.Swarm.NodeID}}"]).await?;

    worker.kill()?;
    ensure!(!worker.is_up() && worker.command("true").is_err(), "it is off");
    sees(&manager, &worker, "down").await?;
    sees(&manager, &other, "ready").await?;
    worker.start().await?;
    sees(&manager, &worker, "ready").await?;
    let again = worker.docker(&["info", "--format", "{{.Swarm.NodeID}}"]).await?;
    ensure!(id == again, "it is the node {id} that it was, not {again}");

    other.cut_off()?;
    sees(&manager, &other, "down").await?;
    ensure!(other.docker(&["info"]).await.is_ok(), "its engine goes on");
    other.heal()?;
    sees(&manager, &other, "ready").await?;

    drop((manager, worker, other, hosts));
    nothing_is_left(number).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_machine_is_cut_off_and_killed_with_everything_on_it() -> Result<()> {
    let hosts = Hosts::start()?;
    let number = hosts.number();
    let mut one = hosts.host("one", Kind::Plain).await?;
    let two = hosts.host("two", Kind::Plain).await?;
    ensure!(one.run("hostname", &[""; 0]).await?.trim() == "one");
    ensure!(one.run("sh", &["-c", "exit 3"]).await.is_err(), "a failure is one");

    let serve = "import socket,time\ns=socket.create_server(('0.0.0.0',7))\nprint('listens',flush=True)\n\
                 c=[]\nwhile True: c.append(s.accept())";
    let mut server = one.command("python3")?;
    let mut server = server.args(["-c", serve]).stdout(Stdio::piped()).spawn()?;
    let outside = server.id().context("it runs")?;
    let inside =
        until("it runs inside", PATIENCE, async || processes::children(outside).first().copied()).await?;
    reached(&two, &one).await?;
    let from_here = tokio::net::TcpStream::connect((one.address(), 7)).await;
    ensure!(from_here.is_ok(), "the test is on the network too");

    one.cut_off()?;
    ensure!(reach(&two, &one).await.is_err(), "nothing comes through");
    ensure!(processes::is_running(inside), "it goes on");
    one.heal()?;
    reached(&two, &one).await?;

    std::fs::write(one.directory().join("kept"), "on disk")?;
    one.run("touch", &["/run/lost"]).await?;
    one.kill()?;
    ensure!(!processes::is_running(inside), "the power is off for all");
    server.wait().await?;
    one.start().await?;
    ensure!(one.run("ls", &["/run"]).await?.lines().all(|name| name != "lost"));
    ensure!(std::fs::read_to_string(one.directory().join("kept"))? == "on disk");
    drop((one, two, hosts));
    nothing_is_left(number).await
}

async fn reach(from: &Host, to: &Host) -> Result<String> {
    let ask = format!("import socket; socket.create_connection(('{}',7),1)", to.address());
    from.run("python3", &["-c", &ask]).await
}

async fn reached(from: &Host, to: &Host) -> Result<()> {
    until("it is reached", PATIENCE, async || reach(from, to).await.ok()).await.map(drop)
}

/// Starts hosts, says so, and waits to be killed.
#[tokio::test]
#[ignore = "run by another test as a process of its own"]
async fn hosts_that_are_never_ended() -> Result<()> {
    if std::env::var_os(NEVER_ENDED).is_none() {
        return Ok(());
    }
    let hosts = Hosts::start()?;
    let engine = hosts.host("engine", Kind::Engine).await?;
    println!("\nnumber={}", hosts.number());
    std::future::pending::<()>().await;
    drop(engine);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_run_leaves_nothing_that_runs_and_the_next_takes_the_rest_away() -> Result<()> {
    use tokio::io::{AsyncBufReadExt, BufReader};
    // Others at the same time have other numbers.
    let beside = Hosts::start()?;
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.args(["--exact", "hosts_that_are_never_ended", "--ignored", "--nocapture"]);
    command.env(NEVER_ENDED, "1");
    let mut run = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(run.stdout.take().context("its output")?).lines();
    let number = loop {
        let line = lines.next_line().await?.context("it has ended")?;
        if let Some(number) = line.strip_prefix("number=") {
            break number.parse::<u8>()?;
        }
    };
    ensure!(number != beside.number(), "two runs have one number");
    run.kill().await?;
    until("no process of it is left", PATIENCE, async || {
        leftovers(number).iter().all(|what| !what.starts_with("process")).then_some(())
    })
    .await?;
    ensure!(leftovers(number).iter().any(|what| what.starts_with('/')), "its directory is left");
    let next = Hosts::start()?;
    // Somebody else may have been quicker, whose hosts they are then.
    let is_anothers = next.number() != number && !leftovers(number).is_empty();
    drop((next, beside));
    if is_anothers { Ok(()) } else { nothing_is_left(number).await }
}

/// Waits for what the kernel takes away in its own time, such as network namespaces.
async fn nothing_is_left(number: u8) -> Result<()> {
    let gone = until("nothing is left", PATIENCE, async || leftovers(number).is_empty().then_some(())).await;
    gone.with_context(|| format!("{:?}", leftovers(number)))
}
