//! `network.yml`: nodes and the instances on them, the one file of the topology.
//!
//! [`Network::parse`] either answers a network that holds together, or every problem it found, each
//! with its line and column.

mod built_in;
mod check;
mod file;
mod problem;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use evergate_model::{Instance, Name, Service, Topology};

pub use file::{Database, DistributeKeys, Listen, NetworkFile, NodeEntry, SwarmRole, Zone};
pub use problem::{NetworkError, Problem};

/// A checked network. Only [`Network::parse`] and [`Network::built_in`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    stack: Name,
    image: Option<String>,
    database: Database,
    distribute_keys: DistributeKeys,
    nodes: BTreeMap<Name, NodeEntry>,
    instances: Vec<Planned>,
}

/// An instance as the file plans it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub name: Name,
    /// What it runs.
    pub service: Service,
    /// Where.
    pub node: Name,
    /// Callers prefer the lowest.
    pub priority: u32,
    /// Where an access point accepts; empty: where `evergate up` says.
    pub listen: Vec<Listen>,
}

/// Where an instance is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// By its callers, `host:port`.
    pub address: String,
    /// For `/live`, `/ready` and `/metrics`, `host:port`.
    pub operations: String,
}

impl Network {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or with all its problems.
    pub fn read(path: &Path) -> Result<Self, NetworkError> {
        let failed = |source| NetworkError::Read { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > file::LONGEST {
            return Err(NetworkError::TooLong { path: path.to_owned(), size });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(|problems| NetworkError::Problems { path: PathBuf::from(path), problems })
    }

    /// Understands a file's text.
    ///
    /// # Errors
    /// All problems, in the order in which they stand in the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        check::check(file::parse(text).map_err(|problem| vec![problem])?)
    }

    /// The name that tells this installation from others on the same swarm.
    #[must_use]
    pub const fn stack(&self) -> &Name {
        &self.stack
    }

    /// The image of the instances, where they run in containers.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Where the database is.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// How internal keys reach the instances.
    #[must_use]
    pub const fn distribute_keys(&self) -> DistributeKeys {
        self.distribute_keys
    }

    /// The machines.
    #[must_use]
    pub const fn nodes(&self) -> &BTreeMap<Name, NodeEntry> {
        &self.nodes
    }

    /// The instances, in the order of services, then of the file.
    #[must_use]
    pub fn instances(&self) -> &[Planned] {
        &self.instances
    }

    /// What callers are told: the instances with their addresses.
    pub fn topology(&self, addresses: impl Fn(&Planned) -> Addresses) -> Topology {
        let instances = self.instances.iter().map(|planned| {
            let Addresses { address, operations } = addresses(planned);
            Instance {
                name: planned.name.clone(),
                service: planned.service,
                node: planned.node.clone(),
                priority: planned.priority,
                address,
                operations,
            }
        });
        Topology { instances: instances.collect(), balanced: Vec::new() }
    }
}
