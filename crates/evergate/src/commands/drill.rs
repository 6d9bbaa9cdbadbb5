//! `evergate drill`: a measured failover test on the installation that runs here.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use evergate_cluster::drill::{self, Fault, Options, Report, ServiceReport};
use evergate_model::Service;
use evergate_process::{Clock, files};

use crate::api_client::Target;
use crate::failure::Usage;
use crate::output;

/// The arguments of `evergate drill`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evergate drill\n  evergate drill --service policy --rate 500 --report drill.html"
)]
pub struct DrillArguments {
    /// The service whose active instance is killed: one of the five, or `all` in turn
    #[arg(long, default_value = "all", value_name = "SERVICE", value_parser = services)]
    service: Services,
    /// What is done to it
    #[arg(long, value_enum, default_value_t = FaultArgument::Crash)]
    fault: FaultArgument,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
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
}

#[derive(Debug, Clone)]
struct Services(Vec<Service>);

/// The order in which all are drilled: from the innermost to the door.
const ALL: [Service; 5] = [
    Service::Policy,
    Service::Authentication,
    Service::Distribution,
    Service::Administration,
    Service::AccessPoint,
];

fn services(text: &str) -> Result<Services, String> {
    if text == "all" {
        return Ok(Services(ALL.to_vec()));
    }
    text.parse().map(|service| Services(vec![service])).map_err(|error| format!("{error}, or `all`"))
}

pub(super) async fn drill(arguments: &DrillArguments) -> anyhow::Result<()> {
    if !arguments.target.server.is_empty() {
        let text = "a drill kills processes of this machine: it works on --data DIR, not on --server";
        return Err(Usage(text.to_owned()).into());
    }
    let options = Options {
        data: arguments.target.data.clone(),
        services: arguments.service.0.clone(),
        fault: match arguments.fault {
            FaultArgument::Crash => Fault::Crash,
        },
        rate: arguments.rate,
    };
    let report = drill::run(&options, &Clock::system(), |what| eprintln!("{what}")).await?;
    if let Some(file) = &arguments.report {
        let is_page = file.extension().is_some_and(|extension| extension == "html");
        let text = if is_page { drill::html(&report) } else { serde_json::to_string_pretty(&report)? };
        files::write_public(file, text.as_bytes())
            .with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    arguments.target.show(&serde_json::to_value(&report)?, |_| for_people(&report))?;
    anyhow::ensure!(report.lost == 0, "{} requests were lost", report.lost);
    anyhow::ensure!(report.is_good(), "not every service was drilled");
    Ok(())
}

fn for_people(report: &Report) -> String {
    let headings = [
        "service",
        "killed",
        "had served",
        "sent",
        "lost",
        "in flight",
        "median",
        "slowest",
        "noticed",
        "taken over",
        "failed back",
    ];
    let table = output::table(&headings, report.services.iter().map(row));
    let reasons = report.services.iter().flat_map(|service| {
        service.reasons.iter().map(|(reason, count)| format!("\n{}: {count} x {reason}", service.service))
    });
    let undrilled =
        report.undrilled.iter().map(|(service, why)| format!("\n{service} was not drilled: {why}"));
    std::iter::once(table).chain(reasons).chain(undrilled).collect()
}

fn row(service: &ServiceReport) -> Vec<String> {
    let after = |moment: Option<u64>| moment.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    vec![
        service.service.to_string(),
        service.instance.to_string(),
        service.served_before.to_string(),
        service.sent.to_string(),
        service.lost.to_string(),
        service.in_flight.to_string(),
        format!("{} ms", service.median_ms),
        format!("{} ms", service.slowest_ms),
        after(service.detected_ms),
        after(service.taken_over_ms),
        service.failed_back.to_string(),
    ]
}
