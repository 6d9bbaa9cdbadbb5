//! A network of a test's own: the test runs again inside a fresh network namespace, where packets can be dropped and
//! connections be led elsewhere without anybody else noticing. The namespace ends with its last process, so that a
//! killed run leaves nothing.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::processes;

/// Set inside.
const INSIDE: &str = "EVERGATE_TEST_NAMESPACE";
/// How long a test may take inside.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// Does `what` in a network namespace of its own; `test` is the name of the running test. Without root or nftables it
/// says so and does nothing.
///
/// # Errors
/// When `what` fails, or there is no namespace though there could be.
pub async fn apart(test: &str, what: impl Future<Output = Result<()>>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return what.await;
    }
    if let Some(missing) = missing() {
        println!("SKIPPED {test}: it wants {missing}");
        return Ok(());
    }
    let here = std::env::current_exe()?;
    let mut command = Command::from(processes::tied("unshare".as_ref()));
    let script = "ip link set lo up && exec \"$0\" \"$@\"";
    command.args(["--net", "--", "sh", "-c", script]).arg(here);
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    command.env(INSIDE, "1").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.context("it takes too long")??;
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // What the test says, without the frame of the run inside: the results there are counted here once.
    let is_frame = |line: &&str| line.starts_with("running ") || line.starts_with("test result: ");
    told.lines().filter(|line| !is_frame(line)).for_each(|line| println!("{line}"));
    ensure!(output.status.success(), "it failed in its namespace: {}\n{said}", output.status);
    ensure!(told.contains("1 passed"), "no test of the name {test} was run: {told}");
    Ok(())
}

/// Whether this is such a namespace.
#[must_use]
pub fn is_apart() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// What is missing for a namespace, if anything is.
fn missing() -> Option<&'static str> {
    let can = |program: &str, argument: &str| {
        let mut command = std::process::Command::new(program);
        command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !nix::unistd::geteuid().is_root() {
        Some("root")
    } else if !can("nft", "--version") {
        Some("nftables")
    } else if !can("ip", "-V") {
        Some("iproute2")
    } else {
        None
    }
}

/// Which packets of a server are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Those to it: it hears nothing, and nobody can tell.
    ToIt,
    /// Those from it: it hears and answers, and nobody hears that.
    FromIt,
    /// Both.
    Both,
}

/// A server from or to which nothing comes through, until this goes out of scope.
#[derive(Debug)]
pub struct BlackHole;

impl BlackHole {
    /// Drops what comes to or from a local port.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn open(port: u16, dropped: Dropped) -> Result<Self> {
        let hole = Self;
        nft("add table inet hole")?;
        nft("add chain inet hole in { type filter hook input priority 0; }")?;
        if dropped != Dropped::FromIt {
            nft(&format!("add rule inet hole in tcp dport {port} counter drop"))?;
        }
        if dropped != Dropped::ToIt {
            nft(&format!("add rule inet hole in tcp sport {port} counter drop"))?;
        }
        Ok(hole)
    }

    /// How many packets were dropped so far.
    ///
    /// # Errors
    /// When nftables does not tell.
    pub fn dropped(&self) -> Result<u64> {
        let told = nft("list table inet hole")?;
        let mut words = told.split_whitespace();
        let mut count = 0;
        while words.any(|word| word == "packets") {
            count += words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(count)
    }
}

impl Drop for BlackHole {
    fn drop(&mut self) {
        _ = nft("delete table inet hole");
    }
}

/// Leads new connections to a local port to another one, except for those from [`crate::relay::SOURCE`].
///
/// # Errors
/// When nftables refuses.
pub fn lead(port: u16, elsewhere: u16) -> Result<()> {
    nft("add table ip lead")?;
    nft("add chain ip lead out { type nat hook output priority -100; }")?;
    let source = crate::relay::SOURCE;
    nft(&format!("add rule ip lead out ip saddr != {source} tcp dport {port} redirect to :{elsewhere}"))?;
    Ok(())
}

fn nft(command: &str) -> Result<String> {
    ensure!(std::env::var_os(INSIDE).is_some(), "`nft {command}` outside of a namespace of our own");
    let output = std::process::Command::new("nft").arg(command).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("`nft {command}`: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
