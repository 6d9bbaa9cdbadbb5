//! What the kernel knows of this machine: addresses, space, ports.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use evergate_model::Name;
use nix::ifaddrs::getifaddrs;
use nix::sys::statvfs::statvfs;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::super::ports;
use crate::network::Network;

/// How long a name may take.
const RESOLVING: Duration = Duration::from_secs(5);

/// The addresses of this machine's interfaces; none if the kernel does not tell.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let mut found: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let four = address.as_sockaddr_in().map(|four| IpAddr::from(four.ip()));
            four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::from(six.ip())))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Where a node's address leads.
///
/// # Errors
/// When the name is not known, in words.
pub async fn address_of(address: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Ok(vec![ip.to_canonical()]);
    }
    match timeout(RESOLVING, lookup_host((address, 0))).await {
        Ok(Ok(found)) => Ok(found.map(|found| found.ip().to_canonical()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", RESOLVING.as_secs())),
    }
}

/// Where the addresses of all nodes lead; those that lead nowhere are left out.
pub async fn resolved(network: &Network) -> BTreeMap<Name, Vec<IpAddr>> {
    let nodes = network
        .nodes()
        .iter()
        .map(|(name, node)| async move { Some((name.clone(), address_of(&node.address).await.ok()?)) });
    futures_util::future::join_all(nodes).await.into_iter().flatten().collect()
}

/// The bytes that are free below a directory, for those who are not root.
///
/// # Errors
/// When the kernel does not tell, in its words.
pub fn free(path: &Path) -> Result<u64, String> {
    let told = statvfs(path).map_err(|error| error.desc().to_owned())?;
    Ok(told.blocks_available().saturating_mul(told.fragment_size()))
}

/// The ports on which processes of this machine listen.
///
/// # Errors
/// When the kernel does not tell.
pub fn listening() -> Result<BTreeSet<u16>, String> {
    let mut found = BTreeSet::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match std::fs::read_to_string(file) {
            Ok(told) => found.extend(ports::listening(&told)),
            // Without IPv6 there is no second one.
            Err(error) if error.kind() == ErrorKind::NotFound && file.ends_with('6') => {}
            Err(error) => return Err(format!("{file}: {error}")),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_addresses_space_and_ports() {
        assert!(addresses().contains(&IpAddr::from([127, 0, 0, 1])));
        assert!(free(Path::new("/")).unwrap() > 0);
        assert_eq!(free(Path::new("/nowhere")).unwrap_err(), "No such file or directory");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listening().unwrap().contains(&port));
    }

    #[tokio::test]
    async fn an_address_leads_to_itself_and_a_name_that_nobody_has_nowhere() {
        assert_eq!(address_of("10.0.0.11").await, Ok(vec![IpAddr::from([10, 0, 0, 11])]));
        assert!(address_of("nobody.invalid").await.is_err());
    }
}
