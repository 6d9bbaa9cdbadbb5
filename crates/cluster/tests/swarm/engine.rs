//! A Docker engine of the test's own, in namespaces of its own, and images that run without a registry.
//!
//! The images hold a shell that waits until it is told to end, with a health check that succeeds or never does: what
//! is tested is what the swarm is told and what it makes of that, not what instances do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evergate_cluster::swarm::Engine;
use tempfile::TempDir;

pub(crate) const ADDRESS: &str = "10.78.0.1";

const START: &str = r#"
set -e
ip link set lo up
ip link add evergate0 type bridge
ip address add 10.78.0.1/24 dev evergate0
ip link set evergate0 up
hostname somebody-else
mkdir -p /run/docker "$1/run"
mount --bind "$1/run" /run/docker
echo nameserver 127.0.0.1 > "$1/resolv.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
exec dockerd --data-root "$1/data" --exec-root "$1/exec" --host "unix://$1/docker.sock" --pidfile "$1/docker.pid"
"#;

const PROGRAM: &str = r#"#!/bin/busybox sh
case "$1" in live) exec /bin/busybox test "$BROKEN" != yes ;; esac
trap 'exit 0' TERM
while :; do /bin/busybox sleep 1 & wait $!; done
"#;

pub(crate) struct OwnEngine {
    child: Child,
    directory: TempDir,
}

impl OwnEngine {
    /// Needs root, and Debian's docker.io and busybox-static.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "sh", "-c", START, "sh"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut own = Self { child, directory };
        let until = tokio::time::Instant::now() + Duration::from_secs(60);
        while let Err(error) = Engine::open(&own.host()).await {
            let ended = own.child.try_wait().unwrap();
            assert!(ended.is_none() && tokio::time::Instant::now() < until, "{error}: {}", own.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        own.images();
        own
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// What `docker` prints.
    pub(crate) fn docker(&self, words: &[&str]) -> String {
        let ran = Command::new("docker").args(["--host", &self.host()]).args(words).output().unwrap();
        assert!(ran.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    fn images(&self) {
        let root = self.directory.path().join("image");
        for directory in ["bin", "tmp", "run/secrets", "var/lib/evergate"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
        std::fs::copy(busybox.expect("busybox-static is installed"), root.join("bin/busybox")).unwrap();
        for program in ["evergate", "evergate-access-point"] {
            let path = root.join(program);
            std::fs::write(&path, PROGRAM).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let archive = self.directory.path().join("image.tar");
        let packed = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status();
        assert!(packed.unwrap().success());
        let archive = archive.to_str().unwrap();
        for (image, broken) in [("evergate:1", "no"), ("evergate:2", "no"), ("evergate:bad", "yes")] {
            let broken = format!("ENV BROKEN={broken}");
            self.docker(&["import", "-c", r#"ENTRYPOINT ["/evergate"]"#, "-c", &broken, archive, image]);
        }
        self.docker(&[
            "import",
            "-c",
            r#"ENTRYPOINT ["/evergate-access-point"]"#,
            archive,
            "evergate-access-point:1",
        ]);
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // Its containers end with the swarm; then the engine itself.
        let leave = ["--host", &self.host(), "swarm", "leave", "--force"];
        drop(Command::new("docker").args(leave).output());
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
        drop(self.child.wait());
    }
}
