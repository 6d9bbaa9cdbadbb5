//! From a checked network to a `docker-compose.yml` that a person can read, and deploy by hand.
//!
//! Each instance is a service of the swarm of its own, pinned to its node by a label: callers must know instances
//! apart. What a deployment compares with what runs comes from here too: [`Rendered`].

mod layout;
mod reach;
mod service;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use evergate_model::{Name, Service};

use crate::network::{Database, Network, Planned};
pub use reach::{Opening, listeners, openings, reached_at, servers, topology};
pub use service::managed_url;

use layout::Layout;
use yaml::{Entry, Yaml, entry, mapping, plain, text};

/// The image of the managed PostgreSQL.
pub const POSTGRES: &str = "postgres:17.6-bookworm";
/// The user inside that image.
const POSTGRES_USER: &str = "999";
/// The user that Evergate's images run as, and own [`DATA`] and [`SQLITE`] by.
pub const USER: &str = "65532";
/// Where an instance keeps its last good state, a volume of its own.
pub const DATA: &str = "/var/lib/evergate";
/// Where the instances of one machine share SQLite, a volume.
pub const SQLITE: &str = "/var/lib/evergate-database";
/// Directory and name of the bootstrap file.
pub const BOOTSTRAP: (&str, &str) = ("/run/secrets", "bootstrap.json");
/// Where `/live`, `/ready` and `/metrics` are in a container.
pub const OPERATIONS: u16 = 8309;
/// Where console and API are in a container of administration.
pub const CONSOLE: u16 = 8304;
/// The service, volume and label of the database.
pub const DATABASE: &str = "database";
/// The label of a service that tells one definition from the next.
pub const DEFINITION: &str = "evergate.definition";
/// The label of a service that says which of the five it runs.
pub const SERVICE: &str = "evergate.service";

const INTERNAL: &str = "internal";
const EDGE: &str = "edge";
const OUTSIDE: &str = "outside";

/// What the network file does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The image, if the file names none.
    pub image: String,
    /// The words of a command in the images that asks a URL, given as the last word, and succeeds if it is answered.
    pub live: Vec<String>,
    /// The swarm's secret with the bootstrap file of each instance.
    pub bootstraps: BTreeMap<Name, String>,
    /// The swarm's secret with the password of the managed database.
    pub database_password: Option<String>,
}

/// Why a network cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// No node is in a swarm.
    #[error("no node is in a swarm: write `swarm: manager` at one")]
    NoSwarm,
    /// An instance has no bootstrap file.
    #[error("there is no secret with the bootstrap file of `{0}`")]
    NoBootstrap(Name),
    /// The managed database has no password.
    #[error("there is no secret with the password of the database")]
    NoPassword,
}

/// One service of the rendered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What it runs; the database runs none of the five.
    pub service: Option<Service>,
    /// Its image.
    pub image: String,
    /// The node that has its label.
    pub node: Name,
    /// The secrets of the swarm that it uses.
    pub secrets: BTreeSet<String>,
    /// The ports of its node that it takes.
    pub ports: BTreeSet<u16>,
    /// Differs from that of any other definition: the value of the label [`DEFINITION`].
    pub definition: String,
}

/// A rendered network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeFile {
    /// The file's text.
    pub text: String,
    /// Its services, by name.
    pub services: BTreeMap<String, Rendered>,
    /// What the text is written from.
    file: Yaml,
}

impl ComposeFile {
    /// The same file with some of its services only: deployed, it changes nothing else.
    #[must_use]
    pub fn with_only(&self, names: &[&str]) -> String {
        self.file.with_only("services", names)
    }

    /// The same file without what is on other nodes than these.
    #[must_use]
    pub fn on_nodes(self, nodes: &BTreeSet<Name>) -> Self {
        self.narrowed(|_, service| nodes.contains(&service.node))
    }

    /// The same file with the managed database alone.
    #[must_use]
    pub fn of_database(self) -> Self {
        self.narrowed(|name, _| name == DATABASE)
    }

    fn narrowed(mut self, is_in: impl Fn(&str, &Rendered) -> bool) -> Self {
        self.services.retain(|name, service| is_in(name, service));
        let names: Vec<&str> = self.services.keys().map(String::as_str).collect();
        self.text = self.file.with_only("services", &names);
        self
    }
}

/// The label by which a node is the one of an instance.
#[must_use]
pub fn label(stack: &str, instance: &str) -> String {
    format!("evergate.{stack}.{instance}")
}

/// The image of access points that belongs to the image of the others.
#[must_use]
pub fn access_point_image(image: &str) -> String {
    let name_end = image.rfind('/').map_or(0, |slash| slash + 1);
    let tag = image.get(name_end..).and_then(|name| name.find([':', '@'])).map(|at| name_end + at);
    let (name, tag) = image.split_at(tag.unwrap_or(image.len()));
    format!("{name}-access-point{tag}")
}

/// Renders a network.
///
/// # Errors
/// When it is for no swarm, or a secret is missing.
pub fn render(network: &Network, inputs: &Inputs) -> Result<ComposeFile, RenderError> {
    let layout = Layout::of(network);
    if !network.nodes().values().any(|node| node.swarm.is_some()) {
        return Err(RenderError::NoSwarm);
    }
    let instances: Vec<&Planned> =
        network.instances().iter().filter(|planned| layout.is_inside(planned)).collect();
    let mut file = head(network, inputs, &layout, &instances)?;
    if let Some(overrides) = network.overrides() {
        file.merge(overrides);
    }
    let mut services = BTreeMap::new();
    for planned in instances {
        let definition = define(&mut file, planned.name.as_str(), Some(planned.service));
        let secret = inputs.bootstraps.get(&planned.name).cloned();
        let rendered = Rendered {
            service: Some(planned.service),
            image: image(network, inputs, planned),
            node: planned.node.clone(),
            secrets: secret.into_iter().collect(),
            ports: service::published(planned, &layout).into_iter().map(|(_, port)| port).collect(),
            definition,
        };
        services.insert(planned.name.to_string(), rendered);
    }
    if let Some(node) = layout.database {
        let rendered = Rendered {
            service: None,
            image: POSTGRES.to_owned(),
            node: node.clone(),
            secrets: inputs.database_password.iter().cloned().collect(),
            ports: BTreeSet::new(),
            definition: define(&mut file, DATABASE, None),
        };
        services.insert(DATABASE.to_owned(), rendered);
    }
    let mut text = layout.introduction(network, &services);
    file.write(0, &mut text);
    Ok(ComposeFile { text, services, file })
}

fn image(network: &Network, inputs: &Inputs, planned: &Planned) -> String {
    let common = network.image().unwrap_or(&inputs.image);
    match (&planned.image, planned.service) {
        (Some(own), _) => own.clone(),
        (None, Service::AccessPoint) => access_point_image(common),
        (None, _) => common.to_owned(),
    }
}

/// The file without a person's overrides.
fn head(
    network: &Network,
    inputs: &Inputs,
    layout: &Layout,
    instances: &[&Planned],
) -> Result<Yaml, RenderError> {
    let mut services = Vec::new();
    let mut secrets = Vec::new();
    let external = |name: &str| mapping([entry("external", plain(true)), entry("name", text(name))]);
    if layout.database.is_some() {
        let password = inputs.database_password.as_ref().ok_or(RenderError::NoPassword)?;
        let why = "One PostgreSQL: with it go sign-in and changes.";
        services.push(entry(DATABASE, service::database(layout.stack)).why(why));
        secrets.push(entry("database-password", external(password)));
    }
    for (number, planned) in instances.iter().enumerate() {
        let secret = inputs.bootstraps.get(&planned.name);
        let secret = secret.ok_or_else(|| RenderError::NoBootstrap(planned.name.clone()))?;
        let image = image(network, inputs, planned);
        let why = format!("{} on {}, priority {}", planned.service, planned.node, planned.priority);
        let rendered = service::instance(planned, &image, inputs, layout);
        // What holds for all is said once.
        let rendered = if number == 0 { rendered } else { rendered.without_comments() };
        services.push(entry(planned.name.as_str(), rendered).why(why));
        secrets.push(entry(format!("{}-bootstrap", planned.name), external(secret)));
    }
    let own = instances.iter().map(|planned| planned.name.as_str());
    let has_database = layout.has_sqlite || matches!(network.database(), Database::Managed(_));
    let volumes = own.chain(has_database.then_some(DATABASE));
    let volumes: Vec<Entry> = volumes.map(|name| entry(name, mapping([]))).collect();
    Ok(mapping([
        entry("version", text("3.8")),
        entry("services", Yaml::Mapping(services)),
        entry("networks", layout.networks()),
        entry("volumes", Yaml::Mapping(volumes)).why("Each on the node of its service."),
        entry("secrets", Yaml::Mapping(secrets))
            .why("Made by `evergate cluster deploy`; a secret cannot change."),
    ]))
}

/// Writes into a service the labels of its definition and of what it runs.
fn define(file: &mut Yaml, name: &str, runs: Option<Service>) -> String {
    let Some(service) = file.below("services").and_then(|services| services.below(name)) else {
        return String::new();
    };
    let mut written = String::new();
    service.clone().without_comments().write(0, &mut written);
    let definition = format!("{:016x}", digest(&written));
    if let Some(labels) = service.below("deploy").and_then(|deploy| deploy.below("labels")) {
        labels.put(DEFINITION, &definition);
        if let Some(runs) = runs {
            labels.put(SERVICE, runs.as_str());
        }
    }
    definition
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo): tells changes apart, and guards against nobody.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
