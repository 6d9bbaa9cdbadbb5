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
    /// The image of all instances, if it is not that of the program itself.
    pub image: Option<&'static str>,
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
        Self { image: None, policy2: None, addresses, balancer }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "stack: {STACK}\ndatabase: {{ url_file: database-url }}\nencrypted_networks: false\n{}nodes:\n",
            self.image.map(|image| format!("image: {image}\n")).unwrap_or_default()
        );
        for (name, part, address) in self.addresses {
            // Writing to a text cannot fail.
            _ = writeln!(text, "  {name}: {{ address: {address}, {part} }}");
        }
        text += "instances:\n";
        let mut instance = |name: &str, service: &str, node: &str, further: &str| {
            _ = writeln!(text, "  {name}: {{ service: {service}, node: {node}, {further} }}");
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
