//! The `network.yml` of the scene, and what the tests change in it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::{Nodes, PORT};

/// The name of the stack.
pub(super) const STACK: &str = "acme";

/// What is in the file. The first choice of policy, authentication and distribution is on the worker node-b; that of
/// administration on the manager node-a, which has one of each.
#[derive(Debug, Clone)]
pub struct NetworkFile {
    /// The tag of another image than that of the program itself, and who has it; nobody is named: all.
    pub other_image: Option<(&'static str, &'static [&'static str])>,
    /// What it says of the database.
    pub(super) database: &'static str,
    /// Whether there is the first machine only.
    pub(super) is_alone: bool,
    /// A machine that has nothing any more.
    pub(super) without: Option<&'static str>,
    /// Where policy2 is, if it is anywhere.
    pub policy2: Option<&'static str>,
    addresses: [(&'static str, &'static str, Ipv4Addr); 4],
    balancer: Ipv4Addr,
}

impl NetworkFile {
    pub(super) fn of(nodes: &Nodes, balancer: Ipv4Addr) -> Self {
        let addresses = [
            ("node-a", "swarm: manager", nodes.a.address()),
            ("node-b", "swarm: worker", nodes.b.address()),
            ("node-c", "swarm: worker", nodes.c.address()),
            ("edge-1", "zone: dmz", nodes.edge.address()),
        ];
        let database = "{ url_file: database-url }";
        Self {
            other_image: None,
            database,
            is_alone: false,
            without: None,
            policy2: None,
            addresses,
            balancer,
        }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "stack: {STACK}\ndatabase: {}\nencrypted_networks: false\n{}nodes:\n",
            self.database,
            match self.other_image {
                Some((tag, [])) => format!("image: evergate:{tag}\n"),
                _ => String::new(),
            }
        );
        let is_there = |node: &str| (!self.is_alone || node == "node-a") && self.without != Some(node);
        for (name, part, address) in self.addresses.into_iter().filter(|(name, ..)| is_there(name)) {
            // Writing to a text cannot fail.
            _ = writeln!(text, "  {name}: {{ address: {address}, {part} }}");
        }
        text += "instances:\n";
        let mut instance = |name: &str, service: &str, node: &str, further: &str| {
            let image = match self.other_image {
                Some((tag, named)) if named.contains(&name) && service == "access-point" => {
                    format!(", image: \"evergate-access-point:{tag}\"")
                }
                Some((tag, named)) if named.contains(&name) => format!(", image: \"evergate:{tag}\""),
                _ => String::new(),
            };
            if is_there(node) {
                _ = writeln!(text, "  {name}: {{ service: {service}, node: {node}, {further}{image} }}");
            }
        };
        instance("administration1", "administration", "node-a", "priority: 1");
        instance("administration2", "administration", "node-b", "priority: 2");
        instance("policy1", "policy", "node-b", "priority: 1");
        instance("policy3", "policy", "node-a", "priority: 3");
        for service in ["authentication", "distribution"] {
            instance(&format!("{service}1"), service, "node-b", "priority: 1");
            instance(&format!("{service}2"), service, "node-a", "priority: 2");
        }
        let listen = format!("listen: [{{ port: {PORT}, all_interfaces: true }}]");
        let behind = format!(
            "listen: [{{ port: {PORT}, all_interfaces: true, proxy_protocol: {{ from: [{}] }} }}]",
            self.balancer
        );
        instance("access-point1", "access-point", "node-a", &listen);
        instance("access-point2", "access-point", "node-c", &behind);
        instance("access-point3", "access-point", "edge-1", &behind);
        if let Some(node) = self.policy2 {
            instance("policy2", "policy", node, "priority: 2");
        }
        text
    }
}
