//! What this access point serves: made from each snapshot, read by every request.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use evergate_model::configuration::UserFact;
use evergate_model::snapshot::{AccessPointPart, AccessPointResource, KeyPurpose, PublicKey, Snapshot};
use evergate_model::{Host, Name, Period};
use evergate_process::Clock;
use http::HeaderName;

use crate::forward::server::UrlError;
use crate::forward::upstreams::Upstreams;
use crate::identify::Tokens;

/// What this access point serves.
#[derive(Debug)]
pub(crate) struct Site {
    /// The published configuration version that it is.
    pub(crate) version: u64,
    /// The tokens that it believes.
    pub(crate) tokens: Arc<Tokens>,
    /// The public keys of assertions, as applications fetch them (RFC 7517, RFC 8037).
    pub(crate) jwks: Bytes,
    portal: Host,
    public_port: Option<u16>,
    targets: BTreeMap<Host, Target>,
    keys: Vec<PublicKey>,
}

/// What a host stands for.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A protected application.
    Resource(Arc<Resource>),
    /// Pages of ours.
    BuiltIn(BuiltIn),
}

/// Pages of ours, forwarded to the instances that make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// Sign-in, portal and account pages: authentication.
    Portal,
    /// The administrators' console and the API: administration.
    Console,
}

/// A protected application.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Its name.
    pub(crate) name: Name,
    /// Its servers.
    pub(crate) upstreams: Arc<Upstreams>,
    /// Extra request headers that carry what is known of the user.
    pub(crate) extra_headers: Vec<(HeaderName, UserFact)>,
    /// Their names, which a client may not set.
    pub(crate) reserved_headers: Vec<HeaderName>,
    /// The request headers that policy is told.
    pub(crate) decision_headers: Vec<HeaderName>,
    /// How long a permit that was seen stays good while no policy instance answers.
    pub(crate) grace: Period,
    /// How long a permit is remembered.
    pub(crate) permit_cache: Period,
}

/// Why a snapshot cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    /// It is for another kind of instance.
    #[error("the snapshot is not for an access point")]
    NotForUs,
    /// A public key is none.
    #[error("a public key cannot be used")]
    Keys(#[from] evergate_tokens::KeyRingError),
    /// A server's URL is none.
    #[error("resource `{resource}`")]
    Url {
        /// Whose.
        resource: Name,
        /// What is wrong.
        #[source]
        source: UrlError,
    },
    /// A header's name is none.
    #[error("resource `{resource}`: `{header}` is not the name of a header")]
    Header {
        /// Whose.
        resource: Name,
        /// Which.
        header: String,
    },
}

impl Site {
    /// What the snapshot says; servers and tokens that are unchanged since `before` are kept.
    ///
    /// # Errors
    /// When something in it cannot be served; nothing is changed then.
    pub(crate) fn from_snapshot(
        snapshot: &Snapshot,
        before: Option<&Self>,
        clock: &Clock,
    ) -> Result<Self, SiteError> {
        let evergate_model::snapshot::Part::AccessPoint(part) = &snapshot.part else {
            return Err(SiteError::NotForUs);
        };
        let tokens = match before.filter(|before| before.keys == snapshot.public_keys) {
            Some(before) => Arc::clone(&before.tokens),
            None => Arc::new(Tokens::new(&snapshot.public_keys)?),
        };
        Ok(Self {
            version: snapshot.head.version,
            tokens,
            jwks: jwks(&snapshot.public_keys),
            portal: part.portal_host.clone(),
            public_port: part.public_port,
            targets: targets(part, before, clock)?,
            keys: snapshot.public_keys.clone(),
        })
    }

    /// What the host stands for.
    #[must_use]
    pub(crate) fn target(&self, host: &Host) -> Option<&Target> {
        self.targets.get(host)
    }

    /// The resources, each once.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        let resources: BTreeMap<&Name, &Arc<Resource>> = self
            .targets
            .values()
            .filter_map(|target| match target {
                Target::Resource(resource) => Some((&resource.name, resource)),
                Target::BuiltIn(_) => None,
            })
            .collect();
        resources.into_values()
    }

    /// The URL of a path (with its `/`) on the portal host.
    #[must_use]
    pub(crate) fn portal_url(&self, path: &str) -> String {
        match self.public_port {
            None | Some(443) => format!("https://{}{path}", self.portal),
            Some(port) => format!("https://{}:{port}{path}", self.portal),
        }
    }
}

fn targets(
    part: &AccessPointPart,
    before: Option<&Site>,
    clock: &Clock,
) -> Result<BTreeMap<Host, Target>, SiteError> {
    let mut targets = BTreeMap::new();
    for resource in &part.resources {
        let target = Target::Resource(Arc::new(Resource::new(resource, before, clock)?));
        targets.extend(resource.hosts.iter().map(|host| (host.clone(), target.clone())));
    }
    if let Some(console) = &part.console_host {
        targets.insert(console.clone(), Target::BuiltIn(BuiltIn::Console));
    }
    // Last: no resource may stand in the portal's place.
    targets.insert(part.portal_host.clone(), Target::BuiltIn(BuiltIn::Portal));
    Ok(targets)
}

impl Resource {
    fn new(resource: &AccessPointResource, before: Option<&Site>, clock: &Clock) -> Result<Self, SiteError> {
        let header = |name: &String| {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| SiteError::Header { resource: resource.name.clone(), header: name.clone() })
        };
        let extra_headers = resource
            .headers
            .iter()
            .map(|(name, fact)| Ok((header(name)?, *fact)))
            .collect::<Result<Vec<_>, SiteError>>()?;
        Ok(Self {
            name: resource.name.clone(),
            upstreams: upstreams(resource, before, clock)?,
            reserved_headers: extra_headers.iter().map(|(name, _)| name.clone()).collect(),
            extra_headers,
            decision_headers: resource.decision_headers.iter().map(header).collect::<Result<_, _>>()?,
            grace: resource.grace,
            permit_cache: resource.permit_cache,
        })
    }
}

/// The resource's servers: the same as before, with all that is known of them, if nothing changed.
fn upstreams(
    resource: &AccessPointResource,
    before: Option<&Site>,
    clock: &Clock,
) -> Result<Arc<Upstreams>, SiteError> {
    let before = before
        .and_then(|site| site.resources().find(|known| known.name == resource.name))
        .map(|known| &known.upstreams);
    if let Some(same) = before.filter(|known| known.are(&resource.upstreams, resource.mode)) {
        return Ok(Arc::clone(same));
    }
    Upstreams::new(resource.name.as_str(), &resource.upstreams, resource.mode, before.map(|b| &**b), clock)
        .map(Arc::new)
        .map_err(|source| SiteError::Url { resource: resource.name.clone(), source })
}

/// The assertion keys as a JSON Web Key Set.
fn jwks(keys: &[PublicKey]) -> Bytes {
    let key = |key: &PublicKey| {
        let bytes = HEXLOWER.decode(key.key.as_bytes()).ok()?;
        Some(serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": key.id.to_string(), "x": BASE64URL_NOPAD.encode(&bytes),
        }))
    };
    let keys: Vec<_> =
        keys.iter().filter(|key| key.purpose == KeyPurpose::Assertion).filter_map(key).collect();
    serde_json::json!({ "keys": keys }).to_string().into()
}
