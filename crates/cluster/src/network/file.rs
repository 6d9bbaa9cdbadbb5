//! The words of `network.yml`, as they stand in the file. What JSON Schema says of the file is made from these types;
//! a test holds it against what is read.

use std::collections::BTreeMap;

use evergate_model::Service;
use ipnet::IpNet;
use schemars::JsonSchema;

use super::amounts::{Cpu, Memory};
use super::tree::{Placed, Tree};

/// The file.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NetworkFile {
    /// The name that tells this installation from others on the same swarm.
    #[schemars(with = "evergate_model::Name")]
    pub(super) stack: Placed<String>,
    /// The image of the instances, where they run in containers; access points run `...-access-point` of the same tag.
    #[schemars(with = "Option<String>")]
    pub(super) image: Option<Placed<String>>,
    /// Where the database is; absent: SQLite beside the state of the one machine.
    #[schemars(with = "Option<Database>")]
    pub(super) database: Placed<Database>,
    /// How internal keys reach the instances.
    #[schemars(default)]
    pub(super) distribute_keys: DistributeKeys,
    /// Whether the overlay networks of the swarm are encrypted (ESP); absent: they are. For machines whose kernel has no
    /// ESP: what instances say to each other is under mutual TLS either way.
    #[schemars(with = "Option<bool>")]
    pub(super) encrypted_networks: Placed<bool>,
    /// What each container may use, where an instance says nothing else.
    #[schemars(default)]
    pub(super) limits: Limits,
    /// The machines, by name.
    #[schemars(with = "BTreeMap<String, NodeEntry>")]
    pub(super) nodes: Vec<(Placed<String>, NodeEntry)>,
    /// The instances, by name.
    #[schemars(with = "BTreeMap<String, InstanceEntry>")]
    pub(super) instances: Vec<(Placed<String>, InstanceEntry)>,
    /// What is merged into the rendered `docker-compose.yml` at last, in that file's words.
    #[schemars(with = "Option<OverridesWords>")]
    pub(super) overrides: Option<Tree>,
    /// Whether all nodes and instances could be understood: if not, nothing is said of what is missing.
    #[schemars(skip)]
    pub(super) is_complete: bool,
}

/// A machine, as written.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NodeEntry {
    /// The address by which the other machines reach it: a host name or an IP address.
    #[schemars(with = "String")]
    pub(super) address: Placed<String>,
    /// Its part in a Docker swarm; absent: it is in none.
    #[schemars(with = "Option<SwarmRole>")]
    pub(super) swarm: Option<Placed<SwarmRole>>,
    /// Where it stands.
    #[schemars(default)]
    pub(super) zone: Zone,
}

/// A machine's part in a Docker swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum SwarmRole {
    /// It keeps the swarm's state.
    Manager,
    /// It runs what managers say.
    Worker,
}

/// Where a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Zone {
    /// Among the internal machines.
    #[default]
    Internal,
    /// Where anybody may reach it: only access points run there.
    Dmz,
}

/// An instance, as written.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct InstanceEntry {
    /// What it runs.
    pub(super) service: Service,
    /// The machine.
    #[schemars(with = "String")]
    pub(super) node: Placed<String>,
    /// Callers prefer the lowest; equal ones share the calls.
    #[schemars(default = "first")]
    pub(super) priority: u32,
    /// Where an access point accepts.
    #[schemars(default, with = "Vec<Listen>")]
    pub(super) listen: Vec<Placed<Listen>>,
    /// Its image, if it is not the network's.
    #[schemars(with = "Option<String>")]
    pub(super) image: Option<Placed<String>>,
    /// What its container may use.
    #[schemars(default)]
    pub(super) limits: Limits,
}

/// A port where an access point accepts.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Listen {
    /// The port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// On all interfaces; else on the loopback interface only.
    #[schemars(default)]
    pub all_interfaces: bool,
    /// Balancers that say by the PROXY protocol (version 1 or 2) whom they bring; absent: nobody does, and who sends such
    /// a header is refused.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// Who may say by the PROXY protocol whom a connection is from.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProxyProtocol {
    /// The addresses of the balancers, as networks (`10.0.0.0/8`) or single addresses. From there every connection must
    /// begin with the header; without one it is only told whether the access point is ready.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub from: Vec<IpNet>,
}

/// What a container may use; absent: what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Limits {
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
}

impl Limits {
    /// These, and where they say nothing, `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self { memory: self.memory.or(others.memory), cpu: self.cpu.or(others.cpu) }
    }
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum Database {
    /// SQLite, for one machine.
    #[default]
    Sqlite,
    /// PostgreSQL, whose URL is in this file; the path is relative to the network file.
    UrlFile(String),
    /// A PostgreSQL of Evergate's own on that node.
    Managed(String),
}

/// How internal keys reach the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DistributeKeys {
    /// Over the connection to administration.
    #[default]
    Automatic,
    /// In bootstrap files that people carry.
    Manual,
}

/// What a person adds to the rendered file, in the words of a compose file.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only says what the tree of the file looks like")]
struct OverridesWords {
    /// More of the rendered services: logging, environment, extra hosts ...
    #[schemars(default)]
    services: BTreeMap<String, serde_json::Value>,
    /// Networks of the person's own.
    #[schemars(default)]
    networks: BTreeMap<String, serde_json::Value>,
    /// Volumes of the person's own, and more of the rendered ones.
    #[schemars(default)]
    volumes: BTreeMap<String, serde_json::Value>,
    /// Configs of the person's own.
    #[schemars(default)]
    configs: BTreeMap<String, serde_json::Value>,
}

/// What callers prefer where no priority is written.
pub(super) const fn first() -> u32 {
    1
}
