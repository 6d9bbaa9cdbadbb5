//! One instance as a service of the swarm.

use evergate_model::{Secret, Service};

use super::layout::serves_access_points;
use super::yaml::{Entry, Yaml, entry, mapping, plain, text, texts};
use super::{BOOTSTRAP, DATA, Inputs, Layout, OPERATIONS, SQLITE, USER};
use crate::api_client::segment;
use crate::network::{Network, Planned};

/// Seconds after SIGTERM: an instance has ended after 8.
const GRACE: &str = "10s";
/// What the user and the database of the managed PostgreSQL are called.
const POSTGRES_NAME: &str = "evergate";

/// What a service is deployed from, before a person's overrides.
pub(super) fn instance(planned: &Planned, image: &str, inputs: &Inputs, layout: &Layout) -> Yaml {
    let secret = format!("{}-bootstrap", planned.name);
    let mut entries = vec![
        entry("image", text(image)),
        entry("command", texts(command(planned))),
        entry("user", text(format!("{USER}:{USER}"))),
        entry("read_only", plain(true)),
        entry("cap_drop", texts(["ALL"])),
        entry("volumes", Yaml::List(volumes(planned, layout))),
        entry("secrets", Yaml::List(vec![mounted(&secret, BOOTSTRAP.1)]))
            .why("The first certificate and where administration is; everything else comes from there."),
        entry("healthcheck", health(inputs))
            .why("Asks this process alone: an instance is not restarted for what another does."),
        entry("stop_grace_period", text(GRACE)),
        entry("networks", texts(layout.networks_of(planned))),
    ];
    let ports = ports(planned, layout);
    if !ports.is_empty() {
        let why = "On the node itself: the routing mesh would hide who is calling.";
        entries.push(entry("ports", Yaml::List(ports)).why(why));
    }
    entries.push(entry("deploy", deploy(layout.stack, planned)));
    mapping(entries)
}

fn command(planned: &Planned) -> Vec<String> {
    let bootstrap = format!("{}/{}", BOOTSTRAP.0, BOOTSTRAP.1);
    let own = ["--bootstrap".to_owned(), bootstrap, "--data".to_owned(), DATA.to_owned()];
    match planned.service {
        Service::AccessPoint => own.to_vec(),
        _ => ["run".to_owned(), planned.name.to_string()].into_iter().chain(own).collect(),
    }
}

fn volumes(planned: &Planned, layout: &Layout) -> Vec<Yaml> {
    let volume = |source: String, target: &str| {
        mapping([entry("type", text("volume")), entry("source", text(source)), entry("target", text(target))])
    };
    let own = volume(planned.name.to_string(), DATA);
    let shares_sqlite = layout.has_sqlite && planned.service != Service::AccessPoint;
    let shared = shares_sqlite.then(|| volume(super::DATABASE.to_owned(), SQLITE));
    [own].into_iter().chain(shared).chain([in_memory("/tmp")]).collect()
}

/// A directory that is gone with the container. A swarm passes over what a file calls `tmpfs`.
fn in_memory(target: &str) -> Yaml {
    mapping([entry("type", text("tmpfs")), entry("target", text(target))])
}

/// A secret as a file that the instance alone can read.
fn mounted(source: &str, target: &str) -> Yaml {
    mapping([
        entry("source", text(source)),
        entry("target", text(target)),
        entry("uid", text(USER)),
        entry("gid", text(USER)),
        entry("mode", plain("0400")),
    ])
}

fn health(inputs: &Inputs) -> Yaml {
    let url = format!("http://127.0.0.1:{OPERATIONS}/live");
    let words = ["CMD".to_owned()].into_iter().chain(inputs.live.iter().cloned()).chain([url]);
    mapping([
        entry("test", texts(words)),
        entry("interval", text("2s")),
        entry("timeout", text("2s")),
        entry("retries", plain(3)),
        entry("start_period", text("30s")),
    ])
}

/// Where it is reached from outside the swarm: `(inside the container, on the node)`.
pub(super) fn published(planned: &Planned, layout: &Layout) -> Vec<(u16, u16)> {
    let listeners = planned.listen.iter().filter(|listen| listen.all_interfaces);
    let listeners = listeners.map(|listen| (listen.port, listen.port));
    let from_edge = layout.has_dmz && serves_access_points(planned.service);
    let internal = planned.port.filter(|_| from_edge);
    let internal = internal.and_then(|port| Some((Network::container_port(planned.service)?, port)));
    let console = planned.console_port().map(|port| (super::CONSOLE, port));
    listeners.chain(internal).chain(console).collect()
}

fn ports(planned: &Planned, layout: &Layout) -> Vec<Yaml> {
    let port = |(target, published): (u16, u16)| {
        mapping([
            entry("target", plain(target)),
            entry("published", plain(published)),
            entry("protocol", text("tcp")),
            entry("mode", text("host")),
        ])
    };
    published(planned, layout).into_iter().map(port).collect()
}

fn deploy(stack: &str, planned: &Planned) -> Yaml {
    let label = format!("node.labels.{} == true", super::label(stack, planned.name.as_str()));
    let mut entries = vec![
        entry("endpoint_mode", text("dnsrr"))
            .why("A name answers with the instance's own address: virtual ones keep dead connections."),
        entry("replicas", plain(1)),
        entry("placement", mapping([entry("constraints", texts([label]))])),
        entry("update_config", update("rollback"))
            .why("The port of the node must be free before the next one can take it."),
        entry("rollback_config", update("pause")),
        entry("restart_policy", mapping([entry("condition", text("any")), entry("delay", text("1s"))])),
    ];
    entries.extend(limits(planned));
    mapping(entries)
}

fn update(on_failure: &str) -> Yaml {
    mapping([
        entry("order", text("stop-first")),
        entry("parallelism", plain(1)),
        entry("failure_action", text(on_failure)),
        entry("monitor", text("15s")),
    ])
}

fn limits(planned: &Planned) -> Option<Entry> {
    let cpus = planned.limits.cpu.map(|cpu| entry("cpus", text(cpu.to_string())));
    let memory = planned.limits.memory.map(|memory| entry("memory", text(memory.to_string())));
    let limits: Vec<Entry> = cpus.into_iter().chain(memory).collect();
    (!limits.is_empty()).then(|| entry("resources", mapping([entry("limits", mapping(limits))])))
}

/// How those who know its password reach the managed PostgreSQL.
#[must_use]
pub fn managed_url(host: &str, password: &Secret<String>) -> Secret<String> {
    let password = segment(password.expose());
    Secret::new(format!("postgres://{POSTGRES_NAME}:{password}@{host}:5432/{POSTGRES_NAME}"))
}

/// Evergate's own PostgreSQL.
pub(super) fn database(stack: &str) -> Yaml {
    let password = "database-password";
    let volume = mapping([
        entry("type", text("volume")),
        entry("source", text(super::DATABASE)),
        entry("target", text("/var/lib/postgresql/data")),
    ]);
    let secret = mapping([
        entry("source", text(password)),
        entry("target", text(password)),
        entry("uid", text(super::POSTGRES_USER)),
        entry("gid", text(super::POSTGRES_USER)),
        entry("mode", plain("0400")),
    ]);
    let environment = [
        ("POSTGRES_USER", POSTGRES_NAME.to_owned()),
        ("POSTGRES_DB", POSTGRES_NAME.to_owned()),
        ("POSTGRES_PASSWORD_FILE", format!("{}/{password}", BOOTSTRAP.0)),
    ];
    let health = ["CMD", "pg_isready", "--username", POSTGRES_NAME, "--dbname", POSTGRES_NAME];
    let label = format!("node.labels.{} == true", super::label(stack, super::DATABASE));
    mapping([
        entry("image", text(super::POSTGRES))
            .why("A new version of PostgreSQL wants its data moved: pinned."),
        entry("user", text(format!("{0}:{0}", super::POSTGRES_USER))),
        entry("read_only", plain(true)),
        entry("cap_drop", texts(["ALL"])),
        entry("volumes", Yaml::List(vec![volume, in_memory("/tmp"), in_memory("/run/postgresql")])),
        entry("secrets", Yaml::List(vec![secret])),
        entry("environment", mapping(environment.map(|(key, value)| entry(key, text(value))))),
        entry("healthcheck", mapping([entry("test", texts(health)), entry("interval", text("5s"))])),
        entry("stop_grace_period", text("60s")).why("It ends its transactions and writes everything down."),
        entry("networks", texts([super::INTERNAL])),
        entry(
            "deploy",
            mapping([
                entry("endpoint_mode", text("dnsrr")),
                entry("replicas", plain(1)),
                entry("placement", mapping([entry("constraints", texts([label]))])),
                entry("update_config", update("pause")).why("Two must never have the same files open."),
            ]),
        ),
    ])
}
