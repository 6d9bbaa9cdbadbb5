//! Several machines on this one: each with a network, a process tree, a name and a `/run` of its own, connected by a
//! switch. A machine is plain, or a Docker engine runs on it. It can be cut off, killed whole and started again.
//!
//! A machine is a set of namespaces that live as long as their first process, and that process ends with the test,
//! however that comes about: the kernel then ends everything in it, engines and containers included, and takes its
//! network and mounts away. What remains of a killed run (a directory, empty control groups) is taken away by the next.
//! Runs side by side have different numbers ([`slot`]), and with them different names and addresses.
//!
//! Wants root, and for engines Debian's `docker.io`. Where something is missing, [`Hosts::start`] fails and says what.
//!
//! The kernel may lack IPVS: then virtual addresses and the ingress mesh of a swarm carry nothing; `endpoint_mode:
//! dnsrr` and ports with `mode: host` do.

mod engine;
mod leftovers;
mod link;
mod namespaces;
mod slot;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use self::link::Switch;
use self::namespaces::Namespaces;
use self::slot::Slot;

pub use self::leftovers::leftovers;

/// How long a command on a host may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The first address of a host; the test itself has the first of the network.
const FIRST: u8 = 11;
/// One below the last address of the network.
const LAST: u8 = 253;

/// What runs on a host by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: a machine on which processes are started.
    Plain,
    /// A Docker engine that reaches no registry.
    Engine,
}

/// The network that hosts are made on. Its end, and theirs, comes with the last of them.
#[derive(Debug, Clone)]
pub struct Hosts(Arc<Network>);

#[derive(Debug)]
struct Network {
    // Ended in this order: the switch before the names can be taken by another run.
    switch: Switch,
    names: Mutex<BTreeSet<String>>,
    slot: Slot,
}

impl Hosts {
    /// A network without hosts, at which the test has an address.
    ///
    /// # Errors
    /// When the machine lacks the rights or a program for it.
    pub fn start() -> Result<Self> {
        namespaces::possible()?;
        let slot = Slot::take()?;
        leftovers::remove(&slot)?;
        std::fs::create_dir_all(slot.directory())?;
        let switch = Switch::start(&slot)?;
        Ok(Self(Arc::new(Network { switch, names: Mutex::default(), slot })))
    }

    /// The number that tells this run from others at the same time; for [`leftovers`].
    #[must_use]
    pub fn number(&self) -> u8 {
        self.0.slot.number()
    }

    /// The test's own address, as hosts see it.
    #[must_use]
    pub fn own_address(&self) -> Ipv4Addr {
        self.0.slot.address(1)
    }

    /// A host that is up; an engine answers.
    ///
    /// # Errors
    /// When there is one of that name, the name is none (`a` to `z`, digits, `-`, 12 at most), or it does not start.
    pub async fn host(&self, name: &str, kind: Kind) -> Result<Host> {
        let is_fit = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        ensure!((1..=12).contains(&name.len()) && name.chars().all(is_fit), "`{name}` is no name of a host");
        if kind == Kind::Engine {
            engine::possible()?;
        }
        let number = {
            let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
            let number = FIRST.checked_add(u8::try_from(names.len())?).filter(|number| *number <= LAST);
            ensure!(names.insert(name.to_owned()), "there is a host `{name}` already");
            number.context("the network is full")?
        };
        let directory = self.0.slot.directory().join(name);
        std::fs::create_dir(&directory)?;
        let address = self.0.slot.address(number);
        let network = Arc::clone(&self.0);
        let mut host = Host { name: name.to_owned(), kind, address, directory, running: None, network };
        host.start().await?;
        Ok(host)
    }
}

/// A machine. Everything on it ends when this goes out of scope.
#[derive(Debug)]
pub struct Host {
    name: String,
    kind: Kind,
    address: Ipv4Addr,
    directory: PathBuf,
    running: Option<Namespaces>,
    network: Arc<Network>,
}

impl Host {
    /// Its name, which is also its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, which it keeps.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its disk: what outlives [`Host::kill`]. The same path inside and outside.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its engine answers; as `docker` wants it after `-H`, with `unix://` in front.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("docker.sock")
    }

    /// Whether it is up.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Switches it on; does nothing where it is. It is connected, also if it was cut off before. What holds it must be
    /// a thread that lives as long as the test: it goes off with the thread that switched it on.
    ///
    /// # Errors
    /// When it does not come up; the error shows what its engine said.
    pub async fn start(&mut self) -> Result<()> {
        if self.is_up() {
            return Ok(());
        }
        let script = match self.kind {
            Kind::Plain => namespaces::PLAIN.to_owned(),
            Kind::Engine => engine::script(&self.network.slot, &self.name),
        };
        let mut namespaces = Namespaces::start(&self.name, &self.directory, &script)?;
        self.network.switch.connect(&namespaces, &self.name, self.address)?;
        namespaces.begin()?;
        let outcome = match self.kind {
            Kind::Plain => namespaces.wait_for_beginning().await,
            Kind::Engine => engine::answers(&self.socket(), &mut namespaces).await,
        };
        outcome.with_context(|| format!("host `{}` does not start:\n{}", self.name, self.said()))?;
        self.running = Some(namespaces);
        Ok(())
    }

    /// Cuts its power: every process on it is gone when this returns, and so is what was not on its disk.
    ///
    /// # Errors
    /// When it is not up.
    pub fn kill(&mut self) -> Result<()> {
        let running = self.running.take();
        drop(running.with_context(|| format!("host `{}` is not up", self.name))?);
        Ok(())
    }

    /// Pulls its network cable; everything on it goes on.
    ///
    /// # Errors
    /// When it is not up.
    pub fn cut_off(&self) -> Result<()> {
        self.running()?;
        self.network.switch.set(&self.name, "down")
    }

    /// Plugs its network cable in again.
    ///
    /// # Errors
    /// When it is not up.
    pub fn heal(&self) -> Result<()> {
        self.running()?;
        self.network.switch.set(&self.name, "up")
    }

    /// A command that runs a program on it, as root, with the test's own files. What it starts ends with the host.
    /// The process that the test sees waits for the one inside, which is its child ([`crate::processes::children`]).
    ///
    /// # Errors
    /// When it is not up.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = Command::from(self.running()?.enter());
        command.arg("--").arg(program).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// The words before a program that start it there, as [`Host::command`] does, until the host goes off.
    ///
    /// # Errors
    /// When it is not up.
    pub fn launcher(&self) -> Result<Vec<OsString>> {
        let command = self.running()?.enter();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        Ok(words.map(OsStr::to_owned).chain(["--".into()]).collect())
    }

    /// The processes in the containers of its engine, by their ids here.
    #[must_use]
    pub fn in_containers(&self) -> Vec<u32> {
        let group = engine::control_group(&self.network.slot, &self.name);
        let is_in = |pid: &u32| {
            let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            groups.lines().any(|line| line.contains(&format!("{group}/")))
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_in).collect()
    }

    /// Runs a program on it to its end, and gives what it printed.
    ///
    /// # Errors
    /// When it fails, which shows what it said, or takes longer than a minute.
    pub async fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Result<String> {
        let mut command = self.command(program)?;
        command.args(arguments);
        let what = format!("`{program}` on `{}`", self.name);
        printed(&what, limited(&what, &mut command, LIMIT).await?)
    }

    /// Runs `docker` against its engine, and gives what it printed.
    ///
    /// # Errors
    /// When that fails, which shows what it said, or takes longer than a minute.
    pub async fn docker<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String> {
        let mut command = engine::docker(&self.socket(), &self.directory);
        let words: Vec<String> =
            arguments.iter().map(|word| word.as_ref().to_string_lossy().into()).collect();
        command.args(arguments);
        let what = format!("`docker {}` at `{}`", words.join(" "), self.name);
        printed(&what, limited(&what, &mut command, LIMIT).await?)
    }

    /// Loads an image that `docker save` or Evergate has written.
    ///
    /// # Errors
    /// When the engine refuses it.
    pub async fn load(&self, image: &Path) -> Result<()> {
        self.docker(&[OsStr::new("load"), OsStr::new("--input"), image.as_os_str()]).await.map(drop)
    }

    /// The last lines of what its first process has said: the engine's log.
    #[must_use]
    pub fn said(&self) -> String {
        let text = std::fs::read(self.directory.join(namespaces::LOG)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(25)..).unwrap_or_default().join("\n")
    }

    fn running(&self) -> Result<&Namespaces> {
        self.running.as_ref().with_context(|| format!("host `{}` is not up", self.name))
    }
}

async fn limited(what: &str, command: &mut Command, limit: Duration) -> Result<Output> {
    let output = tokio::time::timeout(limit, command.output()).await;
    output
        .with_context(|| format!("{what}: not within {limit:?}"))?
        .with_context(|| format!("{what}: cannot run"))
}

fn printed(what: &str, output: Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what}: {}\n{said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
