//! Bad starts of `evergate up` are refused with a clear error and damage nothing; what was kept survives stop, start
//! and `kill -9` of everything at any moment.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::sign_in::sign_in;
use evergate_harness::users::Credentials;
use evergate_harness::{Installation, processes, until};
use http::StatusCode;

/// The end of an `evergate up` that must not have come up.
async fn refused(installation: &mut Installation, mut child: Child) -> Result<(ExitStatus, String)> {
    let ended =
        until("`evergate up` refused", Duration::from_secs(15), async || child.try_wait().ok().flatten());
    match ended.await {
        Ok(status) => {
            ensure!(!status.success(), "it ended well: {}", installation.said());
            Ok((status, installation.said()))
        }
        Err(error) => {
            installation.adopt(child);
            Err(error)
        }
    }
}

#[tokio::test]
async fn a_busy_port_is_named_and_another_base_proposed() -> Result<()> {
    let mut installation = Installation::prepare(&[])?;
    let taken = TcpListener::bind(("127.0.0.1", installation.base() + 1))?;
    let child = installation.spawn()?;
    let (_, said) = refused(&mut installation, child).await?;
    ensure!(said.contains(&(installation.base() + 1).to_string()), "the port is not named: {said}");
    ensure!(said.contains("--listen-base"), "no other base is proposed: {said}");
    drop(taken);
    installation.up().await?;
    installation.stop().await
}

#[tokio::test]
async fn a_second_up_on_the_same_directory_names_the_first() -> Result<()> {
    let mut installation = Installation::start().await?;
    let before = installation.read()?;
    let mut command = installation.command(&["up", "--listen-base", "11000"])?;
    let output = command.output()?;
    ensure!(!output.status.success(), "a second `up` came up");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains(&before.supervisor.to_string()), "the first is not named: {said}");
    let after = installation.read()?;
    ensure!(
        before.instances.iter().zip(&after.instances).all(|(a, b)| a.pid == b.pid),
        "instances were restarted"
    );
    installation.stop().await
}

#[tokio::test]
async fn an_unwritable_directory_is_refused() -> Result<()> {
    let mut installation = Installation::prepare(&[])?;
    // A file where the directory should be: refused to root as well, whom permissions do not stop.
    std::fs::write(installation.data(), "not a directory")?;
    let child = installation.spawn()?;
    let (_, said) = refused(&mut installation, child).await?;
    ensure!(said.contains(&installation.data().display().to_string()), "the place is not named: {said}");
    ensure!(std::fs::read_to_string(installation.data())? == "not a directory");
    if !nix::unistd::geteuid().is_root() {
        let parent = installation.scratch().join("closed");
        std::fs::create_dir(&parent)?;
        std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o500))?;
        let output = installation.command(&["up"])?.arg("--data").arg(parent.join("data")).output()?;
        ensure!(!output.status.success(), "an unwritable directory was accepted");
    }
    Ok(())
}

#[tokio::test]
async fn a_start_killed_half_way_is_finished_by_the_next() -> Result<()> {
    for moment in [30, 120, 300, 700, 1500] {
        let mut installation = Installation::prepare(&[])?;
        let child = installation.spawn()?;
        installation.adopt(child);
        // Any moment must do: this is not a wait for a condition, it is the condition.
        tokio::time::sleep(Duration::from_millis(moment)).await;
        installation.kill_everything().await?;
        installation
            .up()
            .await
            .with_context(|| format!("after a kill at {moment} ms: {}", installation.logs()))?;
        let user = Credentials::of_demo(&installation).await?;
        let mut client = installation.client()?;
        let url = installation.read()?.url;
        let welcome = sign_in(&mut client, &url, &user).await?;
        ensure!(welcome.status == StatusCode::OK, "after a kill at {moment} ms: {}", welcome.status);
        installation.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_session_and_what_was_published_survive_stop_start_and_a_kill_of_everything() -> Result<()> {
    let mut installation = Installation::start().await?;
    let url = installation.read()?.url;
    let user = Credentials::of_demo(&installation).await?;
    let mut client = installation.client()?;
    sign_in(&mut client, &url, &user).await?;
    installation.evergate(&["group", "add", "readers"]).await?;

    for way in ["stop", "kill"] {
        if way == "stop" {
            installation.stop().await?
        } else {
            installation.kill_everything().await?
        }
        installation.up().await?;
        let answer = client.get(&url).await?;
        ensure!(answer.status == StatusCode::OK, "after {way}: {} {}", answer.status, answer.text());
        let groups = installation.evergate(&["group", "list"]).await?;
        ensure!(groups.contains("readers"), "after {way}: {groups}");
        installation.evergate(&["audit", "verify"]).await?;
        installation.evergate(&["database", "check"]).await?;
    }
    installation.stop().await
}

#[tokio::test]
async fn killed_again_and_again_while_certificates_are_renewed_it_still_recovers() -> Result<()> {
    let mut installation = Installation::start().await?;
    let url = installation.read()?.url;
    let user = Credentials::of_demo(&installation).await?;
    let mut client = installation.client()?;
    sign_in(&mut client, &url, &user).await?;
    for moment in [0, 60, 150, 400, 900] {
        // Any moment must do: this is not a wait for a condition, it is the condition.
        tokio::time::sleep(Duration::from_millis(moment)).await;
        installation.kill_everything().await?;
        installation.up().await?;
        let answer = client.get(&url).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "killed after {moment} ms: {} {}",
            answer.status,
            answer.text()
        );
    }
    installation.stop().await
}

#[tokio::test]
async fn after_a_kill_of_the_supervisor_the_next_up_ends_the_orphans() -> Result<()> {
    let mut installation = Installation::start().await?;
    let before = installation.read()?;
    installation.forget_supervisor();
    installation.up().await?;
    let after = installation.read()?;
    for instance in &before.instances {
        let is_new = after.instances.iter().all(|other| other.pid != instance.pid);
        ensure!(is_new && !processes::is_running(instance.pid), "{} of before still runs", instance.name);
    }
    installation.stop().await
}

#[tokio::test]
async fn every_instance_that_is_killed_comes_back_by_itself() -> Result<()> {
    let mut installation = Installation::start().await?;
    for instance in installation.read()?.instances {
        let pid = installation.kill(&instance.name).await?;
        installation.back(&instance.name, pid).await?;
    }
    installation.stop().await
}
