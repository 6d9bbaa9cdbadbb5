//! A Docker engine as what runs on a host.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::namespaces::{Namespaces, wants};
use super::slot::{Slot, name};
use crate::until::until;

/// Engines start within a second or two; a swarm's state is read meanwhile.
const LIMIT: Duration = Duration::from_secs(60);

/// Why there can be no engine here, if so.
pub(super) fn possible() -> Result<()> {
    for program in ["dockerd", "containerd", "runc", "docker"] {
        wants(program, "docker.io")?;
    }
    wants("iptables", "iptables")
}

/// What runs it: it finds its old images, containers and swarm, and a fresh `/run`. Its shell reaps what is orphaned.
pub(super) fn script(slot: &Slot, host: &str) -> String {
    let group = control_group(slot, host);
    format!(
        "echo '{{}}' > /run/engine.json\n\
         dockerd --data-root \"$2/docker\" --exec-root /run/docker --pidfile /run/docker.pid \
         --host \"unix://$2/docker.sock\" --config-file /run/engine.json --exec-opt native.cgroupdriver=cgroupfs \
         --cgroup-parent {group} & wait $!\n"
    )
}

/// Below which its containers are.
pub(super) fn control_group(slot: &Slot, host: &str) -> String {
    format!("/{}/{host}", name(slot.number()))
}

/// Waits until the engine answers.
pub(super) async fn answers(socket: &Path, host: &mut Namespaces) -> Result<()> {
    host.wait_for_beginning().await?;
    until("the engine answers", LIMIT, async || {
        (!host.is_alive() || ping(socket).await.is_some_and(|answer| answer.contains(" 200 "))).then_some(())
    })
    .await?;
    ensure!(host.is_alive(), "the engine has ended");
    Ok(())
}

async fn ping(socket: &Path) -> Option<String> {
    let asking = async {
        let mut stream = UnixStream::connect(socket).await.ok()?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.lines().next().map(str::to_owned)
    };
    tokio::time::timeout(Duration::from_secs(2), asking).await.ok()?
}

/// The `docker` command for an engine, without anybody's settings.
pub(super) fn docker(socket: &Path, directory: &Path) -> Command {
    let mut command = Command::new("docker");
    command.arg("--host").arg(format!("unix://{}", socket.display()));
    command.arg("--config").arg(directory.join("docker-settings"));
    for set in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        command.env_remove(set);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}
