//! Which port is whose. All follow from one base, so that addresses stay from start to start.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use evergate_cluster::network::Network;
use evergate_model::{Name, Service};

use crate::failure::hinted;

/// Distances from the base. The first three are promised (contract.md).
const ACCESS_POINTS: u16 = 1;
const CONSOLES: u16 = 10;
const INTERNAL: u16 = 20;
const DEMO: u16 = 60;
const OPERATIONS: u16 = 70;
/// Servers of the demo application.
pub(super) const DEMO_SERVERS: u16 = 2;
/// How far apart proposed bases are.
const STEP: u16 = 120;

/// The ports of an installation on this machine.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    base: u16,
    /// Where each access point alone, and each administration instance's console, is reached.
    own: BTreeMap<Name, u16>,
    internal: BTreeMap<Name, u16>,
    operations: BTreeMap<Name, u16>,
}

impl Ports {
    /// The ports above `base` for the instances of `network`.
    pub(super) fn new(base: u16, network: &Network) -> Self {
        let numbered = |first: u16, service: Option<Service>| {
            network
                .instances()
                .iter()
                .filter(move |instance| service.is_none_or(|service| instance.service == service))
                .zip(base + first..)
                .map(|(instance, port)| (instance.name.clone(), port))
        };
        let own = numbered(ACCESS_POINTS, Some(Service::AccessPoint))
            .chain(numbered(CONSOLES, Some(Service::Administration)))
            .collect();
        Self {
            base,
            own,
            internal: numbered(INTERNAL, None).collect(),
            operations: numbered(OPERATIONS, None).collect(),
        }
    }

    /// The port that browsers use.
    pub(super) const fn shared(&self) -> u16 {
        self.base
    }

    /// Where an access point alone, or an administration instance's console, is reached.
    pub(super) fn own(&self, instance: &Name) -> Option<u16> {
        self.own.get(instance).copied()
    }

    /// Where an instance is reached by its callers.
    pub(super) fn internal(&self, instance: &Name) -> Option<u16> {
        self.internal.get(instance).copied()
    }

    /// Where an instance is asked how it is.
    pub(super) fn operations(&self, instance: &Name) -> Option<u16> {
        self.operations.get(instance).copied()
    }

    /// Where the servers of the demo application are.
    pub(super) fn demo(&self) -> impl Iterator<Item = u16> + use<> {
        (self.base + DEMO..).take(usize::from(DEMO_SERVERS))
    }

    /// Refuses, before anything is written, if any port is taken.
    pub(super) fn check_free(&self) -> anyhow::Result<()> {
        let Some(busy) = self.all().find(|port| !is_free(*port)) else { return Ok(()) };
        let hint = match self.another_base() {
            Some(base) => format!("these are free: --listen-base {base}"),
            None => "choose others with --listen-base".to_owned(),
        };
        Err(hinted(format!("port {busy} is in use"), hint))
    }

    fn all(&self) -> impl Iterator<Item = u16> {
        std::iter::once(self.base)
            .chain(self.own.values().copied())
            .chain(self.internal.values().copied())
            .chain(self.demo())
            .chain(self.operations.values().copied())
    }

    fn another_base(&self) -> Option<u16> {
        (1..50).filter_map(|step| self.base.checked_add(step * STEP)).find(|base| {
            let fits = *base < 65_000;
            fits && self.all().all(|port| is_free(port - self.base + base))
        })
    }
}

/// Where everything listens: this machine only.
pub(super) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_named_and_another_base_proposed() {
        let network = Network::built_in();
        let busy = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = busy.local_addr().unwrap().port();
        let base = port.clamp(1100, 60_000) - if port > 60_000 { 0 } else { ACCESS_POINTS };
        let error = Ports::new(base, &network).check_free();
        if (1101..=60_000).contains(&port) {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("is in use") && error.contains("--listen-base"), "{error}");
        }
    }

    #[test]
    fn no_port_is_given_twice() {
        let network = Network::built_in();
        let ports = Ports::new(10_443, &network);
        let mut all: Vec<u16> = ports.all().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(ports.own(&"access-point2".parse().unwrap()), Some(10_445));
        assert_eq!(ports.own(&"administration1".parse().unwrap()), Some(10_453));
    }
}
