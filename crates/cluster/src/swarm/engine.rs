//! The engine of this machine: its socket, and its refusals in words.

use std::io::ErrorKind;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{LocalNodeState, SystemInfo};
use bollard::{API_DEFAULT_VERSION, Docker};
use evergate_model::Name;
use tokio::net::UnixStream;

use super::{Swarm, SwarmError};
use crate::image::Image;

/// Where an engine listens that was told nothing else.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// Seconds for one answer of the engine.
const ANSWER: u64 = 30;
/// Seconds for loading an image.
const LOADING: u64 = 600;
const UNIX: &str = "unix://";

/// The engine of this machine.
#[derive(Debug)]
pub struct Engine {
    pub(super) docker: Docker,
    pub(super) host: String,
}

impl Engine {
    /// Opens the engine's socket, `unix:///PATH`.
    ///
    /// # Errors
    /// When there is none, nobody listens, or this user may not.
    pub async fn open(host: &str) -> Result<Self, SwarmError> {
        let path = host.strip_prefix(UNIX).filter(|path| path.starts_with('/'));
        let path = path.ok_or_else(|| SwarmError::Scheme(host.to_owned()))?;
        let opened = tokio::time::timeout(Duration::from_secs(ANSWER), UnixStream::connect(path)).await;
        match opened.map(|opened| opened.map_err(|error| error.kind())) {
            Ok(Ok(_)) => {}
            Ok(Err(ErrorKind::PermissionDenied)) => return Err(SwarmError::NoPermission(host.to_owned())),
            Ok(Err(ErrorKind::NotFound)) => return Err(SwarmError::NoSocket(host.to_owned())),
            _ => return Err(SwarmError::NotRunning(host.to_owned())),
        }
        let failed = |source| SwarmError::Engine { host: host.to_owned(), source };
        let docker = Docker::connect_with_unix(path, ANSWER, API_DEFAULT_VERSION).map_err(failed)?;
        let docker = docker.negotiate_version().await.map_err(failed)?;
        Ok(Self { docker, host: host.to_owned() })
    }

    /// What the engine says of itself.
    pub(super) async fn about(&self) -> Result<SystemInfo, SwarmError> {
        self.docker.info().await.map_err(|error| explained(&self.host, error))
    }

    /// Loads an image, unless it is there under its name already; answers whether it was not.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn load(&self, image: &Image) -> Result<bool, SwarmError> {
        match self.docker.inspect_image(image.reference()).await {
            Ok(present) if present.id.as_deref() == Some(image.id()) => return Ok(false),
            Err(error) if !is_absent(&error) => return Err(explained(&self.host, error)),
            _ => {}
        }
        let failed = |source| SwarmError::Engine { host: self.host.clone(), source };
        let path = self.host.strip_prefix(UNIX).unwrap_or_default();
        let patient = Docker::connect_with_unix(path, LOADING, API_DEFAULT_VERSION).map_err(failed)?;
        let patient = patient.negotiate_version().await.map_err(failed)?;
        image.load(&patient).await?;
        Ok(true)
    }

    /// The swarm that this engine manages.
    ///
    /// # Errors
    /// When it manages none.
    pub async fn manager(self, stack: &Name, patience: Duration) -> Result<Swarm, SwarmError> {
        let swarm = self.about().await?.swarm.unwrap_or_default();
        let is_active = swarm.local_node_state == Some(LocalNodeState::ACTIVE);
        if !is_active || swarm.control_available != Some(true) {
            return Err(SwarmError::NotManager);
        }
        Ok(Swarm { docker: self.docker, host: self.host, stack: stack.clone(), patience })
    }
}

/// A failure of the engine in words of ours.
pub(super) fn explained(host: &str, error: Error) -> SwarmError {
    match error {
        Error::DockerResponseServerError { status_code: 503, message } if message.contains("manager") => {
            SwarmError::NotManager
        }
        Error::DockerResponseServerError { message, .. } => {
            SwarmError::Refused(message.trim_start_matches("rpc error: ").trim().to_owned())
        }
        source => SwarmError::Engine { host: host.to_owned(), source },
    }
}

impl Swarm {
    pub(super) fn explained(&self, error: Error) -> SwarmError {
        explained(&self.host, error)
    }
}

/// Whether the engine has no such thing.
pub(super) fn is_absent(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(host: &str) -> String {
        Engine::open(host).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn trouble_with_the_socket_is_told_apart_and_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let host = format!("{UNIX}{}", path.display());
        assert!(opened("tcp://10.0.0.1:2375").await.contains("DOCKER_HOST take unix:///PATH"));
        assert!(opened(&host).await.starts_with("there is no Docker engine at"));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(opened(&host).await.contains("the engine is not running"));
    }

    #[test]
    fn who_has_no_permission_is_told_of_the_group_and_of_sudo() {
        let text = SwarmError::NoPermission("unix:///x".to_owned()).to_string();
        assert!(["sudo", "group docker", "DOCKER_HOST"].iter().all(|word| text.contains(word)), "{text}");
    }
}
