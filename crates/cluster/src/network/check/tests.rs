//! What is accepted, and how each mistake and each warning is told.

use std::fmt::Write as _;

use evergate_model::Service;

use crate::network::{Addresses, Network};

mod refusals;
mod schema;
mod warnings;

const WHOLE: &str = "
stack: acme
image: evergate:1.0.0
database: { url_file: secrets/database-url }
distribute_keys: manual
limits: { memory: 512m }
nodes:
  node-a: { address: 10.0.0.11, swarm: manager }
  node-b: { address: 10.0.0.12, swarm: worker }
  edge-1: { address: edge.example.com, zone: dmz }
  edge-2: { address: 203.0.113.12, zone: dmz }
instances:
  policy2: { service: policy, node: node-b, priority: 2 }
  policy1: { service: policy, node: node-a, limits: { cpu: 0.5 } }
  administration1: { service: administration, node: node-a }
  administration2: { service: administration, node: node-b, priority: 2 }
  authentication1: { service: authentication, node: node-a }
  authentication2: { service: authentication, node: node-b, priority: 2, image: 'evergate:1.0.1' }
  distribution1: { service: distribution, node: node-a }
  distribution2: { service: distribution, node: node-b, priority: 2 }
  access-point1: { service: access-point, node: edge-1, listen: [{ port: 443, all_interfaces: true }] }
  access-point2: { service: access-point, node: edge-2, listen: [{ port: 443, all_interfaces: true }] }
";

/// Every case with what is told of it: `(what is tried, what of the whole file, is replaced by what)`.
fn told(cases: &[(&str, &str, &str)], of: impl Fn(&str) -> String) -> String {
    let mut told = String::new();
    for (title, from, to) in cases {
        assert!(WHOLE.contains(from), "`{from}` is not in the file");
        let text = WHOLE.replacen(from, to, 1);
        writeln!(told, "# {title}\n{}\n", of(&text).trim_end()).unwrap();
    }
    told
}

fn problems(text: &str) -> String {
    let problems = Network::parse(text).unwrap_err();
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn the_built_in_network_is_two_of_each_service_on_one_machine() {
    let network = Network::built_in();
    let addresses =
        |_: &_| Addresses { address: "a:1".to_owned(), operations: "a:2".to_owned(), ..Addresses::default() };
    let topology = network.topology(addresses);
    for service in Service::ALL {
        let priorities: Vec<u32> = topology.of(service).map(|instance| instance.priority).collect();
        assert_eq!(priorities, [1, 2], "{service}");
    }
    let internal: Vec<_> = network.instances().iter().filter_map(|planned| planned.port).collect();
    assert_eq!(internal, [8300, 8310, 8301, 8311, 8302, 8312, 8303, 8313]);
}

#[test]
fn a_whole_file_is_understood_in_the_order_of_services_and_of_the_file() {
    let network = Network::parse(WHOLE).unwrap();
    let names: Vec<&str> = network.instances().iter().map(|planned| planned.name.as_str()).collect();
    let expected = [
        "administration1",
        "administration2",
        "policy2",
        "policy1",
        "authentication1",
        "authentication2",
        "distribution1",
        "distribution2",
        "access-point1",
        "access-point2",
    ];
    assert_eq!(names, expected);
    let find = |name: &str| network.instances().iter().find(|planned| planned.name.as_str() == name).unwrap();
    assert_eq!(find("access-point2").listen[0].port, 443);
    assert_eq!(find("policy2").port, Some(8301));
    assert_eq!(find("authentication2").image.as_deref(), Some("evergate:1.0.1"));
    let limits = find("policy1").limits;
    assert_eq!(
        (limits.memory.unwrap().to_string(), limits.cpu.unwrap().to_string()),
        ("512M".into(), "0.500".into())
    );
    assert_eq!(network.strict().map(|network| network.warnings().len()), Ok(0));
}

#[test]
fn paths_are_relative_to_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("network.yml");
    std::fs::write(&path, WHOLE).unwrap();
    let network = Network::read(&path).unwrap();
    assert_eq!(network.url_file(), Some(directory.path().join("secrets/database-url")));
    std::fs::write(&path, WHOLE.replace("secrets/", "/run/secrets/")).unwrap();
    assert_eq!(Network::read(&path).unwrap().url_file(), Some("/run/secrets/database-url".into()));
}

#[test]
fn a_file_with_problems_is_named_and_an_absent_one_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("network.yml");
    let absent = Network::read(&path).unwrap_err().to_string();
    assert_eq!(absent, format!("cannot read `{}`", path.display()));
    std::fs::write(&path, WHOLE.replace("acme", "Acme")).unwrap();
    let told = Network::read(&path).unwrap_err().to_string().replace(&path.display().to_string(), "FILE");
    insta::assert_snapshot!(told);
}

#[test]
fn an_alias_bomb_a_deep_and_a_giant_text_are_refused() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert!(Network::parse(bomb).is_err());
    assert!(Network::parse(&format!("overrides: {}{}", "[".repeat(17), "]".repeat(17))).is_err());
    assert_eq!(problems(&" ".repeat(2 << 20)), "a network file has at most 1 MiB\n");
}

#[test]
fn counts_are_bounded() {
    let mut nodes = String::new();
    let mut instances = String::new();
    for number in 0..501 {
        writeln!(nodes, "  n{number}: {{ address: 10.1.{}.{} }}", number / 200, number % 200 + 1).unwrap();
        writeln!(instances, "  p{number}: {{ service: policy, node: n{number} }}").unwrap();
    }
    let told = problems(&format!("stack: a\nnodes:\n{nodes}instances:\n{instances}"));
    assert!(told.contains("501 nodes are more than the 100 that are allowed"), "{told}");
    assert!(told.contains("501 instances are more than the 500 that are allowed"), "{told}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9:{}\\[\\], \n\"'&*!|>-]{0,200}") {
        drop(Network::parse(&text));
    }

    #[test]
    fn no_change_of_a_whole_file_makes_it_panic(at in 0..WHOLE.len(), length in 0..40usize, with in "\\PC{0,9}") {
        let text: String = WHOLE.chars().take(at).chain(with.chars()).chain(WHOLE.chars().skip(at + length)).collect();
        match Network::parse(&text) {
            Ok(network) => proptest::prop_assert!(!network.instances().is_empty()),
            Err(problems) => proptest::prop_assert!(!problems.is_empty()),
        }
    }
}
