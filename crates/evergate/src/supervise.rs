//! `evergate supervise` and `evergate live`: what an image runs first, and by what its engine knows that it lives.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Context;
use evergate_process::Bootstrap;
use evergate_process::supervisor::{ChildSpec, Watched, keep_one};

use crate::failure::{BAD_FILE, BadFile, USAGE, Usage};
use crate::run::RunArguments;
use crate::up::children::{on_disk, silence};

/// An instance has ended 8 s after it was asked to; an image's engine kills it after 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(9);

/// The arguments of `evergate supervise`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  evergate supervise run policy1 --bootstrap /run/secrets/bootstrap.json")]
pub struct SuperviseArguments {
    #[command(subcommand)]
    what: Supervised,
}

#[derive(Debug, clap::Subcommand)]
enum Supervised {
    /// Run one instance
    Run(RunArguments),
}

/// The arguments of `evergate live`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  evergate live http://127.0.0.1:8309/live")]
pub struct LiveArguments {
    /// What is asked
    #[arg(value_name = "URL")]
    url: String,
}

/// Keeps the instance running until a signal ends it.
///
/// # Errors
/// When the bootstrap file cannot be used, or the instance says that its arguments or files are wrong.
pub fn supervise(arguments: &SuperviseArguments, log: Option<&str>) -> anyhow::Result<()> {
    let Supervised::Run(run) = &arguments.what;
    // Its secrets are for the instance: what is wanted here is where it answers.
    let (service, address) = {
        let bootstrap = Bootstrap::read(&run.bootstrap)?;
        (bootstrap.service, bootstrap.operations)
    };
    let spec = ChildSpec {
        name: run.instance.to_string(),
        program: on_disk(std::env::current_exe().context("cannot find this executable")?),
        arguments: words(run),
        environment: log.iter().map(|log| ("EVERGATE_LOG".into(), log.into())).collect(),
        socket: None,
        stop_stage: 0,
        stop_within: STOP_WITHIN,
        watched: Some(Watched { address, silence: silence(service) }),
        may_be_absent: false,
    };
    let last = |code| code == i32::from(BAD_FILE) || code == i32::from(USAGE);
    let ended = keep_one(spec, last).context("cannot supervise")?;
    let text = || format!("`{}` cannot run; it has said why", run.instance);
    match ended {
        None => Ok(()),
        Some(code) if code == i32::from(USAGE) => Err(Usage(text()).into()),
        Some(_) => Err(BadFile(text()).into()),
    }
}

/// Succeeds if the URL is answered.
///
/// # Errors
/// When it is not.
pub fn live(arguments: &LiveArguments) -> anyhow::Result<()> {
    Ok(evergate_process::live::ask(&arguments.url)?)
}

fn words(run: &RunArguments) -> Vec<OsString> {
    vec![
        "run".into(),
        run.instance.to_string().into(),
        "--bootstrap".into(),
        run.bootstrap.clone().into_os_string(),
        "--data".into(),
        run.data.clone().into_os_string(),
    ]
}
