//! What the engine of this machine knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bollard::models::{LocalNodeState, Reachability, SystemInfo};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNodesOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};

use super::super::engine::Engine;
use super::super::membership::{Member, Membership};
use super::super::ports::Container;
use super::super::quorum::Quorum;
use crate::swarm::{self, SwarmError};

/// Seconds for one answer.
const ANSWER: u64 = 10;
/// By what `docker stack deploy` knows the tasks of a stack.
const NAMESPACE: &str = "com.docker.stack.namespace";

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The engine.
    pub engine: Engine,
    /// Its part in a swarm.
    pub membership: Membership,
    /// The names of its images.
    pub images: BTreeSet<String>,
    /// The ports of this machine that lead to containers.
    pub containers: BTreeMap<u16, Container>,
    /// The managers, if it is one.
    pub quorum: Option<Quorum>,
    /// The Docker ids of the nodes with the labels of each, and whether the swarm hears of it; if it is a manager.
    pub nodes: Vec<(String, BTreeMap<String, String>, bool)>,
}

/// Asks the engine at a socket, `unix:///PATH`.
///
/// # Errors
/// When there is none, nobody listens, this user may not, or it does not answer.
pub async fn engine(host: &str) -> Result<Found, SwarmError> {
    // Tells the ways to fail apart.
    swarm::Engine::open(host).await?;
    let failed = |source| SwarmError::Engine { host: host.to_owned(), source };
    let path = host.trim_start_matches("unix://");
    let docker = Docker::connect_with_unix(path, ANSWER, API_DEFAULT_VERSION).map_err(failed)?;
    let docker = docker.negotiate_version().await.map_err(failed)?;
    let told = docker.info().await.map_err(failed)?;
    let mut membership = membership(&told);
    let (mut quorum, mut nodes) = (None, Vec::new());
    if let Membership::Member(Member { is_manager: true, .. }) = &membership {
        let (held, found) = managers(&docker).await;
        (quorum, nodes) = (Some(held), found);
    }
    if let Membership::Member(member) = &mut membership {
        // A manager is among its own remote managers; the order is chance.
        member.managers.sort();
    }
    Ok(Found {
        images: images(&docker).await.map_err(failed)?,
        containers: containers(&docker).await.map_err(failed)?,
        engine: about(host, told),
        membership,
        quorum,
        nodes,
    })
}

fn about(host: &str, told: SystemInfo) -> Engine {
    Engine {
        host: host.to_owned(),
        version: told.server_version.unwrap_or_default(),
        storage: told.driver.unwrap_or_default(),
        warnings: told.warnings.unwrap_or_default(),
        is_live_restore: told.live_restore_enabled == Some(true),
        root: told.docker_root_dir.map(PathBuf::from).unwrap_or_default(),
    }
}

fn membership(told: &SystemInfo) -> Membership {
    let swarm = told.swarm.clone().unwrap_or_default();
    match swarm.local_node_state {
        None | Some(LocalNodeState::INACTIVE | LocalNodeState::EMPTY) => Membership::None,
        Some(LocalNodeState::ACTIVE) => Membership::Member(Member {
            id: swarm.node_id.unwrap_or_default(),
            address: swarm.node_addr.unwrap_or_default(),
            is_manager: swarm.control_available == Some(true),
            managers: swarm.remote_managers.into_iter().flatten().filter_map(|peer| peer.addr).collect(),
            accepted: None,
        }),
        Some(state) => Membership::Stuck { state: state.to_string(), why: swarm.error.unwrap_or_default() },
    }
}

/// A swarm without a leader does not tell of its nodes.
async fn managers(docker: &Docker) -> (Quorum, Vec<(String, BTreeMap<String, String>, bool)>) {
    let told = match docker.list_nodes(Some(ListNodesOptionsBuilder::new().build())).await {
        Ok(told) => told,
        Err(bollard::errors::Error::DockerResponseServerError { message, .. }) => {
            return (Quorum::Lost(message.trim().to_owned()), Vec::new());
        }
        Err(error) => return (Quorum::Lost(error.to_string()), Vec::new()),
    };
    let (mut reached, mut away, mut nodes) = (0, Vec::new(), Vec::new());
    for node in told {
        let name = node.description.and_then(|description| description.hostname).unwrap_or_default();
        match node.manager_status.and_then(|status| status.reachability) {
            Some(Reachability::REACHABLE) => reached += 1,
            Some(_) => away.push(name),
            None => {}
        }
        let labels = node.spec.and_then(|spec| spec.labels).unwrap_or_default().into_iter().collect();
        let state = node.status.and_then(|status| status.state);
        let is_ready = state == Some(bollard::models::NodeState::READY);
        nodes.push((node.id.unwrap_or_default(), labels, is_ready));
    }
    (Quorum::Held { reached, away }, nodes)
}

async fn images(docker: &Docker) -> Result<BTreeSet<String>, bollard::errors::Error> {
    let told = docker.list_images(Some(ListImagesOptionsBuilder::new().build())).await?;
    Ok(told.into_iter().flat_map(|image| image.repo_tags.into_iter().chain(image.repo_digests)).collect())
}

async fn containers(docker: &Docker) -> Result<BTreeMap<u16, Container>, bollard::errors::Error> {
    let told = docker.list_containers(Some(ListContainersOptionsBuilder::new().build())).await?;
    let mut found = BTreeMap::new();
    for container in told {
        let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
        let stack = container.labels.unwrap_or_default().remove(NAMESPACE);
        let owner = Container { name: name.trim_start_matches('/').to_owned(), stack };
        let ports = container.ports.into_iter().flatten().filter_map(|port| port.public_port);
        found.extend(ports.map(|port| (port, owner.clone())));
    }
    Ok(found)
}
