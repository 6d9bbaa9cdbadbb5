//! `network.yml`: nodes and the instances on them, the one file of the topology.
//!
//! [`Network::parse`] either answers a network that holds together, or every problem it found, each
//! with its line and column.

mod amounts;
mod built_in;
mod check;
mod file;
mod problem;
mod reading;
mod similar;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use evergate_model::{Instance, Name, Service, Topology};

pub use amounts::{AmountError, Cpu, Memory};
pub use file::{Database, DistributeKeys, Limits, Listen, NetworkFile, ProxyProtocol, SwarmRole, Zone};
pub use problem::{NetworkError, Place, Problem};
pub(crate) use tree::{Kind, Tree};

/// A checked network. Only [`Network::parse`] and [`Network::built_in`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    stack: Name,
    image: Option<String>,
    database: Database,
    distribute_keys: DistributeKeys,
    encrypted_networks: bool,
    nodes: BTreeMap<Name, Node>,
    instances: Vec<Planned>,
    overrides: Option<Tree>,
    directory: PathBuf,
    warnings: Vec<Problem>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The address by which the other machines reach it: a host name or an IP address.
    pub address: String,
    /// Its part in a Docker swarm; absent: it is in none.
    pub swarm: Option<SwarmRole>,
    /// Where it stands.
    pub zone: Zone,
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
    /// The port of its node where its callers reach it, if other machines do; access points have none.
    pub port: Option<u16>,
    /// The port where it says how it is, on a machine without containers.
    pub operations: u16,
    /// Its own image, where it runs in a container.
    pub image: Option<String>,
    /// What its container may use.
    pub limits: Limits,
}

impl Planned {
    /// The port of its node where the console and the API are: administration only.
    #[must_use]
    pub fn console_port(&self) -> Option<u16> {
        self.port.filter(|_| self.service == Service::Administration).map(check::console)
    }
}

/// Where an instance is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// By its callers, `host:port`.
    pub address: String,
    /// For `/live`, `/ready` and `/metrics`, `host:port`.
    pub operations: String,
    /// By callers in the dmz, if that is elsewhere.
    pub outside: Option<String>,
    /// Where it listens, if that is not its address.
    pub listen: Option<String>,
    /// Whether it calls the others where they are published, and not on the networks of a swarm.
    pub is_outside: bool,
}

impl Network {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or with all its problems.
    pub fn read(path: &Path) -> Result<Self, NetworkError> {
        let failed = |source| NetworkError::Read { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(failed)?.len();
        if size > tree::LONGEST {
            return Err(NetworkError::TooLong { path: path.to_owned(), size });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let network = Self::parse(&text)
            .map_err(|problems| NetworkError::Problems { path: PathBuf::from(path), problems })?;
        Ok(Self { directory: path.parent().map(Path::to_owned).unwrap_or_default(), ..network })
    }

    /// Understands a file's text.
    ///
    /// # Errors
    /// All problems, in the order in which they stand in the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let shown = |mut problems: Vec<Problem>| -> Vec<Problem> {
            problems.sort_by_key(|problem| problem.place);
            problems.into_iter().map(|problem| problem.shown_in(text)).collect()
        };
        let tree = tree::parse(text).map_err(|problem| shown(vec![problem]))?;
        let (file, problems) = reading::read(&tree);
        let Some(file) = file else { return Err(shown(problems)) };
        let network = check::check(&file, problems).map_err(shown)?;
        let warnings = shown(network.warnings);
        Ok(Self { warnings, ..network })
    }

    /// The network, if nothing is to be warned of.
    ///
    /// # Errors
    /// All warnings.
    pub fn strict(self) -> Result<Self, Vec<Problem>> {
        if self.warnings.is_empty() { Ok(self) } else { Err(self.warnings) }
    }

    /// What works, and will not when something dies, in the order of the file.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The file with the database's URL, found from where the network file lies.
    #[must_use]
    pub fn url_file(&self) -> Option<PathBuf> {
        match &self.database {
            Database::UrlFile(file) => Some(self.directory.join(file)),
            Database::Sqlite | Database::Managed(_) => None,
        }
    }

    /// What a person adds to the rendered compose file.
    pub(crate) const fn overrides(&self) -> Option<&Tree> {
        self.overrides.as_ref()
    }

    /// The port at which every instance of a service listens in a container.
    pub(crate) const fn container_port(service: Service) -> Option<u16> {
        check::internal(service)
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

    /// Whether the overlay networks of the swarm are encrypted.
    #[must_use]
    pub const fn encrypted_networks(&self) -> bool {
        self.encrypted_networks
    }

    /// The machines.
    #[must_use]
    pub const fn nodes(&self) -> &BTreeMap<Name, Node> {
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
            let Addresses { address, operations, outside, listen, is_outside } = addresses(planned);
            Instance {
                name: planned.name.clone(),
                service: planned.service,
                node: planned.node.clone(),
                priority: planned.priority,
                address,
                operations,
                outside_address: outside,
                listen,
                is_outside,
            }
        });
        Topology { instances: instances.collect(), balanced: Vec::new() }
    }
}
