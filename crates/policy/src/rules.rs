//! The published configuration as this service uses it: rules to decide by, hosts to find resources
//! by, keys to verify tokens with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evergate_decision::{Explanation, RuleProblem, RuleSet};
use evergate_model::configuration::Resource;
use evergate_model::snapshot::{Part, PublicKey, Snapshot};
use evergate_model::verdict::Decision;
use evergate_model::{Configuration, Host, Name, RequestFacts, SessionFacts, Timestamp};
use evergate_tokens::{KeyRingError, Verifier};

use crate::PolicyError;

/// What signing in to the portal itself takes: it shows the user's own account and nothing else.
const PORTAL_RULE: &str = "password";

/// A published configuration in force.
#[derive(Debug)]
pub struct Rules {
    pub(crate) version: u64,
    pub(crate) configuration: Configuration,
    pub(crate) public_keys: Vec<PublicKey>,
    pub(crate) verifier: Verifier,
    rule_set: Arc<RuleSet>,
    portal: Arc<RuleSet>,
    hosts: BTreeMap<Host, Name>,
}

/// Why a snapshot cannot be decided by.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It is an access point's.
    #[error("the snapshot has no rules in it")]
    NoRules,
    /// Its keys are none.
    #[error("the snapshot's keys cannot be used")]
    Keys(#[from] KeyRingError),
    /// Its rules are none: administration checks them before it publishes, so this is a difference
    /// between versions of the program.
    #[error("the snapshot has {} rules that cannot be used; the first: {}", .0.len(), first(.0))]
    Rules(Vec<RuleProblem>),
}

fn first(problems: &[RuleProblem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A resource.
    Resource(Name),
    /// The portal itself.
    Portal,
}

impl Rules {
    /// The rules in a snapshot. Those of the `previous` one are used again where the configuration
    /// is the same: most snapshots change something else.
    ///
    /// # Errors
    /// When there are none in it, or they or the keys cannot be used.
    pub fn from_snapshot(snapshot: &Snapshot, previous: Option<&Self>) -> Result<Self, RulesError> {
        let Part::Internal(part) = &snapshot.part else { return Err(RulesError::NoRules) };
        let configuration = part.configuration.clone();
        let compile = |configuration: &Configuration| {
            RuleSet::compile(configuration).map(Arc::new).map_err(RulesError::Rules)
        };
        let (rule_set, portal) = match previous.filter(|rules| rules.configuration == configuration) {
            Some(previous) => (Arc::clone(&previous.rule_set), Arc::clone(&previous.portal)),
            None => (compile(&configuration)?, compile(&portal(&configuration))?),
        };
        let hosts = configuration
            .resources
            .iter()
            .flat_map(|(name, resource)| resource.hosts.iter().map(|host| (host.clone(), name.clone())))
            .collect();
        Ok(Self {
            version: snapshot.head.version,
            verifier: Verifier::from_public_keys(&snapshot.public_keys)?,
            public_keys: snapshot.public_keys.clone(),
            configuration,
            rule_set,
            portal,
            hosts,
        })
    }

    /// The resource of that name, which must have the host; where no name is given, the one that
    /// has the host.
    pub(crate) fn target(&self, name: Option<&Name>, host: &Host) -> Result<Target, PolicyError> {
        let known = self.hosts.get(host);
        match name {
            None if *host == self.configuration.portal_host => Ok(Target::Portal),
            None => known
                .map(|name| Target::Resource(name.clone()))
                .ok_or_else(|| PolicyError::NoHost(host.clone(), self.version)),
            Some(name) if known == Some(name) => Ok(Target::Resource(name.clone())),
            Some(name) => Err(PolicyError::NoResource(name.clone(), self.version)),
        }
    }

    /// How long a good session stays good there while the database is away. The portal's pages need the
    /// database themselves.
    pub(crate) fn grace(&self, target: &Target) -> Option<Duration> {
        let Target::Resource(name) = target else { return None };
        self.configuration.resources.get(name).map(|resource| resource.grace.as_duration())
    }

    /// Whether a session may be handed over to that host.
    pub(crate) fn is_published(&self, host: &Host) -> bool {
        self.hosts.contains_key(host)
    }

    pub(crate) fn decide(
        &self,
        target: &Target,
        session: Option<&SessionFacts>,
        request: &RequestFacts,
        now: Timestamp,
    ) -> Result<Decision, PolicyError> {
        let (rules, name) = match target {
            Target::Resource(name) => (&self.rule_set, Some(name.clone())),
            Target::Portal => (&self.portal, self.portal_name()),
        };
        name.and_then(|name| rules.decide(&name, session, request, now))
            .ok_or_else(|| PolicyError::NoHost(request.host.clone(), self.version))
    }

    pub(crate) fn explain(
        &self,
        resource: &Name,
        session: Option<&SessionFacts>,
        request: &RequestFacts,
        now: Timestamp,
    ) -> Result<Explanation, PolicyError> {
        self.rule_set
            .explain(resource, session, request, now)
            .ok_or_else(|| PolicyError::NoResource(resource.clone(), self.version))
    }

    /// The portal's address, which names the issuer of assertions.
    pub(crate) fn issuer(&self) -> String {
        self.url(&self.configuration.portal_host)
    }

    /// The address of a host as browsers write it, without a path.
    pub(crate) fn url(&self, host: &Host) -> String {
        match self.configuration.public_port {
            None | Some(443) => format!("https://{host}"),
            Some(port) => format!("https://{host}:{port}"),
        }
    }

    fn portal_name(&self) -> Option<Name> {
        "portal".parse().ok()
    }
}

/// A configuration with the portal as its only resource.
fn portal(configuration: &Configuration) -> Configuration {
    let mut portal = configuration.clone();
    (portal.global_rule, portal.rules) = (None, BTreeMap::new());
    portal.resources = "portal"
        .parse::<Name>()
        .into_iter()
        .map(|name| {
            let resource = Resource {
                hosts: vec![configuration.portal_host.clone()],
                upstreams: Vec::new(),
                rule: PORTAL_RULE.to_owned(),
                paths: BTreeMap::new(),
                general: Vec::new(),
                headers: BTreeMap::new(),
                grace: evergate_model::Period::default(),
                permit_cache: evergate_model::Period::default(),
                mode: evergate_model::topology::Mode::default(),
                title: None,
            };
            (name, resource)
        })
        .collect();
    portal
}
