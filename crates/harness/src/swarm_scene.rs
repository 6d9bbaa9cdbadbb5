//! Three machines with an engine each, an edge host outside of their swarm, a PostgreSQL, applications, HAProxy in front:
//! what one machine grows into by `evergate cluster`, and what can be shown on it. Each thing to show is a function.
//!
//! Begin at [`SwarmScene::grow`]. Commands run on the node where a person would type them; the loads and `evergate
//! status` run where the test is, which is another machine to all of them.

mod again;
mod changes;
mod commands;
mod edge;
mod faults;
mod firewall;
mod grow;
mod leaving;
mod managed;
mod network_file;
mod settled;
mod stranger;
mod told;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::balancer::Balancer;
use crate::client::Way;
use crate::database::Database;
use crate::hosts::{Host, Hosts, Kind};
use crate::installation::Installation;
use crate::scene::{Cache, Loads, Scene};

use firewall::Opening;
pub use grow::Growth;
pub use network_file::NetworkFile;

/// The port of browsers, of access points and of HAProxy alike.
pub const PORT: u16 = 8443;
/// The port of console and API on a node with administration.
const CONSOLE: u16 = 8304;
/// Where a swarm's managers are reached.
const SWARM: u16 = 2377;

/// How hard a test tries.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Requests a second.
    pub rate: u32,
    /// For how many seconds a machine is dead.
    pub dead: u32,
    /// For how many seconds a machine is cut off.
    pub cut_off: u32,
    /// Whose image is changed; none of these: everybody's.
    pub changed: &'static [&'static str],
    /// By how much anything may take longer than is promised: development builds on a busy machine are slow.
    pub patience: u32,
}

impl Size {
    /// For every commit.
    pub const MODERATE: Self = Self {
        rate: 20,
        dead: 8,
        cut_off: 15,
        changed: &["administration2", "policy1", "authentication2", "access-point2"],
        patience: 5,
    };
    /// What the product promises.
    pub const FULL: Self = Self { rate: 100, dead: 20, cut_off: 60, changed: &[], patience: 1 };
}

/// Everything. What goes first here is ended first.
pub struct SwarmScene {
    /// How hard it is tried.
    pub size: Size,
    /// The installation, the applications before it, a user who signed in before there was a swarm.
    pub scene: Scene,
    balancer: Option<Balancer>,
    edge_process: Option<Child>,
    openings: Vec<Opening>,
    nodes: Nodes,
    database: Database,
    hosts: Hosts,
    network: NetworkFile,
    /// The commands so far that a person would have typed.
    typed: Vec<String>,
}

/// The hosts.
#[derive(Debug)]
struct Nodes {
    a: Host,
    b: Host,
    c: Host,
    edge: Host,
}

impl Nodes {
    async fn start(hosts: &Hosts) -> Result<Self> {
        Ok(Self {
            a: hosts.host("node-a", Kind::Engine).await?,
            b: hosts.host("node-b", Kind::Engine).await?,
            c: hosts.host("node-c", Kind::Engine).await?,
            edge: hosts.host("edge-1", Kind::Plain).await?,
        })
    }

    /// Those with an engine.
    const fn engines(&self) -> [&Host; 3] {
        [&self.a, &self.b, &self.c]
    }

    fn of(&self, name: &str) -> Result<&Host> {
        let host = [&self.a, &self.b, &self.c, &self.edge].into_iter().find(|host| host.name() == name);
        host.with_context(|| format!("there is no host `{name}`"))
    }
}

impl SwarmScene {
    /// One machine on which `evergate up` runs, with a user who is signed in; the others stand by.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(size: Size) -> Result<Self> {
        let hosts = Hosts::start()?;
        let nodes = Nodes::start(&hosts).await?;
        let database = Database::start(hosts.own_address()).await?;
        let mut installation = Installation::at(&nodes.a, PORT, hosts.own_address(), &["--no-demo"])?;
        firewall::lead_to_loopback(&nodes.a, PORT).await?;
        installation.up().await.context("the one machine")?;
        let scene = Scene::of(installation, Cache::Both).await?;
        firewall::lead_no_more(&nodes.a).await?;
        let network = NetworkFile::of(&nodes, hosts.own_address());
        let (balancer, edge_process, openings, typed) = (None, None, Vec::new(), Vec::new());
        Ok(Self { size, scene, balancer, edge_process, openings, nodes, database, hosts, network, typed })
    }

    /// The home of administration on the first machine.
    fn home(&self) -> PathBuf {
        self.scene.installation.data()
    }

    /// Where HAProxy is.
    fn front(&self) -> SocketAddr {
        (self.hosts.own_address(), PORT).into()
    }

    /// By HAProxy.
    fn way(&self) -> Way {
        Way { to: self.hosts.own_address(), ..Way::default() }
    }

    /// By one access point.
    fn way_to(&self, address: Ipv4Addr) -> Way {
        Way { to: address, ..Way::default() }
    }

    /// Requests of the user on kept connections.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn requests(&self) -> Result<Loads> {
        self.scene.requests(self.size.rate)
    }

    /// Loads of every kind; their names and keys are used once in a scene.
    ///
    /// # Errors
    /// When they cannot be made.
    pub async fn everything(&self) -> Result<Loads> {
        let (scene, rate) = (&self.scene, self.size.rate);
        let loads = scene.sign_ins(rate / 2).await?.and(scene.reads_and_writes(rate / 4)?);
        Ok(loads.and(scene.mails(rate / 8)?).and(scene.requests(rate)?))
    }

    /// So long, on a machine as busy as this may be.
    fn patiently(&self, promised: Duration) -> Duration {
        promised * self.size.patience
    }
}
