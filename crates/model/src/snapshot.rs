//! What an instance is sent: the signed state of the installation, as far as it concerns it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::configuration::UserFact;
use crate::id::{Id, Key, Lineage};
use crate::topology::Mode;
use crate::{Configuration, Host, Name, Period, Service, Timestamp, Topology};

/// Everything an instance needs beyond its bootstrap file and its internal keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Which one it is.
    pub head: Head,
    /// All instances.
    pub topology: Topology,
    /// The certificates that peers may come with; every other is refused.
    pub admitted: Vec<Admitted>,
    /// The identity CA's certificates (PEM); two while the CA rolls.
    pub identity_roots: Vec<String>,
    /// The shared keys.
    pub public_keys: Vec<PublicKey>,
    /// What only this kind of instance is told.
    pub part: Part,
}

/// Which snapshot it is. Nobody accepts one of another lineage, or one that is not above
/// (epoch, revision) of what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The installation.
    pub lineage: Id<Lineage>,
    /// Raised when an installation is restored from a backup.
    pub epoch: u64,
    /// Counts every change of anything in a snapshot.
    pub revision: u64,
    /// The published configuration version in it.
    pub version: u64,
    /// Which service it is for.
    pub audience: Service,
    /// When it was signed.
    pub made_at: Timestamp,
}

/// How far clocks of different nodes may differ: certificates hold from so long before they are made.
pub const CLOCK_DIFFERENCE: Duration = Duration::from_secs(3600);

/// An instance whose certificate peers accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// The instance.
    pub instance: Name,
    /// What it runs.
    pub service: Service,
    /// SHA-256 of its certificates' DER, hex; two while it renews.
    pub certificates: Vec<String>,
}

/// What a shared key verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPurpose {
    /// Session tokens.
    SessionToken,
    /// The assertion that applications receive.
    Assertion,
    /// Snapshots.
    Snapshot,
    /// Not a verification key: whoever hands out a soft token seals its seed with it, and only
    /// authentication can open it (X25519).
    SeedSealing,
}

/// A shared key: Ed25519 (RFC 8032), or X25519 (RFC 7748) for [`KeyPurpose::SeedSealing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Its id, named in what it signs.
    pub id: Id<Key>,
    /// What it verifies.
    pub purpose: KeyPurpose,
    /// The 32 bytes, hex.
    pub key: String,
}

/// What only one kind of instance is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Part {
    /// An access point: no rules, no users.
    AccessPoint(AccessPointPart),
    /// Any other: the whole configuration.
    Internal(Box<InternalPart>),
}

/// The part of every service behind the access points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternalPart {
    /// The published configuration.
    pub configuration: Configuration,
}

/// The part of an access point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPointPart {
    /// The host of sign-in, portal and account pages.
    pub portal_host: Host,
    /// The host of the console, if it is published.
    pub console_host: Option<Host>,
    /// The port that browsers use, where it is not 443.
    pub public_port: Option<u16>,
    /// The certificates of its listeners.
    pub certificates: Vec<ListenerCertificate>,
    /// The resources it forwards to.
    pub resources: Vec<AccessPointResource>,
}

/// A certificate with its key, for browsers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerCertificate {
    /// The hosts it is used for.
    pub hosts: Vec<Host>,
    /// The chain, PEM, leaf first.
    pub chain: String,
    /// The key, PEM (PKCS #8): wiped when it is dropped.
    pub key: String,
}

impl Drop for ListenerCertificate {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for ListenerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerCertificate").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// A resource as an access point knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPointResource {
    /// Its name.
    pub name: Name,
    /// The hosts it answers on.
    pub hosts: Vec<Host>,
    /// Its servers, in order of preference.
    pub upstreams: Vec<String>,
    /// How its servers are used.
    pub mode: Mode,
    /// Extra request headers that carry what is known of the user.
    pub headers: BTreeMap<String, UserFact>,
    /// The request headers (lower case) that its rules read, which policy must therefore be told.
    pub decision_headers: Vec<String>,
    /// How long a permit that was seen stays good while no policy instance answers.
    pub grace: Period,
    /// How long a permit is remembered at most; zero: ask policy every time.
    pub permit_cache: Period,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listeners_key_does_not_show_in_debug() {
        let certificate = ListenerCertificate {
            hosts: vec!["wiki.example.com".parse().unwrap()],
            chain: "a chain".to_owned(),
            key: "a key".to_owned(),
        };
        let shown = format!("{certificate:?}");
        assert!(shown.contains("wiki.example.com") && !shown.contains("a key"), "{shown}");
    }
}
