//! The words of the command line, and who does what they say.

use std::path::PathBuf;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use evergate_process::telemetry;

use crate::commands::{self, OperatorCommand};
use crate::{backup, demo, demo_application, logs, mail, output, run, supervise, trust, up};

/// An access gateway that stays up.
///
/// Evergate stands in front of web applications, signs users in, decides on every request who may
/// pass, and keeps doing so while its own services fail.
#[derive(Debug, Parser)]
#[command(name = "evergate", version, subcommand_required = true)]
#[command(after_help = "Example:\n  evergate up")]
pub struct Cli {
    /// What is logged: a level, or levels by module such as `evergate_policy=debug,info`
    #[arg(long, global = true, env = "EVERGATE_LOG", value_name = "FILTER", hide_env_values = true)]
    pub log: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine, and keep it running
    Up(up::UpArguments),
    /// Run one instance
    Run(run::RunArguments),
    /// Show the demo user's name, password and current code, or remove the demo
    Demo(demo::DemoArguments),
    /// Let this machine's browsers believe the installation's certificates
    Trust(trust::TrustArguments),
    /// Take back what `trust` did
    Untrust(trust::TrustArguments),
    /// Show the logs of the instances
    Logs(logs::LogsArguments),
    /// Read the mail that was written to files because no mail server is configured
    Mail(mail::MailArguments),
    /// Write everything that the installation could be made again from into one file
    Backup(backup::BackupArguments),
    /// Make an installation again from a backup
    Restore(backup::RestoreArguments),
    /// What operators do through the API.
    #[command(flatten)]
    Operator(OperatorCommand),
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  evergate completions bash > ~/.local/share/bash-completion/completions/evergate"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// The demo application; `up` starts it.
    #[command(hide = true)]
    DemoApplication(demo_application::DemoApplicationArguments),
    /// A server of the drill's application; `drill` starts it.
    #[command(hide = true)]
    DrillApplication(commands::drill::ApplicationArguments),
    /// Cleans up after a drill that was killed; `drill` starts it.
    #[command(hide = true)]
    DrillGuard(commands::drill::GuardArguments),
    /// Run one instance, and start it again when it dies: the first process of an image.
    #[command(hide = true)]
    Supervise(supervise::SuperviseArguments),
    /// Ask a URL, and succeed if it is answered: the health check of an image.
    #[command(hide = true)]
    Live(supervise::LiveArguments),
}

/// The arguments of every command that works on the local installation.
#[derive(Debug, Clone, clap::Args)]
pub struct Installation {
    /// The directory of the installation
    #[arg(long, global = true, value_name = "DIR", default_value = "./evergate-data")]
    pub data: PathBuf,
}

/// Does what the command line says.
///
/// # Errors
/// When that fails; the error says what the user is told.
pub fn execute(cli: Cli) -> anyhow::Result<()> {
    let filter = |default: &str| cli.log.clone().unwrap_or_else(|| default.to_owned());
    match cli.command {
        Command::Run(arguments) => {
            telemetry::start_logs(&filter(telemetry::DEFAULT_FILTER))?;
            run::run(&arguments)
        }
        Command::DemoApplication(arguments) => {
            telemetry::start_logs(&filter(telemetry::DEFAULT_FILTER))?;
            on_one_thread(demo_application::serve(&arguments))
        }
        Command::DrillApplication(arguments) => on_one_thread(commands::drill::application(&arguments)),
        Command::DrillGuard(arguments) => on_one_thread(commands::drill::guard(&arguments)),
        Command::Supervise(arguments) => {
            telemetry::start_logs(&filter("warn"))?;
            supervise::supervise(&arguments, cli.log.as_deref())
        }
        Command::Live(arguments) => supervise::live(&arguments),
        Command::Up(arguments) => {
            telemetry::start_logs(&filter("warn"))?;
            on_one_thread(up::up(&arguments, cli.log.as_deref()))
        }
        Command::Demo(arguments) => on_one_thread(demo::demo(&arguments)),
        Command::Trust(arguments) => trust::trust(&arguments),
        Command::Untrust(arguments) => trust::untrust(&arguments),
        Command::Logs(arguments) => on_one_thread(logs::show(&arguments)),
        Command::Mail(arguments) => mail::mail(&arguments),
        Command::Backup(arguments) => on_one_thread(backup::backup(&arguments)),
        Command::Restore(arguments) => on_one_thread(backup::restore(&arguments)),
        Command::Operator(command) => on_one_thread(commands::run(command)),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "evergate", &mut text);
            output::print(&String::from_utf8_lossy(&text))
        }
    }
}

/// One thread is enough for a command, and what it starts lives as long as that thread.
fn on_one_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_command_line_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn look(command: &clap::Command, path: &str, missing: &mut Vec<String>) {
            let has_one = command.get_after_help().is_some_and(|help| help.to_string().contains("Example"));
            if !has_one && !command.is_hide_set() {
                missing.push(path.to_owned());
            }
            for inner in command.get_subcommands() {
                look(inner, &format!("{path} {}", inner.get_name()), missing);
            }
        }
        let mut missing = Vec::new();
        look(&Cli::command(), "evergate", &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }
}
