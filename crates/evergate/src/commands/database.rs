//! `evergate database`: is the database whole, and is it of this program. The one operator's command
//! that opens the database itself: it is for when nothing runs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use evergate_administration::setup::database_url;
use evergate_store::servers::{self, Privacy, Servers};
use evergate_store::{Memory, Settings, Store, audit, integrity};
use serde_json::{Value, json};

use crate::failure::hinted;
use crate::output;

mod remembered;

use remembered::Remembered;

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
    #[command(after_help = "Example:\n  evergate database check\n\n\
                      Of PostgreSQL it says which server takes writes and what endangers them; the pages \
                      of its files are for `pg_amcheck`.")]
    Check,
    /// Bring the database up to this program's tables; `evergate up` does so by itself
    #[command(after_help = "Example:\n  evergate database migrate")]
    Migrate,
}

pub(super) async fn database(arguments: &DatabaseArguments) -> anyhow::Result<()> {
    let remembered = remembered::read(&arguments.data)?;
    let store = open(&arguments.data, &remembered).await?;
    if matches!(arguments.action, Action::Migrate) {
        store.migrate().await.context("the database cannot be migrated")?;
    }
    let found = check(&store).await.map(|found| with_remembered(found, &remembered));
    store.close().await;
    let found = found?;
    if arguments.json {
        output::print_json(&found)?
    } else {
        output::print(&for_people(found.clone()))?
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

async fn open(directory: &Path, remembered: &[Remembered]) -> anyhow::Result<Store> {
    let url = database_url(directory)?;
    if url.expose().starts_with("sqlite:") && !directory.join("evergate.db").exists() {
        let text = format!("there is no database in `{}`", directory.display());
        return Err(hinted(text, "is it another directory? say --data DIR"));
    }
    let settings = Settings { memory: Memory::of_instances(directory)?, ..Settings::default() };
    let opened = Store::open(url.expose(), settings).await;
    opened.with_context(|| {
        let kept =
            if Store::has_timelines(url.expose()) { remembered::said(remembered) } else { String::new() };
        format!("cannot open the database of `{}`{kept}", directory.display())
    })
}

async fn check(store: &Store) -> anyhow::Result<Value> {
    let servers = servers::look(store).await.context("the database cannot be read")?;
    let mut reading = store.read().await?;
    let found = integrity::check(&mut reading).await.context("the database cannot be read")?;
    let is_current = found.migration == found.known_migration;
    let mut problems = found.problems;
    if is_current && let audit::Verification::Broken { number } = audit::verify(&mut reading).await? {
        problems.push(format!("record {number} of the audit log does not follow from the one before"));
    }
    let mut said = json!({
        "whole": problems.is_empty(), "current": is_current, "migration": found.migration,
        "known_migration": found.known_migration, "problems": problems,
    });
    if let (Some(servers), Some(said)) = (&servers, said.as_object_mut()) {
        said.extend(of_servers(servers));
    }
    Ok(said)
}

/// The same, with what the instances remember of PostgreSQL.
fn with_remembered(mut found: Value, remembered: &[Remembered]) -> Value {
    if let Some(said) = found.as_object_mut().filter(|said| said.contains_key("timeline")) {
        said.insert("remembered".to_owned(), remembered.iter().map(ToString::to_string).collect());
    }
    found
}

/// What is said of PostgreSQL besides.
fn of_servers(servers: &Servers) -> serde_json::Map<String, Value> {
    let others = servers.others.iter().map(|other| format!("{}: {}", other.server, other.problem));
    let fields = [
        ("writes", json!(servers.writes)),
        ("version", json!(servers.version)),
        ("timeline", json!(servers.timeline.timeline)),
        ("system_identifier", json!(servers.timeline.system_identifier.to_string())),
        ("synchronous", json!(servers.is_synchronous)),
        ("connection", json!(servers.privacy.as_str())),
        ("other_servers", others.collect()),
        ("warnings", json!(warnings(servers))),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// What works and should not stay so.
fn warnings(servers: &Servers) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if !servers.is_synchronous {
        warnings.push(
            "no standby has a write before it is confirmed, so a promotion can lose the last ones: a code that was \
             used is good again, a session that was ended is alive again; set `synchronous_standby_names` at \
             the server, and `synchronous_commit` to `on`",
        );
    }
    match servers.privacy {
        Privacy::SameMachine | Privacy::Checked => {}
        Privacy::Unchecked => warnings.push(
            "the server's certificate is not checked: whoever takes its place gets the password and all that \
             is written; write `sslmode=verify-full` into the URL of the database",
        ),
        Privacy::Plain => warnings.push(
            "the connection is plain: whoever is in between gets the password and all that is written, and can \
             change it; write `sslmode=verify-full` into the URL of the database",
        ),
    }
    warnings
}

/// Each warning in a line of its own.
fn for_people(mut found: Value) -> String {
    let warnings = found.as_object_mut().and_then(|fields| fields.remove("warnings"));
    let mut text = output::record(&found);
    for warning in warnings.as_ref().and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&format!("\nwarning: {}", warning.as_str().unwrap_or_default()));
    }
    text
}
