//! `evergate demo remove`: takes resource and user away through the API, then the file.

use std::path::Path;

use anyhow::Context;
use evergate_cluster::api_client::{ApiClient, ApiError, segment};
use http::StatusCode;

use super::{FILE, RESOURCE};
use crate::output;

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
    output::print(
        "the demo's resource and user are removed; its servers end with the next start of `evergate up`",
    )
}

fn refused(error: ApiError) -> anyhow::Error {
    anyhow::Error::from(error).context("the demo cannot be removed")
}
