//! The command lines of the child processes.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evergate_model::{Instance, Service};
use evergate_process::supervisor::{ChildSpec, Watched};

use super::layout::{Doors, Layout};
use super::ports::loopback;

/// Access points go first, so that nobody's request meets a service that has gone; together the
/// two stages stay below the 8 s of contract.md.
const STOPPED_FIRST: (u8, Duration) = (0, Duration::from_millis(4800));
const STOPPED_LAST: (u8, Duration) = (1, Duration::from_millis(2800));
/// The words with which children are started.
const RUN: &str = "run";
const DEMO: &str = "demo-application";

/// What is started, and on which directory.
#[derive(Debug)]
pub(super) struct Programs {
    executable: PathBuf,
    directory: PathBuf,
    log: Option<String>,
}

impl Programs {
    /// This very executable, by its path: a newer build in its place is what a restarted child runs.
    pub(super) fn find(directory: &Path, log: Option<&str>) -> anyhow::Result<Self> {
        let executable = on_disk(std::env::current_exe().context("cannot find this executable")?);
        Ok(Self { executable, directory: directory.to_owned(), log: log.map(str::to_owned) })
    }

    /// The executable.
    pub(super) fn executable(&self) -> &Path {
        &self.executable
    }

    /// Whether a process with these arguments can only be a child of an `up` on this directory.
    pub(super) fn started(&self, arguments: &[OsString]) -> bool {
        let is_child = arguments.first().is_some_and(|word| word == RUN || word == DEMO);
        let here = [OsStr::new("--data"), self.directory.as_os_str()];
        is_child && arguments.windows(2).any(|words| words == here)
    }

    /// Every child of the installation.
    pub(super) fn all(&self, layout: &Layout, doors: &Doors) -> Vec<ChildSpec> {
        let instances = layout.here().map(|instance| self.instance(instance, doors.get(&instance.name)));
        let demo = layout.demo.iter().zip(1..).map(|(port, number)| self.demo(number, *port));
        instances.chain(demo.filter(|_| self.has_demo())).collect()
    }

    /// The demo runs until `evergate demo remove` takes its file away.
    fn has_demo(&self) -> bool {
        self.directory.join(crate::demo::FILE).exists()
    }

    fn instance(&self, instance: &Instance, door: Option<&Arc<OwnedFd>>) -> ChildSpec {
        let name = instance.name.as_str();
        let bootstrap = self.directory.join("instances").join(name).join("bootstrap.json");
        let own = vec!["--bootstrap".into(), bootstrap.into_os_string()];
        let mut child = self.child(&[RUN, name], own, name, STOPPED_LAST);
        child.socket = door.map(Arc::clone);
        let is_access_point = instance.service == Service::AccessPoint;
        if is_access_point {
            (child.stop_stage, child.stop_within) = STOPPED_FIRST;
        }
        let silence = silence(instance.service);
        child.watched = Some(Watched { address: instance.operations.clone(), silence });
        child
    }

    fn demo(&self, number: u16, port: u16) -> ChildSpec {
        let name = format!("welcome{number}");
        let own = vec!["--listen".into(), loopback(port).to_string().into()];
        let child = self.child(&[DEMO, "--name", &name], own, &name, STOPPED_LAST);
        ChildSpec { may_be_absent: true, ..child }
    }

    fn child(&self, words: &[&str], own: Vec<OsString>, name: &str, stop: (u8, Duration)) -> ChildSpec {
        let mut arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        arguments.extend(own);
        arguments.extend(["--data".into(), self.directory.clone().into_os_string()]);
        ChildSpec {
            name: name.to_owned(),
            program: self.executable.clone(),
            arguments,
            environment: self.log.iter().map(|log| ("EVERGATE_LOG".into(), log.into())).collect(),
            socket: None,
            stop_stage: stop.0,
            stop_within: stop.1,
            watched: None,
            may_be_absent: false,
        }
    }
}

/// An instance that is silent for so long is killed.
pub(crate) const fn silence(service: Service) -> Duration {
    match service {
        // The connections that browsers have to it are stuck with it; a new one costs less than waiting.
        Service::AccessPoint => Duration::from_secs(2),
        // Its callers have left it long before.
        _ => Duration::from_secs(30),
    }
}

/// The path at which the system found the executable, which it marks if that file has been replaced
/// since (proc(5), `/proc/PID/exe`).
pub(crate) fn on_disk(executable: PathBuf) -> PathBuf {
    let text = executable.to_string_lossy();
    text.strip_suffix(" (deleted)").map(PathBuf::from).unwrap_or(executable)
}

#[cfg(test)]
mod tests {
    use evergate_cluster::network::Network;

    use super::*;

    #[test]
    fn a_replaced_executable_is_the_one_that_is_there_now() {
        assert_eq!(on_disk("/usr/bin/evergate (deleted)".into()), Path::new("/usr/bin/evergate"));
        assert_eq!(on_disk("/usr/bin/evergate".into()), Path::new("/usr/bin/evergate"));
    }

    #[test]
    fn only_children_on_this_directory_are_known() {
        let programs = Programs { executable: "/e".into(), directory: "/data/one".into(), log: None };
        let layout = Layout::of_machine(&Network::built_in(), 10_443);
        let children = programs.all(&layout, &Doors::new());
        assert_eq!(children.len(), 10, "there is no demo file");
        assert!(children.iter().all(|child| programs.started(&child.arguments)));
        assert!(children.iter().all(|child| child.watched.is_some() && !child.may_be_absent));
        let elsewhere = Programs { directory: "/data".into(), ..programs };
        assert!(!children.iter().any(|child| elsewhere.started(&child.arguments)));
        assert!(!elsewhere.started(&["logs".into(), "--data".into(), "/data".into()]));
    }
}
