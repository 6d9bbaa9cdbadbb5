//! The installation that runs on this machine, as `DIR/up.json` tells it (contract.md).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use evergate_model::{Name, Service};
use http::Uri;
use serde::Deserialize;

/// As much of `up.json` as commands need; the file may carry more.
#[derive(Debug, Clone, Deserialize)]
pub struct Running {
    /// The supervisor's process id.
    pub supervisor: u32,
    /// The portal's address.
    pub portal: String,
    /// The console's address through the access points.
    pub console: String,
    /// The API's addresses.
    pub api: Vec<String>,
    /// The certificate that clients must believe.
    pub local_ca: PathBuf,
    /// The instances.
    pub instances: Vec<RunningInstance>,
}

/// An instance as it runs.
#[derive(Debug, Clone, Deserialize)]
pub struct RunningInstance {
    /// Its name.
    pub name: Name,
    /// What it runs.
    pub service: Service,
    /// Callers prefer the lowest.
    #[serde(default)]
    pub priority: u32,
    /// Its process id.
    pub pid: u32,
    /// Where it is asked how it is.
    pub operations: String,
}

/// Why the installation is not known.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// There is no file: nothing runs.
    #[error("no installation runs in `{}`\nhint: start it with `evergate up --data {}`, or say with --data where another is", .0.display(), .0.display())]
    NotRunning(PathBuf),
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what `evergate up` writes.
    #[error("`{}` is not what `evergate up` writes", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl Running {
    /// The installation whose state is in `directory`.
    ///
    /// # Errors
    /// When nothing runs there.
    pub fn read(directory: &Path) -> Result<Self, RunningError> {
        let path = directory.join("up.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RunningError::NotRunning(directory.to_owned()));
            }
            Err(source) => return Err(RunningError::Read { path, source }),
        };
        serde_json::from_slice(&text).map_err(|source| RunningError::Parse { path, source })
    }

    /// The instances of one service.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &RunningInstance> {
        self.instances.iter().filter(move |instance| instance.service == service)
    }

    /// The instance of a service that callers prefer while all are well.
    #[must_use]
    pub fn preferred(&self, service: Service) -> Option<&RunningInstance> {
        self.of(service).min_by_key(|instance| instance.priority)
    }

    /// Where the access points accept together.
    #[must_use]
    pub fn door(&self) -> Option<SocketAddr> {
        let port = self.portal.parse::<Uri>().ok()?.port_u16().unwrap_or(443);
        Some((Ipv4Addr::LOCALHOST, port).into())
    }

    /// The host that a new name under the installation's domain has: `NAME.DOMAIN`.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<String> {
        let portal = self.portal.parse::<Uri>().ok()?;
        let (_, domain) = portal.host()?.split_once('.')?;
        Some(format!("{name}.{domain}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_priority_is_preferred_wherever_it_stands() {
        let running: Running = serde_json::from_str(
            r#"{"supervisor":1,"portal":"https://portal.localhost:7/","console":"","api":[],"local_ca":"/a","later":0,
                "instances":[{"name":"policy1","service":"policy","priority":2,"pid":2,"operations":"127.0.0.1:1"},
                             {"name":"policy2","service":"policy","priority":1,"pid":3,"operations":"127.0.0.1:2"},
                             {"name":"policy3","service":"policy","priority":1,"pid":4,"operations":"127.0.0.1:3"}]}"#,
        )
        .unwrap();
        assert_eq!(running.preferred(Service::Policy).unwrap().name.as_str(), "policy2");
        assert!(running.preferred(Service::Distribution).is_none());
        assert_eq!(running.host("drill").unwrap(), "drill.localhost");
        assert_eq!(running.door().unwrap().port(), 7);
    }
}
