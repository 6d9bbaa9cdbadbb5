//! The files of an installation's directory that setup makes, each for its owner's eyes only except
//! the local CA's certificate.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use data_encoding::BASE32_NOPAD;
use evergate_keys::{api_token, random, wrapping};
use evergate_model::Secret;
use evergate_process::files;
use evergate_store::Store;
use evergate_store::keys::Role;

use crate::authorities;

/// The administrator that the first start makes.
pub const ADMINISTRATOR: &str = "admin";
/// The file with the administrator's first password.
pub const PASSWORD_FILE: &str = "administrator-password";
/// The file with the API token of the local command line, which has every privilege.
pub const API_TOKEN_FILE: &str = "api-token";
/// The file with the demo user's name, password and soft token.
pub const DEMO_FILE: &str = "demo.json";
/// The file with the certificate of the CA that browsers should believe.
pub const LOCAL_CA_FILE: &str = "local-ca.pem";
/// The file with the key that opens what is sealed in the database.
pub const WRAPPING_KEY_FILE: &str = "wrapping-key";

/// The file with the password of a database that the installation runs itself.
pub const DATABASE_PASSWORD_FILE: &str = "database-password";
/// The file with the URL of the installation's database, where that is not the SQLite beside it.
pub const DATABASE_URL_FILE: &str = "database-url";

/// The URL of the database, where it is not the SQLite beside.
pub(super) fn database_url(directory: &Path) -> anyhow::Result<Option<Secret<String>>> {
    let path = directory.join(DATABASE_URL_FILE);
    let text = files::read_if_present(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text.map(|text| Secret::new(String::from_utf8_lossy(&text).trim().to_owned())))
}

/// Keeps the URL of the database for the commands that work on this directory. An installation whose database
/// is a PostgreSQL does not begin anew in a SQLite.
pub(super) fn keep_database_url(directory: &Path, url: &Secret<String>) -> anyhow::Result<()> {
    let path = directory.join(DATABASE_URL_FILE);
    if url != &super::sqlite_url(directory) {
        let line = Secret::new(format!("{}\n", url.expose()));
        return files::write_private(&path, line.expose().as_bytes())
            .with_context(|| format!("cannot write `{}`", path.display()));
    }
    if path.exists() {
        bail!(
            "the database of this installation is a PostgreSQL (`{}`), and the network says SQLite\nhint: name it \
             by `database: {{ url_file: FILE }}` in the network file",
            path.display()
        );
    }
    Ok(())
}

/// The wrapping key; made only where there is no database yet.
pub(super) fn wrapping_key(directory: &Path, is_new: bool) -> anyhow::Result<Secret<String>> {
    let path = directory.join(WRAPPING_KEY_FILE);
    if !is_new && !path.exists() {
        bail!(
            "`{}` is missing: nothing in the database can be opened without it\nhint: put it back from a backup; \
             a further node joins with `--join TOKEN-FILE`",
            path.display()
        );
    }
    made_once(&path, wrapping::generate)
}

/// A password that nobody has to type often: 100 random bits in groups of five letters.
pub(super) fn password(directory: &Path, file: &str) -> anyhow::Result<Secret<String>> {
    made_once(&directory.join(file), new_password)
}

pub(crate) fn new_password() -> Secret<String> {
    let text = BASE32_NOPAD.encode(&random::bytes::<13>()).to_lowercase();
    let groups: Vec<&str> =
        [0..5, 5..10, 10..15, 15..20].into_iter().filter_map(|part| text.get(part)).collect();
    Secret::new(groups.join("-"))
}

/// The password of the database that the installation runs itself.
pub(super) fn database_password(directory: &Path) -> anyhow::Result<Secret<String>> {
    made_once(&directory.join(DATABASE_PASSWORD_FILE), new_password)
}

/// The API token of the local command line.
pub(super) fn api_token(directory: &Path) -> anyhow::Result<Secret<String>> {
    made_once(&directory.join(API_TOKEN_FILE), api_token::generate)
}

/// Writes the local CA's certificate, for everybody to read.
pub(super) async fn write_local_ca(store: &Store, directory: &Path) -> anyhow::Result<PathBuf> {
    let path = directory.join(LOCAL_CA_FILE);
    let roots = authorities::roots(&mut *store.read().await?, Role::Local).await?;
    files::write_public(&path, roots.concat().as_bytes())
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}

/// A secret that is in a file: read from there, or made and written there first, so that a start
/// that was killed in between finds the same one.
pub(super) fn made_once(
    path: &Path,
    make: impl FnOnce() -> Secret<String>,
) -> anyhow::Result<Secret<String>> {
    let present =
        files::read_if_present(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if let Some(bytes) = present {
        let text = String::from_utf8(bytes).with_context(|| format!("`{}` is not text", path.display()))?;
        return Ok(Secret::new(text.trim_end().to_owned()));
    }
    let secret = make();
    let line = Secret::new(format!("{}\n", secret.expose()));
    files::write_private(path, line.expose().as_bytes())
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(secret)
}
