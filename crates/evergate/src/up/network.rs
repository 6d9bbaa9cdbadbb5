//! Which instances run here (those of a network file, or two of each service) and where each of
//! them is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evergate_cluster::network::{Addresses, Listen, Network, NetworkError, Planned};
use evergate_model::{Name, Service, Topology};
use evergate_process::bootstrap::{InheritedAt, ListenerSource};

use super::ports::{Ports, loopback};
use crate::failure::BadFile;

/// The network of a file, or the built-in one.
pub(super) fn read_or_built_in(file: Option<&Path>) -> anyhow::Result<Network> {
    let Some(file) = file else { return Ok(Network::built_in()) };
    let network = Network::read(file).map_err(|error| match error {
        NetworkError::Read { .. } => anyhow::Error::from(error),
        _ => BadFile(error.to_string()).into(),
    })?;
    let nodes: BTreeSet<&Name> = network.instances().iter().map(|planned| &planned.node).collect();
    if nodes.len() > 1 {
        let text = format!(
            "`{}` places instances on {} nodes, and `evergate up` runs those of one machine",
            file.display(),
            nodes.len()
        );
        return Err(BadFile(text).into());
    }
    Ok(network)
}

/// Names and addresses of all instances.
pub(super) fn topology(network: &Network, ports: &Ports) -> Topology {
    let text = |port: Option<u16>| port.map_or_else(String::new, |port| loopback(port).to_string());
    network.topology(|planned| Addresses {
        address: text(match planned.service {
            Service::AccessPoint => ports.own(&planned.name),
            _ => ports.internal(&planned.name),
        }),
        operations: text(ports.operations(&planned.name)),
    })
}

/// Where browsers and API clients reach the instances that they reach.
pub(super) fn listeners(network: &Network, ports: &Ports) -> BTreeMap<Name, Vec<ListenerSource>> {
    let of = |planned: &Planned| {
        let own = ListenerSource::address(loopback(ports.own(&planned.name)?).to_string());
        let shared = ListenerSource::Inherited { inherited: InheritedAt::Stdin };
        let sources = match planned.service {
            Service::AccessPoint => {
                [shared, own].into_iter().chain(planned.listen.iter().map(further)).collect()
            }
            _ => vec![own],
        };
        Some((planned.name.clone(), sources))
    };
    network.instances().iter().filter_map(of).collect()
}

fn further(listen: &Listen) -> ListenerSource {
    let host = if listen.all_interfaces { "[::]" } else { "127.0.0.1" };
    let proxy_protocol_from =
        listen.proxy_protocol.as_ref().map(|proxy| proxy.from.clone()).unwrap_or_default();
    ListenerSource::Address { address: format!("{host}:{}", listen.port), proxy_protocol_from }
}

#[cfg(test)]
mod tests {
    use evergate_model::topology::Mode;

    use super::*;

    #[test]
    fn two_of_each_service_run_where_no_file_says_otherwise() {
        let network = read_or_built_in(None).unwrap();
        let ports = Ports::new(10_443, &network);
        let topology = topology(&network, &ports);
        assert_eq!(topology.instances.len(), 10);
        for service in Service::ALL {
            assert_eq!(topology.of(service).map(|instance| instance.priority).collect::<Vec<_>>(), [1, 2]);
            assert_eq!(topology.mode(service), Mode::Failover);
        }
        assert_eq!(listeners(&network, &ports).len(), 4);
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
        let ports = Ports::new(10_443, &network);
        let listeners = listeners(&network, &ports);
        let sources = &listeners[&"access-point1".parse::<Name>().unwrap()];
        let balancers: Vec<usize> = sources.iter().map(|source| source.balancers().len()).collect();
        // The shared socket, its own port, and those of the file.
        assert_eq!(balancers, [0, 0, 2, 0]);
        let text = serde_json::to_string(&sources[2]).unwrap();
        assert_eq!(text, r#"{"address":"[::]:443","proxy_protocol_from":["10.0.0.5/32","2001:db8::/64"]}"#);
        let read: Vec<ListenerSource> =
            serde_json::from_str(&serde_json::to_string(sources).unwrap()).unwrap();
        assert_eq!(&read, sources);
    }
}
