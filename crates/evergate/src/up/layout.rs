//! Where everything of an installation is reached, and what of it runs here: all of it above one base of
//! ports on this machine, or the instances of one node, at the addresses of `network.yml`.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::Context;
use evergate_cluster::network::{Addresses, Listen, Network, Planned};
use evergate_model::{Instance, Name, Service, Topology};
use evergate_process::bootstrap::{InheritedAt, ListenerSource};
use ipnet::IpNet;

use super::ports::{Ports, loopback};
use crate::failure::{BadFile, hinted};

/// The sockets that the supervisor holds for access points, by instance.
pub(super) type Doors = BTreeMap<Name, Arc<OwnedFd>>;

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    /// All instances with their addresses.
    pub(super) topology: Topology,
    /// Where browsers and API clients reach the instances that they reach.
    pub(super) listeners: BTreeMap<Name, Vec<ListenerSource>>,
    /// The port that browsers use.
    pub(super) public_port: u16,
    /// The node that this machine is; `None`: it is all of them.
    pub(super) node: Option<Name>,
    /// The servers of the demo application.
    pub(super) demo: Vec<u16>,
    /// Where the console and the API are on this machine.
    pub(super) consoles: Vec<u16>,
    /// What access points of this machine accept from.
    doors: BTreeMap<Name, SocketAddr>,
    /// Everything that is listened on here.
    taken: Taken,
}

#[derive(Debug)]
enum Taken {
    Base(Ports),
    Addresses(Vec<String>),
}

impl Layout {
    /// All instances on this machine, above one base; reached from this machine only, where the file says
    /// nothing else.
    pub(super) fn of_machine(network: &Network, base: u16) -> Self {
        let ports = Ports::new(base, network);
        let text = |port: Option<u16>| port.map_or_else(String::new, |port| loopback(port).to_string());
        let topology = network.topology(|planned| Addresses {
            address: text(match planned.service {
                Service::AccessPoint => ports.own(&planned.name),
                _ => ports.internal(&planned.name),
            }),
            operations: text(ports.operations(&planned.name)),
            ..Addresses::default()
        });
        let listeners = network.instances().iter().filter_map(|planned| {
            let own = address(loopback(ports.own(&planned.name)?));
            let further = planned.listen.iter().map(further);
            let sources = match planned.service {
                Service::AccessPoint => [INHERITED, own].into_iter().chain(further).collect(),
                _ => vec![own],
            };
            Some((planned.name.clone(), sources))
        });
        let door = |instance: &Instance| (instance.name.clone(), loopback(ports.shared()));
        Self {
            listeners: listeners.collect(),
            public_port: ports.shared(),
            node: None,
            demo: ports.demo().collect(),
            consoles: topology
                .of(Service::Administration)
                .filter_map(|instance| ports.own(&instance.name))
                .collect(),
            doors: topology.of(Service::AccessPoint).map(door).collect(),
            topology,
            taken: Taken::Base(ports),
        }
    }

    /// The instances of one node, reached by the other machines of the file.
    ///
    /// # Errors
    /// When the file has no such node, or leaves open where an access point accepts.
    pub(super) fn of_node(network: &Network, node: &Name) -> anyhow::Result<Self> {
        if !network.nodes().contains_key(node) {
            let known: Vec<&str> = network.nodes().keys().map(Name::as_str).collect();
            return Err(hinted(
                format!("the network has no node `{node}`"),
                format!("its nodes are {}", known.join(", ")),
            ));
        }
        let topology = network.topology(|planned| Addresses {
            address: reached_at(network, planned),
            operations: loopback(planned.operations).to_string(),
            ..Addresses::default()
        });
        let mut listeners = BTreeMap::new();
        for planned in network.instances() {
            let sources = sources(network, planned)?;
            if !sources.is_empty() {
                listeners.insert(planned.name.clone(), sources);
            }
        }
        let here: Vec<&Planned> =
            network.instances().iter().filter(|planned| planned.node == *node).collect();
        if here.is_empty() {
            return Err(BadFile(format!("node `{node}` has no instances to run")).into());
        }
        let doors = here
            .iter()
            .filter_map(|planned| Some((planned.name.clone(), accepting(planned.listen.first()?))));
        let public = network.instances().iter().find_map(|planned| Some(planned.listen.first()?.port));
        Ok(Self {
            public_port: public.unwrap_or(443),
            node: Some(node.clone()),
            demo: Vec::new(),
            consoles: here.iter().filter_map(|planned| planned.console_port()).collect(),
            doors: doors.collect(),
            taken: Taken::Addresses(here.iter().flat_map(|planned| taken(network, planned)).collect()),
            topology,
            listeners,
        })
    }

    /// The instances that run on this machine.
    pub(super) fn here(&self) -> impl Iterator<Item = &Instance> {
        let is_here = |instance: &&Instance| self.node.as_ref().is_none_or(|node| instance.node == *node);
        self.topology.instances.iter().filter(is_here)
    }

    /// Refuses, before anything is written, if any port is taken.
    ///
    /// # Errors
    /// Names the first that is.
    pub(super) fn check_free(&self) -> anyhow::Result<()> {
        match &self.taken {
            Taken::Base(ports) => ports.check_free(),
            Taken::Addresses(addresses) => addresses.iter().try_for_each(|address| {
                let bound = TcpListener::bind(address.as_str());
                bound.map(drop).with_context(|| format!("cannot listen on {address}"))
            }),
        }
    }

    /// The sockets from which access points accept. They stay open here, so that connections made while an
    /// access point is being restarted wait instead of being refused.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(super) fn open_doors(&self) -> anyhow::Result<Doors> {
        let mut open: BTreeMap<SocketAddr, Arc<OwnedFd>> = BTreeMap::new();
        let mut doors = Doors::new();
        for (instance, address) in &self.doors {
            let socket = match open.get(address) {
                Some(socket) => Arc::clone(socket),
                None => {
                    let listener =
                        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
                    let socket = Arc::new(OwnedFd::from(listener));
                    open.insert(*address, Arc::clone(&socket));
                    socket
                }
            };
            doors.insert(instance.clone(), socket);
        }
        Ok(doors)
    }
}

const INHERITED: ListenerSource =
    ListenerSource::Inherited { inherited: InheritedAt::Stdin, proxy_protocol_from: Vec::new() };

fn address(address: impl ToString) -> ListenerSource {
    ListenerSource::address(address.to_string())
}

/// A listener of the file, with the balancers that stand before it.
fn further(listen: &Listen) -> ListenerSource {
    ListenerSource::Address { address: accepting(listen).to_string(), proxy_protocol_from: balancers(listen) }
}

/// The same as the supervisor holds it open.
fn door(listen: &Listen) -> ListenerSource {
    ListenerSource::Inherited { inherited: InheritedAt::Stdin, proxy_protocol_from: balancers(listen) }
}

fn balancers(listen: &Listen) -> Vec<IpNet> {
    listen.proxy_protocol.as_ref().map(|proxy| proxy.from.clone()).unwrap_or_default()
}

fn accepting(listen: &Listen) -> SocketAddr {
    let host: std::net::IpAddr = if listen.all_interfaces {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::LOCALHOST.into()
    };
    SocketAddr::new(host, listen.port)
}

/// `host:port` on the node of an instance.
fn at_node(network: &Network, planned: &Planned, port: u16) -> String {
    let host = network.nodes().get(&planned.node).map_or("", |node| node.address.as_str());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Where its callers reach an instance; an access point, where it alone answers.
fn reached_at(network: &Network, planned: &Planned) -> String {
    let port = planned.port.or_else(|| Some(planned.listen.first()?.port));
    port.map_or_else(String::new, |port| at_node(network, planned, port))
}

/// Where browsers and API clients reach an instance of a node: administration also from its own machine.
fn sources(network: &Network, planned: &Planned) -> anyhow::Result<Vec<ListenerSource>> {
    if let Some(port) = planned.console_port() {
        let outside = at_node(network, planned, port);
        let own = loopback(port).to_string();
        return Ok(if outside == own { vec![address(own)] } else { vec![address(outside), address(own)] });
    }
    if planned.service != Service::AccessPoint {
        return Ok(Vec::new());
    }
    let Some(first) = planned.listen.first() else {
        let text = format!("`{}` lacks `listen`: on which port does it accept?", planned.name);
        return Err(hinted(text, "write `listen: [{ port: 443, all_interfaces: true }]` at the instance"));
    };
    Ok(std::iter::once(door(first)).chain(planned.listen.iter().skip(1).map(further)).collect())
}

/// Everything that an instance of this node listens on.
fn taken(network: &Network, planned: &Planned) -> Vec<String> {
    let internal = planned.port.map(|port| at_node(network, planned, port));
    let console = planned.console_port().map(|port| at_node(network, planned, port));
    let own = std::iter::once(loopback(planned.operations).to_string());
    let doors = planned.listen.iter().map(|listen| accepting(listen).to_string());
    internal.into_iter().chain(console).chain(own).chain(doors).collect()
}

#[cfg(test)]
mod tests {
    use evergate_model::topology::Mode;

    use super::*;

    const TWO: &str = "\
stack: acme
database: { url_file: url }
nodes:
  node-a: { address: 10.0.0.11 }
  node-b: { address: 10.0.0.12 }
instances:
  administration1: { service: administration, node: node-a }
  policy1: { service: policy, node: node-a }
  policy2: { service: policy, node: node-b, priority: 2 }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-a }
  access-point1: { service: access-point, node: node-a, listen: [{ port: 443, all_interfaces: true }] }
  access-point2: { service: access-point, node: node-b, listen: [{ port: 443 }, { port: 8443 }] }
";

    fn node(name: &str) -> anyhow::Result<Layout> {
        Layout::of_node(&Network::parse(TWO).unwrap(), &name.parse().unwrap())
    }

    #[test]
    fn two_of_each_service_run_where_no_file_says_otherwise() {
        let layout = Layout::of_machine(&Network::built_in(), 10_443);
        assert_eq!((layout.topology.instances.len(), layout.here().count()), (10, 10));
        for service in Service::ALL {
            let priorities: Vec<u32> =
                layout.topology.of(service).map(|instance| instance.priority).collect();
            assert_eq!(priorities, [1, 2]);
            assert_eq!(layout.topology.mode(service), Mode::Failover);
        }
        assert_eq!(layout.listeners.len(), 4);
        assert_eq!(layout.consoles, [10_453, 10_454]);
    }

    #[test]
    fn a_node_knows_all_and_runs_its_own() {
        let layout = node("node-b").unwrap();
        assert_eq!(layout.topology.instances.len(), 7);
        let here: Vec<&str> = layout.here().map(|instance| instance.name.as_str()).collect();
        assert_eq!(here, ["policy2", "access-point2"]);
        let address = |name: &str| layout.topology.find(&name.parse().unwrap()).unwrap().address.clone();
        assert_eq!(address("policy1"), "10.0.0.11:8301");
        assert_eq!(address("policy2"), "10.0.0.12:8301");
        assert_eq!(address("access-point1"), "10.0.0.11:443");
        assert_eq!(layout.public_port, 443);
        assert!(layout.consoles.is_empty() && layout.demo.is_empty());
        let of = |name: &str| layout.listeners[&name.parse::<Name>().unwrap()].clone();
        assert_eq!(
            of("administration1"),
            [super::address("10.0.0.11:8304"), super::address("127.0.0.1:8304")]
        );
        assert_eq!(of("access-point2"), [INHERITED, super::address("127.0.0.1:8443")]);
    }

    #[test]
    fn an_unknown_node_is_told_which_there_are() {
        let error = node("node-c").unwrap_err().to_string();
        assert!(error.contains("no node `node-c`") && error.contains("node-a, node-b"), "{error}");
    }

    #[test]
    fn an_access_point_of_a_node_says_where_it_accepts() {
        let text = TWO.replace(", listen: [{ port: 443, all_interfaces: true }]", "");
        let error = Layout::of_node(&Network::parse(&text).unwrap(), &"node-a".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("`access-point1` lacks `listen`"), "{error}");
    }

    #[test]
    fn balancers_of_the_file_are_those_of_its_listener_and_of_no_other() {
        let file = "stack: acme\nnodes: { a: { address: 10.0.0.11 } }\ninstances:\n\
            \x20 administration1: { service: administration, node: a }\n\
            \x20 policy1: { service: policy, node: a }\n\
            \x20 authentication1: { service: authentication, node: a }\n\
            \x20 distribution1: { service: distribution, node: a }\n\
            \x20 access-point1: { service: access-point, node: a, listen: [{ port: 443, all_interfaces: true, \
            proxy_protocol: { from: [10.0.0.5, '2001:db8::/64'] } }, { port: 8443 }] }\n";
        let network = Network::parse(file).unwrap();
        let layout = Layout::of_machine(&network, 10_443);
        let sources = &layout.listeners[&"access-point1".parse::<Name>().unwrap()];
        let balancers: Vec<usize> = sources.iter().map(|source| source.balancers().len()).collect();
        // The shared socket, its own port, and those of the file.
        assert_eq!(balancers, [0, 0, 2, 0]);
        let text = serde_json::to_string(&sources[2]).unwrap();
        assert_eq!(text, r#"{"address":"[::]:443","proxy_protocol_from":["10.0.0.5/32","2001:db8::/64"]}"#);
        let read: Vec<ListenerSource> =
            serde_json::from_str(&serde_json::to_string(sources).unwrap()).unwrap();
        assert_eq!(&read, sources);
        // On a node of several the first is held open by the supervisor.
        let layout = Layout::of_node(&network, &"a".parse().unwrap()).unwrap();
        let sources = &layout.listeners[&"access-point1".parse::<Name>().unwrap()];
        let balancers: Vec<usize> = sources.iter().map(|source| source.balancers().len()).collect();
        assert_eq!(balancers, [2, 0]);
    }
}
