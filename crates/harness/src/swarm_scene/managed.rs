//! An installation whose database is one of its own in the swarm: grown from one machine, on one machine.
//!
//! No registry is in reach, so the image of PostgreSQL is made of the one that this machine has. It does what the
//! official image promises: environment, directories, user, and a cluster that is made at the first start.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::SwarmScene;
use super::commands::words;
use crate::database::programs;

/// The user of the official image.
const USER: u32 = 999;
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Makes the cluster where there is none, and starts the server, which is told to end at once as the official image does.
const START: &str = r#"#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 --no-sync
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    echo "create database \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres
fi
postgres -D "$PGDATA" -h '*' -k /run/postgresql &
trap 'kill -INT $!' TERM
wait
wait
"#;

impl SwarmScene {
    /// `init` brings the installation and its SQLite into the swarm of its one machine, where the database is one of its
    /// own, of the image `name`; whoever was signed in still is, and there is nothing left to do.
    ///
    /// # Errors
    /// When a command fails, or it is otherwise.
    pub async fn goes_on_with_a_database_of_its_own(&mut self, name: &str) -> Result<()> {
        let image = image(&self.nodes.a.directory().join("postgresql"))?;
        self.nodes.a.docker(&import(&image, name)).await?;
        self.network.database = "{ managed: node-a }";
        self.network.is_alone = true;
        let pause = self.bring_along().await?;
        println!("from SQLite to a database in the swarm: one pause of {pause:.1?}");
        let reached = self.way_to(self.nodes.a.address());
        self.is_signed_in_by(reached).await?;
        let again = self.cluster("node-a", &["deploy"]).await?;
        ensure!(words(&again, "changed")?.is_empty(), "a deployment right after changes {again}");
        Ok(())
    }
}

/// The words for `docker` that make an image of files.
fn import(archive: &Path, name: &str) -> Vec<String> {
    let changes = [
        "ENTRYPOINT [\"/usr/local/bin/start\"]".to_owned(),
        format!("ENV PATH={PATH} PGDATA=/var/lib/postgresql/data LC_ALL=C.UTF-8"),
    ];
    let changes = changes.into_iter().flat_map(|change| ["--change".to_owned(), change]);
    let words = ["import".to_owned()].into_iter().chain(changes);
    words.chain([archive.display().to_string(), name.to_owned()]).collect()
}

/// An archive with PostgreSQL and what its programs need.
fn image(root: &Path) -> Result<PathBuf> {
    let own = programs()?;
    let version = own.parent().context("the programs have a directory")?;
    let number = version.file_name().context("the directory has a name")?;
    let mut files = vec![version.to_owned(), Path::new("/usr/share/postgresql").join(number)];
    files.extend(["/usr/share/zoneinfo", "/usr/lib/locale/C.utf8"].map(PathBuf::from));
    for program in ["postgres", "initdb", "pg_isready"] {
        files.extend(libraries(&own.join(program))?);
    }
    let files = files.iter().map(|file| file.strip_prefix("/")).collect::<Result<BTreeSet<_>, _>>()?;
    let archive = root.with_extension("tar");
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--file").arg(&archive).arg("--dereference");
    // It wants a compiler that is not copied; without it PostgreSQL interprets.
    tar.args(["--exclude=llvmjit*", "-C", "/"]).args(files);
    succeeded(&mut tar)?;
    let place = |path: &str| root.join(path);
    for directory in
        ["bin", "etc", "tmp", "run/postgresql", "usr/local/bin", "usr/bin", "var/lib/postgresql/data"]
    {
        std::fs::create_dir_all(place(directory))?;
    }
    std::fs::copy("/bin/busybox", place("bin/busybox")).context("busybox is not installed")?;
    for name in ["sh", "echo"] {
        std::os::unix::fs::symlink("/bin/busybox", place("bin").join(name))?;
    }
    std::os::unix::fs::symlink("/run", place("var/run"))?;
    for program in ["postgres", "initdb", "pg_isready"] {
        std::os::unix::fs::symlink(own.join(program), place("usr/local/bin").join(program))?;
    }
    std::fs::write(place("etc/passwd"), format!("postgres:x:{USER}:{USER}::/var/lib/postgresql:/bin/sh\n"))?;
    std::fs::write(place("usr/local/bin/start"), START)?;
    std::fs::set_permissions(place("usr/local/bin/start"), PermissionsExt::from_mode(0o755))?;
    for (path, mode) in [("var/lib/postgresql/data", 0o1777), ("run/postgresql", 0o3777)] {
        chown(place(path), Some(USER), Some(USER))?;
        std::fs::set_permissions(place(path), PermissionsExt::from_mode(mode))?;
    }
    std::fs::set_permissions(place("tmp"), PermissionsExt::from_mode(0o1777))?;
    let mut tar = Command::new("tar");
    succeeded(tar.arg("--append").arg("--file").arg(&archive).arg("-C").arg(root).arg("."))?;
    Ok(archive)
}

/// The shared libraries of a program, its loader among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run `ldd`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    let paths: Vec<PathBuf> = paths.collect();
    ensure!(!paths.is_empty(), "`ldd {}` printed {text}", program.display());
    Ok(paths)
}

fn succeeded(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
