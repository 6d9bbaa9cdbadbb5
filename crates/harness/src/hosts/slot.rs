//! The number of a run: it has names, addresses and a directory of its own by it, so that runs side by side do not
//! meet. A number is taken as long as a socket in the kernel's own name space is bound, which ends with the process.

use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// How many runs there may be at once.
const RUNS: u8 = 16;

/// A number that this process alone has.
#[derive(Debug)]
pub(super) struct Slot {
    number: u8,
    directory: PathBuf,
    _lock: UnixListener,
}

impl Slot {
    /// The first number that nobody has. What runs that were killed have left is taken away, whatever their number.
    pub(super) fn take() -> Result<Self> {
        let is_left = |number: &u8| directory(*number).exists();
        // A slot that is given up takes away what there is of it.
        (0..RUNS).filter(is_left).filter_map(Self::of).for_each(drop);
        let free = (0..RUNS).find_map(Self::of);
        free.with_context(|| format!("{RUNS} runs with hosts of their own are under way already"))
    }

    /// This number, unless somebody has it.
    fn of(number: u8) -> Option<Self> {
        let address = SocketAddr::from_abstract_name(name(number)).ok()?;
        let lock = UnixListener::bind_addr(&address).ok()?;
        Some(Self { number, directory: directory(number), _lock: lock })
    }

    pub(super) const fn number(&self) -> u8 {
        self.number
    }

    /// Disks of the hosts.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// An address of the network.
    pub(super) const fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, host)
    }
}

/// The name of a run: of its control group, too.
pub(super) fn name(number: u8) -> String {
    format!("evergate-test-hosts-{number}")
}

/// The directory of a run.
pub(super) fn directory(number: u8) -> PathBuf {
    // On a disk: engines keep their images there, and want a file system that can be below an overlay.
    Path::new("/var/tmp").join(name(number))
}

/// The interface by which the test itself is on the network.
pub(super) fn interface(number: u8) -> String {
    format!("evergate{number}")
}
