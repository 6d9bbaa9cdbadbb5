//! A machine of a test's own: a network namespace on a bridge, with keepalived as `docs/load-balancer.md` shows it, whose
//! port 443 is an access point's. It ends with the process that holds it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::shown;
use crate::processes;
use crate::until::until;

/// The address of the bridge: where the test itself is.
pub const BRIDGE: &str = "10.0.0.1";
/// The address that moves, as the page shows it.
pub const MOVING: [u8; 4] = [10, 0, 0, 100];

/// A machine; ended when it goes out of scope.
pub struct Machine {
    number: u8,
    holder: Child,
    keepalived: Option<Child>,
    directory: TempDir,
}

/// Makes the bridge; only in a namespace of the test's own.
///
/// # Errors
/// When the kernel does not.
pub fn bridge() -> Result<()> {
    ensure!(crate::namespace::is_apart(), "a bridge outside of a namespace of our own");
    for arguments in ["link add br0 type bridge", "address add 10.0.0.1/24 dev br0", "link set br0 up"] {
        run(Command::new("ip").args(arguments.split(' ')))?;
    }
    Ok(())
}

impl Machine {
    /// The machine 10.0.0.11 or 10.0.0.12, by its number, before the access point at that port of the bridge.
    ///
    /// # Errors
    /// When there can be no namespace, or a program is missing.
    pub async fn start(number: u8, access_point: u16, local_ca: &Path) -> Result<Self> {
        let mut command = processes::tied("unshare".as_ref());
        let holder = command.args(["--net", "sleep", "infinity"]).spawn()?;
        let directory = TempDir::with_prefix("evergate-keepalived-")?;
        let mut machine = Self { number, holder, keepalived: None, directory };
        let (here, there) = ("/proc/self/ns/net", format!("/proc/{}/ns/net", machine.holder.id()));
        let ours = std::fs::read_link(here)?;
        until("the namespace is there", Duration::from_secs(5), async || {
            std::fs::read_link(&there).is_ok_and(|theirs| theirs != ours).then_some(())
        })
        .await?;
        machine.connect()?;
        machine.lead(access_point)?;
        machine.write(access_point, local_ca)?;
        machine.keep()?;
        Ok(machine)
    }

    fn connect(&self) -> Result<()> {
        let (number, holder) = (self.number, self.holder.id());
        let link = format!("link add veth{number} type veth peer name eth0 netns {holder}");
        run(Command::new("ip").args(link.split(' ')))?;
        run(Command::new("ip").args(format!("link set veth{number} master br0 up").split(' ')))?;
        run(self.inside("ip").args(["link", "set", "lo", "up"]))?;
        let address = format!("address add 10.0.0.1{number}/24 dev eth0");
        run(self.inside("ip").args(address.split(' ')))?;
        run(self.inside("ip").args(["link", "set", "eth0", "up"]))
    }

    /// Leads port 443 of the machine to the access point.
    fn lead(&self, access_point: u16) -> Result<()> {
        run(self.inside("sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))?;
        for rule in [
            "add table ip lead".to_owned(),
            "add chain ip lead in { type nat hook prerouting priority -100; }".to_owned(),
            "add chain ip lead out { type nat hook postrouting priority 100; }".to_owned(),
            format!("add rule ip lead in tcp dport 443 dnat to {BRIDGE}:{access_point}"),
            "add rule ip lead out masquerade".to_owned(),
        ] {
            run(self.inside("nft").arg(rule))?;
        }
        Ok(())
    }

    fn write(&self, access_point: u16, local_ca: &Path) -> Result<()> {
        let path = self.directory.path();
        let [ca, check, file] = ["ca.pem", "ready", "keepalived.conf"].map(|name| path.join(name));
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, open.clone())?;
        std::fs::copy(local_ca, &ca)?;
        std::fs::set_permissions(&ca, open.clone())?;
        let to = format!("{access_point}:{BRIDGE}");
        let asked = format!("portal.localhost:{access_point}/");
        let own = [
            ("/etc/keepalived/evergate-ca.pem", &*ca.display().to_string()),
            ("443:127.0.0.1", &to),
            ("portal.example.com:443/", &asked),
            ("portal.example.com", "portal.localhost"),
        ];
        std::fs::write(&check, shown("sh", &own)?)?;
        std::fs::set_permissions(&check, open)?;
        let check = check.display().to_string();
        let mut own = vec![("/etc/keepalived/evergate-ready", &check[..])];
        if self.number == 2 {
            own.extend([
                ("priority 110", "priority 105"),
                ("        10.0.0.12", "        10.0.0.11"),
                ("src_ip 10.0.0.11", "src_ip 10.0.0.12"),
            ]);
        }
        Ok(std::fs::write(file, shown("keepalived", &own)?)?)
    }

    /// Starts keepalived.
    ///
    /// # Errors
    /// When it is not there.
    pub fn keep(&mut self) -> Result<()> {
        let path = self.directory.path();
        let said = std::fs::File::options().create(true).append(true).open(path.join("said"))?;
        let mut command = self.inside("keepalived");
        command.args(["--dont-fork", "--log-console", "--log-detail", "--use-file"]);
        command.arg(path.join("keepalived.conf")).arg("--pid").arg(path.join("pid"));
        command.arg("--vrrp_pid").arg(path.join("vrrp.pid"));
        command.stdout(said.try_clone()?).stderr(said);
        self.keepalived = Some(command.spawn().context("cannot start keepalived")?);
        Ok(())
    }

    /// The machine is cut off and keepalived on it ends, as at a loss of power: nobody is told.
    ///
    /// # Errors
    /// When the kernel does not.
    pub fn lose_power(&mut self) -> Result<()> {
        run(Command::new("ip").args(["link", "set", &format!("veth{}", self.number), "down"]))?;
        self.end_keepalived();
        run(self.inside("ip").args(["address", "flush", "dev", "eth0"]))
    }

    /// Power is back.
    ///
    /// # Errors
    /// When the kernel does not.
    pub fn power_up(&mut self) -> Result<()> {
        let address = format!("address add 10.0.0.1{}/24 dev eth0", self.number);
        run(self.inside("ip").args(address.split(' ')))?;
        run(Command::new("ip").args(["link", "set", &format!("veth{}", self.number), "up"]))?;
        self.keep()
    }

    /// Whether it has the address that moves.
    ///
    /// # Errors
    /// When its addresses cannot be read.
    pub fn has_it(&self) -> Result<bool> {
        let output = self
            .inside("ip")
            .args(["-4", "address", "show", "dev", "eth0"])
            .stdout(Stdio::piped())
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).contains("10.0.0.100/24"))
    }

    /// What keepalived has said.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("said")).unwrap_or_default()
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = processes::tied("nsenter".as_ref());
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id())).arg(program);
        command
    }

    fn end_keepalived(&mut self) {
        let Some(mut keepalived) = self.keepalived.take() else { return };
        for child in processes::children(keepalived.id()) {
            _ = processes::signal(child, Signal::SIGKILL);
        }
        _ = keepalived.kill();
        _ = keepalived.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end_keepalived();
        _ = self.holder.kill();
        _ = self.holder.wait();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stderr(Stdio::piped()).output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
