//! `evergate demo`: how to sign in to the demo, and how to be rid of it.

mod remove;

use std::path::Path;

use anyhow::{Context, anyhow};
use evergate_cluster::deployed::Deployed;
use evergate_keys::totp::{STEP_SECONDS, Seed};
use evergate_process::{Clock, files};
use fast_qr::QRBuilder;
use serde::{Deserialize, Serialize};

use crate::cli::Installation;
use crate::failure::hinted;
use crate::output;
use crate::up::Up;

/// The resource of the demo application.
pub const RESOURCE: &str = "welcome";

/// Where the installation keeps the demo user's secrets.
pub const FILE: &str = "demo.json";

/// The arguments of `evergate demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  evergate demo\n  evergate demo remove")]
pub struct DemoArguments {
    #[command(flatten)]
    installation: Installation,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Remove the demo application and the demo user
    #[command(after_help = "Example:\n  evergate demo remove")]
    Remove,
}

/// What the installation keeps of the demo user.
#[derive(Debug, Serialize, Deserialize)]
struct DemoUser {
    name: String,
    password: String,
    otpauth: String,
}

/// Shows or removes the demo.
///
/// # Errors
/// When there is no demo, or no `up` is running.
pub async fn demo(arguments: &DemoArguments) -> anyhow::Result<()> {
    let data = &arguments.installation.data;
    let user = read(data)?;
    if let Some(Action::Remove) = arguments.action {
        return remove::remove(data, &user.name).await;
    }
    if Deployed::read(data)?.is_some() {
        return Err(hinted(
            format!(
                "the installation in `{}` runs in a swarm; the demo's application stayed behind",
                data.display()
            ),
            "evergate demo remove takes the demo out; evergate resource add protects an application that all nodes reach",
        ));
    }
    let url = Up::read(data)?.url;
    let text = if arguments.json { as_json(&user, &url)? } else { for_people(&user, &url)? };
    output::print(&text)
}

fn read(data: &Path) -> anyhow::Result<DemoUser> {
    let path = data.join(FILE);
    let text = files::read_if_present(&path)
        .with_context(|| format!("cannot read `{}`", path.display()))?
        .ok_or_else(|| {
            hinted(
                format!("there is no demo in `{}`", data.display()),
                "is it another directory? say --data DIR",
            )
        })?;
    serde_json::from_slice(&text).with_context(|| format!("`{}` is damaged", path.display()))
}

fn as_json(user: &DemoUser, url: &str) -> anyhow::Result<String> {
    let now = Clock::system().now();
    let shown = serde_json::json!({
        "name": user.name, "password": user.password, "otpauth": user.otpauth, "url": url,
        "code": seed(&user.otpauth)?.code_at(now),
        "code_valid_for_s": STEP_SECONDS - now.as_seconds().rem_euclid(STEP_SECONDS),
    });
    Ok(serde_json::to_string_pretty(&shown)?)
}

fn for_people(user: &DemoUser, url: &str) -> anyhow::Result<String> {
    let now = Clock::system().now();
    let code = seed(&user.otpauth)?.code_at(now);
    let left = STEP_SECONDS - now.as_seconds().rem_euclid(STEP_SECONDS);
    let code_image = QRBuilder::new(user.otpauth.as_str())
        .build()
        .map_err(|error| anyhow!("no QR code can be made: {error}"))?
        .to_str();
    Ok(format!(
        "address   {url}\nname      {}\npassword  {}\ncode      {code}   (for another {left} s)\n\n\
         For an authenticator app:\n{code_image}\n{}",
        user.name, user.password, user.otpauth
    ))
}

/// The seed in a key URI (`otpauth://totp/LABEL?secret=BASE32&...`).
fn seed(uri: &str) -> anyhow::Result<Seed> {
    uri.split_once('?')
        .and_then(|(_, query)| query.split('&').find_map(|pair| pair.strip_prefix("secret=")))
        .and_then(Seed::from_base32)
        .context("the demo user's soft token is damaged")
}

#[cfg(test)]
mod tests {
    use evergate_model::Timestamp;

    use super::*;

    #[test]
    fn the_code_is_that_of_the_uri() {
        // RFC 6238, appendix B: SHA-1, 59 s after the epoch, the last six digits.
        let uri = "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Evergate";
        assert_eq!(seed(uri).unwrap().code_at(Timestamp::from_seconds(59)), "287082");
        assert!(seed("otpauth://totp/x").is_err());
    }
}
