//! `evergate demo remove`: takes resource and user away through the API, then the file, then
//! the servers through the supervisor.

use std::path::Path;

use anyhow::Context;
use evergate_cluster::api_client::{ApiClient, ApiError, segment};
use evergate_process::supervisor::control::Client;
use http::StatusCode;

use super::{FILE, RESOURCE};
use crate::output;
use crate::up::Up;

/// Removes the demo. What is already gone is no error, so that a removal that broke off can be
/// repeated; the file, by which it is known that there is a demo, goes last.
pub(super) async fn remove(data: &Path, user: &str) -> anyhow::Result<()> {
    let client = ApiClient::local(data)?;
    for path in [format!("/resources/{RESOURCE}"), format!("/users/{}", segment(user))] {
        match client.delete(&path).await {
            Err(error) if !error.is(StatusCode::NOT_FOUND) => return Err(refused(error)),
            _ => {}
        }
    }
    let path = data.join(FILE);
    std::fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
    let text = match end_servers(data).await {
        Ok(()) => "the demo's resource, user and servers are removed".to_owned(),
        Err(error) => format!(
            "the demo's resource and user are removed; its servers end with the next start of `evergate up` ({error:#})"
        ),
    };
    output::print(&text)
}

async fn end_servers(data: &Path) -> anyhow::Result<()> {
    let servers = Up::read(data)?.demo;
    let mut supervisor = Client::connect(data).await?;
    for server in servers {
        supervisor.end(&server.name).await?;
    }
    Ok(())
}

fn refused(error: ApiError) -> anyhow::Error {
    anyhow::Error::from(error).context("the demo cannot be removed")
}
