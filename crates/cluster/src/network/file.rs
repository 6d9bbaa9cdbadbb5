//! The words of `network.yml`, as they stand in the file.

use std::collections::BTreeMap;

use evergate_model::Service;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::Problem;

/// Longer files are refused unread.
pub(super) const LONGEST: u64 = 1 << 20;

/// The file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkFile {
    /// The name that tells this installation from others on the same swarm.
    #[schemars(with = "String")]
    pub(super) stack: Spanned<String>,
    /// The image of the instances, where they run in containers.
    #[serde(default)]
    pub(super) image: Option<String>,
    /// Where the database is; absent: SQLite beside the state of the one machine.
    #[serde(default)]
    pub(super) database: Database,
    /// How internal keys reach the instances.
    #[serde(default)]
    pub(super) distribute_keys: DistributeKeys,
    /// The machines, by name.
    #[schemars(with = "BTreeMap<String, NodeEntry>")]
    pub(super) nodes: BTreeMap<String, Spanned<NodeEntry>>,
    /// The instances, by name.
    #[schemars(with = "BTreeMap<String, InstanceEntry>")]
    pub(super) instances: BTreeMap<String, Spanned<InstanceEntry>>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// The address by which the other machines reach it: a host name or an IP address.
    pub address: String,
    /// Its part in a Docker swarm.
    #[serde(default)]
    pub swarm: Option<SwarmRole>,
    /// Where it stands.
    #[serde(default)]
    pub zone: Zone,
}

/// A machine's part in a Docker swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SwarmRole {
    /// It keeps the swarm's state.
    Manager,
    /// It runs what managers say.
    Worker,
}

/// Where a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Zone {
    /// Among the internal machines.
    #[default]
    Internal,
    /// Where anybody may reach it: only access points run there.
    Dmz,
}

/// An instance.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceEntry {
    /// What it runs.
    pub(super) service: Service,
    /// The machine.
    #[schemars(with = "String")]
    pub(super) node: Spanned<String>,
    /// Callers prefer the lowest; equal ones share the calls.
    #[serde(default = "first")]
    pub(super) priority: u32,
    /// Where an access point accepts.
    #[serde(default)]
    #[schemars(with = "Vec<Listen>")]
    pub(super) listen: Vec<Spanned<Listen>>,
}

/// A port where an access point accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// On all interfaces; else on the loopback interface only.
    #[serde(default)]
    pub all_interfaces: bool,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Database {
    /// SQLite, for one machine.
    #[default]
    Sqlite,
    /// PostgreSQL, whose URL is in this file.
    UrlFile(String),
    /// A PostgreSQL of Evergate's own on that node.
    Managed(String),
}

/// How internal keys reach the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DistributeKeys {
    /// Over the connection to administration.
    #[default]
    Automatic,
    /// In bootstrap files that people carry.
    Manual,
}

const fn first() -> u32 {
    1
}

/// The file's words, if they are words of a network file at all.
pub(super) fn parse(text: &str) -> Result<NetworkFile, Problem> {
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(Problem::whole("a network file has at most 1 MiB"));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().unwrap_or(Location::UNKNOWN);
        Problem::at(place, without_place(&error.to_string()))
    })
}

/// The file is written by people: nothing in it needs aliases, depth or size.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_aliases: 100,
            max_depth: 16,
        },
    }
}

/// The library names the place in the text as well.
fn without_place(text: &str) -> String {
    let end = text.rfind(" at line ").or_else(|| text.rfind(" (line ")).unwrap_or(text.len());
    let first = text.get(..end).unwrap_or(text).lines().next().unwrap_or_default();
    first.trim_end_matches(':').to_owned()
}
