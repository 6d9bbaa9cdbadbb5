//! The text of every refusal.

use super::{WHOLE, problems, told};

#[test]
fn what_is_no_word_of_the_file_is_told_with_its_place_and_what_was_meant() {
    let cases = [
        ("an unknown key of the file", "distribute_keys:", "distribute_key:"),
        ("an unknown key of the file that is like none", "distribute_keys: manual", "volumes: {}"),
        ("an unknown key of a node", "swarm: worker", "swam: worker"),
        ("an unknown key of an instance", "priority: 2", "prio: 2"),
        ("an unknown key of a listener", "all_interfaces: true", "all: true"),
        ("an unknown key of limits", "cpu: 0.5", "cpus: 0.5"),
        ("an unknown key of the database", "url_file:", "url:"),
        ("a missing key of the file", "stack: acme", ""),
        ("a missing key of a node", "address: 10.0.0.12, ", ""),
        ("a missing key of an instance", "service: policy, node: node-b", "node: node-b"),
        ("a missing key of a listener", "port: 443, ", ""),
        ("a key that is there twice", "policy2:", "policy1:"),
        ("an unknown service", "service: policy", "service: polcy"),
        ("an unknown role", "swarm: worker", "swarm: leader"),
        ("an unknown zone", "zone: dmz", "zone: dms"),
        ("no truth value", "distribute_keys: manual", "encrypted_networks: perhaps"),
        ("an unknown way of keys", "distribute_keys: manual", "distribute_keys: never"),
        ("a priority that is none", "priority: 2", "priority: high"),
        ("a port that is none", "port: 443", "port: 70000"),
        ("port 0", "port: 443", "port: 0"),
        ("a truth value that is none", "all_interfaces: true", "all_interfaces: sure"),
        (
            "balancers that are none",
            "443, all_interfaces: true",
            "443, proxy_protocol: { from: [lb.example.com, 7] }",
        ),
        (
            "an address in a network",
            "443, all_interfaces: true",
            "443, proxy_protocol: { from: [10.0.0.5/8] }",
        ),
        (
            "everybody as a balancer",
            "443, all_interfaces: true",
            "443, proxy_protocol: { from: [0.0.0.0/0] }",
        ),
        ("no balancer", "443, all_interfaces: true", "443, proxy_protocol: { from: [] }"),
        ("balancers unsaid", "443, all_interfaces: true", "443, proxy_protocol: { to: [10.0.0.5] }"),
        ("a truth value for balancers", "443, all_interfaces: true", "443, proxy_protocol: true"),
        ("an address for balancers", "443, all_interfaces: true", "443, proxy_protocol: { from: 10.0.0.5 }"),
        ("an amount of memory that is none", "memory: 512m", "memory: 512"),
        ("a number of cores that is none", "cpu: 0.5", "cpu: all"),
        ("a database that is none", "database: { url_file: secrets/database-url }", "database: mysql"),
        ("two databases", "{ url_file: secrets/database-url }", "{ url_file: a, managed: node-a }"),
        ("a list for a mapping", "nodes:", "nodes: []\nmore:"),
        ("a mapping for a list", "listen: [{ port: 443, all_interfaces: true }]", "listen: { port: 443 }"),
        ("a list for a text", "stack: acme", "stack: [acme]"),
        ("what is no YAML", "stack: acme", "stack: [acme"),
        ("nothing at all", WHOLE, ""),
    ];
    insta::assert_snapshot!(told(&cases, problems));
}

#[test]
fn what_does_not_hold_together_is_told_with_its_place_and_what_can_be_done() {
    let policies = "  policy2: { service: policy, node: node-b, priority: 2 }
  policy1: { service: policy, node: node-a, limits: { cpu: 0.5 } }\n";
    let authentications = "  authentication1: { service: authentication, node: node-a }
  authentication2: { service: authentication, node: node-b, priority: 2, image: 'evergate:1.0.1' }\n";
    let cases = [
        ("SQLite on several nodes", "database: { url_file: secrets/database-url }", "database: sqlite"),
        ("SQLite on several nodes, unsaid", "database: { url_file: secrets/database-url }", ""),
        ("a file without a name", "secrets/database-url", "' '"),
        ("a database on an unknown node", "url_file: secrets/database-url", "managed: node-z"),
        ("a database in the dmz", "url_file: secrets/database-url", "managed: edge-1"),
        ("an unknown node that is like one", "node: node-b", "node: node-d"),
        ("an unknown node", "node: node-b", "node: elsewhere"),
        ("no policy", policies, ""),
        ("no authentication", authentications, ""),
        ("a port that two access points want", "node: edge-2", "node: edge-1"),
        (
            "a port of an internal service",
            "node: edge-1, listen: [{ port: 443",
            "node: node-a, listen: [{ port: 8301",
        ),
        (
            "a port of the console",
            "node: edge-1, listen: [{ port: 443",
            "node: node-a, listen: [{ port: 8304",
        ),
        ("a port of the swarm", "node: edge-1, listen: [{ port: 443", "node: node-a, listen: [{ port: 2377"),
        ("a port that one access point wants twice", "[{ port: 443,", "[{ port: 443 }, { port: 443,"),
        ("a listener of another service", "node: node-b, priority: 2", "node: node-b, listen: [{ port: 1 }]"),
        ("an internal service in the dmz", "service: policy, node: node-b", "service: policy, node: edge-2"),
        ("a bad name of the stack", "acme", "Acme Inc"),
        ("a bad name of a node", "node-b: {", "node_b: {"),
        ("a bad name of an instance", "policy2:", "policy-2-:"),
        ("the name of the database", "policy2:", "database:"),
        ("names that are too long together", "acme", "a-name-that-is-rather-long-for-a-stack-of-swarm"),
        ("no address", "10.0.0.12", "'10.0.0.12:8300'"),
        ("the same address", "10.0.0.12", "10.0.0.11"),
        ("the same address in another form", "10.0.0.12", "'::ffff:10.0.0.11'"),
        ("an address of every machine", "10.0.0.12", "127.0.0.1"),
        ("no manager", "swarm: manager", "swarm: worker"),
        ("a node of which it is not said", ", swarm: worker", ""),
        ("a manager in the dmz", "zone: dmz", "swarm: manager, zone: dmz"),
        ("an image that is none", "evergate:1.0.0", "'evergate:'"),
        ("a digest for both images", "evergate:1.0.0", "evergate@sha256:00"),
    ];
    insta::assert_snapshot!(told(&cases, problems));
}

#[test]
fn services_that_are_missing_are_all_told() {
    let told = problems("stack: a\nnodes: { a: { address: 127.0.0.1 } }\ninstances: {}\n");
    insta::assert_snapshot!(told);
}

#[test]
fn a_managed_database_without_a_swarm_is_refused() {
    let text = WHOLE.replace("url_file: secrets/database-url", "managed: node-a");
    let told = problems(&text.replace(", swarm: manager", "").replace(", swarm: worker", ""));
    insta::assert_snapshot!(told);
}

#[test]
fn overrides_of_what_evergate_decides_are_told() {
    let text = format!(
        "{WHOLE}overrides:
  service: {{}}
  secrets: {{}}
  volumes: []
  networks: {{ internal: {{}}, apps: {{}} }}
  services:
    policy3: {{ logging: {{ driver: journald }} }}
    access-point1: {{ environment: {{ A: b }} }}
    policy1: {{ image: 'x:1', ports: [], command: [], secrets: [], healthcheck: {{}}, read_only: false, user: root }}
    distribution1: {{ networks: [apps, edge, {{}}] }}
    distribution2: {{ networks: {{}}, environment: {{ A: 1, A: 2 }} }}
    policy2: {{ deploy: {{ replicas: 2, mode: global, placement: {{}}, endpoint_mode: vip }} }}
    administration1: {{ entrypoint: sh, deploy: 1 }}
"
    );
    insta::assert_snapshot!(problems(&text));
}

#[test]
fn an_old_compose_override_file_of_that_name_is_recognised() {
    let old = "version: '3.7'\nservices:\n  policy1:\n    hostname: policy1\n    networks: [da]\n";
    let bare = "services:\n  access-point1:\n    ports: ['443:443']\n";
    insta::assert_snapshot!(format!("{}\n{}", problems(old), problems(bare)));
    let ours = problems(&format!("services: {{}}{WHOLE}"));
    assert!(ours.starts_with("line 1, column 1: the file has no key `services`"), "{ours}");
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place() {
    let text = "
stack: Acme
nodes:
  a: { address: 10.0.0.1 }
  b: { address: 10.0.0.1 }
  edge: { address: 'not an address', zone: dmz }
instances:
  policy1: { service: policy, node: c }
  Policy2: { service: policy, node: a, listen: [{ port: 1 }] }
  authentication1: { service: authentication, node: edge }
  access-point1: { service: access-point, node: b, listen: [{ port: 443 }] }
  access-point2: { service: access-point, node: b, listen: [{ port: 443 }, { port: 8303 }] }
  distribution1: { service: distribution, node: b, prio: 3 }
";
    insta::assert_snapshot!(problems(text));
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let told = problems(
        &WHOLE
            .replace("acme", &format!("acme\n{}bad: 1", " ".repeat(3)))
            .replace("node: node-b", &format!("{}node: node-z", " ".repeat(300))),
    );
    assert!(told.lines().all(|line| line.chars().count() < 200), "{told}");
}
