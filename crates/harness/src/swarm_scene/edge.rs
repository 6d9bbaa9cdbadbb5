//! The edge host: an access point as a plain process, outside of the swarm; what it holds, and what it can reach.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;

use super::SwarmScene;
use super::network_file::STACK;
use crate::hosts::Host;
use crate::memory::{Secret, found_in_environment, found_in_files, found_in_process};
use crate::processes;
use crate::until::until;

/// Which instance runs there.
const INSTANCE: &str = "access-point3";
/// Tries to connect to every TCP port of an address; prints those that answer, and how many did not even refuse.
const SCAN: &str = r"
import errno, json, select, socket, sys
to, ports, waiting, answered, silent = sys.argv[1], iter(range(1, 65536)), {}, [], 0
poll = select.epoll()
while True:
    for port in ports:
        s = socket.socket(); s.setblocking(False)
        outcome = s.connect_ex((to, port))
        if outcome == 0:
            answered.append(port); s.close()
        elif outcome == errno.EINPROGRESS:
            waiting[s.fileno()] = (s, port); poll.register(s, select.EPOLLOUT)
        else:
            s.close()
        if len(waiting) >= 400: break
    if not waiting: break
    ready = poll.poll(5)
    if not ready:
        silent += len(waiting)
        for s, _ in waiting.values(): poll.unregister(s); s.close()
        waiting.clear()
    for number, _ in ready:
        s, port = waiting.pop(number)
        poll.unregister(number)
        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0: answered.append(port)
        s.close()
print(json.dumps({'answered': sorted(answered), 'silent': silent}))
";

impl SwarmScene {
    fn edge_data(&self) -> PathBuf {
        self.nodes.edge.directory().join("access-point")
    }

    /// What its access point says.
    pub(super) fn edge_log(&self) -> PathBuf {
        self.nodes.edge.directory().join("access-point.log")
    }

    /// Makes the bootstrap file on the manager, carries it over, and starts the program with it.
    pub(super) async fn start_the_edge(&mut self) -> Result<()> {
        let data = self.edge_data();
        std::fs::DirBuilder::new().mode(0o700).create(&data)?;
        let file = data.join("bootstrap.json").display().to_string();
        self.scene.installation.evergate(&["bootstrap", INSTANCE, "-o", &file]).await?;
        let log = std::fs::File::create(self.edge_log())?;
        let mut command = self.nodes.edge.command(processes::built("evergate-access-point")?)?.into_std();
        command.args(["--bootstrap", &file, "--data"]).arg(&data).env_clear();
        command.stdout(log.try_clone()?).stderr(log);
        self.edge_process = Some(command.spawn().context("cannot start the access point")?);
        Ok(())
    }

    /// No internal and no authority key is in the files, the environment or the memory of the edge host; and the same
    /// search finds them on the manager.
    ///
    /// # Errors
    /// When one is there, or the search finds nothing at all.
    pub async fn the_edge_holds_no_key(&self) -> Result<()> {
        let secrets = self.secrets().await?;
        let edge = self.edge_pid().await?;
        let places = [
            ("memory", found_in_process(edge, &secrets)?),
            ("environment", found_in_environment(edge, &secrets)?),
            ("files", found_in_files(self.nodes.edge.directory(), &secrets)?),
        ];
        for (place, found) in places {
            ensure!(found.is_empty(), "in the {place} of the edge host: {found:?}");
        }
        let mut on_manager = BTreeSet::new();
        for instance in ["policy3", "authentication2", "distribution2", "administration1"] {
            let pid = pid_of(&self.nodes.a, instance)?;
            let found = found_in_process(pid, &secrets)?;
            ensure!(!found.is_empty(), "the search finds nothing in the memory of {instance}");
            on_manager.extend(found);
        }
        let mut in_files = found_in_files(&self.home(), &secrets)?;
        for volume in volumes(&self.nodes.a, "")? {
            in_files.extend(found_in_files(&volume, &secrets)?);
        }
        ensure!(!in_files.is_empty(), "the search finds nothing in the files of the manager");
        let all: BTreeSet<String> = secrets.iter().map(|secret| secret.name.clone()).collect();
        let missed: Vec<&String> = all.iter().filter(|name| !on_manager.contains(*name)).collect();
        ensure!(missed.is_empty(), "not found on the manager, where they are in use: {missed:?}");
        println!(
            "{} keys: none at the edge, all in the manager's memory, {} in its files",
            all.len(),
            in_files.len()
        );
        Ok(())
    }

    /// The internal keys that the manager's instances have, and the key that opens the authority keys.
    pub(super) async fn secrets(&self) -> Result<Vec<Secret>> {
        let mut secrets = Vec::new();
        for instance in ["policy3", "authentication2", "distribution2"] {
            let keys = internal_keys(&self.nodes.a, instance)?;
            ensure!(!keys.is_empty(), "{instance} was handed no keys");
            secrets.extend(keys);
        }
        secrets.push(self.wrapping_key()?);
        Ok(secrets)
    }

    /// From the secret of the swarm that administration was started with.
    fn wrapping_key(&self) -> Result<Secret> {
        let pid = pid_of(&self.nodes.a, "administration1")?;
        let file = Path::new("/proc").join(pid.to_string()).join("root/run/secrets/bootstrap.json");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let bootstrap: Value = serde_json::from_str(&text)?;
        let text = bootstrap["wrapping_key"].as_str().context("administration has no wrapping key")?;
        Ok(Secret::new("wrapping key", &HEXLOWER_PERMISSIVE.decode(text.as_bytes())?))
    }

    /// The access point at the edge, by its id here.
    async fn edge_pid(&self) -> Result<u32> {
        let outside = self.edge_process.as_ref().context("it was not started")?.id();
        let found = until("the access point runs at the edge", Duration::from_secs(5), async || {
            processes::children(outside).first().copied()
        });
        found.await
    }

    /// Of all TCP ports of all nodes, the edge host reaches those that `deploy` has printed, and no other.
    ///
    /// # Errors
    /// When another answers, or one of those does not.
    pub async fn the_edge_reaches_what_is_printed_only(&self) -> Result<()> {
        for node in self.nodes.engines() {
            let printed = self.printed(node);
            let told = self.nodes.edge.run("python3", &["-c", SCAN, &node.address().to_string()]).await?;
            let told: Value = serde_json::from_str(&told).with_context(|| told.clone())?;
            ensure!(
                told["silent"] == 0,
                "{} ports of {} neither answer nor refuse",
                told["silent"],
                node.name()
            );
            let answered = told["answered"].as_array().into_iter().flatten().filter_map(Value::as_u64);
            let answered: BTreeSet<u16> = answered.filter_map(|port| u16::try_from(port).ok()).collect();
            ensure!(answered == printed, "on {} {answered:?} answer, printed are {printed:?}", node.name());
            println!("the edge host reaches {printed:?} of {}, and nothing else", node.name());
        }
        let mut printed: Vec<u16> = self.openings.iter().map(|opening| opening.port).collect();
        printed.sort_unstable();
        printed.dedup();
        ensure!(printed == [8300, 8301, 8302], "printed are {printed:?}");
        // Who stands on the network of the test, and no firewall in between, reaches more.
        let console = tokio::net::TcpStream::connect((self.nodes.a.address(), super::CONSOLE)).await;
        console.context("the console answers to others").map(drop)
    }
}

/// The process of an instance in a container of a node, by its id here; not its supervisor.
pub(super) fn pid_of(node: &Host, instance: &str) -> Result<u32> {
    let is_it = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split('\0').collect();
        words.contains(&"run") && words.contains(&instance) && !words.contains(&"supervise")
    };
    let found = node.in_containers().into_iter().find(is_it);
    found.with_context(|| format!("`{instance}` does not run on {}", node.name()))
}

/// Where the volumes of the stack are whose names begin so, on a node.
fn volumes(node: &Host, name: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(node.directory().join("docker/volumes"))?.flatten();
    let begins = format!("{STACK}_{name}");
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begins));
    Ok(ours.map(|entry| entry.path().join("_data")).collect())
}

/// The internal keys that an instance was handed, as it keeps them.
fn internal_keys(node: &Host, instance: &str) -> Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    for volume in volumes(node, instance)? {
        for file in named(&volume, "keys.json")? {
            let bundle: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
            let keys = bundle["keys"].as_array().with_context(|| format!("no keys in {}", file.display()))?;
            let secret = |key: &Value| {
                let bytes = HEXLOWER_PERMISSIVE.decode(key["secret"].as_str()?.as_bytes()).ok()?;
                Some(Secret::new(&format!("{instance} {} {}", key["purpose"], key["id"]), &bytes))
            };
            secrets.extend(keys.iter().filter_map(secret));
        }
    }
    Ok(secrets)
}

/// The files of that name below a directory.
fn named(directory: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(named(&entry.path(), name)?);
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
    Ok(found)
}
