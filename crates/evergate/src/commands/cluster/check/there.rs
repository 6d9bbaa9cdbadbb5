//! What is asked of other machines: their ports, and the time.

use std::net::{IpAddr, SocketAddr};

use evergate_administration::setup::LOCAL_CA_FILE;
use evergate_cluster::checks::clock::Comparison;
use evergate_cluster::checks::doors::{self, Door, Known, Peer, Protocol, Seen};
use evergate_cluster::checks::{Line, probe};
use evergate_process::Clock;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;

use super::Here;

/// Machines that are asked at the same time.
const AT_ONCE: usize = 16;
/// A CA's certificate has some hundred bytes; several have some thousand.
const LONGEST_CA: u64 = 256 * 1024;

/// What is to be said of the peers, and how their clocks stand.
pub(super) async fn lines(here: &Here<'_>, peers: &[Peer], known: &Known) -> (Vec<Line>, Vec<Comparison>) {
    let ca = ca(here);
    let asked = peers.iter().map(|peer| of_peer(here, peer, known, ca.as_deref()));
    let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let (lines, clocks): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    (lines.concat(), clocks.concat())
}

/// The CA that the consoles' certificates are from, if it is known here.
fn ca(here: &Here<'_>) -> Option<Vec<u8>> {
    let target = &here.common.target;
    let path = target.ca.clone().unwrap_or_else(|| target.data.join(LOCAL_CA_FILE));
    let is_short = std::fs::metadata(&path).is_ok_and(|file| file.len() <= LONGEST_CA);
    if is_short { std::fs::read(&path).ok() } else { None }
}

async fn of_peer(
    here: &Here<'_>,
    peer: &Peer,
    known: &Known,
    ca: Option<&[u8]>,
) -> (Vec<Line>, Vec<Comparison>) {
    let address = match probe::address_of(&peer.address).await.map(|found| found.into_iter().next()) {
        Ok(Some(address)) => address,
        Ok(None) => return (vec![doors::no_address(peer, "it has none")], Vec::new()),
        Err(why) => return (vec![doors::no_address(peer, &why)], Vec::new()),
    };
    let doors = doors::doors(here.network, &here.services, here.own.as_ref(), peer, known);
    let seen = join_all(doors.into_iter().map(|door| ask(door, address)));
    let (seen, clocks) = tokio::join!(seen, clocks(here, peer, address, ca));
    (doors::lines(&seen), clocks)
}

async fn ask(door: Door, address: IpAddr) -> (Door, Seen) {
    let to = SocketAddr::new(address, door.port);
    let seen = match door.protocol {
        Protocol::Tcp => probe::connect(to).await,
        Protocol::Udp => probe::send(to).await,
    };
    (door, seen)
}

/// What its consoles say of the time. In the dmz they cannot be reached, and are not asked.
async fn clocks(here: &Here<'_>, peer: &Peer, address: IpAddr, ca: Option<&[u8]>) -> Vec<Comparison> {
    let mut found = Vec::new();
    let instances = here.network.instances().iter();
    let of_peer = instances.filter(|planned| !here.is_in_dmz() && peer.node.as_ref() == Some(&planned.node));
    for port in of_peer.filter_map(|planned| planned.console_port()) {
        let to = SocketAddr::new(address, port);
        let clock = Clock::system();
        let proven = match ca {
            Some(ca) => probe::ask_time(to, Some(ca), &clock).await.ok(),
            None => None,
        };
        let is_proven = proven.is_some();
        let asked = match proven {
            Some(asked) => Some(asked),
            None => probe::ask_time(to, None, &clock).await.ok(),
        };
        found.extend(asked.map(|asked| Comparison {
            with: format!("the console at {to}"),
            peer: Some(peer.label.clone()),
            ahead: asked.ahead,
            within: asked.within,
            is_proven,
        }));
    }
    found
}
