//! What is accepted, and how each mistake is told.

use evergate_model::Service;

use crate::network::{Addresses, Network};

fn problems(text: &str) -> String {
    let problems = Network::parse(text).unwrap_err();
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

const WHOLE: &str = "
stack: acme
image: evergate:1.0.0
database: { url_file: secrets/database-url }
distribute_keys: manual
nodes:
  node-a: { address: 10.0.0.11, swarm: manager }
  edge-1: { address: edge.example.com, zone: dmz }
instances:
  policy2: { service: policy, node: node-a, priority: 2 }
  policy1: { service: policy, node: node-a }
  administration1: { service: administration, node: node-a }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-a }
  access-point1: { service: access-point, node: edge-1, listen: [{ port: 443, all_interfaces: true }] }
";

#[test]
fn the_built_in_network_is_two_of_each_service_on_one_machine() {
    let network = Network::built_in();
    let addresses = |_: &_| Addresses { address: "a:1".to_owned(), operations: "a:2".to_owned() };
    let topology = network.topology(addresses);
    for service in Service::ALL {
        let priorities: Vec<u32> = topology.of(service).map(|instance| instance.priority).collect();
        assert_eq!(priorities, [1, 2], "{service}");
    }
}

#[test]
fn a_whole_file_is_understood_in_the_order_of_services_and_of_the_file() {
    let network = Network::parse(WHOLE).unwrap();
    let names: Vec<&str> = network.instances().iter().map(|planned| planned.name.as_str()).collect();
    let expected =
        ["administration1", "policy2", "policy1", "authentication1", "distribution1", "access-point1"];
    assert_eq!(names, expected);
    assert_eq!(network.instances().last().unwrap().listen.first().unwrap().port, 443);
}

#[test]
fn an_unknown_key_is_told_with_its_place() {
    let told = problems(&WHOLE.replace("priority: 2", "prio: 2"));
    assert!(told.starts_with("line 10, column "), "{told}");
    assert!(told.contains("prio"), "{told}");
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    let told = problems("stack: [a\nnodes: {}\n");
    assert!(told.starts_with("line "), "{told}");
}

#[test]
fn a_name_given_twice_is_told() {
    let told = problems(&WHOLE.replace("policy2:", "policy1:"));
    assert!(told.contains("policy1") && told.starts_with("line 11"), "{told}");
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
  access-point1: { service: access-point, node: b, listen: [{ port: 443 }, { port: 0 }] }
  access-point2: { service: access-point, node: b, listen: [{ port: 443 }, { port: 8303 }] }
  distribution1: { service: distribution, node: b }
";
    insta::assert_snapshot!(problems(text));
}

#[test]
fn a_database_on_an_unknown_node_is_told() {
    let told = problems(&WHOLE.replace("url_file: secrets/database-url", "managed: node-z"));
    assert_eq!(told, "the database is on unknown node `node-z`\n");
}

#[test]
fn an_alias_bomb_and_a_giant_are_refused() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert!(Network::parse(bomb).is_err());
    assert_eq!(problems(&" ".repeat(2 << 20)), "a network file has at most 1 MiB\n");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9:{}\\[\\], \n\"'&*!|>-]{0,200}") {
        drop(Network::parse(&text));
    }
}
