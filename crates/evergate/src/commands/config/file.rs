//! Configuration files between the disk and the API.

use std::path::Path;

use anyhow::Context;
use evergate_cluster::api_client::{ApiClient, ApiError};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::api_client::Target;
use crate::failure::{BadFile, hinted};
use crate::output;

/// Sends a file's text, with what else is said of it. What is wrong with the file is a bad file, not
/// a failure of the command.
pub(super) async fn send(
    client: &ApiClient,
    path: &str,
    file: &Path,
    mut body: Map<String, Value>,
) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    body.insert("file".to_owned(), text.into());
    match client.post(path, &Value::Object(body)).await {
        Err(error @ ApiError::Refused { .. }) if error.is(StatusCode::UNPROCESSABLE_ENTITY) => {
            Err(BadFile(format!("`{}`: {error}", file.display())).into())
        }
        Err(error @ ApiError::Refused { .. }) if error.is(StatusCode::CONFLICT) => Err(hinted(
            error.to_string(),
            "export the version in force and make your change there; --force overwrites what others changed",
        )),
        answer => Ok(answer?),
    }
}

/// Prints a version as a file.
pub(super) async fn export(target: &Target, client: &ApiClient, version: Option<u64>) -> anyhow::Result<()> {
    let query = version.map(|version| format!("?version={version}")).unwrap_or_default();
    let answer = client.get(&format!("/configuration/export{query}")).await?;
    target.show(&answer, |answer| output::field(answer, "file"))
}
