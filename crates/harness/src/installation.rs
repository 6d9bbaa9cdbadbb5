//! One installation of ten processes in a directory of its own, begun by `evergate up` and always ended.

use std::ffi::OsString;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::client::{Client, Way};
use crate::hosts::Host;
use crate::machines::{HUB, Machine};
use crate::until::until;
use crate::{ports, processes};

/// How long a start may take before a test gives up; the promise of 3 s is for a built release and an idle machine.
const START: Duration = Duration::from_secs(60);

/// What `DIR/up.json` says.
#[derive(Debug, Clone, Deserialize)]
pub struct Up {
    /// The supervisor's process id.
    pub supervisor: u32,
    /// The demo application, or the first protected resource.
    pub url: String,
    /// The portal.
    pub portal: String,
    /// The console.
    pub console: String,
    /// The API of each administration instance.
    pub api: Vec<String>,
    /// The CA that browsers must trust, PEM.
    pub local_ca: PathBuf,
    /// Who may administer, on the machine that began the installation.
    pub administrator: Option<Administrator>,
    /// The instances that run.
    pub instances: Vec<Running>,
}

/// Who may administer.
#[derive(Debug, Clone, Deserialize)]
pub struct Administrator {
    /// The name.
    pub name: String,
    /// A file that holds the password.
    pub password_file: PathBuf,
}

/// One instance that runs.
#[derive(Debug, Clone, Deserialize)]
pub struct Running {
    /// `policy1`.
    pub name: String,
    /// `policy`.
    pub service: String,
    /// Its process id.
    pub pid: u32,
    /// Where its callers reach it.
    pub address: String,
    /// Where `/live`, `/ready` and `/metrics` are.
    pub operations: String,
}

/// A running installation; ended when it goes out of scope, and its directory removed unless `EVERGATE_TEST_KEEP` is set.
pub struct Installation {
    directory: TempDir,
    program: PathBuf,
    base: u16,
    arguments: Vec<String>,
    /// The machine that it runs on, if that is another than the test's, and by which it is entered.
    machine: Option<Arc<Machine>>,
    /// The words before a program that start it where the installation is, if that is a host with an engine.
    launcher: Vec<OsString>,
    door: Ipv4Addr,
    neighbour: Ipv4Addr,
    /// What `up.json` would say, if the installation is on a swarm and has none.
    moved: Option<Up>,
    supervisor: Option<Child>,
    is_at_peace: bool,
    /// From the start of `evergate up` to `up.json`.
    pub took: Duration,
}

impl Installation {
    /// Starts one with the built-in network and demo, and waits until every instance is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same with further arguments of `evergate up`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_with(arguments: &[&str]) -> Result<Self> {
        let mut installation = Self::prepare(arguments)?;
        installation.up().await?;
        Ok(installation)
    }

    /// A directory and free ports, nothing started yet.
    ///
    /// # Errors
    /// When no ports are free.
    pub fn prepare(arguments: &[&str]) -> Result<Self> {
        Ok(Self {
            directory: TempDir::with_prefix("evergate-test-")?,
            program: processes::built("evergate")?,
            base: ports::listen_base()?,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            machine: None,
            launcher: Vec::new(),
            door: Ipv4Addr::LOCALHOST,
            neighbour: Ipv4Addr::LOCALHOST,
            moved: None,
            supervisor: None,
            is_at_peace: true,
            took: Duration::ZERO,
        })
    }

    /// The same on another machine, where the network file says which ports: `port` is the one of browsers.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn on(machine: &Arc<Machine>, port: u16, arguments: &[&str]) -> Result<Self> {
        let mut installation = Self::prepare(arguments)?;
        installation.machine = Some(Arc::clone(machine));
        installation.door = machine.address();
        installation.neighbour = HUB;
        installation.base = port;
        Ok(installation)
    }

    /// The same on one machine that is a host: `base` is the listen base, `neighbour` the test's own address as it is
    /// seen there. It listens on the loopback interface of that host; see [`crate::swarm_scene`].
    ///
    /// # Errors
    /// When the host is not up, or the program is not built.
    pub fn at(host: &Host, base: u16, neighbour: Ipv4Addr, arguments: &[&str]) -> Result<Self> {
        let mut installation = Self::prepare(arguments)?;
        installation.launcher = host.launcher()?;
        installation.door = host.address();
        installation.neighbour = neighbour;
        installation.base = base;
        Ok(installation)
    }

    /// It is on a swarm from now on, entered at `door`; commands are run where the test is.
    pub fn moved(&mut self, up: Up, door: Ipv4Addr) {
        self.moved = Some(up);
        self.launcher.clear();
        self.door = door;
        self.is_at_peace = true;
    }

    /// Waits until `evergate up` has ended without being asked by the test.
    ///
    /// # Errors
    /// When it does not, or does not run.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let child = self.supervisor.as_mut().context("it does not run")?;
        let ended = until("`evergate up` has ended by itself", Duration::from_secs(20), async || {
            child.try_wait().ok().flatten()
        });
        let status = ended.await?;
        self.supervisor = None;
        Ok(status)
    }

    /// By which machine it is entered.
    #[must_use]
    pub fn way(&self) -> Way {
        Way { to: self.door, ..Way::default() }
    }

    /// Enters it by another machine from now on.
    pub const fn enter_by(&mut self, door: Ipv4Addr) {
        self.door = door;
    }

    /// Where an application on the test's own machine is reached from it.
    #[must_use]
    pub const fn neighbour(&self) -> Ipv4Addr {
        self.neighbour
    }

    /// The program, on the machine where the installation is.
    fn program(&self) -> Command {
        match (&self.machine, &self.launcher[..]) {
            (Some(machine), _) => machine.command(&self.program),
            (None, [first, others @ ..]) => {
                let mut command = Command::new(first);
                command.args(others).arg(&self.program).stdin(Stdio::null());
                command
            }
            (None, []) => processes::tied(&self.program),
        }
    }

    /// Makes a copy of the program below this directory the one that is started, so that it can be replaced.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn use_a_copy(&mut self) -> Result<&Path> {
        let copy = self.directory.path().join("evergate");
        std::fs::copy(&self.program, &copy).context("cannot copy the program")?;
        self.program = copy;
        Ok(&self.program)
    }

    /// Further arguments of `evergate up`, from the next start on.
    pub fn also(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    }

    /// Starts it (again) and waits until every instance is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn up(&mut self) -> Result<()> {
        let started = Instant::now();
        // `up.json` of a run that was killed may still lie there.
        let old = std::fs::read(self.data().join("up.json")).ok();
        let mut child = self.spawn()?;
        let pid = child.id();
        let outcome = until("every instance is ready", START, async || {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(Err(status));
            }
            let is_new = std::fs::read(self.data().join("up.json")).ok() != old;
            // A host counts its processes by itself.
            let is_it = |up: &Up| up.supervisor == pid || !self.launcher.is_empty();
            let is_ours = is_new && self.read().is_ok_and(|up| is_it(&up));
            is_ours.then_some(Ok(()))
        })
        .await;
        self.supervisor = Some(child);
        self.is_at_peace = false;
        self.took = started.elapsed();
        match outcome? {
            Ok(()) => Ok(()),
            Err(status) => bail!("`evergate up` ended with {status}: {}", self.said()),
        }
    }

    /// Starts `evergate up` and waits for nothing.
    ///
    /// # Errors
    /// When it is not built.
    pub fn spawn(&self) -> Result<Child> {
        let output = File::options().create(true).append(true).open(self.directory.path().join("up.log"))?;
        let mut command = self.program();
        command.args(["up", "--domain", "localhost"]);
        if self.machine.is_none() {
            command.args(["--listen-base", &self.base.to_string()]);
        }
        command.arg("--data").arg(self.data()).env("HOME", self.directory.path());
        command.args(&self.arguments).stdout(output.try_clone()?).stderr(output);
        command.spawn().context("cannot start `evergate up`")
    }

    /// A command of `evergate` on this installation, not started yet.
    ///
    /// # Errors
    /// When it is not built.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = match (&self.machine, &self.launcher[..]) {
            (None, []) => Command::new(&self.program),
            _ => self.program(),
        };
        command.args(arguments).arg("--data").arg(self.data()).env("HOME", self.directory.path());
        Ok(command)
    }

    /// Runs a command of `evergate` on this installation to its end; what it printed.
    ///
    /// # Errors
    /// When it fails: with what it said.
    pub async fn evergate(&self, arguments: &[&str]) -> Result<String> {
        self.evergate_for(arguments, Duration::from_secs(120)).await
    }

    /// The same for a command that may take so long.
    ///
    /// # Errors
    /// When it fails: with what it said.
    pub async fn evergate_for(&self, arguments: &[&str], limit: Duration) -> Result<String> {
        let mut command = tokio::process::Command::from(self.command(arguments)?);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(limit, output).await??;
        let (told, said) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "`evergate {}` failed: {said}{told}", arguments.join(" "));
        Ok(told)
    }

    /// The same for a command with `--json`.
    ///
    /// # Errors
    /// When it fails or prints no JSON.
    pub async fn evergate_json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let text = self.evergate(&[arguments, &["--json"]].concat()).await?;
        serde_json::from_str(&text)
            .with_context(|| format!("`evergate {}` printed {text}", arguments.join(" ")))
    }

    /// The directory given as `--data`.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory beside it, for files of the test.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// The listen base.
    #[must_use]
    pub const fn base(&self) -> u16 {
        self.base
    }

    /// What `up.json` says now.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self) -> Result<Up> {
        if let Some(up) = &self.moved {
            return Ok(up.clone());
        }
        let text = std::fs::read_to_string(self.data().join("up.json")).context("there is no up.json")?;
        serde_json::from_str(&text).with_context(|| format!("up.json is not as promised: {text}"))
    }

    /// The instance of that name, as `up.json` has it now.
    ///
    /// # Errors
    /// When it is not there.
    pub fn instance(&self, name: &str) -> Result<Running> {
        let found = self.read()?.instances.into_iter().find(|instance| instance.name == name);
        found.with_context(|| format!("`{name}` is not in up.json"))
    }

    /// `https://NAME.localhost:B/`.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("https://{name}.localhost:{}/", self.base)
    }

    /// A client without cookies.
    ///
    /// # Errors
    /// When there is no local CA yet.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.read()?.local_ca)?.by(self.way()))
    }

    /// `kill -9` of an instance, and waits until it is gone; its process id.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&self, name: &str) -> Result<u32> {
        let pid = self.instance(name)?.pid;
        processes::kill_now(pid).await.with_context(|| format!("killing {name}"))?;
        Ok(pid)
    }

    /// Waits until an instance runs under another process id than `before` and says that it is ready.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn back(&self, name: &str, before: u32) -> Result<Running> {
        let what = format!("{name} is back");
        until(&what, Duration::from_secs(20), async || {
            let instance = self.instance(name).ok().filter(|instance| instance.pid != before)?;
            let answer = plain_get(&instance.operations, "/ready").await.ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(instance)
        })
        .await
    }

    /// A metric of an instance: the sum over all series of `name` whose labels contain all of `labels`.
    ///
    /// # Errors
    /// When the instance does not answer.
    pub async fn metric(&self, instance: &str, name: &str, labels: &[&str]) -> Result<f64> {
        let text = plain_get(&self.instance(instance)?.operations, "/metrics").await?;
        let is_it = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        };
        let values =
            text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// How often the logs of all instances say that a member of a pool went to `state`.
    #[must_use]
    pub fn times_a_member_went(&self, state: &str) -> usize {
        let logs = std::fs::read_dir(self.data().join("logs")).into_iter().flatten().flatten();
        let texts = logs.filter_map(|log| std::fs::read_to_string(log.path()).ok());
        let to = format!("\"to\":\"{state}\"");
        texts
            .map(|text| {
                text.lines()
                    .filter(|line| line.contains("a member's state changed") && line.contains(&to))
                    .count()
            })
            .sum()
    }

    /// SIGTERM; waits for the end, which must come within the promised 8 s.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.supervisor.take() else { return Ok(()) };
        let children = processes::children(child.id());
        ensure!(processes::signal(child.id(), Signal::SIGTERM), "the supervisor has ended by itself");
        let ended = until("`evergate up` ended on SIGTERM", Duration::from_secs(10), async || {
            child.try_wait().ok().flatten()
        });
        let status = match ended.await {
            Ok(status) => status,
            Err(error) => {
                self.supervisor = Some(child);
                return Err(error);
            }
        };
        let left: Vec<u32> = children.into_iter().filter(|pid| processes::is_running(*pid)).collect();
        ensure!(left.is_empty(), "processes left behind: {left:?}");
        ensure!(status.success(), "`evergate up` ended with {status} on SIGTERM: {}", self.said());
        self.is_at_peace = true;
        Ok(())
    }

    /// `kill -9` of the supervisor and every instance, at once.
    ///
    /// # Errors
    /// When they do not end.
    pub async fn kill_everything(&mut self) -> Result<()> {
        let Some(mut child) = self.supervisor.take() else { return Ok(()) };
        for pid in end(&mut child) {
            until("every process ended", Duration::from_secs(5), async || {
                (!processes::is_running(pid)).then_some(())
            })
            .await?;
        }
        Ok(())
    }

    /// Leaves a supervisor to the installation, to be ended with it.
    pub fn adopt(&mut self, supervisor: Child) {
        self.supervisor = Some(supervisor);
        self.is_at_peace = false;
    }

    /// The supervisor's process id, while it runs.
    #[must_use]
    pub fn supervisor(&self) -> Option<u32> {
        self.supervisor.as_ref().map(Child::id)
    }

    /// Reaps a supervisor that was killed on purpose; its instances are left alone.
    pub fn forget_supervisor(&mut self) {
        if let Some(mut child) = self.supervisor.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }

    /// What `evergate up` printed so far.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("up.log")).unwrap_or_default()
    }

    /// The last lines of every log.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = format!("--- evergate up\n{}", last_lines(&self.said(), 30));
        let logs = std::fs::read_dir(self.data().join("logs")).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = logs.map(|log| log.path()).filter(|path| is_log(path)).collect();
        paths.sort();
        for path in paths {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            text += &format!("--- {}\n{}", path.display(), last_lines(&log, 12));
        }
        text
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if !self.is_at_peace {
            eprintln!("{}", self.logs());
        }
        if let Some(mut child) = self.supervisor.take() {
            end(&mut child);
        }
        self.directory.disable_cleanup(std::env::var_os("EVERGATE_TEST_KEEP").is_some());
        // Instances whose supervisor was killed before, and such as it was about to start.
        for _ in 0..250 {
            let left = processes::naming(self.directory.path());
            let running: Vec<u32> = left.into_iter().filter(|pid| processes::is_running(*pid)).collect();
            if running.is_empty() {
                break;
            }
            for pid in running {
                _ = processes::signal(pid, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Ends a supervisor and what it started; the process ids of the latter. The supervisor is stopped first, so that it
/// starts nothing meanwhile.
fn end(supervisor: &mut Child) -> Vec<u32> {
    _ = processes::signal(supervisor.id(), Signal::SIGSTOP);
    let children = processes::children(supervisor.id());
    _ = supervisor.kill();
    for pid in &children {
        _ = processes::signal(*pid, Signal::SIGKILL);
    }
    _ = supervisor.wait();
    children
}

/// The whole answer of a plain HTTP server to a GET.
///
/// # Errors
/// When it does not answer within 2 s.
pub async fn plain_get(address: &str, path: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(2), exchange).await?
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).map(|line| format!("{line}\n")).collect()
}
