//! Who stands on which network, and what a person must know who reads the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use evergate_model::{Name, Service};

use super::yaml::{Entry, Yaml, entry, mapping, plain, text};
use super::{EDGE, INTERNAL, OUTSIDE, Rendered};
use crate::network::{Database, Network, Planned, Zone};

/// What the services of a network have in common.
pub(super) struct Layout<'a> {
    pub(super) stack: &'a str,
    /// The node of the managed database.
    pub(super) database: Option<&'a Name>,
    pub(super) has_sqlite: bool,
    /// Whether access points call from outside the overlay networks.
    pub(super) has_dmz: bool,
    has_edge: bool,
    network: &'a Network,
}

impl<'a> Layout<'a> {
    pub(super) fn of(network: &'a Network) -> Self {
        let points = || network.instances().iter().filter(|planned| planned.service == Service::AccessPoint);
        let is_dmz = |planned: &Planned| zone(network, planned) == Zone::Dmz;
        let database = match network.database() {
            Database::Managed(node) => network.nodes().keys().find(|name| name.as_str() == node),
            Database::Sqlite | Database::UrlFile(_) => None,
        };
        Self {
            stack: network.stack().as_str(),
            database,
            has_sqlite: *network.database() == Database::Sqlite,
            has_dmz: points().any(is_dmz),
            has_edge: points().any(|planned| !is_dmz(planned)),
            network,
        }
    }

    /// Whether the swarm runs it.
    pub(super) fn is_inside(&self, planned: &Planned) -> bool {
        self.network.nodes().get(&planned.node).is_some_and(|node| node.swarm.is_some())
    }

    /// The networks of an instance.
    pub(super) fn networks_of(&self, planned: &Planned) -> Vec<&'static str> {
        match (planned.service, zone(self.network, planned)) {
            (Service::AccessPoint, Zone::Dmz) => vec![OUTSIDE],
            (Service::AccessPoint, Zone::Internal) => vec![EDGE],
            (service, _) if self.has_edge && serves_access_points(service) => vec![INTERNAL, EDGE],
            _ => vec![INTERNAL],
        }
    }

    /// The networks of the file.
    pub(super) fn networks(&self) -> Yaml {
        let overlay = || {
            let encrypted = || entry("driver_opts", mapping([entry("encrypted", text("true"))]));
            let encrypted = self.network.encrypted_networks().then(encrypted);
            mapping([entry("driver", text("overlay"))].into_iter().chain(encrypted))
        };
        let internal = entry(INTERNAL, overlay());
        let edge = self.has_edge.then(|| {
            let why = "Access points, and the three services that they call: no database, no distribution.";
            entry(EDGE, overlay()).why(why)
        });
        let is_outside = |planned: &Planned| {
            planned.service == Service::AccessPoint
                && zone(self.network, planned) == Zone::Dmz
                && self.is_inside(planned)
        };
        let outside = self.network.instances().iter().any(is_outside).then(|| {
            let own = mapping([entry("external", plain(true)), entry("name", text("bridge"))]);
            entry(OUTSIDE, own)
                .why("Access points in the dmz stand on no overlay: they call published ports.")
        });
        let entries: Vec<Entry> = [internal].into_iter().chain(edge).chain(outside).collect();
        Yaml::Mapping(entries)
    }

    /// The comment at the beginning of the file.
    pub(super) fn introduction(&self, network: &Network, services: &BTreeMap<String, Rendered>) -> String {
        let stack = self.stack;
        let mut text = format!(
            "# Evergate, stack `{stack}`: made from network.yml by `evergate cluster deploy`, which overwrites it.\n\
             # What is to be different belongs into network.yml, below `overrides` at last.\n#\n\
             # By hand: each node is labelled with the services that it runs,\n"
        );
        for (name, rendered) in services {
            let label = super::label(stack, name);
            // Writing to a text cannot fail.
            let _ = writeln!(text, "#   docker node update --label-add {label}=true {}", rendered.node);
        }
        let _ = writeln!(
            text,
            "# (Docker's name or id of the node may differ), the secrets at the end exist, and then\n#   docker stack deploy --compose-file docker-compose.yml {stack}"
        );
        let outside: Vec<&Planned> =
            network.instances().iter().filter(|planned| !self.is_inside(planned)).collect();
        if !outside.is_empty() {
            text.push_str("#\n# Not in the swarm, and not in this file:\n");
        }
        for planned in outside {
            let _ = writeln!(text, "#   {} on {}", planned.name, planned.node);
        }
        text.push('\n');
        text
    }
}

/// Whether access points call this service.
pub(super) const fn serves_access_points(service: Service) -> bool {
    matches!(service, Service::Policy | Service::Authentication | Service::Administration)
}

pub(super) fn zone(network: &Network, planned: &Planned) -> Zone {
    network.nodes().get(&planned.node).map_or(Zone::Internal, |node| node.zone)
}
