//! The demo user: `alice`, with a password and a soft token that anybody on this machine may read.

use std::path::Path;

use anyhow::Context;
use evergate_keys::totp::Seed;
use evergate_keys::{SeedSealer, new_id, password, seed};
use evergate_model::Timestamp;
use evergate_process::files;
use evergate_store::credentials::{self, NewCredential, Sort};
use evergate_store::{Actor, Tx, users};
use serde::{Deserialize, Serialize};

use super::files::{DEMO_FILE, new_password};
use super::first_start::add_user;
use crate::vault::Vault;
use crate::{Failure, publishing};

const NAME: &str = "alice";
/// By this address the demo user is told from another of that name.
pub(crate) const EMAIL: &str = "alice@example.com";

/// What the demo file holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct DemoUser {
    /// The name to sign in by.
    pub name: String,
    /// The password.
    pub password: String,
    /// The soft token: `otpauth://totp/...`.
    pub otpauth: String,
    /// The same token's seed, base32.
    pub seed: String,
}

/// The demo user, ready to be added.
pub(super) struct Prepared {
    phc: String,
    seed: Seed,
}

/// Reads the demo file, or makes it.
pub(super) fn prepare(directory: &Path) -> anyhow::Result<Prepared> {
    let path = directory.join(DEMO_FILE);
    let demo = match files::read_if_present(&path)? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` is not what setup wrote", path.display()))?,
        None => make(&path)?,
    };
    let seed =
        Seed::from_base32(&demo.seed).with_context(|| format!("`{}` holds no soft token", path.display()))?;
    let phc = password::hash(&demo.password.into()).context("cannot hash the demo user's password")?;
    Ok(Prepared { phc, seed })
}

fn make(path: &Path) -> anyhow::Result<DemoUser> {
    let seed = Seed::generate();
    let demo = DemoUser {
        name: NAME.to_owned(),
        password: new_password().expose().clone(),
        otpauth: seed.to_uri("Evergate", NAME).expose().clone(),
        seed: seed.to_base32().expose().clone(),
    };
    let mut text = serde_json::to_vec_pretty(&demo)?;
    text.push(b'\n');
    files::write_private(path, &text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(demo)
}

impl Prepared {
    /// Adds the user with password and soft token.
    pub(super) async fn add(self, tx: &mut Tx, vault: &Vault, now: Timestamp) -> Result<(), Failure> {
        let user = add_user(tx, now, NAME, &self.phc).await?;
        users::set_email(tx, &Actor::System, now, user, Some(EMAIL)).await?;
        let keys = publishing::public_keys(tx, vault).await?;
        let sealer = SeedSealer::from_public_keys(&keys).ok_or(Failure::Missing("key for seeds"))?;
        let sealed = sealer
            .seal(&seed::context(user), self.seed.expose())
            .map_err(|error| Failure::crypto("sealing a seed")(&error))?;
        let new = NewCredential {
            id: new_id(now),
            user,
            sort: Sort::Totp,
            label: "Authenticator app",
            secret: Some(&sealed),
        };
        credentials::add(tx, &Actor::System, now, &new).await?;
        Ok(())
    }
}
