//! The namespaces of one host and the process that keeps them: with it goes everything in them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use crate::processes;
use crate::until::until;

/// What the first process says, in the host's directory.
pub(super) const LOG: &str = "log";
/// What a plain host does: nothing, for ever, and reap what is orphaned.
pub(super) const PLAIN: &str = "sleep infinity & wait $!";
/// The first thing of every host; `$1` is its name, `$2` its directory. What is in `/run` belongs to another machine.
/// No name is ever resolved, and that is known at once.
const BEGINNING: &str = r#"set -e
read -r _
hostname "$1"
resolver=$(readlink -f /etc/resolv.conf)
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$(dirname "$resolver")" /run/lock
[ -e "$resolver" ] || : > "$resolver"
echo 'nameserver 127.0.0.1' > "$2/resolv.conf"
mount --bind "$2/resolv.conf" "$resolver"
touch /run/begun
"#;
/// How long the kernel may take for new namespaces.
const LIMIT: Duration = Duration::from_secs(20);

/// Why hosts cannot be made on this machine, if so.
pub(super) fn possible() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "hosts of their own (network namespaces) want root");
    for (program, package) in [
        ("ip", "iproute2"),
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
        ("setpriv", "util-linux"),
        ("mount", "mount"),
        ("hostname", "hostname"),
    ] {
        wants(program, package)?;
    }
    Ok(())
}

/// Fails where a program is not on the path.
pub(super) fn wants(program: &str, package: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    ensure!(found, "hosts of their own want `{program}`: apt-get install {package}");
    Ok(())
}

/// A host's namespaces: network, mounts, names, messages, processes.
#[derive(Debug)]
pub(super) struct Namespaces {
    /// It stands outside the host's process tree, and waits for its first process.
    keeper: Child,
    /// The first process, by its id out here.
    first: Option<u32>,
}

impl Namespaces {
    /// Makes them; the script waits for [`Namespaces::begin`].
    pub(super) fn start(name: &str, directory: &Path, script: &str) -> Result<Self> {
        let log = File::options().create(true).append(true).open(directory.join(LOG))?;
        // If the test is killed, so is the keeper, and then the first process, and with that all others.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--uts", "--ipc", "--pid"]);
        command.args(["--fork", "--kill-child=KILL", "--mount-proc", "sh", "-c"]);
        command.arg(format!("{BEGINNING}{script}")).args(["host", name]).arg(directory);
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let keeper = command.spawn().context("cannot run setpriv")?;
        let mut namespaces = Self { keeper, first: None };
        namespaces.first = Some(namespaces.find_first(directory)?);
        Ok(namespaces)
    }

    /// The keeper has one child as soon as it has made everything.
    fn find_first(&mut self, directory: &Path) -> Result<u32> {
        let clock = tokio::time::Instant::now();
        loop {
            if let [first] = processes::children(self.keeper.id())[..] {
                return Ok(first);
            }
            if let Some(status) = self.keeper.try_wait()? {
                let said = std::fs::read_to_string(directory.join(LOG)).unwrap_or_default();
                bail!("this machine allows no namespaces: {status}\n{said}");
            }
            ensure!(clock.elapsed() < LIMIT, "namespaces were not made within {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets the script go on.
    pub(super) fn begin(&mut self) -> Result<()> {
        let mut input = self.keeper.stdin.take().context("it has begun already")?;
        input.write_all(b"\n").context("the first process has ended")
    }

    /// Waits until what every host begins with is done.
    pub(super) async fn wait_for_beginning(&mut self) -> Result<()> {
        let first = self.first.context("it has no first process")?;
        let begun = PathBuf::from(format!("/proc/{first}/root")).join("run/begun");
        until("the host has begun", LIMIT, async || (begun.exists() || !self.is_alive()).then_some(()))
            .await?;
        ensure!(self.is_alive(), "its first process has ended");
        Ok(())
    }

    /// Whether the first process runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.keeper.try_wait(), Ok(None))
    }

    /// Where its network namespace is, for `ip` and `nsenter`.
    pub(super) fn network(&self) -> String {
        self.keeper.id().to_string()
    }

    /// `nsenter` into all of them; the caller adds `--` and a program.
    pub(super) fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.first.unwrap_or_default().to_string();
        command.args(["--target", &target, "--mount", "--uts", "--ipc", "--net", "--pid", "--wdns=/"]);
        command
    }
}

impl Drop for Namespaces {
    /// The first process of a process tree ends last, and the keeper after it.
    fn drop(&mut self) {
        let killed =
            self.first.is_some_and(|first| self.is_alive() && processes::signal(first, Signal::SIGKILL));
        if !killed {
            _ = self.keeper.kill();
        }
        _ = self.keeper.wait();
    }
}
