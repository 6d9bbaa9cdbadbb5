//! The repository's own commands: `cargo xtask check|fix|test|reference|bench`. CI calls nothing else.
//!
//! **Not here:** tests themselves (beside the code, and in `crates/harness`).
//!
//! **Begin at** [`check::run`], the list of what holds for every commit.
#![expect(clippy::print_stdout, reason = "these commands speak to a person at a terminal or to CI's log")]

mod bench;
mod check;
mod markdown;
mod reference;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The repository's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold for a commit, tests apart; writes nothing.
    Check {
        /// Only the checks whose name contains this, e.g. `layers`.
        only: Option<String>,
    },
    /// Mends what a machine can mend: format, simple lints, generated references.
    Fix,
    /// Tests; with no kind: unit, end-to-end and browser.
    Test {
        /// Which kind.
        kind: Option<test::Kind>,
        /// Only the tests whose name contains this.
        filter: Option<String>,
    },
    /// Writes docs/reference from what the program says of itself.
    Reference,
    /// Authorised requests per second on one core, beside nginx as a plain proxy.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let workspace = workspace::Workspace::find()?;
    match command {
        Command::Check { only } => check::run(&workspace, only.as_deref()),
        Command::Fix => check::fix(&workspace),
        Command::Test { kind, filter } => test::run(&workspace, kind, filter.as_deref()),
        Command::Reference => reference::write(&workspace),
        Command::Bench(options) => bench::run(&workspace, &options),
    }
}
