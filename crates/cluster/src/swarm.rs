//! A real swarm, seen and changed through the engine of a manager.
//!
//! [`Swarm::state`] is what a plan is compared with, [`Swarm::take`] carries out one step of it. Of what belongs to
//! nodes and secrets, only labels that begin with `evergate.STACK.` are touched; services are deployed by `docker
//! stack deploy`, one at a time, so that the rendered file deployed by hand leads to the same state.

mod apply;
mod bridge;
mod engine;
mod member;
mod nodes;
mod secrets;
mod state;
mod tasks;

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use evergate_model::{Name, Secret};

pub use apply::Undo;
pub use engine::{DEFAULT_HOST, Engine};
pub use member::{JoinLine, Membership};
pub use nodes::SwarmNode;

/// Of what a machine says of itself so many characters are shown.
const SHOWN: usize = 253;
/// How often what is waited for is looked at.
const PERIOD: Duration = Duration::from_millis(250);

/// What a machine says of itself, for a terminal: whoever joined with a token has written it.
fn shown(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

/// A stack in a swarm, seen from one of its managers.
#[derive(Debug)]
pub struct Swarm {
    docker: Docker,
    host: String,
    stack: Name,
    /// How long a service may take to become ready.
    patience: Duration,
}

/// What the secrets that a plan makes contain, by their names.
pub type Contents = BTreeMap<String, Content>;

/// A secret that is to be made.
#[derive(Debug)]
pub struct Content {
    /// What is kept from everybody.
    pub text: Secret<String>,
    /// What is known of it.
    pub made_for: MadeFor,
}

/// What is written beside a secret with a bootstrap file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MadeFor {
    /// The node whose instance gets it: on another one it is not used.
    pub node: Option<Name>,
    /// SHA-256 of the first certificate in it, hex: what the instance renews from it belongs together.
    pub line: Option<String>,
}

/// Why a swarm could not be seen or changed.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// Only sockets of this machine are spoken to.
    #[error(
        "`{0}` is not the socket of an engine on this machine\nhint: run this command on a manager; `--docker` and DOCKER_HOST take unix:///PATH"
    )]
    Scheme(String),
    /// No engine.
    #[error(
        "there is no Docker engine at `{0}`\nhint: install and start it (systemctl start docker), or name its socket with --docker or DOCKER_HOST"
    )]
    NoSocket(String),
    /// The socket is there, and nobody listens.
    #[error("nobody answers at `{0}`: the engine is not running\nhint: start it (systemctl start docker)")]
    NotRunning(String),
    /// The socket may not be opened.
    #[error(
        "no permission to use the Docker engine at `{0}`\nhint: use sudo, or become a member of the group docker (usermod -aG docker USER, then sign in anew); name another engine with DOCKER_HOST"
    )]
    NoPermission(String),
    /// The engine did not answer in time, or not in its own words.
    #[error("the Docker engine at `{host}` failed")]
    Engine {
        /// Its socket.
        host: String,
        /// How.
        #[source]
        source: bollard::errors::Error,
    },
    /// An image could not be loaded.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
    /// The engine is in no swarm, or has no say in it.
    #[error(
        "this engine is not a manager of a swarm\nhint: run this command on a manager; where this machine is in no swarm yet, `evergate cluster init` makes one"
    )]
    NotManager,
    /// The engine refused.
    #[error("the Docker engine refuses: {0}")]
    Refused(String),
    /// No machine was accepted by that name.
    #[error("node `{0}` of network.yml is not accepted in this swarm\nhint: evergate cluster accept {0}=ID")]
    NotAccepted(Name),
    /// There is no such node.
    #[error("no node of the swarm has the id `{0}`")]
    NoNode(String),
    /// The name is another machine's.
    #[error(
        "node `{name}` is bound to the Docker node `{bound}`, not to `{claims}`\nhint: if the machine was replaced, first take the old one out: evergate cluster leave {name}"
    )]
    Bound {
        /// The name of network.yml.
        name: Name,
        /// Who has it.
        bound: String,
        /// Who is to have it.
        claims: String,
    },
    /// The machine has another name.
    #[error("the Docker node `{id}` is accepted as `{has}` already, and cannot be `{name}` too")]
    HasName {
        /// The machine.
        id: String,
        /// Its name.
        has: String,
        /// The name asked for.
        name: Name,
    },
    /// Two machines have one name: somebody labelled by hand.
    #[error(
        "the Docker nodes `{0}` and `{1}` both have the label of node `{2}`\nhint: take it from the wrong one: docker node update --label-rm evergate.STACK.node ID"
    )]
    TwoClaim(String, String, Name),
    /// A machine that was never accepted has the label of an instance.
    #[error(
        "the Docker node `{id}` was never accepted, and has the label `{label}`\nhint: docker node update --label-rm {label} {id}"
    )]
    Stray {
        /// The machine.
        id: String,
        /// The label.
        label: String,
    },
    /// A service of that name is somebody else's.
    #[error(
        "the swarm has a service `{0}` that Evergate did not make\nhint: choose another `stack` in network.yml"
    )]
    Foreign(String),
    /// The `docker` command is needed to deploy a compose file.
    #[error("cannot run the `docker` command")]
    NoCommand(#[source] std::io::Error),
    /// It did not deploy.
    #[error("`docker stack {verb}` failed: {said}")]
    Stack {
        /// What was asked.
        verb: &'static str,
        /// What it said.
        said: String,
    },
    /// Nobody gave the content of a secret that is to be made.
    #[error("there is nothing to make the secret `{0}` from")]
    NoContent(String),
    /// A service did not become ready.
    #[error("`{name}` did not become ready: {why}; {undone}")]
    NotReady {
        /// The service.
        name: String,
        /// What was seen last.
        why: String,
        /// What was done about it.
        undone: String,
    },
    /// What was removed is still there.
    #[error("{0} did not end in time")]
    NotGone(String),
}
