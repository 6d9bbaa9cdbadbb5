//! Whether the ports that this node's instances publish are free.

use std::collections::{BTreeMap, BTreeSet};

use evergate_model::Name;

use super::Line;
use super::doors::{GOSSIP, MANAGERS};
use crate::network::{Network, SwarmRole};
use crate::render::Rendered;

const CHECK: &str = "own-ports";

/// Who has ports of this machine.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Ports on which some process listens; else why that is not known.
    pub listening: Result<BTreeSet<u16>, String>,
    /// Ports that the engine leads to a container, and to which.
    pub containers: BTreeMap<u16, Container>,
    /// Whether an installation runs on this machine without containers, which has its own ports.
    pub is_running_here: bool,
    /// Whether this engine is in a swarm, which has the swarm's ports.
    pub is_in_swarm: bool,
}

impl Default for Taken {
    /// Nobody has any.
    fn default() -> Self {
        let (containers, listening) = (BTreeMap::new(), Ok(BTreeSet::new()));
        Self { listening, containers, is_running_here: false, is_in_swarm: false }
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The stack that it is of.
    pub stack: Option<String>,
}

/// Whose ports they are, of those that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Who is to have it.
    pub who: String,
    /// Whether it is the swarm's own.
    pub is_swarms: bool,
}

/// The ports of a node by `network.yml`: of the swarm and what it publishes there, or of instances without containers.
#[must_use]
pub fn wanted(network: &Network, services: &BTreeMap<String, Rendered>, own: &Name) -> BTreeMap<u16, Wish> {
    let wish = |who: &str, is_swarms| Wish { who: who.to_owned(), is_swarms };
    let mut wanted = BTreeMap::new();
    let Some(role) = network.nodes().get(own).and_then(|node| node.swarm) else {
        for planned in network.instances().iter().filter(|planned| planned.node == *own) {
            let own = [planned.operations].into_iter().chain(planned.port).chain(planned.console_port());
            let ports = own.chain(planned.listen.iter().map(|listen| listen.port));
            wanted.extend(ports.map(|port| (port, wish(planned.name.as_str(), false))));
        }
        return wanted;
    };
    wanted.insert(GOSSIP, wish("the swarm", true));
    if role == SwarmRole::Manager {
        wanted.insert(MANAGERS, wish("the swarm", true));
    }
    for (service, rendered) in services.iter().filter(|(_, rendered)| rendered.node == *own) {
        wanted.extend(rendered.ports.iter().map(|port| (*port, wish(service, false))));
    }
    wanted
}

/// What is to be said: `wanted` are the ports of this node by `network.yml`.
#[must_use]
pub fn lines(wanted: &BTreeMap<u16, Wish>, taken: &Taken, stack: &str) -> Vec<Line> {
    let listening = match &taken.listening {
        Ok(listening) => listening,
        Err(why) => {
            let seen = format!("which ports are in use is not known: {why}");
            return vec![Line::warn(CHECK, seen, "ss --tcp --listening --numeric")];
        }
    };
    let mut good = Vec::new();
    let mut lines = Vec::new();
    for (port, wish) in wanted {
        let who = &wish.who;
        match taken.containers.get(port) {
            Some(container) if container.stack.as_deref() == Some(stack) => {
                good.push(format!("{port} (has {})", container.name));
            }
            Some(container) => {
                let name = &container.name;
                let seen = format!("port {port}, which {who} is to have, is the container's `{name}`");
                lines.push(Line::fail(CHECK, seen, format!("docker stop {name}, or give it another port")));
            }
            None if !listening.contains(port) => good.push(format!("{port} (free)")),
            None if wish.is_swarms && taken.is_in_swarm => good.push(format!("{port} (has {who})")),
            None if !wish.is_swarms && taken.is_running_here => {
                good.push(format!("{port} (the installation that runs here)"));
            }
            None => {
                let seen = format!("port {port}, which {who} is to have, is in use by another program");
                lines.push(Line::fail(
                    CHECK,
                    seen,
                    format!("ss -ltnp 'sport = {port}' names it: end it, or move it"),
                ));
            }
        }
    }
    match (good.is_empty(), lines.is_empty()) {
        (false, _) => lines.insert(0, Line::ok(CHECK, good.join(", "))),
        (true, true) => lines.push(Line::ok(CHECK, "this node publishes none")),
        (true, false) => {}
    }
    lines
}

/// The ports on which somebody listens, in what the kernel tells (`/proc/net/tcp`, `/proc/net/tcp6`; proc(5)).
#[must_use]
pub fn listening(told: &str) -> BTreeSet<u16> {
    const LISTEN: &str = "0A";
    let port = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        let (_, port) = local.rsplit_once(':')?;
        if state == LISTEN { u16::from_str_radix(port, 16).ok() } else { None }
    };
    told.lines().skip(1).filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn told(listening: &[u16], containers: &[(u16, &str, Option<&str>)], is_ours: bool) -> String {
        let wish = |who: &str, is_swarms| Wish { who: who.to_owned(), is_swarms };
        let wanted = BTreeMap::from([
            (443, wish("access-point1", false)),
            (2377, wish("the swarm", true)),
            (8304, wish("administration1", false)),
        ]);
        let container = |(port, name, stack): &(u16, &str, Option<&str>)| {
            (*port, Container { name: (*name).to_owned(), stack: stack.map(str::to_owned) })
        };
        let taken = Taken {
            listening: Ok(listening.iter().copied().collect()),
            containers: containers.iter().map(container).collect(),
            is_running_here: is_ours,
            is_in_swarm: is_ours,
        };
        shown(&lines(&wanted, &taken, "acme"))
    }

    #[test]
    fn a_port_that_somebody_else_has_is_told() {
        let unknown = Taken { listening: Err("Permission denied".to_owned()), ..Taken::default() };
        let all = [
            told(&[22], &[], false),
            told(&[443, 2377, 8304], &[], true),
            told(&[443, 2377, 8304], &[], false),
            told(&[443, 8304], &[(443, "acme_access-point1.1.x", Some("acme")), (8304, "web", None)], false),
            told(&[443], &[(443, "old_web.1.x", Some("old")), (8304, "wiki", None)], false),
            shown(&lines(&BTreeMap::new(), &Taken::default(), "acme")),
            shown(&lines(&BTreeMap::new(), &unknown, "acme")),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_node_wants_the_ports_of_its_instances_and_the_swarms() {
        let told = |text: &str, own: &str| {
            let network = Network::parse(text).unwrap();
            let services = super::super::doors::tests::services(&network);
            let wanted = wanted(&network, &services, &own.parse().unwrap());
            wanted.into_iter().map(|(port, wish)| format!("{own} {port}: {}\n", wish.who)).collect::<String>()
        };
        use super::super::doors::tests::WELL;
        let all = [told(WELL, "node-a"), told(WELL, "node-d"), told(WELL, "edge-1")];
        insta::assert_snapshot!(all.concat());
    }

    #[test]
    fn what_the_kernel_tells_is_understood() {
        let told = "  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:2070 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100007F:8CA0 0100007F:2070 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 00000000000000000000000000000000:0929 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4
   4: torn
";
        assert_eq!(listening(told), BTreeSet::from([443, 8304, 2345]));
        assert_eq!(listening(""), BTreeSet::new());
    }
}
