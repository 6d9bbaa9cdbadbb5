//! Whether the engine of this machine is one that a swarm can use.

use std::path::PathBuf;

use super::Line;

const CHECK: &str = "engine";
/// The first release whose swarm and stacks have all that is rendered; it is Debian 12's.
const OLDEST: (u32, u32) = (20, 10);

/// What an engine says of itself.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    /// Its socket.
    pub host: String,
    /// Its version.
    pub version: String,
    /// How it keeps images and containers.
    pub storage: String,
    /// What it warns of.
    pub warnings: Vec<String>,
    /// Whether containers outlive it.
    pub is_live_restore: bool,
    /// Where it keeps everything.
    pub root: PathBuf,
}

/// What is to be said of it.
#[must_use]
pub fn lines(engine: &Engine) -> Vec<Line> {
    let mut lines = vec![version(engine)];
    if engine.is_live_restore {
        let seen = "`live-restore` is on, and a swarm refuses such an engine";
        let fix = "take `live-restore` out of /etc/docker/daemon.json: systemctl restart docker";
        lines.push(Line::fail(CHECK, seen, fix));
    }
    if engine.storage == "vfs" {
        let seen = "the storage driver is `vfs`, which copies an image for every container";
        lines.push(Line::warn(
            CHECK,
            seen,
            "write `\"storage-driver\": \"overlay2\"` into /etc/docker/daemon.json",
        ));
    }
    lines.extend(engine.warnings.iter().map(|warning| warned(warning)));
    lines
}

fn version(engine: &Engine) -> Line {
    let seen = format!("Docker {} at `{}`, storage {}", engine.version, engine.host, engine.storage);
    let fix = "install Docker 20.10 or newer: apt-get install docker.io";
    match number(&engine.version) {
        Some(version) if version >= OLDEST => Line::ok(CHECK, seen),
        Some(_) => Line::fail(CHECK, format!("{seen}; that is too old"), fix),
        None => Line::warn(CHECK, format!("{seen}; that version is not known"), fix),
    }
}

/// The first two numbers of `20.10.24+dfsg1`.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// What an engine warns of, and what mends it: it does not say so itself.
fn warned(warning: &str) -> Line {
    let seen = warning.trim_start_matches("WARNING: ").trim();
    let is = |words: &str| seen.to_ascii_lowercase().contains(words);
    let fix = if is("bridge-nf-call-ip6tables") {
        "sysctl -w net.bridge.bridge-nf-call-ip6tables=1"
    } else if is("bridge-nf-call") {
        "sysctl -w net.bridge.bridge-nf-call-iptables=1"
    } else if is("ipv4 forwarding") {
        "sysctl -w net.ipv4.ip_forward=1"
    } else if is("api is accessible") {
        "take `-H tcp://` and `hosts` out of the engine's settings: who reaches that port is root here"
    } else if is("cgroup v1") {
        "boot with `systemd.unified_cgroup_hierarchy=1`"
    } else if is("memory limit") || is("swap limit") {
        "boot with `cgroup_enable=memory swapaccount=1`; until then `limits` are not kept"
    } else {
        "journalctl --unit docker"
    };
    Line::warn(CHECK, format!("it warns: {seen}"), fix)
}

/// Whether the `docker` command works, which deploys; managers alone need it. `answer` is what `docker --version` says.
#[must_use]
pub fn command(answer: Result<&str, &str>) -> Line {
    match answer {
        Ok(said) => Line::ok("docker-command", said.trim()),
        Err(why) => {
            let seen = format!("the `docker` command, which deploys, cannot be run: {why}");
            Line::fail("docker-command", seen, "apt-get install docker.io (or docker-ce-cli)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn engine(version: &str) -> Engine {
        Engine {
            host: "unix:///var/run/docker.sock".to_owned(),
            version: version.to_owned(),
            storage: "overlay2".to_owned(),
            ..Engine::default()
        }
    }

    #[test]
    fn an_engine_that_is_new_enough_is_well() {
        assert_eq!(lines(&engine("20.10.24+dfsg1"))[0].outcome(), super::super::Outcome::Ok);
        assert_eq!(lines(&engine("28.0.0-rc.1"))[0].outcome(), super::super::Outcome::Ok);
    }

    #[test]
    fn what_a_swarm_cannot_use_is_told() {
        let warnings = [
            "WARNING: No memory limit support",
            "WARNING: No swap limit support",
            "WARNING: bridge-nf-call-iptables is disabled",
            "WARNING: bridge-nf-call-ip6tables is disabled",
            "WARNING: IPv4 forwarding is disabled",
            "WARNING: API is accessible on http://0.0.0.0:2375 without encryption.",
            "WARNING: Support for cgroup v1 is deprecated",
            "WARNING: something new",
        ];
        let odd = Engine {
            storage: "vfs".to_owned(),
            warnings: warnings.map(str::to_owned).to_vec(),
            is_live_restore: true,
            ..engine("19.03.8")
        };
        let all = [
            lines(&odd),
            lines(&engine("master-dockerproject")),
            vec![
                command(Ok("Docker version 20.10.24+dfsg1, build 297e128\n")),
                command(Err("No such file or directory")),
            ],
        ];
        insta::assert_snapshot!(shown(&all.concat()));
    }
}
