//! The bootstrap file: what one instance must know before it can ask administration for the rest.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use evergate_model::id::Lineage;
use evergate_model::snapshot::{Admitted, PublicKey};
use evergate_model::{Id, Name, Secret, Service};
use ipnet::IpNet;
use nix::sys::socket::{Backlog, listen};
use serde::{Deserialize, Serialize};

use crate::files;

/// A bootstrap file. It holds secrets: it is written with mode 0600.
///
/// Programs write it, not people: fields that a newer program knows are passed over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The installation.
    pub lineage: Id<Lineage>,
    /// The instance's name.
    pub instance: Name,
    /// What it runs.
    pub service: Service,
    /// The identity CA's certificates, PEM.
    pub identity_roots: Vec<String>,
    /// Its first certificate, PEM.
    pub certificate: String,
    /// The certificate's key, PEM (PKCS #8).
    #[serde(with = "secret_text")]
    pub key: Secret<String>,
    /// Where administration is.
    pub administration: Vec<AdministrationPeer>,
    /// What verifies snapshots until the first one says otherwise.
    pub snapshot_keys: Vec<PublicKey>,
    /// Where its callers reach it, `host:port`; access points have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Where `/live`, `/ready` and `/metrics` are, `host:port`.
    pub operations: String,
    /// The database; access points have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Opens the authority keys in the database, hex; administration only.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_secret_text")]
    pub wrapping_key: Option<Secret<String>>,
    /// Where browsers and API clients reach it: access points, administration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerSource>,
    /// Whether it stands outside, in the dmz, and reaches the others where they are published for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_outside: bool,
}

/// An administration instance, as it is known before the first snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdministrationPeer {
    /// Its name.
    pub instance: Name,
    /// Its internal address, `host:port`.
    pub address: String,
    /// SHA-256 of its certificates' DER, hex.
    pub certificates: Vec<String>,
}

/// Where a listening socket comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum ListenerSource {
    /// It is bound to this `host:port`.
    Address {
        /// The address.
        address: String,
        /// The networks of balancers, which say by the PROXY protocol whom they bring; empty: it is not spoken.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        proxy_protocol_from: Vec<IpNet>,
    },
    /// It was opened by the supervisor, which stays listening while the instance is away.
    Inherited {
        /// Where the supervisor put it.
        inherited: InheritedAt,
        /// As above.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        proxy_protocol_from: Vec<IpNet>,
    },
}

/// Where an inherited socket is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InheritedAt {
    /// In place of standard input.
    Stdin,
}

/// Why a bootstrap file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It cannot be read.
    #[error("cannot read the bootstrap file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be; the source names field, line and column.
    #[error("`{}` is not a bootstrap file", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// It cannot be written.
    #[error("cannot write the bootstrap file `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl Bootstrap {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a bootstrap file.
    pub fn read(path: &Path) -> Result<Self, BootstrapError> {
        let text =
            std::fs::read(path).map_err(|source| BootstrapError::Read { path: path.to_owned(), source })?;
        serde_json::from_slice(&text)
            .map_err(|source| BootstrapError::Parse { path: path.to_owned(), source })
    }

    /// Writes it, for this user's eyes only, wholly or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BootstrapError> {
        let failed = |source| BootstrapError::Write { path: path.to_owned(), source };
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        files::write_private(path, &text).map_err(failed)
    }

    /// The administration instances, as admitted peers.
    #[must_use]
    pub fn first_admitted(&self) -> Vec<Admitted> {
        self.administration
            .iter()
            .map(|peer| Admitted {
                instance: peer.instance.clone(),
                service: Service::Administration,
                certificates: peer.certificates.clone(),
            })
            .collect()
    }
}

impl ListenerSource {
    /// This address, without balancers before it.
    #[must_use]
    pub const fn address(address: String) -> Self {
        Self::Address { address, proxy_protocol_from: Vec::new() }
    }

    /// The networks of balancers, which say by the PROXY protocol whom they bring.
    #[must_use]
    pub fn balancers(&self) -> &[IpNet] {
        match self {
            Self::Address { proxy_protocol_from, .. } | Self::Inherited { proxy_protocol_from, .. } => {
                proxy_protocol_from
            }
        }
    }

    /// The listening socket, not blocking.
    ///
    /// # Errors
    /// When the address cannot be bound, or no socket was inherited.
    pub fn open(&self) -> std::io::Result<TcpListener> {
        let listener = match self {
            Self::Address { address, .. } => TcpListener::bind(address)?,
            Self::Inherited { inherited: InheritedAt::Stdin, .. } => {
                TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?)
            }
        };
        // The library lets 128 connections wait, which a process that is late for a second has at 128 a second: from then
        // on the system drops what comes, and clients try again a second later. This is what the system allows.
        listen(&listener, Backlog::MAXCONN)?;
        listener.set_nonblocking(true)?;
        // Fails where the descriptor is no socket at all.
        listener.local_addr()?;
        Ok(listener)
    }
}

mod secret_text {
    use evergate_model::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Secret<String>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret<String>, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}

mod optional_secret_text {
    use evergate_model::Secret;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        secret: &Option<Secret<String>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Secret<String>>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn more_connections_wait_for_a_late_process_than_the_library_lets() {
        let listener = ListenerSource::address("127.0.0.1:0".to_owned()).open().unwrap();
        let address = listener.local_addr().unwrap();
        let at_once = std::time::Duration::from_millis(900);
        let connect = |_| std::net::TcpStream::connect_timeout(&address, at_once).unwrap();
        assert_eq!((0..200).map(connect).collect::<Vec<_>>().len(), 200);
    }

    #[test]
    fn what_a_newer_program_writes_is_read_and_what_is_missing_is_named() {
        let peer = json!({ "instance": "administration1", "address": "a:1", "certificates": [], "newer": 1 });
        let mut file = json!({
            "lineage": Id::<Lineage>::from_bytes([7; 16]).to_string(), "instance": "policy1", "service": "policy",
            "identity_roots": [], "certificate": "", "key": "", "administration": [peer],
            "snapshot_keys": [], "operations": "127.0.0.1:1", "newer": { "still": true },
        });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy1.json");
        std::fs::write(&path, file.to_string()).unwrap();
        let read = Bootstrap::read(&path).unwrap();
        assert_eq!(read.administration.len(), 1);

        file.as_object_mut().unwrap().remove("operations");
        std::fs::write(&path, file.to_string()).unwrap();
        let refused = Bootstrap::read(&path).unwrap_err();
        let error = std::error::Error::source(&refused).unwrap().to_string();
        assert!(error.contains("operations"), "{error}");
    }
}
