//! Machines that join an installation: the token file that is carried to one, and what it is given for it.
//!
//! The file says where administration is and which CA to believe, so nothing else need be carried. The token
//! in it is good for one node, once, for a day.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use evergate_administration::setup::LOCAL_CA_FILE;
use evergate_cluster::api_client::{ApiClient, segment};
use evergate_model::{Host, Name, Secret};
use evergate_process::{Bootstrap, files};
use serde::{Deserialize, Serialize};

use crate::failure::{BadFile, hinted};

/// What a machine that has joined keeps of it; written last.
const JOINED: &str = "joined.json";
/// No token file is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The file that is carried to the machine.
#[derive(Debug, Deserialize)]
struct TokenFile {
    node: Name,
    servers: Vec<String>,
    local_ca: String,
    token: String,
}

/// What administration gives for the token.
#[derive(Deserialize)]
struct Given {
    bootstraps: BTreeMap<Name, Bootstrap>,
    portal_host: Host,
    console_host: Option<Host>,
}

/// What is known of the installation that this machine belongs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Membership {
    /// The node that this machine is.
    pub(crate) node: Name,
    /// The API's addresses.
    pub(crate) servers: Vec<String>,
    /// The host of sign-in, portal and account pages.
    pub(crate) portal_host: Host,
    /// The console's host, if it is published.
    pub(crate) console_host: Option<Host>,
}

/// Has a token made for a node, and writes its file for the owner's eyes only.
///
/// # Errors
/// When the file is there already, or administration makes none.
pub(crate) async fn write_token(client: &ApiClient, node: &str, file: &Path) -> anyhow::Result<()> {
    // Looked at, and made, before there is a token: it replaces the node's last one.
    if file.exists() {
        let text = format!("`{}` is there already", file.display());
        return Err(hinted(text, "choose another name, or remove the file"));
    }
    let written = |text: &[u8]| {
        files::write_private(file, text).with_context(|| format!("cannot write `{}`", file.display()))
    };
    written(b"")?;
    match client.post(&format!("/nodes/{}/join-token", segment(node)), &serde_json::json!({})).await {
        Ok(made) => {
            let text = Secret::new(serde_json::to_string_pretty(&made)? + "\n");
            written(text.expose().as_bytes())
        }
        Err(error) => {
            // It was made here a moment ago, and is empty.
            drop(std::fs::remove_file(file));
            Err(error.into())
        }
    }
}

/// The membership of the machine whose state is in `directory`, if it has joined.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn membership(directory: &Path) -> anyhow::Result<Option<Membership>> {
    let path = directory.join(JOINED);
    let text = files::read_if_present(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let read = |text: Vec<u8>| serde_json::from_slice(&text);
    text.map(read).transpose().with_context(|| format!("`{}` is damaged", path.display()))
}

/// Whether an instance of this machine has no bootstrap file yet.
pub(crate) fn lacks_any<'a>(directory: &Path, mut instances: impl Iterator<Item = &'a Name>) -> bool {
    instances.any(|name| !bootstrap_path(directory, name).exists())
}

/// Joins as `node`: the token is used up, and the bootstrap files are written.
///
/// # Errors
/// When the file is none, is another node's, or administration refuses it. A token is used up as soon as
/// administration has answered: killed after that, ask for another.
pub(crate) async fn join(directory: &Path, node: &Name, file: &Path) -> anyhow::Result<Membership> {
    let token = read(file)?;
    if token.node != *node {
        let text =
            format!("`{}` is the join token of node `{}`, not of `{node}`", file.display(), token.node);
        return Err(hinted(text, format!("make one with `evergate cluster join-token {node} -o FILE`")));
    }
    let client = ApiClient::new(token.servers.clone(), token.local_ca.as_bytes(), Secret::new(token.token))
        .with_context(|| format!("`{}` cannot be used", file.display()))?;
    let path = format!("/nodes/{}/join", segment(node.as_str()));
    let given = client.post(&path, &serde_json::json!({})).await.context("cannot join")?;
    let given: Given = serde_json::from_value(given).context("what answered is no Evergate of this age")?;
    for (name, bootstrap) in &given.bootstraps {
        write_bootstrap(directory, name, bootstrap)?;
    }
    write_public(&directory.join(LOCAL_CA_FILE), token.local_ca.as_bytes())?;
    let membership = Membership {
        node: token.node,
        servers: token.servers,
        portal_host: given.portal_host,
        console_host: given.console_host,
    };
    write_public(&directory.join(JOINED), &serde_json::to_vec_pretty(&membership)?)?;
    Ok(membership)
}

fn read(file: &Path) -> anyhow::Result<TokenFile> {
    let size = std::fs::metadata(file).with_context(|| format!("cannot read `{}`", file.display()))?.len();
    let bad = |why: String| {
        BadFile(format!("`{}` is not a file of `evergate cluster join-token`: {why}", file.display()))
    };
    if size > LONGEST {
        return Err(bad(format!("it is longer than {LONGEST} bytes")).into());
    }
    let text = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let token: TokenFile = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    match token.servers.iter().find(|server| !server.starts_with("https://")) {
        Some(server) => Err(bad(format!("`{server}` does not begin with https://")).into()),
        None => Ok(token),
    }
}

fn write_bootstrap(directory: &Path, name: &Name, bootstrap: &Bootstrap) -> anyhow::Result<()> {
    let path = bootstrap_path(directory, name);
    if let Some(own) = path.parent() {
        files::make_private_directory(own).with_context(|| format!("cannot make `{}`", own.display()))?;
        // What the instance got for itself before is older than the identity that it is given now.
        match std::fs::remove_file(own.join("certificate.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot clear `{}`", own.display()));
            }
            _ => {}
        }
    }
    Ok(bootstrap.write(&path)?)
}

fn bootstrap_path(directory: &Path, name: &Name) -> PathBuf {
    directory.join("instances").join(name.as_str()).join("bootstrap.json")
}

fn write_public(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    files::write_public(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, text).unwrap();
        read(&file).unwrap_err().to_string().replace(&file.display().to_string(), "FILE")
    }

    #[test]
    fn what_is_no_token_file_is_said_to_be_none() {
        assert!(told("").starts_with("`FILE` is not a file of `evergate cluster join-token`: EOF"));
        assert!(told(r#"{"node": "-", "servers": []}"#).contains("line 1"));
        assert!(told(&" ".repeat(70_000)).contains("longer than 65536 bytes"));
        let clear = r#"{"node":"node-b","servers":["http://10.0.0.1/"],"local_ca":"","token":"x"}"#;
        assert!(told(clear).contains("`http://10.0.0.1/` does not begin with https://"));
    }

    #[tokio::test]
    async fn the_token_of_another_node_is_refused_before_it_is_shown_to_anybody() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let text = r#"{"node":"node-b","servers":["https://127.0.0.1:1/api/v1"],"local_ca":"","token":"x"}"#;
        std::fs::write(&file, text).unwrap();
        let error = join(directory.path(), &"node-c".parse().unwrap(), &file).await.unwrap_err().to_string();
        assert!(error.contains("the join token of node `node-b`, not of `node-c`"), "{error}");
        assert!(membership(directory.path()).unwrap().is_none());
    }
}
