//! A real PostgreSQL for an installation of several machines: a directory of its own, ended with the test.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::ports;
use crate::until::until;

/// Where Debian puts the programs.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// PostgreSQL does not run as root; whoever is root in a test becomes this user: nobody.
const NOBODY: &str = "65534";

/// The server, running.
pub struct Database {
    process: Child,
    address: Ipv4Addr,
    port: u16,
    _directory: TempDir,
}

impl Database {
    /// Starts one that listens at `address`, and lets those in who know the password.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub async fn start(address: Ipv4Addr) -> Result<Self> {
        let directory = TempDir::with_prefix("evergate-postgresql-")?;
        let data = directory.path().join("data");
        std::fs::create_dir(&data)?;
        let password = directory.path().join("password");
        std::fs::write(&password, "evergate")?;
        for path in [directory.path(), &data, &password] {
            std::os::unix::fs::chown(path, Some(NOBODY.parse()?), Some(NOBODY.parse()?))?;
        }
        let programs = programs()?;
        let mut initdb = as_nobody(&programs.join("initdb"));
        initdb.arg("-D").arg(&data).arg(format!("--pwfile={}", password.display()));
        initdb.args(["--no-sync", "--username=evergate", "--auth=scram-sha-256", "--locale=C.UTF-8"]);
        let output = initdb.stderr(Stdio::piped()).output().context("cannot start `initdb`")?;
        ensure!(output.status.success(), "`initdb`: {}", String::from_utf8_lossy(&output.stderr));
        let access = "host all all 10.77.0.0/16 scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), access)?;
        let port = ports::free()?;
        let mut server = as_nobody(&programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-h", &address.to_string(), "-p", &port.to_string()]);
        server.arg("-k").arg(directory.path());
        let log = std::fs::File::create(directory.path().join("log"))?;
        let process = server.stderr(log).spawn().context("cannot start `postgres`")?;
        let database = Self { process, address, port, _directory: directory };
        until("PostgreSQL answers", Duration::from_secs(30), async || {
            let mut asked = Command::new(programs.join("pg_isready"));
            asked.args(["-q", "-h", &address.to_string(), "-p", &port.to_string()]);
            asked.status().is_ok_and(|status| status.success()).then_some(())
        })
        .await?;
        Ok(database)
    }

    /// Its URL, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://evergate:evergate@{}:{}/postgres?sslmode=disable", self.address, self.port)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SIGINT: a fast shutdown, which ends its children too.
        _ = crate::processes::signal(self.process.id(), nix::sys::signal::Signal::SIGINT);
        _ = self.process.wait();
    }
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--pdeathsig", "INT"]).arg(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The directory of the newest version.
pub(crate) fn programs() -> Result<PathBuf> {
    let entries = std::fs::read_dir(PROGRAMS).with_context(|| format!("PostgreSQL is not in {PROGRAMS}"))?;
    let versions = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().with_context(|| format!("PostgreSQL is not in {PROGRAMS}"))?;
    Ok(Path::new(PROGRAMS).join(newest.to_string()).join("bin"))
}
