//! The way from a machine to a container that runs on it, beside the networks of the swarm.
//!
//! A container on an overlay network has a second address, on the bridge by which its engine leads it to the outside.
//! The machine itself reaches it there, and nobody else does: other machines have no route to it.

use std::net::IpAddr;

use bollard::models::NetworkInspect;

use super::engine::is_absent;
use super::tasks::{is_of, is_running};
use super::{Swarm, SwarmError};

/// What engines call that bridge.
const BRIDGE: &str = "docker_gwbridge";

impl Swarm {
    /// Where this machine reaches the container of a service; nothing where it runs on another.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub async fn address_here(&self, name: &str) -> Result<Option<IpAddr>, SwarmError> {
        let Some(id) = self.service(name).await?.and_then(|service| service.id) else { return Ok(None) };
        let tasks = self.tasks().await?;
        let task = tasks.iter().find(|task| is_of(task, &id) && is_running(task));
        let status = task.and_then(|task| task.status.as_ref()?.container_status.as_ref());
        let Some(container) = status.and_then(|status| status.container_id.as_deref()) else {
            return Ok(None);
        };
        match self.docker.inspect_network(BRIDGE, None).await {
            Ok(bridge) => Ok(address_on(&bridge, container)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.explained(error)),
        }
    }
}

fn address_on(bridge: &NetworkInspect, container: &str) -> Option<IpAddr> {
    let address = bridge.containers.as_ref()?.get(container)?.ipv4_address.as_deref()?;
    let (address, _) = address.split_once('/').unwrap_or((address, ""));
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use bollard::models::EndpointResource;

    use super::*;

    #[test]
    fn a_container_of_this_machine_has_an_address_on_its_bridge() {
        let bridge = |address: &str| NetworkInspect {
            containers: Some(
                [(
                    "c1".to_owned(),
                    EndpointResource { ipv4_address: Some(address.to_owned()), ..Default::default() },
                )]
                .into(),
            ),
            ..Default::default()
        };
        assert_eq!(address_on(&bridge("172.18.0.3/16"), "c1"), "172.18.0.3".parse().ok());
        assert_eq!(address_on(&bridge("172.18.0.3/16"), "c2"), None);
        assert_eq!(address_on(&bridge(""), "c1"), None);
        assert_eq!(address_on(&NetworkInspect::default(), "c1"), None);
    }
}
