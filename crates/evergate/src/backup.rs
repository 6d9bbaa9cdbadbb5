//! `evergate backup` and `evergate restore`: one file from which the installation can be made again.
//!
//! The file is a copy of the database (taken while everything runs) that brings along the few files
//! that cannot be made from it. It therefore holds every secret of the installation.

mod copy;
mod making;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use evergate_administration::setup::{
    API_TOKEN_FILE, DATABASE_URL_FILE, DEMO_FILE, PASSWORD_FILE, WRAPPING_KEY_FILE, database_url,
};
use evergate_process::{Clock, files};
use nix::sys::stat::{Mode, umask};

use self::copy::Copy;
use self::making::Making;
use crate::cli::Installation;
use crate::failure::{BadFile, hinted};
use crate::output;
use crate::up::directory::Directory;

/// What a backup brings along: everything else is made from the database.
const FILES: [&str; 4] = [WRAPPING_KEY_FILE, PASSWORD_FILE, API_TOKEN_FILE, DEMO_FILE];
const DATABASE: &str = "evergate.db";

/// The arguments of `evergate backup`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  evergate backup evergate-2026-11-22.backup\n  evergate backup verify evergate-2026-11-22.backup\n\n\
                  The file holds every secret of the installation: keep it as you keep keys."
)]
pub struct BackupArguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// The file to write; it must not exist
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say whether a backup is whole
    #[command(after_help = "Example:\n  evergate backup verify evergate-2026-11-22.backup")]
    Verify {
        /// The backup
        file: PathBuf,
    },
}

/// The arguments of `evergate restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  evergate restore evergate-2026-11-22.backup --data ./evergate-data\n\n\
                  Everybody has to sign in again, because sessions may have been ended since the backup.")]
pub struct RestoreArguments {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
}

/// Writes or verifies a backup.
///
/// # Errors
/// When there is no installation, the file cannot be written, or is not a whole backup.
pub async fn backup(arguments: &BackupArguments) -> anyhow::Result<()> {
    // Nobody else may read the file, not even while it grows.
    umask(Mode::from_bits_truncate(0o077));
    match (&arguments.action, &arguments.file) {
        (Some(Action::Verify { file }), _) => verify(file).await,
        (None, Some(file)) => write(file, &arguments.installation.data).await,
        (None, None) => Err(crate::failure::Usage("no file is named".to_owned()).into()),
    }
}

async fn write(file: &Path, data: &Path) -> anyhow::Result<()> {
    if file.exists() {
        return Err(hinted(format!("`{}` is there already", file.display()), "choose another name"));
    }
    let data = of_an_installation(data)?;
    let (making, _) = Making::beside(file).with_context(|| format!("cannot write `{}`", file.display()))?;
    write_new(making.path(), data).await?;
    making.finish().with_context(|| format!("cannot write `{}`", file.display()))?;
    output::print(&format!("wrote `{}`; it holds every secret of the installation", file.display()))
}

fn of_an_installation(data: &Path) -> anyhow::Result<&Path> {
    if is_of_postgres(data)? {
        return Err(with_tools_of_postgres(data));
    }
    if data.join(DATABASE).exists() {
        return Ok(data);
    }
    Err(hinted(
        format!("there is no installation in `{}`", data.display()),
        "say where it is with --data DIR",
    ))
}

fn is_of_postgres(data: &Path) -> anyhow::Result<bool> {
    Ok(!database_url(data)?.expose().starts_with("sqlite:"))
}

/// PostgreSQL makes copies by itself, and of servers that may be far from here; what only lies in this directory
/// is little, and without it the copy is of no use.
fn with_tools_of_postgres(data: &Path) -> anyhow::Error {
    let there: Vec<String> = FILES
        .iter()
        .map(|name| data.join(name))
        .filter(|path| path.exists())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    let and_files = match there.is_empty() {
        true => format!("`{WRAPPING_KEY_FILE}` of the node where the installation was made"),
        false => there.join(", "),
    };
    hinted(
        format!(
            "the database of `{}` is a PostgreSQL, whose copies are made with its own tools",
            data.display()
        ),
        format!(
            "run `pg_dump --format=custom` with the URL in `{}`, or `pg_basebackup`, and keep with the copy, as \
             secret as it: {and_files}; without the wrapping key nothing that is sealed in the database opens",
            data.join(DATABASE_URL_FILE).display()
        ),
    )
}

async fn write_new(file: &Path, data: &Path) -> anyhow::Result<()> {
    let mut attached = Vec::new();
    for name in FILES {
        let path = data.join(name);
        let content =
            files::read_if_present(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        attached.extend(content.map(|content| (name.to_owned(), content)));
    }
    Copy::make(database_url(data)?.expose(), file, &attached).await
}

async fn verify(file: &Path) -> anyhow::Result<()> {
    let copy = Copy::open(file).await?;
    let problems = copy.problems(WRAPPING_KEY_FILE).await;
    copy.close().await;
    let problems = problems?;
    if problems.is_empty() {
        return output::print(&format!("`{}` is whole", file.display()));
    }
    Err(BadFile(format!("`{}` is damaged: {}", file.display(), problems.join("; "))).into())
}

/// Makes an installation again.
///
/// # Errors
/// When there is one already, or the backup is damaged; nothing is changed then.
pub async fn restore(arguments: &RestoreArguments) -> anyhow::Result<()> {
    umask(Mode::from_bits_truncate(0o077));
    verify(&arguments.file).await?;
    let directory = Directory::take(&arguments.installation.data)?;
    let database = directory.path().join(DATABASE);
    if is_of_postgres(directory.path())? {
        return Err(hinted(
            format!("the database of the installation in `{}` is a PostgreSQL", directory.path().display()),
            "a backup is made an SQLite installation again: choose another directory with --data; a copy that \
             `pg_dump` made goes back with `pg_restore`",
        ));
    }
    if database.exists() {
        return Err(hinted(
            format!("there is an installation in `{}`", directory.path().display()),
            "move it away first, or choose another directory with --data",
        ));
    }
    // The database comes last, under its name in one step: killed before, this can be repeated.
    Making::remove_leftovers(&database)
        .with_context(|| format!("cannot tidy `{}`", directory.path().display()))?;
    let cannot_write = || format!("cannot write `{}`", database.display());
    let (making, mut new) = Making::beside(&database).with_context(cannot_write)?;
    let mut backup =
        File::open(&arguments.file).with_context(|| format!("cannot read `{}`", arguments.file.display()))?;
    std::io::copy(&mut backup, &mut new).with_context(cannot_write)?;
    drop(new);
    let copy = Copy::open(making.path()).await?;
    for (name, content) in copy.files().await? {
        ensure!(FILES.contains(&name.as_str()), "the backup holds a file `{name}` that it should not");
        let path = directory.path().join(name);
        files::write_private(&path, &content)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    copy.revive(Clock::system().now()).await?;
    making.finish().with_context(cannot_write)?;
    output::print(&format!("restored into `{}`; start it with `evergate up`", directory.path().display()))
}
