//! An engine's own membership: making a swarm, joining one, and the tokens for that.

use bollard::models::{LocalNodeState, SwarmInitRequest, SwarmJoinRequest};
use bollard::query_parameters::UpdateSwarmOptionsBuilder;
use evergate_model::Secret;

use super::engine::explained;
use super::nodes::TRIES;
use super::{Engine, Swarm, SwarmError};

/// Where managers are joined.
const PORT: u16 = 2377;

/// What an engine is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// No swarm.
    None,
    /// A swarm.
    Member {
        /// Its id there.
        id: String,
        /// Its address there.
        address: String,
        /// Whether it manages it.
        is_manager: bool,
        /// Where the managers are.
        managers: Vec<String>,
    },
}

/// What another machine joins with.
#[derive(Debug)]
pub struct JoinLine {
    /// The token.
    pub token: Secret<String>,
    /// The manager, `host:port`.
    pub manager: String,
}

impl Engine {
    /// What this engine is in.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn membership(&self) -> Result<Membership, SwarmError> {
        let swarm = self.about().await?.swarm.unwrap_or_default();
        if matches!(swarm.local_node_state, None | Some(LocalNodeState::INACTIVE | LocalNodeState::EMPTY)) {
            return Ok(Membership::None);
        }
        let managers = swarm.remote_managers.unwrap_or_default();
        Ok(Membership::Member {
            id: swarm.node_id.unwrap_or_default(),
            address: swarm.node_addr.unwrap_or_default(),
            is_manager: swarm.control_available == Some(true),
            managers: managers.into_iter().filter_map(|peer| peer.addr).collect(),
        })
    }

    /// Makes a swarm of this engine alone, which others reach at `address`.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn make_swarm(&self, address: &str) -> Result<(), SwarmError> {
        let request = SwarmInitRequest {
            listen_addr: Some(format!("{address}:{PORT}")),
            advertise_addr: Some(address.to_owned()),
            ..Default::default()
        };
        self.docker.init_swarm(request).await.map_err(|error| explained(&self.host, error))?;
        Ok(())
    }

    /// Joins the swarm of a manager.
    ///
    /// # Errors
    /// When the engine refuses, or the manager cannot be reached.
    pub async fn join(&self, line: &JoinLine, address: Option<&str>) -> Result<(), SwarmError> {
        let request = SwarmJoinRequest {
            listen_addr: Some(format!("0.0.0.0:{PORT}")),
            advertise_addr: address.map(str::to_owned),
            remote_addrs: Some(vec![line.manager.clone()]),
            join_token: Some(line.token.expose().clone()),
            ..Default::default()
        };
        self.docker.join_swarm(request).await.map_err(|error| explained(&self.host, error))
    }
}

impl Swarm {
    /// Makes the join tokens that were given out so far worthless.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn replace_join_tokens(&self) -> Result<(), SwarmError> {
        for attempt in 1.. {
            let swarm = self.docker.inspect_swarm().await.map_err(|error| self.explained(error))?;
            let version = swarm.version.and_then(|version| version.index).unwrap_or_default();
            let options = UpdateSwarmOptionsBuilder::new()
                .version(i64::try_from(version).unwrap_or(i64::MAX))
                .rotate_worker_token(true)
                .rotate_manager_token(true)
                .build();
            match self.docker.update_swarm(swarm.spec.unwrap_or_default(), options).await {
                Ok(()) => break,
                Err(error) if attempt < TRIES && error.to_string().contains("out of sequence") => {}
                Err(error) => return Err(self.explained(error)),
            }
        }
        Ok(())
    }

    /// What another machine joins this swarm with.
    ///
    /// # Errors
    /// When the engine does not tell.
    pub async fn join_line(&self, as_manager: bool) -> Result<JoinLine, SwarmError> {
        let swarm = self.docker.inspect_swarm().await.map_err(|error| self.explained(error))?;
        let tokens = swarm.join_tokens.unwrap_or_default();
        let token = if as_manager { tokens.manager } else { tokens.worker };
        let about = self.docker.info().await.map_err(|error| self.explained(error))?;
        let address = about.swarm.and_then(|swarm| swarm.node_addr).unwrap_or_default();
        let host = if address.contains(':') { format!("[{address}]") } else { address };
        Ok(JoinLine { token: Secret::new(token.unwrap_or_default()), manager: format!("{host}:{PORT}") })
    }
}
