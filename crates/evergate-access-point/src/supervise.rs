//! The supervisor of an access point, in its image.

use std::time::Duration;

use anyhow::Context;
use evergate_process::supervisor::{ChildSpec, Watched, keep_one};

use crate::run::{RunArguments, bootstrap};

/// An access point has ended 8 s after it was asked to; an image's engine kills it after 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(9);
/// One that is silent for so long is killed: the connections that browsers have to it are stuck with it.
const SILENCE: Duration = Duration::from_secs(2);

/// Keeps the access point running until a signal ends it.
pub(crate) fn supervise(arguments: &RunArguments, log: Option<&str>) -> anyhow::Result<()> {
    // Its secrets are for the access point: what is wanted here is who it is and where it answers.
    let (name, address) = {
        let bootstrap = bootstrap(arguments)?;
        (bootstrap.instance.to_string(), bootstrap.operations)
    };
    let spec = ChildSpec {
        name,
        program: std::env::current_exe().context("cannot find this executable")?,
        arguments: vec![
            "--bootstrap".into(),
            arguments.bootstrap.clone().into_os_string(),
            "--data".into(),
            arguments.data.clone().into_os_string(),
        ],
        environment: log.iter().map(|log| ("EVERGATE_LOG".into(), log.into())).collect(),
        socket: None,
        stop_stage: 0,
        stop_within: STOP_WITHIN,
        watched: Some(Watched { address, silence: SILENCE }),
        may_be_absent: false,
    };
    keep_one(spec, |_| false).context("cannot supervise").map(drop)
}
