//! `evergate drill`: a measured failover test on the installation that runs here.

mod hidden;
mod progress;
mod table;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use evergate_cluster::drill::{self, DrillError, Fault, Options, Report, Subject};
use evergate_process::{Clock, files};

pub(crate) use self::hidden::{ApplicationArguments, GuardArguments, application, guard};
use crate::api_client::Target;
use crate::failure::{Usage, hinted};

const ABOUT: &str = "Kill or stop the instance that serves, under load, and count what that costs

A load is sent through the shared port by a client that never repeats a request. The instance that is seen to answer
it is struck; the drill watches until another has taken over, the instance is healed, and calls go to it again. It
checks that nothing was lost, and that mails, API writes and sign-ins happened once each.

Nothing is struck that nobody else could replace at this moment. An interrupted drill heals what it struck and takes
its users and its resource (`evergate-drill`) away, also after `kill -9`. Start, each strike and the result are in
the audit log. The exit code is 0 only if nothing was lost, everything was taken over, and everything came back.";

const EXAMPLES: &str = "Examples:
  evergate drill
  evergate drill --service policy --fault hang --rate 500 --report drill.html
  evergate drill --service upstream --no-failback --json";

/// The arguments of `evergate drill`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct DrillArguments {
    /// What is struck: one of the five services, `upstream` (an application of two servers), or `all` in turn
    #[arg(long, default_value = "all", value_name = "SERVICE", value_parser = subjects)]
    service: Subjects,
    /// What is done to the instance that serves
    #[arg(long, value_enum, default_value_t = FaultArgument::Crash)]
    fault: FaultArgument,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Do not wait until calls go to the struck instance again: it is held down for 10 s, longer if it failed often
    #[arg(long)]
    no_failback: bool,
    /// Write the report as a page (`.html`) or as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaultArgument {
    /// SIGKILL
    Crash,
    /// SIGSTOP for 10 s: it answers nothing, and its connections stay open
    Hang,
}

#[derive(Debug, Clone)]
struct Subjects(Vec<Subject>);

fn subjects(text: &str) -> Result<Subjects, String> {
    if text == "all" {
        return Ok(Subjects(Subject::ALL.to_vec()));
    }
    text.parse().map(|subject| Subjects(vec![subject])).map_err(|error| format!("{error}, nor `all`"))
}

pub(super) async fn drill(arguments: &DrillArguments) -> anyhow::Result<()> {
    if !arguments.target.server.is_empty() {
        let text = "a drill strikes processes of this machine: it works on --data DIR, not on --server";
        return Err(Usage(text.to_owned()).into());
    }
    let options = Options {
        data: arguments.target.data.clone(),
        program: std::env::current_exe().context("cannot find this executable")?,
        subjects: arguments.service.0.clone(),
        fault: match arguments.fault {
            FaultArgument::Crash => Fault::Crash,
            FaultArgument::Hang => Fault::Hang,
        },
        rate: arguments.rate,
        wait_for_failback: !arguments.no_failback,
    };
    if let Some(file) = &arguments.report {
        can_be_written(file)?;
    }
    let teller = progress::Teller::new();
    let report = drill::run(&options, &Clock::system(), &|progress| teller.tell(progress)).await;
    teller.finish();
    let report = report.map_err(explained)?;
    arguments.target.show(&serde_json::to_value(&report)?, |_| table::for_people(&report))?;
    if let Some(file) = &arguments.report {
        write(file, &report)?;
    }
    let faults: Vec<String> = report.faults().collect();
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n  "));
    Ok(())
}

/// Before anything is struck: the report of a drill must not be lost for want of a directory.
fn can_be_written(file: &Path) -> anyhow::Result<()> {
    if !file.extension().is_some_and(|extension| extension == "html" || extension == "json") {
        return Err(Usage(format!("`{}` is neither `.html` nor `.json`", file.display())).into());
    }
    files::write_public(file, b"").with_context(|| format!("cannot write `{}`", file.display()))
}

fn write(file: &Path, report: &Report) -> anyhow::Result<()> {
    let is_page = file.extension().is_some_and(|extension| extension == "html");
    let text = if is_page { drill::html(report) } else { serde_json::to_string_pretty(report)? };
    files::write_public(file, text.as_bytes()).with_context(|| format!("cannot write `{}`", file.display()))
}

fn explained(error: DrillError) -> anyhow::Error {
    match error {
        DrillError::NotRedundant { .. } => {
            hinted(error.to_string(), "`evergate status` shows all instances and links; nothing was struck")
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_every_service_and_the_upstream() {
        assert_eq!(subjects("all").unwrap().0.len(), 6);
        assert_eq!(subjects("upstream").unwrap().0, [Subject::Upstream]);
        assert_eq!(subjects("x").unwrap_err(), "`x` is neither a service nor `upstream`, nor `all`");
    }

    #[test]
    fn a_refusal_says_where_to_look() {
        let missing = vec!["only one instance of policy is ready".to_owned()];
        let error = explained(DrillError::NotRedundant { subject: Subject::Upstream, missing });
        assert!(error.to_string().contains("only one instance of policy is ready\nhint: "), "{error}");
    }
}
