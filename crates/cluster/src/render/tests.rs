//! What the rendered file looks like, and what it never has.

use super::*;
use crate::network::Zone;

fn inputs(network: &Network) -> Inputs {
    let names = network.instances().iter().map(|planned| planned.name.clone());
    Inputs {
        image: "evergate:1.0.0".to_owned(),
        live: vec!["/evergate".to_owned(), "live".to_owned()],
        bootstraps: names.map(|name| (name.clone(), format!("acme-{name}-bootstrap-1"))).collect(),
        database_password: Some("acme-database-password-1".to_owned()),
    }
}

fn rendered(text: &str) -> ComposeFile {
    let network = Network::parse(text).unwrap();
    render(&network, &inputs(&network)).unwrap()
}

const ONE: &str = "
stack: acme
nodes: { node-a: { address: 10.0.0.11, swarm: manager } }
instances:
  administration1: { service: administration, node: node-a }
  policy1: { service: policy, node: node-a, priority: 1, limits: { memory: 256m, cpu: 0.5 } }
  policy2: { service: policy, node: node-a, priority: 2 }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-a }
  access-point1: { service: access-point, node: node-a, listen: [{ port: 443, all_interfaces: true }, { port: 8080 }] }
";

const THREE: &str = "
stack: acme
image: registry.example.com:5000/evergate:1.2.3
database: { url_file: secrets/database-url }
nodes:
  node-a: { address: 10.0.0.11, swarm: manager }
  node-b: { address: 10.0.0.12, swarm: worker }
  edge-1: { address: 203.0.113.10, zone: dmz }
  edge-2: { address: 203.0.113.11, zone: dmz, swarm: worker }
instances:
  administration1: { service: administration, node: node-a }
  policy1: { service: policy, node: node-a, priority: 1 }
  policy2: { service: policy, node: node-b, priority: 2, image: 'evergate:1.2.4' }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-b }
  access-point1: { service: access-point, node: edge-1, listen: [{ port: 443, all_interfaces: true }] }
  access-point2: { service: access-point, node: edge-2, listen: [{ port: 443, all_interfaces: true }] }
overrides:
  services:
    policy1:
      environment: { EVERGATE_LOG: debug }
      logging: { driver: journald, options: { tag: 'yes' } }
      deploy: { labels: { team: access }, restart_policy: { delay: 2s } }
    policy2:
      deploy: { labels: ['team=access'] }
    access-point2:
      networks: [apps]
      volumes: ['certificates:/certificates:ro']
  networks: { apps: { external: true } }
  volumes: { certificates: {} }
";

fn managed() -> String {
    ONE.replace(
        "nodes: {",
        "database: { managed: node-b }\nnodes: { node-b: { address: 10.0.0.12, swarm: worker },",
    )
}

#[test]
fn one_node() {
    insta::assert_snapshot!(rendered(ONE).text);
}

#[test]
fn three_nodes_with_a_dmz_and_overrides() {
    insta::assert_snapshot!(rendered(THREE).text);
}

#[test]
fn a_managed_database() {
    insta::assert_snapshot!(rendered(&managed()).text);
}

#[test]
fn what_is_rendered_is_yaml_that_says_what_was_planned() {
    for text in [ONE, THREE, &managed()] {
        let rendered = rendered(text);
        let file: serde_json::Value = serde_saphyr::from_str(&rendered.text).unwrap();
        let services = file["services"].as_object().unwrap();
        assert_eq!(services.len(), rendered.services.len());
        for (name, expected) in &rendered.services {
            let service = &services[name];
            assert_eq!(service["image"], expected.image);
            assert_eq!(
                service["deploy"]["placement"]["constraints"][0],
                format!("node.labels.evergate.acme.{name} == true")
            );
            assert_eq!(service["deploy"]["endpoint_mode"], "dnsrr");
            assert_eq!(service["deploy"]["update_config"]["order"], "stop-first");
            assert_eq!(service["read_only"], true);
            assert_ne!(service["user"].as_str().unwrap().split(':').next(), Some("0"));
            let ports = service["ports"].as_array().cloned().unwrap_or_default();
            assert!(ports.iter().all(|port| port["mode"] == "host"), "{ports:?}");
            let published: BTreeSet<u64> =
                ports.iter().map(|port| port["published"].as_u64().unwrap()).collect();
            assert_eq!(published, expected.ports.iter().map(|port| u64::from(*port)).collect());
            for secret in service["secrets"].as_array().unwrap() {
                let source = secret["source"].as_str().unwrap();
                assert!(expected.secrets.contains(file["secrets"][source]["name"].as_str().unwrap()));
            }
        }
    }
}

#[test]
fn no_access_point_shares_a_network_with_the_database_or_distribution() {
    for text in [ONE, THREE, &managed()] {
        let rendered = rendered(text);
        let file: serde_json::Value = serde_saphyr::from_str(&rendered.text).unwrap();
        let networks = |name: &str| -> BTreeSet<String> {
            let list = file["services"][name]["networks"].as_array().unwrap();
            list.iter().map(|network| network.as_str().unwrap().to_owned()).collect()
        };
        let of =
            |service: Option<Service>| rendered.services.iter().filter(move |(_, of)| of.service == service);
        for (point, _) in of(Some(Service::AccessPoint)) {
            for (other, _) in of(Some(Service::Distribution)).chain(of(None)) {
                assert!(networks(point).is_disjoint(&networks(other)), "{point} {other}");
            }
        }
        for name in ["internal", "edge"] {
            let network = &file["networks"][name];
            assert!(network.is_null() || network["driver_opts"]["encrypted"] == "true");
        }
    }
}

#[test]
fn only_what_changes_has_another_definition() {
    let before = rendered(THREE).services;
    let after = rendered(&THREE.replace("EVERGATE_LOG: debug", "EVERGATE_LOG: info")).services;
    let changed: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert_eq!(changed, ["policy1"]);
    assert_eq!(rendered(THREE), rendered(THREE));
}

#[test]
fn the_order_of_the_file_changes_no_definition() {
    let first = "  administration1: { service: administration, node: node-a }\n";
    let moved = THREE.replace(first, "").replace("overrides:", &format!("{first}overrides:"));
    assert_eq!(rendered(THREE).services, rendered(&moved).services);
    let second = "  administration0: { service: administration, node: node-b }\n";
    let before = rendered(THREE).services;
    let after = rendered(&THREE.replace(first, &format!("{second}{first}"))).services;
    assert!(before.iter().all(|(name, service)| after[name] == *service));
}

#[test]
fn instances_are_reached_by_name_inside_and_by_their_node_from_the_dmz() {
    let network = Network::parse(&THREE.replace("10.0.0.12", "'2001:db8::12'")).unwrap();
    let told = network.instances().iter().map(|planned| {
        let at = |zone| reached_at(&network, planned, zone).unwrap_or_else(|| "-".to_owned());
        format!("{}: {}, from the dmz {}\n", planned.name, at(Zone::Internal), at(Zone::Dmz))
    });
    insta::assert_snapshot!(told.collect::<String>());
}

#[test]
fn a_firewall_lets_through_exactly_what_access_points_in_the_dmz_call() {
    let network = Network::parse(THREE).unwrap();
    let told = openings(&network).into_iter().map(|opening| {
        let Opening { from, to, address, port, instance } = opening;
        format!("{from} -> {to} ({address}) tcp {port}: {instance}\n")
    });
    insta::assert_snapshot!(told.collect::<String>());
    assert_eq!(openings(&Network::parse(ONE).unwrap()), []);
    let published = rendered(THREE).services;
    let is_published = |opening: &Opening| published[opening.instance.as_str()].ports.contains(&opening.port);
    assert!(openings(&network).iter().all(is_published));
}

#[test]
#[ignore = "needs the docker command (no engine)"]
fn docker_accepts_what_is_rendered() {
    for text in [ONE, THREE, &managed()] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker-compose.yml");
        std::fs::write(&path, rendered(text).text).unwrap();
        let mut docker = std::process::Command::new("docker");
        let output = docker.args(["stack", "config", "--compose-file"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn access_points_run_the_image_of_the_same_tag() {
    for (image, expected) in [
        ("evergate:1.0.0", "evergate-access-point:1.0.0"),
        ("evergate", "evergate-access-point"),
        ("registry.example.com:5000/a/evergate", "registry.example.com:5000/a/evergate-access-point"),
        ("registry.example.com:5000/evergate:1", "registry.example.com:5000/evergate-access-point:1"),
    ] {
        assert_eq!(access_point_image(image), expected);
    }
}

#[test]
fn what_cannot_be_rendered_says_what_is_missing() {
    let network = Network::parse(&managed()).unwrap();
    let mut without = inputs(&network);
    without.bootstraps.remove(&"policy2".parse::<Name>().unwrap());
    let no_bootstrap = render(&network, &without).unwrap_err();
    let no_password = render(&network, &Inputs { database_password: None, ..inputs(&network) }).unwrap_err();
    let built_in = Network::built_in();
    let no_swarm = render(&built_in, &inputs(&built_in)).unwrap_err();
    insta::assert_snapshot!(format!("{no_bootstrap}\n{no_password}\n{no_swarm}"));
}

#[test]
fn a_topology_says_where_each_listens_and_is_reached_from_both_sides() {
    let network = Network::parse(THREE).unwrap();
    let listeners = listeners(&network);
    let told = topology(&network).instances.into_iter().map(|instance| {
        let listeners = listeners.get(&instance.name);
        let listeners = listeners.map(|sources| serde_json::to_string(sources).unwrap()).unwrap_or_default();
        format!(
            "{}: {}, outside {}, listens {}, {}{listeners}\n",
            instance.name,
            instance.address,
            instance.outside_address.as_deref().unwrap_or("-"),
            instance.listen.as_deref().unwrap_or("-"),
            if instance.is_outside { "stands outside, " } else { "" },
        )
    });
    insta::assert_snapshot!(told.chain([servers(&network).join(" ")]).collect::<String>());
}
