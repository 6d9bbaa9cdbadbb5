//! What the network file, or the one that is built in, says of this machine: its instances and its database.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use evergate_administration::setup;
use evergate_cluster::network::{Database, Network, NetworkError};
use evergate_model::{Name, Secret};

use super::UpArguments;
use super::layout::Layout;
use crate::failure::{BadFile, hinted};

/// No file with a URL is longer, in bytes.
const LONGEST_URL: usize = 4096;

/// The network of a file, or the built-in one.
///
/// # Errors
/// When the file cannot be read, or with all its problems.
pub(super) fn read_or_built_in(file: Option<&Path>) -> anyhow::Result<Network> {
    let Some(file) = file else { return Ok(Network::built_in()) };
    let network = Network::read(file).map_err(|error| match error {
        NetworkError::Read { .. } => anyhow::Error::from(error),
        _ => BadFile(error.to_string()).into(),
    })?;
    Ok(network)
}

/// Where everything is: on this one machine, or where the file puts the node that it is.
///
/// # Errors
/// When it is not said which node this is.
pub(super) fn layout(network: &Network, arguments: &UpArguments) -> anyhow::Result<Layout> {
    if let Some(node) = &arguments.node {
        return Layout::of_node(network, node);
    }
    let nodes: BTreeSet<&Name> = network.instances().iter().map(|planned| &planned.node).collect();
    if nodes.len() > 1 {
        let nodes: Vec<&str> = nodes.into_iter().map(Name::as_str).collect();
        return Err(hinted(
            format!(
                "the network has instances on {} nodes, and it is not said which of them this is",
                nodes.len()
            ),
            format!("say so: --node {}", nodes.join(", or --node ")),
        ));
    }
    Ok(Layout::of_machine(network, arguments.listen_base))
}

/// The URL of the database.
///
/// # Errors
/// When the file with it cannot be read, or it is one that only a swarm runs.
pub(crate) fn database(network: &Network, directory: &Path) -> anyhow::Result<Secret<String>> {
    let Some(file) = network.url_file() else {
        return match network.database() {
            Database::Managed(node) => Err(hinted(
                format!("the database on node `{node}` is one that runs in a swarm"),
                "on plain machines, name a PostgreSQL by `database: { url_file: FILE }`",
            )),
            _ => Ok(setup::sqlite_url(directory)),
        };
    };
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read the database's URL in `{}`", file.display()))?;
    let is_url = text.len() <= LONGEST_URL && text.trim().lines().count() == 1;
    if !is_url {
        let text = format!("`{}` does not hold one URL in one line", file.display());
        return Err(hinted(text, "write `postgres://NAME:PASSWORD@HOST/DATABASE`"));
    }
    warn_if_open(&file);
    Ok(Secret::new(text.trim().to_owned()))
}

fn warn_if_open(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let is_open = std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if is_open {
        tracing::warn!(file = %file.display(), "others on this machine can read the database's password; chmod 600");
    }
}
