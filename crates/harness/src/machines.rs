//! Machines of a test: each a network namespace on a network of their own, where processes run, which can be cut off
//! and killed whole. Wants [`crate::namespace::apart`], so that nothing outside has part in it and nothing is left.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::processes;
use crate::until::until;

/// Where the test itself is on that network.
pub const HUB: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The bridge between the machines.
const BRIDGE: &str = "machines";

/// The network between them.
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Makes it in the test's namespace.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn start() -> Result<Self> {
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{HUB}/24"), "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        Ok(Self)
    }

    /// Adds a machine at 10.77.0.NUMBER.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn machine(&self, number: u8) -> Result<Machine> {
        let mut keeper = processes::tied(Path::new("unshare"));
        let keeper =
            keeper.args(["--net", "--", "sleep", "infinity"]).spawn().context("cannot start `unshare`")?;
        let machine =
            Machine { keeper, link: format!("machine{number}"), address: Ipv4Addr::new(10, 77, 0, number) };
        until("the machine has a network of its own", Duration::from_secs(10), async || {
            let (own, ours) = (namespace(machine.keeper.id())?, namespace(std::process::id())?);
            (own != ours).then_some(())
        })
        .await?;
        let pid = machine.keeper.id().to_string();
        ip(&["link", "add", &machine.link, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        ip(&["link", "set", &machine.link, "master", BRIDGE, "up"])?;
        for words in [
            &["addr", "add", &format!("{}/24", machine.address), "dev", "eth0"][..],
            &["link", "set", "eth0", "up"],
            &["link", "set", "lo", "up"],
        ] {
            run(machine.command(Path::new("ip")).args(words))?;
        }
        Ok(machine)
    }
}

/// One machine.
#[derive(Debug)]
pub struct Machine {
    keeper: Child,
    link: String,
    address: Ipv4Addr,
}

impl Machine {
    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A program that runs there, and ends with the thread that starts it.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let tied = processes::tied(program);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.keeper.id())).arg("--").arg(tied.get_program());
        command.args(tied.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Nothing comes to it or from it any more.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn cut_off(&self) -> Result<()> {
        ip(&["link", "set", &self.link, "down"])
    }

    /// It is reached again.
    ///
    /// # Errors
    /// When iproute2 refuses.
    pub fn heal(&self) -> Result<()> {
        ip(&["link", "set", &self.link, "up"])
    }

    /// As if its power failed: it is cut off, so that nobody is told, and every process ends. How many did.
    ///
    /// # Errors
    /// When one does not end.
    pub async fn kill(&self) -> Result<usize> {
        self.cut_off()?;
        let mut killed = 0;
        until("every process of the machine ended", Duration::from_secs(10), async || {
            let left = self.processes();
            killed = killed.max(left.len());
            for pid in &left {
                _ = processes::signal(*pid, Signal::SIGKILL);
            }
            left.iter().all(|pid| !processes::is_running(*pid)).then_some(())
        })
        .await?;
        Ok(killed)
    }

    /// The processes that run there.
    fn processes(&self) -> Vec<u32> {
        let own = namespace(self.keeper.id());
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        all.filter(|pid| *pid != self.keeper.id() && own.is_some() && namespace(*pid) == own).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for pid in self.processes() {
            _ = processes::signal(pid, Signal::SIGKILL);
        }
        _ = self.keeper.kill();
        _ = self.keeper.wait();
    }
}

/// The network namespace of a process.
fn namespace(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

fn ip(words: &[&str]) -> Result<()> {
    run(Command::new("ip").args(words))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}
