//! Which instances there are, and where.

use serde::{Deserialize, Serialize};

use crate::{Name, Service};

/// One instance, as its callers know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name: `policy1`.
    pub name: Name,
    /// What it runs.
    pub service: Service,
    /// The node it runs on.
    pub node: Name,
    /// Callers prefer the lowest number; equal numbers share the calls.
    pub priority: u32,
    /// Where its callers reach it, `host:port`. Of an access point: where it alone answers.
    pub address: String,
    /// Where `/live`, `/ready` and `/metrics` are, `host:port`.
    pub operations: String,
    /// Where callers that stand outside reach it, if that is elsewhere: in a swarm they are on none of its networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_address: Option<String>,
    /// Where it listens, `host:port`, if that is not its address: in a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Whether it stands outside itself, in the dmz.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_outside: bool,
}

impl Instance {
    /// Where a caller reaches it that stands outside or not.
    #[must_use]
    pub fn reached_from(&self, is_outside: bool) -> &str {
        self.outside_address.as_ref().filter(|_| is_outside).unwrap_or(&self.address)
    }
}

/// How callers use the instances of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The most preferred eligible instance gets every call.
    #[default]
    Failover,
    /// All eligible instances share the calls, whatever their priority.
    Balance,
}

/// All instances of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Topology {
    /// The instances, in the order of `network.yml`.
    pub instances: Vec<Instance>,
    /// Services whose callers share calls between all instances.
    #[serde(default)]
    pub balanced: Vec<Service>,
}

impl Topology {
    /// The instances of one service.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| instance.service == service)
    }

    /// The instance of that name.
    #[must_use]
    pub fn find(&self, name: &Name) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == *name)
    }

    /// How callers use the instances of `service`.
    #[must_use]
    pub fn mode(&self, service: Service) -> Mode {
        if self.balanced.contains(&service) { Mode::Balance } else { Mode::Failover }
    }
}
