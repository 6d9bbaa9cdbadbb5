//! `evergate database`: is the database whole, and is it of this program. The one operator's command
//! that opens the database itself: it is for when nothing runs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use evergate_store::{Settings, Store, audit, integrity};
use serde_json::json;

use crate::failure::hinted;
use crate::output;

/// The arguments of `evergate database`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evergate database check\n  evergate database migrate")]
pub struct DatabaseArguments {
    /// The directory of the local installation
    #[arg(long, global = true, value_name = "DIR", default_value = "./evergate-data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Look through the whole database and its audit log; changes nothing
    #[command(after_help = "Example:\n  evergate database check")]
    Check,
    /// Bring the database up to this program's tables; `evergate up` does so by itself
    #[command(after_help = "Example:\n  evergate database migrate")]
    Migrate,
}

pub(super) async fn database(arguments: &DatabaseArguments) -> anyhow::Result<()> {
    let store = open(&arguments.data).await?;
    if matches!(arguments.action, Action::Migrate) {
        store.migrate().await.context("the database cannot be migrated")?;
    }
    let found = check(&store).await;
    store.close().await;
    let found = found?;
    if arguments.json {
        output::print_json(&found)?
    } else {
        output::print(&output::record(&found))?
    }
    let is = |name: &str| found.get(name).and_then(serde_json::Value::as_bool).unwrap_or_default();
    anyhow::ensure!(is("whole"), "the database is damaged");
    if is("current") {
        return Ok(());
    }
    Err(hinted(
        "the database is not of this program",
        "`evergate database migrate` brings it up, if it is older",
    ))
}

async fn open(directory: &Path) -> anyhow::Result<Store> {
    let file = directory.join("evergate.db");
    if !file.exists() {
        let text = format!("there is no database in `{}`", directory.display());
        return Err(hinted(text, "is it another directory? say --data DIR"));
    }
    let url = format!("sqlite:{}", file.display());
    Store::open(&url, Settings::default()).await.with_context(|| format!("cannot open `{}`", file.display()))
}

async fn check(store: &Store) -> anyhow::Result<serde_json::Value> {
    let mut reading = store.read().await?;
    let found = integrity::check(&mut reading).await.context("the database cannot be read")?;
    let is_current = found.migration == found.known_migration;
    let mut problems = found.problems;
    if is_current && let audit::Verification::Broken { number } = audit::verify(&mut reading).await? {
        problems.push(format!("record {number} of the audit log does not follow from the one before"));
    }
    Ok(json!({
        "whole": problems.is_empty(), "current": is_current, "migration": found.migration,
        "known_migration": found.known_migration, "problems": problems,
    }))
}
