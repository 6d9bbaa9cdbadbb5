//! What snapshots are made of, and the pure making of each service's.

use evergate_decision::RuleSet;
use evergate_model::snapshot::{
    AccessPointPart, AccessPointResource, Admitted, Head, InternalPart, ListenerCertificate, Part, PublicKey,
    Snapshot,
};
use evergate_model::topology::Mode;
use evergate_model::{Configuration, Service, Timestamp, Topology};
use evergate_store::installation::Installation;

/// Everything that any snapshot carries, at one revision.
#[derive(Debug)]
pub(crate) struct Material {
    pub(crate) installation: Installation,
    pub(crate) version: u64,
    pub(crate) configuration: Configuration,
    pub(crate) rules: RuleSet,
    pub(crate) admitted: Vec<Admitted>,
    pub(crate) identity_roots: Vec<String>,
    pub(crate) public_keys: Vec<PublicKey>,
    pub(crate) certificates: Vec<ListenerCertificate>,
}

impl Material {
    /// The snapshot for one service: an access point's has no rules, the others' no listener keys.
    pub(crate) fn snapshot(&self, audience: Service, made_at: Timestamp) -> Snapshot {
        Snapshot {
            head: Head {
                lineage: self.installation.lineage,
                epoch: self.installation.epoch,
                revision: self.installation.revision,
                version: self.version,
                audience,
                made_at,
            },
            topology: self.topology(),
            admitted: self.admitted.clone(),
            identity_roots: self.identity_roots.clone(),
            public_keys: self.public_keys.clone(),
            part: match audience {
                Service::AccessPoint => Part::AccessPoint(self.access_point_part()),
                _ => Part::Internal(Box::new(InternalPart { configuration: self.configuration.clone() })),
            },
        }
    }

    fn topology(&self) -> Topology {
        let balanced = self.configuration.pools.iter().filter(|(_, mode)| **mode == Mode::Balance);
        Topology {
            balanced: balanced.map(|(service, _)| *service).collect(),
            ..self.installation.topology.clone()
        }
    }

    fn access_point_part(&self) -> AccessPointPart {
        let configuration = &self.configuration;
        let resources = configuration.resources.iter().map(|(name, resource)| AccessPointResource {
            name: name.clone(),
            hosts: resource.hosts.clone(),
            upstreams: resource.upstreams.clone(),
            mode: resource.mode,
            headers: resource.headers.clone(),
            decision_headers: self.rules.decision_headers(name),
            grace: resource.grace,
            permit_cache: resource.permit_cache,
        });
        AccessPointPart {
            portal_host: configuration.portal_host.clone(),
            console_host: configuration.console_host.clone(),
            public_port: configuration.public_port,
            certificates: self.certificates.clone(),
            resources: resources.collect(),
        }
    }
}
