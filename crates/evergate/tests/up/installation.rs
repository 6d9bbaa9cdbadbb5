//! One installation of a test: its directory, its ports, its supervisor.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// Ports an installation uses above its base.
const SPAN: u16 = 100;

static NEXT: AtomicU16 = AtomicU16::new(0);

pub struct Installation {
    root: tempfile::TempDir,
    pub base: u16,
}

pub struct Running<'a> {
    installation: &'a Installation,
    supervisor: Child,
}

/// A base with free ports above it, below those that the system hands out by itself.
fn free_base() -> u16 {
    let first = 11_000 + u16::try_from(std::process::id() % 80).unwrap() * 250;
    (0..80)
        .map(|_| 11_000 + (first - 11_000 + NEXT.fetch_add(1, Ordering::SeqCst) * SPAN) % 20_000)
        .find(|base| (*base..base + SPAN).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .expect("free ports")
}

impl Installation {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), base: free_base() }
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    pub fn command(&self) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_evergate")))
    }

    /// `up`, run by another file.
    pub fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("up").arg("--data").arg(self.data()).arg("--listen-base").arg(self.base.to_string());
        command
    }

    pub fn spawn(&self, arguments: &[&str]) -> Running<'_> {
        self.spawn_of(self.command().args(arguments))
    }

    pub fn spawn_of(&self, command: &mut Command) -> Running<'_> {
        let log = std::fs::File::create(self.root.path().join("up.log")).unwrap();
        let printed = std::fs::File::create(self.root.path().join("up.out")).unwrap();
        let supervisor = command.stdin(Stdio::null()).stdout(printed).stderr(log).spawn().unwrap();
        Running { installation: self, supervisor }
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Running<'_> {
        let mut running = self.spawn(&[]);
        running.until_ready();
        running
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(self.root.path().join("up.log")).unwrap_or_default()
    }

    /// What it printed for people.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.root.path().join("up.out")).unwrap_or_default()
    }

    /// Every process that runs on this directory.
    pub fn processes(&self) -> Vec<i32> {
        let data = self.data().into_os_string().into_string().unwrap();
        // The first thread of a process may have ended, and tell nothing, while others go on.
        let on_it = |pid: &i32| {
            let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            threads.map(|thread| thread.path()).any(|thread| {
                let line = std::fs::read(thread.join("cmdline")).unwrap_or_default();
                let program = std::fs::read_link(thread.join("exe")).unwrap_or_default();
                let is_ours =
                    program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"evergate"));
                is_ours && String::from_utf8_lossy(&line).contains(&data)
            })
        };
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(on_it).collect()
    }

    pub fn kill_everything(&self) {
        // Again and again: a supervisor that is being killed may have started another child meanwhile.
        wait("all processes to be gone", || {
            let living = self.processes();
            for pid in &living {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            living.is_empty()
        });
    }
}

impl Running<'_> {
    pub fn pid(&self) -> u32 {
        self.supervisor.id()
    }

    pub fn until_ready(&mut self) {
        let until = Instant::now() + PATIENCE;
        while self.up_file().is_none() {
            let ended = self.supervisor.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", self.installation.said());
            assert!(Instant::now() < until, "not ready: {}", self.installation.said());
            sleep(Duration::from_millis(20));
        }
    }

    /// `up.json`, if this very supervisor wrote it.
    pub fn up_file(&self) -> Option<Value> {
        let text = std::fs::read(self.installation.data().join("up.json")).ok()?;
        let up: Value = serde_json::from_slice(&text).expect("up.json is never half-written");
        (up["supervisor"] == self.pid()).then_some(up)
    }

    /// What `up.json` says of an instance.
    pub fn instance(&self, name: &str) -> Value {
        let up = self.up_file().expect("it is up");
        let instances = up["instances"].as_array().unwrap().clone();
        instances.into_iter().find(|one| one["name"] == name).expect("such an instance")
    }

    pub fn pid_of(&self, instance: &str) -> i32 {
        i32::try_from(self.instance(instance)["pid"].as_i64().unwrap()).unwrap()
    }

    /// Sends a signal to an instance.
    pub fn strike(&self, instance: &str, signal: Signal) {
        kill(Pid::from_raw(self.pid_of(instance)), signal).unwrap();
    }

    /// Runs a command on it; what it prints.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = evergate(arguments).arg("--data").arg(self.installation.data()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends the supervisor alone, as a crash does.
    pub fn crash(mut self) {
        self.supervisor.kill().unwrap();
        self.supervisor.wait().unwrap();
    }

    /// Asks it to end; how long it took.
    pub fn end(mut self, signal: Signal) -> Duration {
        let asked = Instant::now();
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
        let status = self.supervisor.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.installation.said());
        asked.elapsed()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.supervisor.try_wait().ok().flatten().is_none() {
            self.installation.kill_everything();
            let _ = self.supervisor.wait();
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let until = Instant::now() + PATIENCE;
        while !self.processes().is_empty() && Instant::now() < until {
            for pid in self.processes() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            sleep(Duration::from_millis(20));
        }
    }
}

/// A process that has nothing to do with Evergate; it ends with the test, however the test ends.
pub struct Stranger(Child);

impl Stranger {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn evergate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evergate"));
    command.args(arguments);
    command
}

/// Runs a command that is expected to fail at once; its exit code and what it said.
pub fn refused(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().expect("an exit code"), String::from_utf8(stderr).unwrap())
}

pub fn wait(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        sleep(Duration::from_millis(20));
    }
}

pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
