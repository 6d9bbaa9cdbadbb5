//! The switch that hosts are plugged into: a bridge in a network namespace of its own, so that nothing that the machine
//! filters or forwards has a say, with one cable to the test itself.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::namespaces::{Namespaces, PLAIN};
use super::slot::{Slot, interface};

const BRIDGE: &str = "bridge";

/// The switch. Its end takes all cables away.
#[derive(Debug)]
pub(super) struct Switch {
    namespaces: Namespaces,
    gateway: Ipv4Addr,
}

impl Switch {
    pub(super) fn start(slot: &Slot) -> Result<Self> {
        let directory = slot.directory().join(".switch");
        std::fs::create_dir(&directory)?;
        let mut namespaces = Namespaces::start("switch", &directory, PLAIN)?;
        namespaces.begin()?;
        let gateway = slot.address(1);
        let switch = Self { namespaces, gateway };
        switch.ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        switch.ip(&["link", "set", BRIDGE, "up"])?;
        let (own, here) = (interface(slot.number()), switch.namespaces.network());
        ip(&["link", "add", &own, "type", "veth", "peer", "name", "test", "netns", &here])?;
        ip(&["address", "add", &format!("{gateway}/24"), "dev", &own])?;
        ip(&["link", "set", &own, "up"])?;
        switch.ip(&["link", "set", "test", "master", BRIDGE, "up"])?;
        Ok(switch)
    }

    /// Plugs a host in, by a cable of its name here and `eth0` there.
    pub(super) fn connect(&self, host: &Namespaces, name: &str, address: Ipv4Addr) -> Result<()> {
        let (port, there) = (port(name), host.network());
        // That of a host that was killed a moment ago goes away with its network, soon.
        if self.has(&port) {
            self.ip(&["link", "delete", &port]).ok();
        }
        let here = self.namespaces.network();
        ip(&["link", "add", &port, "netns", &here, "type", "veth", "peer", "name", "eth0", "netns", &there])?;
        self.ip(&["link", "set", &port, "master", BRIDGE, "up"])?;
        ip_in(&there, &["link", "set", "lo", "up"])?;
        ip_in(&there, &["address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        ip_in(&there, &["link", "set", "eth0", "up"])?;
        ip_in(&there, &["route", "add", "default", "via", &self.gateway.to_string()])
    }

    /// Sets a host's cable `up` or `down`.
    pub(super) fn set(&self, name: &str, state: &str) -> Result<()> {
        self.ip(&["link", "set", &port(name), state])
    }

    fn has(&self, port: &str) -> bool {
        self.ip(&["link", "show", "dev", port]).is_ok()
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        ip_in(&self.namespaces.network(), words)
    }
}

/// The kernel allows 15 letters, names of hosts have 12 at most, and must not be that of the bridge.
fn port(name: &str) -> String {
    format!("to-{name}")
}

/// `ip` out here.
pub(super) fn ip(words: &[&str]) -> Result<()> {
    run(Command::new("ip").args(words), words)
}

/// `ip` in the network of a process.
fn ip_in(pid: &str, words: &[&str]) -> Result<()> {
    run(Command::new("nsenter").args(["--target", pid, "--net", "ip"]).args(words), words)
}

fn run(command: &mut Command, words: &[&str]) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().context("cannot run ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`ip {}`: {}", words.join(" "), said.trim());
    Ok(())
}
