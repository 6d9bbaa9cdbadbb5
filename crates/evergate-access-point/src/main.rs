//! The access point alone, for machines at the edge: nothing in this binary can open the database,
//! mint a session or read a rule.

mod run;
mod supervise;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use evergate_process::{limits, live, telemetry};

use self::run::RunArguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run one access point.
#[derive(Debug, Parser)]
#[command(
    name = "evergate-access-point",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  evergate-access-point --bootstrap access-point1.json --data /var/lib/evergate"
)]
struct Arguments {
    #[command(flatten)]
    run: Option<RunArguments>,
    /// What is logged: a level, or levels by module
    #[arg(long, env = "EVERGATE_LOG", value_name = "FILTER", global = true)]
    log: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run it, and start it again when it dies: the first process of an image.
    #[command(hide = true)]
    Supervise(RunArguments),
    /// Ask a URL, and succeed if it is answered: the health check of an image.
    #[command(hide = true)]
    Live {
        /// What is asked
        url: String,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    limits::use_small_pages().context("the system refuses small pages")?;
    let logs = |default| telemetry::start_logs(arguments.log.as_deref().unwrap_or(default));
    match (arguments.command, arguments.run) {
        (Some(Command::Live { url }), _) => Ok(live::ask(&url)?),
        (Some(Command::Supervise(run)), _) => {
            logs("warn")?;
            supervise::supervise(&run, arguments.log.as_deref())
        }
        (None, Some(run)) => {
            logs(telemetry::DEFAULT_FILTER)?;
            run::run(&run)
        }
        (None, None) => {
            let mut command = Arguments::command();
            command.error(ErrorKind::MissingRequiredArgument, "`--bootstrap <FILE>` is missing").exit()
        }
    }
}
