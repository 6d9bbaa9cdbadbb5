//! From the tree of a file to its words: every unknown key, missing key and wrong value at once.

use std::net::IpAddr;

use evergate_model::Service;
use ipnet::IpNet;

use super::Problem;
use super::file::{
    Database, DistributeKeys, InstanceEntry, Limits, Listen, NetworkFile, NodeEntry, ProxyProtocol,
    SwarmRole, Zone, first,
};
use super::problem::Place;
use super::similar::nearest;
use super::tree::{Kind, Placed, Tree};

/// The keys of each mapping.
pub(super) const FILE: [&str; 9] = [
    "stack",
    "image",
    "database",
    "distribute_keys",
    "encrypted_networks",
    "limits",
    "nodes",
    "instances",
    "overrides",
];
pub(super) const NODE: [&str; 3] = ["address", "swarm", "zone"];
pub(super) const INSTANCE: [&str; 6] = ["service", "node", "priority", "listen", "image", "limits"];
pub(super) const LISTEN: [&str; 3] = ["port", "all_interfaces", "proxy_protocol"];
pub(super) const PROXY_PROTOCOL: [&str; 1] = ["from"];
pub(super) const LIMITS: [&str; 2] = ["memory", "cpu"];
pub(super) const DATABASE: [&str; 2] = ["url_file", "managed"];

/// The networks of balancers before one listener.
const MOST_BALANCERS: usize = 64;

const SWARM_ROLES: [(&str, SwarmRole); 2] = [("manager", SwarmRole::Manager), ("worker", SwarmRole::Worker)];
const ZONES: [(&str, Zone); 2] = [("internal", Zone::Internal), ("dmz", Zone::Dmz)];
const DISTRIBUTIONS: [(&str, DistributeKeys); 2] =
    [("automatic", DistributeKeys::Automatic), ("manual", DistributeKeys::Manual)];

/// The words of a file as far as they could be understood, and what could not.
pub(super) fn read(tree: &Tree) -> (Option<NetworkFile>, Vec<Problem>) {
    let mut reading = Reading { problems: Vec::new(), is_complete: true };
    if let Some(problem) = compose_file(tree) {
        return (None, vec![problem]);
    }
    let file = reading.file(tree);
    (file, reading.problems)
}

/// Whether the file is what the original product keeps under this name.
fn compose_file(tree: &Tree) -> Option<Problem> {
    let Kind::Mapping(entries) = &tree.value else { return None };
    let has = |names: &[&str]| entries.iter().find(|(key, _)| names.contains(&key.value.as_str()));
    let (key, _) = has(&["services", "version"])?;
    if has(&["stack", "nodes", "instances"]).is_some() {
        return None;
    }
    let problem = Problem::at(
        key.place,
        format!(
            "`{}` makes this a Docker Compose file; `network.yml` of Evergate is another file of that name",
            key.value
        ),
    );
    Some(problem.hint(
        "it names nodes, and the instances on them; docs/distributed-mode.md shows what each part of the old file becomes",
    ))
}

struct Reading {
    problems: Vec<Problem>,
    is_complete: bool,
}

/// A mapping whose keys are known.
struct Fields<'a> {
    place: Place,
    of: String,
    entries: &'a [(Placed<String>, Tree)],
}

impl<'a> Fields<'a> {
    /// The value of a key that is there and is not nothing.
    fn get(&self, key: &str) -> Option<&'a Tree> {
        let (_, value) = self.entries.iter().find(|(found, _)| found.value == key)?;
        (value.value != Kind::Nothing).then_some(value)
    }
}

impl Reading {
    fn tell(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::at(place, message));
    }

    fn entries<'a>(&mut self, tree: &'a Tree, of: &str) -> Option<&'a [(Placed<String>, Tree)]> {
        let Kind::Mapping(entries) = &tree.value else {
            self.tell(tree.place, format!("{of} is a mapping, not {}", tree.value.noun()));
            self.is_complete = false;
            return None;
        };
        for (number, (key, _)) in entries.iter().enumerate() {
            let earlier = entries.iter().take(number).find(|(earlier, _)| earlier.value == key.value);
            if let Some((earlier, _)) = earlier {
                self.tell(
                    key.place,
                    format!("`{}` stands in line {} already", key.value, earlier.place.line),
                );
            }
        }
        Some(entries)
    }

    fn fields<'a>(&mut self, tree: &'a Tree, of: impl Into<String>, keys: &[&str]) -> Option<Fields<'a>> {
        let of = of.into();
        let entries = self.entries(tree, &of)?;
        for (key, _) in entries.iter().filter(|(key, _)| !keys.contains(&key.value.as_str())) {
            let problem = Problem::at(key.place, format!("{of} has no key `{}`", key.value));
            let hint = match nearest(&key.value, keys.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its keys are: {}", keys.join(", ")),
            };
            self.problems.push(problem.hint(hint));
        }
        Some(Fields { place: tree.place, of, entries })
    }

    fn required<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Option<&'a Tree> {
        let found = fields.get(key);
        if found.is_none() {
            self.tell(fields.place, format!("{} lacks `{key}`", fields.of));
        }
        found
    }

    fn text(&mut self, tree: &Tree, of: &str) -> Option<Placed<String>> {
        let (Kind::Text(text) | Kind::Number(text)) = &tree.value else {
            self.tell(tree.place, format!("{of} is a text, not {}", tree.value.noun()));
            return None;
        };
        Some(Placed { place: tree.place, value: text.clone() })
    }

    fn choice<T: Copy>(&mut self, tree: &Tree, of: &str, known: &[(&str, T)]) -> Option<Placed<T>> {
        let text = self.text(tree, of)?;
        let words = || known.iter().map(|(word, _)| *word);
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == text.value) {
            return Some(Placed { place: tree.place, value: *value });
        }
        self.is_complete = false;
        let choices: Vec<&str> = words().collect();
        let message = format!("`{}` is not {of}: {}", text.value, choices.join(", "));
        let problem = Problem::at(tree.place, message);
        self.problems.push(match nearest(&text.value, words()) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None => problem,
        });
        None
    }

    fn number<T: std::str::FromStr>(&mut self, tree: &Tree, of: &str, range: &str) -> Option<T> {
        let parsed = match &tree.value {
            Kind::Number(text) => text.parse().ok(),
            _ => None,
        };
        if parsed.is_none() {
            let found = match &tree.value {
                Kind::Number(text) | Kind::Text(text) => format!("`{text}`"),
                other => other.noun().to_owned(),
            };
            self.tell(tree.place, format!("{of} is a number {range}, not {found}"));
        }
        parsed
    }

    fn truth(&mut self, tree: &Tree, of: &str) -> Option<bool> {
        let Kind::Truth(truth) = tree.value else {
            self.tell(tree.place, format!("{of} is `true` or `false`"));
            return None;
        };
        Some(truth)
    }

    fn file(&mut self, tree: &Tree) -> Option<NetworkFile> {
        let fields = self.fields(tree, "the file", &FILE)?;
        let stack = self.required(&fields, "stack").and_then(|tree| self.text(tree, "`stack`"));
        let image = fields.get("image").and_then(|tree| self.text(tree, "`image`"));
        let database = match fields.get("database") {
            Some(tree) => self.database(tree).map(|value| Placed { place: tree.place, value }),
            None => Some(Placed { place: Place::default(), value: Database::default() }),
        };
        let words = "a way to hand out keys";
        let keys = fields.get("distribute_keys").and_then(|tree| self.choice(tree, words, &DISTRIBUTIONS));
        let encrypted = fields.get("encrypted_networks").map(|tree| {
            let value = self.truth(tree, "`encrypted_networks`").unwrap_or(true);
            Placed { place: tree.place, value }
        });
        let limits = fields.get("limits").map(|tree| self.limits(tree, "`limits`"));
        let nodes = self.required(&fields, "nodes").map(|tree| self.named(tree, "`nodes`", Self::node));
        let instances =
            self.required(&fields, "instances").map(|tree| self.named(tree, "`instances`", Self::instance));
        Some(NetworkFile {
            stack: stack?,
            image,
            database: database?,
            distribute_keys: keys.map_or_else(DistributeKeys::default, |keys| keys.value),
            encrypted_networks: encrypted.unwrap_or(Placed { place: Place::default(), value: true }),
            limits: limits.unwrap_or_default(),
            nodes: nodes?,
            instances: instances?,
            overrides: fields.get("overrides").cloned(),
            is_complete: self.is_complete,
        })
    }

    fn named<T>(
        &mut self,
        tree: &Tree,
        of: &str,
        read: impl Fn(&mut Self, &str, &Tree) -> Option<T>,
    ) -> Vec<(Placed<String>, T)> {
        let entries = self.entries(tree, of).unwrap_or_default();
        let mut understood: Vec<(Placed<String>, T)> = Vec::new();
        for (key, tree) in entries {
            let is_new = understood.iter().all(|(earlier, _)| earlier.value != key.value);
            match read(self, &key.value, tree) {
                Some(entry) if is_new => understood.push((key.clone(), entry)),
                _ => self.is_complete = false,
            }
        }
        understood
    }

    fn node(&mut self, name: &str, tree: &Tree) -> Option<NodeEntry> {
        let before = self.problems.len();
        let fields = self.fields(tree, format!("node `{name}`"), &NODE)?;
        self.is_complete &= self.problems.len() == before;
        let address = self.required(&fields, "address").and_then(|tree| self.text(tree, "`address`"));
        let swarm = fields.get("swarm").and_then(|tree| self.choice(tree, "a part in a swarm", &SWARM_ROLES));
        let zone = fields.get("zone").and_then(|tree| self.choice(tree, "a zone", &ZONES));
        Some(NodeEntry { address: address?, swarm, zone: zone.map_or_else(Zone::default, |zone| zone.value) })
    }

    fn instance(&mut self, name: &str, tree: &Tree) -> Option<InstanceEntry> {
        let fields = self.fields(tree, format!("instance `{name}`"), &INSTANCE)?;
        let services = Service::ALL.map(|service| (service.as_str(), service));
        let service =
            self.required(&fields, "service").and_then(|tree| self.choice(tree, "a service", &services));
        let node = self.required(&fields, "node").and_then(|tree| self.text(tree, "`node`"));
        let priority =
            fields.get("priority").and_then(|tree| self.number(tree, "`priority`", "from 0 to 4294967295"));
        let listen = fields.get("listen").map(|tree| self.listens(tree)).unwrap_or_default();
        let image = fields.get("image").and_then(|tree| self.text(tree, "`image`"));
        let limits = fields.get("limits").map(|tree| self.limits(tree, &format!("`limits` of `{name}`")));
        Some(InstanceEntry {
            service: service?.value,
            node: node?,
            priority: priority.unwrap_or_else(first),
            listen,
            image,
            limits: limits.unwrap_or_default(),
        })
    }

    fn listens(&mut self, tree: &Tree) -> Vec<Placed<Listen>> {
        let Kind::List(items) = &tree.value else {
            self.tell(tree.place, format!("`listen` is a list, not {}", tree.value.noun()));
            return Vec::new();
        };
        items.iter().filter_map(|item| self.listen(item)).collect()
    }

    fn listen(&mut self, tree: &Tree) -> Option<Placed<Listen>> {
        let fields = self.fields(tree, "a listener", &LISTEN)?;
        let port: Option<u16> =
            self.required(&fields, "port").and_then(|tree| self.number(tree, "`port`", "from 1 to 65535"));
        let all_interfaces =
            fields.get("all_interfaces").and_then(|tree| self.truth(tree, "`all_interfaces`"));
        if port == Some(0) {
            self.tell(tree.place, "`port` is a number from 1 to 65535, not `0`");
        }
        let proxy_protocol = fields.get("proxy_protocol").and_then(|tree| self.proxy_protocol(tree));
        let value =
            Listen { port: port?, all_interfaces: all_interfaces.unwrap_or_default(), proxy_protocol };
        Some(Placed { place: tree.place, value })
    }

    fn proxy_protocol(&mut self, tree: &Tree) -> Option<ProxyProtocol> {
        let fields = self.fields(tree, "`proxy_protocol`", &PROXY_PROTOCOL)?;
        let from = self.required(&fields, "from")?;
        let Kind::List(items) = &from.value else {
            self.tell(from.place, format!("`from` is a list, not {}", from.value.noun()));
            return None;
        };
        if items.is_empty() || items.len() > MOST_BALANCERS {
            self.tell(from.place, format!("`from` names 1 to {MOST_BALANCERS} networks of balancers"));
        }
        let networks = items.iter().filter_map(|item| self.balancers(item)).collect();
        Some(ProxyProtocol { from: networks })
    }

    /// A network of balancers, written as what it is: whoever is in it is believed.
    fn balancers(&mut self, tree: &Tree) -> Option<IpNet> {
        let text = self.text(tree, "a network")?.value;
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let Some(network) = text.parse::<IpNet>().ok().or_else(single) else {
            let problem = Problem::at(tree.place, format!("`{text}` is neither a network nor an address"));
            self.problems.push(problem.hint("write a network as `10.0.0.0/8`, an address as `10.0.0.5`"));
            return None;
        };
        if network.prefix_len() == 0 {
            let problem = Problem::at(tree.place, format!("`{text}` is everybody"));
            self.problems.push(
                problem.hint("who is listed is believed whatever address it names: list the balancers alone"),
            );
        } else if network.trunc() != network {
            let problem = Problem::at(tree.place, format!("`{text}` is an address within a network"));
            let (network, address) = (network.trunc(), network.addr());
            self.problems.push(problem.hint(format!("write `{network}` for the network, or `{address}`")));
        }
        Some(network)
    }

    fn limits(&mut self, tree: &Tree, of: &str) -> Limits {
        let Some(fields) = self.fields(tree, of, &LIMITS) else { return Limits::default() };
        let memory = fields.get("memory").and_then(|tree| self.amount(tree, "`memory`"));
        let cpu = fields.get("cpu").and_then(|tree| self.amount(tree, "`cpu`"));
        Limits { memory, cpu }
    }

    fn amount<T: std::str::FromStr<Err: ToString>>(&mut self, tree: &Tree, of: &str) -> Option<T> {
        let text = self.text(tree, of)?;
        text.value.parse().map_err(|error: T::Err| self.tell(tree.place, error.to_string())).ok()
    }

    fn database(&mut self, tree: &Tree) -> Option<Database> {
        if let Kind::Text(text) = &tree.value
            && text == "sqlite"
        {
            return Some(Database::Sqlite);
        }
        if !matches!(tree.value, Kind::Mapping(_)) {
            self.tell(tree.place, "`database` is `sqlite`, `{ url_file: FILE }` or `{ managed: NODE }`");
            return None;
        }
        let fields = self.fields(tree, "`database`", &DATABASE)?;
        let url_file = fields.get("url_file").and_then(|tree| self.text(tree, "`url_file`"));
        let managed = fields.get("managed").and_then(|tree| self.text(tree, "`managed`"));
        let is_known = fields.entries.iter().all(|(key, _)| DATABASE.contains(&key.value.as_str()));
        match (url_file, managed) {
            (None, None) if !is_known => None,
            (Some(file), None) => Some(Database::UrlFile(file.value)),
            (None, Some(node)) => Some(Database::Managed(node.value)),
            _ => {
                self.tell(tree.place, "`database` has one of `url_file` and `managed`");
                None
            }
        }
    }
}
