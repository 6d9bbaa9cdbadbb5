//! The `evergate` command: one executable that sets an installation up, supervises it, runs any
//! of its services and operates it.
//!
//! **Not here:** what the services do (their own crates), how a process lives (`process`).
//!
//! **Begin at** [`cli`] for the words, [`up`] for `evergate up`, [`run`] for one instance.

pub mod api_client;
pub mod backup;
pub mod cli;
pub mod commands;
pub mod demo;
pub mod demo_application;
pub mod failure;
mod joining;
pub mod logs;
pub mod mail;
pub mod output;
pub mod run;
pub mod supervise;
pub mod trust;
pub mod up;

use std::process::ExitCode;

use clap::Parser;
use evergate_process::limits;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = match cli::Cli::try_parse() {
        Ok(parsed) => parsed,
        Err(error) => return failure::usage(&error),
    };
    // A system that does not know how gives it more memory, and that is all.
    let _ = limits::use_small_pages();
    match cli::execute(parsed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
