//! `DIR/up.json`: where everything is at this moment, for commands and scripts (contract.md).

use std::path::{Path, PathBuf};

use anyhow::Context;
use evergate_cluster::running::RunningError;
use evergate_model::{Instance, Service};
use evergate_process::files;
use evergate_process::supervisor::Children;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::directory::Directory;
use super::home::Home;
use super::layout::Layout;
use super::ports::loopback;
use crate::demo::RESOURCE;

/// The file's name.
pub const FILE: &str = "up.json";

/// What the file says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Up {
    /// The supervisor's process id.
    pub supervisor: u32,
    /// The demo's address, or the portal's where there is no demo.
    pub url: String,
    /// The portal's address.
    pub portal: String,
    /// The console's address.
    pub console: String,
    /// The API's addresses.
    pub api: Vec<String>,
    /// The certificate that browsers must believe.
    pub local_ca: PathBuf,
    /// Who may administer; on the machine that began the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrator: Option<Administrator>,
    /// The instances.
    pub instances: Vec<RunningInstance>,
    /// The servers of the demo application.
    #[serde(default)]
    pub demo: Vec<DemoServer>,
}

/// Who may administer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Administrator {
    /// The name to sign in by.
    pub name: String,
    /// The file with the first password.
    pub password_file: PathBuf,
}

/// An instance as it runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunningInstance {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub service: Service,
    /// Callers prefer the lowest.
    pub priority: u32,
    /// Its process id.
    pub pid: u32,
    /// Where its callers reach it.
    pub address: String,
    /// Where it is asked how it is.
    pub operations: String,
    /// How often its process was started.
    #[serde(default)]
    pub starts: u64,
    /// How often the supervisor killed it because it hung.
    #[serde(default)]
    pub kills: u64,
    /// Why it did so last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_kill: Option<String>,
}

/// A server of the demo application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoServer {
    /// Its name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Where it listens.
    pub address: String,
}

impl Up {
    /// What the installation in `data` says of itself while it runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn read(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(FILE);
        let text = files::read_if_present(&path)
            .with_context(|| format!("cannot read `{}`", path.display()))?
            .ok_or_else(|| RunningError::NotRunning(data.to_owned()))?;
        serde_json::from_slice(&text).with_context(|| format!("`{}` is damaged", path.display()))
    }
}

/// Takes the file of a supervisor away that could not do it itself.
pub(super) fn remove_stale(directory: &Directory) -> anyhow::Result<()> {
    let path = directory.path().join(FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// The host of that name in the same domain as `host`.
fn beside(host: &str, name: &str) -> String {
    host.split_once('.').map_or_else(|| name.to_owned(), |(_, domain)| format!("{name}.{domain}"))
}

/// Keeps the file true.
#[derive(Debug)]
pub(super) struct UpFile {
    path: PathBuf,
    shape: Up,
    here: Vec<Instance>,
    demo: Vec<(String, String)>,
    /// The applications that the command line names, each a line for people.
    protected: Vec<String>,
}

impl UpFile {
    pub(super) fn new(directory: &Directory, layout: &Layout, home: &Home) -> Self {
        let url = |host: &str| match layout.public_port {
            443 => format!("https://{host}/"),
            port => format!("https://{host}:{port}/"),
        };
        let portal = home.portal_host.as_str();
        let has_demo = directory.path().join(crate::demo::FILE).exists();
        let here = layout.consoles.iter().map(|port| format!("https://localhost:{port}/api/v1"));
        let api: Vec<String> = here.chain(home.servers.iter().cloned()).collect();
        let shape = Up {
            supervisor: std::process::id(),
            url: if has_demo { url(&beside(portal, RESOURCE)) } else { url(portal) },
            portal: url(portal),
            console: match &home.console_host {
                Some(host) => url(host.as_str()),
                None => api.iter().map(|api| api.replace("/api/v1", "/")).take(1).collect(),
            },
            api,
            local_ca: home.local_ca.clone(),
            administrator: home.administrator.clone(),
            instances: Vec::new(),
            demo: Vec::new(),
        };
        let demo = layout.demo.iter().zip(1..).filter(|_| has_demo);
        Self {
            path: directory.path().join(FILE),
            shape,
            here: layout.here().cloned().collect(),
            demo: demo
                .map(|(port, number)| (format!("welcome{number}"), loopback(*port).to_string()))
                .collect(),
            protected: home.protected.clone(),
        }
    }

    /// Writes the file, if every instance has a process; one that has not will have one at once.
    pub(super) fn write(&self, children: &Children) -> anyhow::Result<()> {
        let Some(up) = self.at(children) else { return Ok(()) };
        let mut text = serde_json::to_vec_pretty(&up)?;
        text.push(b'\n');
        files::write_public(&self.path, &text)
            .with_context(|| format!("cannot write `{}`", self.path.display()))
    }

    /// Writes the file at every restart.
    pub(super) async fn follow(&self, mut states: watch::Receiver<Children>) -> anyhow::Result<()> {
        while states.changed().await.is_ok() {
            let children = states.borrow_and_update().clone();
            if let Err(error) = self.write(&children) {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the state of the installation cannot be written"
                );
            }
        }
        Ok(())
    }

    /// Takes the file away.
    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(%error, file = %self.path.display(), "cannot be removed");
        }
    }

    /// The addresses, for people.
    pub(super) fn addresses(&self) -> String {
        let mut lines = vec![String::new()];
        let data = self.data_argument();
        if !self.demo.is_empty() {
            lines.push(format!(
                "  demo     {}   (evergate demo{data} shows name, password and code)",
                self.shape.url
            ));
        }
        lines.extend(self.protected.iter().map(|line| format!("  {line}")));
        lines.push(format!("  portal   {}", self.shape.portal));
        lines.push(format!("  console  {}", self.shape.console));
        if let Some(administrator) = &self.shape.administrator {
            let password = administrator.password_file.display();
            lines.push(format!("           administrator `{}`, password in {password}", administrator.name));
        }
        lines.push(format!("  API      {}", self.shape.api.join(" ")));
        lines.push(String::new());
        lines.push(format!("  Browsers warn until they know the local CA: evergate trust{data}"));
        lines.push(String::new());
        lines.join("\n")
    }

    /// What other commands must be told to find this directory; nothing where they look by themselves.
    fn data_argument(&self) -> String {
        let Some(directory) = self.path.parent() else { return String::new() };
        let is_default = Path::new("./evergate-data").canonicalize().is_ok_and(|path| path == directory);
        if is_default { String::new() } else { format!(" --data {}", directory.display()) }
    }

    fn at(&self, children: &Children) -> Option<Up> {
        let instances = self.here.iter().map(|instance| {
            let child = children.get(instance.name.as_str())?;
            Some(RunningInstance {
                name: instance.name.to_string(),
                service: instance.service,
                priority: instance.priority,
                pid: child.pid?,
                address: instance.address.clone(),
                operations: instance.operations.clone(),
                starts: child.starts,
                kills: child.kills,
                last_kill: child.last_kill.clone(),
            })
        });
        // One that was removed is no child any more; one that is just being started again has no process.
        let there = self.demo.iter().filter(|(name, _)| children.contains_key(name));
        let demo = there.map(|(name, address)| {
            let pid = children.get(name)?.pid?;
            Some(DemoServer { name: name.clone(), pid, address: address.clone() })
        });
        let demo: Vec<DemoServer> = demo.collect::<Option<_>>()?;
        let url = if demo.is_empty() { self.shape.portal.clone() } else { self.shape.url.clone() };
        Some(Up { instances: instances.collect::<Option<_>>()?, demo, url, ..self.shape.clone() })
    }
}
