//! `evergate trust`: lets programs on this machine believe the installation's local CA.
//!
//! Two stores are known: the system's (Debian's ca-certificates; needs root) and NSS databases
//! (Chromium's and Firefox's; need the program `certutil`). What cannot be done is said, with the
//! way to do it by hand.

mod nss;
mod system;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::cli::Installation;
use crate::failure::hinted;
use crate::output;

/// The arguments of `evergate trust` and `evergate untrust`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sudo evergate trust --data ./evergate-data")]
pub struct TrustArguments {
    #[command(flatten)]
    installation: Installation,
}

/// The local CA, and the name by which stores know it.
#[derive(Debug)]
struct LocalCa {
    file: PathBuf,
    /// Of this installation only, so that `untrust` takes away nothing else.
    name: String,
}

/// What came of one store.
enum Outcome {
    Done(String),
    NotPossible(String),
}

/// Adds the local CA to every store that can be found.
///
/// # Errors
/// When none could be changed.
pub fn trust(arguments: &TrustArguments) -> anyhow::Result<()> {
    let ca = LocalCa::find(&arguments.installation.data)?;
    let browsers = nss::add(&ca);
    if browsers.is_empty() {
        output::print(&format!(
            "no browser's database was found; a browser that goes on warning must be given `{}` by hand",
            ca.file.display()
        ))?;
    }
    report(system::add(&ca).into_iter().chain(browsers).collect())
}

/// Takes the local CA out of every store that can be found.
///
/// # Errors
/// When it is in one and could not be taken out.
pub fn untrust(arguments: &TrustArguments) -> anyhow::Result<()> {
    let ca = LocalCa::find(&arguments.installation.data)?;
    let outcomes: Vec<Outcome> = system::remove(&ca).into_iter().chain(nss::remove(&ca)).collect();
    if outcomes.is_empty() {
        return output::print("no store of this machine has the local CA");
    }
    report(outcomes)
}

impl LocalCa {
    fn find(data: &Path) -> anyhow::Result<Self> {
        let file = data.join("local-ca.pem");
        let pem = std::fs::read(&file).map_err(|error| {
            hinted(
                format!("cannot read the local CA `{}`: {error}", file.display()),
                "start `evergate up` once, or say --data DIR",
            )
        })?;
        let file = file.canonicalize().context("cannot find the local CA")?;
        Ok(Self { file, name: format!("evergate-{}", fingerprint(&pem)) })
    }
}

/// Eight hex digits that tell installations apart.
fn fingerprint(pem: &[u8]) -> String {
    evergate_process::identity::sha256(pem).chars().take(8).collect()
}

fn report(outcomes: Vec<Outcome>) -> anyhow::Result<()> {
    let mut changed = 0;
    for outcome in outcomes {
        match outcome {
            Outcome::Done(text) => {
                changed += 1;
                output::print(&text)?;
            }
            Outcome::NotPossible(text) => output::print(&format!("not changed: {text}"))?,
        }
    }
    if changed == 0 {
        bail!("no store of certificates was changed");
    }
    Ok(())
}

/// Runs a program; what it printed on standard error if it failed.
fn run(program: &str, arguments: &[&str]) -> Result<(), RunError> {
    let output = std::process::Command::new(program).args(arguments).output().map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            RunError::Missing
        } else {
            RunError::Failed(error.to_string())
        }
    })?;
    if output.status.success() {
        Ok(())
    } else {
        Err(RunError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

enum RunError {
    Missing,
    Failed(String),
}
