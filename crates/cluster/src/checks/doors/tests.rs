//! What is asked of which peer, and the text of each outcome.

use super::super::tests::shown;
use super::*;
use crate::render::{Inputs, render};

/// One machine: much to warn of.
pub(in crate::checks) const SMALL: &str = "
stack: acme
nodes: { node-a: { address: 10.0.0.11, swarm: manager } }
instances:
  administration1: { service: administration, node: node-a }
  policy1: { service: policy, node: node-a }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-a }
  access-point1: { service: access-point, node: node-a, listen: [{ port: 443, all_interfaces: true }] }
";

/// Nothing to warn of.
pub(in crate::checks) const WELL: &str = "
stack: acme
database: { url_file: url }
nodes:
  node-a: { address: 10.0.0.11, swarm: manager }
  node-b: { address: 10.0.0.12, swarm: manager }
  node-c: { address: 10.0.0.13, swarm: manager }
  node-d: { address: 10.0.0.14, swarm: worker }
  edge-1: { address: 203.0.113.10, zone: dmz }
  edge-2: { address: 203.0.113.11, zone: dmz }
instances:
  administration1: { service: administration, node: node-a, priority: 1 }
  administration2: { service: administration, node: node-b, priority: 2 }
  policy1: { service: policy, node: node-a, priority: 1 }
  policy2: { service: policy, node: node-d, priority: 2 }
  authentication1: { service: authentication, node: node-a, priority: 1 }
  authentication2: { service: authentication, node: node-c, priority: 2 }
  distribution1: { service: distribution, node: node-a, priority: 1 }
  distribution2: { service: distribution, node: node-d, priority: 2 }
  access-point1: { service: access-point, node: edge-1, listen: [{ port: 443, all_interfaces: true }] }
  access-point2: { service: access-point, node: edge-2, listen: [{ port: 443, all_interfaces: true }] }
";

const PLAIN: &str = "
stack: acme
database: { url_file: url }
nodes:
  node-a: { address: 10.0.0.11 }
  node-b: { address: 10.0.0.12 }
instances:
  administration1: { service: administration, node: node-a }
  policy1: { service: policy, node: node-a }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-a }
  access-point1: { service: access-point, node: node-b, listen: [{ port: 443, all_interfaces: true }, { port: 81 }] }
";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(in crate::checks) fn services(network: &Network) -> BTreeMap<String, Rendered> {
    let names = network.instances().iter().map(|planned| (planned.name.clone(), "secret".to_owned()));
    let inputs = Inputs {
        image: "evergate:1".to_owned(),
        live: vec!["live".to_owned()],
        bootstraps: names.collect(),
        database_password: None,
    };
    render(network, &inputs).map(|file| file.services).unwrap_or_default()
}

/// Which ports are asked of each peer.
fn asked(text: &str, own: Option<&str>, peers_asked: &[&str], known: &Known) -> String {
    let network = Network::parse(text).unwrap();
    let (own, services) = (own.map(name), services(&network));
    let peers_asked: Vec<String> = peers_asked.iter().map(|peer| (*peer).to_owned()).collect();
    let line = |door: Door| {
        let needed = if door.is_needed { "needed" } else { "offered" };
        let expected = if door.is_expected { ", expected" } else { "" };
        format!("  {}:{} {:?} {needed}{expected}: {}\n", door.address, door.port, door.protocol, door.purpose)
    };
    let of = |peer: &Peer| {
        let doors = doors(&network, &services, own.as_ref(), peer, known);
        format!("{}\n{}", peer.label, doors.into_iter().map(line).collect::<String>())
    };
    peers(&network, own.as_ref(), &peers_asked).iter().map(of).collect()
}

#[test]
fn a_node_of_a_swarm_asks_for_the_swarms_ports_and_for_what_the_other_publishes() {
    insta::assert_snapshot!(asked(WELL, Some("node-d"), &[], &Known::default()));
}

#[test]
fn a_machine_in_the_dmz_outside_asks_for_the_three_ports_of_the_firewall_alone() {
    let told = asked(WELL, Some("edge-1"), &[], &Known::default());
    assert!(!told.contains("2377") && !told.contains("8304"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn machines_without_a_swarm_ask_for_the_instances_ports() {
    let told = [
        asked(PLAIN, Some("node-a"), &[], &Known::default()),
        asked(PLAIN, Some("node-b"), &[], &Known::default()),
    ];
    assert!(!told.concat().contains("2377"));
    insta::assert_snapshot!(told.join("--\n"));
}

#[test]
fn peers_are_named_by_node_or_address_and_one_that_is_no_node_is_asked_as_a_manager() {
    insta::assert_snapshot!(asked(WELL, None, &["node-d", "10.0.0.11", "192.168.1.1"], &Known::default()));
}

#[test]
fn what_runs_already_is_expected_to_answer() {
    let known = Known {
        members: BTreeSet::from([name("node-a"), name("node-d")]),
        managers: BTreeSet::from(["10.0.0.11".to_owned()]),
        running: BTreeSet::from(["administration1".to_owned()]),
    };
    insta::assert_snapshot!(asked(WELL, Some("node-b"), &["node-a", "node-d"], &known));
}

#[test]
fn each_outcome_has_its_words() {
    let peer = Peer { label: "node-a".to_owned(), address: "10.0.0.11".to_owned(), node: None };
    let gossip = |seen: &Seen| (door(&peer, GOSSIP, Protocol::Tcp, "the swarm's gossip"), seen.clone());
    let all = [
        Seen::Answer,
        Seen::Refusal,
        Seen::Silence,
        Seen::Unreachable("No route to host".to_owned()),
        Seen::Forbidden,
    ];
    let of = |door: &Door| -> String {
        all.iter().map(|seen| shown(&lines(&[(door.clone(), seen.clone())]))).collect()
    };
    let needed = door(&peer, MANAGERS, Protocol::Tcp, "the swarm's managers");
    let offered = Door { is_needed: false, ..door(&peer, 8304, Protocol::Tcp, "administration1") };
    let expected = Door { is_expected: true, ..needed.clone() };
    let running = Door { is_expected: true, ..offered.clone() };
    let told: Vec<String> = [needed, offered, expected, running].iter().map(of).collect();
    insta::assert_snapshot!("connections", told.join("\n"));

    let mut told = Vec::new();
    for port in [GOSSIP, OVERLAY] {
        for tcp in [Seen::Answer, Seen::Refusal] {
            let datagrams = door(
                &peer,
                port,
                Protocol::Udp,
                if port == GOSSIP { "the swarm's gossip" } else { "overlay networks" },
            );
            for seen in &all {
                let lines = lines(&[gossip(&tcp), (datagrams.clone(), seen.clone())]);
                told.push(shown(&lines[1..]));
            }
        }
    }
    insta::assert_snapshot!("datagrams", told.concat());
    insta::assert_snapshot!(no_address(&peer, "Name or service not known"), @r"
    fail  address node-a: `10.0.0.11` leads to no address: Name or service not known
          fix: write an IP address at the node in network.yml, or mend the name: getent hosts NAME
    ");
}
