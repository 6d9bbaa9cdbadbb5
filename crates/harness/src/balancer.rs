//! Balancers that others made, with the configurations that `docs/load-balancer.md` shows: they are read out of the page,
//! so that it cannot say what was not tried.

pub mod machine;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::client::{Client, Way};
use crate::until::until;
use crate::{ports, processes};

/// The page.
const PAGE: &str = include_str!("../../../docs/load-balancer.md");

/// The page's one block of that language, with the test's own ports and files in place of the page's: each of `own` must
/// be there.
///
/// # Errors
/// When the page has no such block, several, or lacks one of the examples.
pub fn shown(language: &str, own: &[(&str, &str)]) -> Result<String> {
    let fence = format!("\n```{language}\n");
    let mut blocks = PAGE.split(&fence).skip(1);
    let block = blocks.next().with_context(|| format!("the page shows no {language}"))?;
    ensure!(blocks.next().is_none(), "the page shows several blocks of {language}");
    let (block, _) = block.split_once("\n```").with_context(|| format!("no end of {language}"))?;
    let mut text = format!("{block}\n");
    for (example, own) in own {
        ensure!(text.contains(example), "the page's {language} lacks `{example}`");
        text = text.replace(example, own);
    }
    Ok(text)
}

/// A balancer on a port of its own; ended when it goes out of scope.
pub struct Balancer {
    process: Child,
    directory: TempDir,
    way: Way,
}

impl Balancer {
    /// HAProxy in front of access points at these ports.
    ///
    /// # Errors
    /// When it is not there, or does not take its configuration.
    pub fn haproxy(access_points: [u16; 2], local_ca: &Path) -> Result<Self> {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let [first, second] = access_points.map(at);
        let servers = [("access-point1", first), ("access-point2", second)];
        Self::haproxy_at(at(ports::free()?), servers, local_ca, way_from_another(0))
    }

    /// HAProxy at an address, in front of access points of these names at these addresses, reached by that way.
    ///
    /// # Errors
    /// When it is not there, or does not take its configuration.
    pub fn haproxy_at(
        address: SocketAddr,
        servers: [(&str, SocketAddr); 2],
        local_ca: &Path,
        way: Way,
    ) -> Result<Self> {
        let directory = TempDir::with_prefix("evergate-haproxy-")?;
        let way = Way { port: Some(address.port()), ..way };
        let [first, second] = servers.map(|(name, at)| format!("server {name} {at}"));
        let socket = directory.path().join("admin.sock").display().to_string();
        let text = shown(
            "haproxy",
            &[
                ("/run/haproxy/admin.sock", &socket),
                ("bind :443", &format!("bind {address}")),
                ("portal.example.com", "portal.localhost"),
                ("/etc/haproxy/evergate-ca.pem", &local_ca.display().to_string()),
                ("server access-point2 10.0.0.12:8444", &second),
                ("server access-point1 10.0.0.11:8443", &first),
            ],
        )?;
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, text)?;
        let mut command = processes::tied("haproxy".as_ref());
        command.args(["-db", "-q", "-f"]).arg(file);
        Self::start(command, directory, way)
    }

    /// nginx in front of access points at these ports.
    ///
    /// # Errors
    /// When it or its module is not there.
    pub fn nginx(access_points: [u16; 2]) -> Result<Self> {
        let (directory, port) = (TempDir::with_prefix("evergate-nginx-")?, ports::free()?);
        let [first, second] = access_points.map(|port| format!("127.0.0.1:{port}"));
        let listen = format!("listen 127.0.0.1:{port}");
        let own = [("listen 443", &listen[..]), ("10.0.0.11:8443", &first), ("10.0.0.12:8444", &second)];
        let text = shown("nginx", &own)?;
        let (path, file) = (directory.path().display().to_string(), directory.path().join("nginx.conf"));
        let around = format!(
            "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\ndaemon off;\npid {path}/pid;\n\
             error_log {path}/error.log;\nevents {{ worker_connections 8192; }}\n"
        );
        std::fs::write(&file, format!("{around}{text}"))?;
        let mut command = processes::tied("nginx".as_ref());
        command.arg("-p").arg(directory.path()).args(["-e", "error.log", "-c"]).arg(file);
        Self::start(command, directory, way_from_another(port))
    }

    fn start(mut command: std::process::Command, directory: TempDir, way: Way) -> Result<Self> {
        let said = std::fs::File::create(directory.path().join("said"))?;
        let process = command.stdout(Stdio::null()).stderr(said).spawn().context("cannot start it")?;
        Ok(Self { process, directory, way })
    }

    /// The way through it; on the loopback interface for a client at 127.0.0.2.
    #[must_use]
    pub const fn way(&self) -> Way {
        self.way
    }

    /// Waits until a client gets through it to an access point that is ready.
    ///
    /// # Errors
    /// When that does not come to pass: with what the balancer said.
    pub async fn leads(&self, client: &Client, url: &str) -> Result<()> {
        let mut client = client.twin()?.by(self.way());
        let ready = format!("{url}.evergate/ready");
        let leads = until("the balancer leads to an access point", Duration::from_secs(15), async || {
            client.get(&ready).await.ok().filter(|answer| answer.status.is_success()).map(drop)
        });
        leads
            .await
            .with_context(|| std::fs::read_to_string(self.directory.path().join("said")).unwrap_or_default())
    }

    /// What HAProxy takes a server to be: `UP`, `DOWN`, with how many checks are still to come.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn state(&self, server: &str) -> Result<String> {
        let mut socket = UnixStream::connect(self.directory.path().join("admin.sock")).await?;
        socket.write_all(b"show stat\n").await?;
        let mut table = String::new();
        socket.read_to_string(&mut table).await?;
        // Columns of its management guide, section 9.1: the second is the server, the eighteenth its state.
        let mut rows = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let row = rows.find(|row| row.get(1) == Some(&server)).context("no such server")?;
        Ok((*row.get(17).context("a row without a state")?).to_owned())
    }

    /// Waits until HAProxy takes a server to be `state`.
    ///
    /// # Errors
    /// When it does not.
    pub async fn takes(&self, server: &str, state: &str) -> Result<()> {
        self.takes_within(server, state, Duration::from_secs(15)).await
    }

    /// The same, so long at most.
    ///
    /// # Errors
    /// When it does not.
    pub async fn takes_within(&self, server: &str, state: &str, limit: Duration) -> Result<()> {
        until(&format!("HAProxy takes {server} to be {state}"), limit, async || {
            (self.state(server).await.ok()? == state).then_some(())
        })
        .await
    }
}

/// To a port of the loopback interface, from an address of it that nobody else uses.
fn way_from_another(port: u16) -> Way {
    Way { port: Some(port), from: Some([127, 0, 0, 2].into()), ..Way::default() }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Asked to end, so that nginx ends its workers.
        _ = processes::signal(self.process.id(), nix::sys::signal::Signal::SIGTERM);
        _ = self.process.wait();
    }
}
