//! The text of every warning.

use super::told;
use crate::network::Network;

/// The warnings, which are refusals for the strict.
fn warnings(text: &str) -> String {
    let network = Network::parse(text).unwrap();
    let warnings = network.warnings().to_vec();
    assert_eq!(network.strict().unwrap_err(), warnings);
    warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

#[test]
fn what_will_not_work_when_something_dies_is_told() {
    let second = "  policy2: { service: policy, node: node-b, priority: 2 }\n";
    let point = "  access-point2: { service: access-point, node: edge-2, listen: [{ port: 443, all_interfaces: true }] }\n";
    let cases = [
        ("a service without redundancy", second, ""),
        ("an access point without redundancy", point, ""),
        ("redundancy on one node", "node: node-b, priority: 2", "node: node-a, priority: 2"),
        ("an access point beside internal services", "node: edge-1", "node: node-a"),
        ("an even number of managers", "swarm: worker", "swarm: manager"),
        ("networks that are not encrypted", "distribute_keys: manual", "encrypted_networks: false"),
        ("the database as the last single point", "url_file: secrets/database-url", "managed: node-a"),
    ];
    insta::assert_snapshot!(told(&cases, warnings));
}

#[test]
fn a_network_on_one_node_is_warned_of_once() {
    let network = Network::built_in();
    let warnings: Vec<String> = network.warnings().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn sqlite_beside_access_points_elsewhere_is_warned_of() {
    let text = "
stack: acme
nodes: { a: { address: 10.0.0.1 }, edge: { address: 10.0.0.2, zone: dmz } }
instances:
  administration1: { service: administration, node: a }
  policy1: { service: policy, node: a }
  authentication1: { service: authentication, node: a }
  distribution1: { service: distribution, node: a }
  access-point1: { service: access-point, node: edge }
";
    assert!(warnings(text).contains("the database (SQLite) is on one machine"));
}
