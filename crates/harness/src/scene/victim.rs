//! What a fault is done to: the instance or application that serves at that moment.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::{Loads, Scene};
use crate::installation::plain_get;
use crate::processes::{self, half_closed};
use crate::serving::busiest;
use crate::until::{soon, until};

/// What is struck.
#[derive(Debug, Clone, Copy)]
pub enum Victim {
    /// The instance of that service that serves.
    Instance(&'static str),
    /// The access point that serves, while no request is under way: one that is cannot be saved by anyone.
    AccessPoint,
    /// The preferred one of the two applications.
    Application,
}

/// A victim that was chosen.
#[derive(Debug, Clone)]
pub struct Struck {
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Calls that it had served.
    pub served: u64,
}

/// A process that is stopped with its sockets open; goes on when this goes out of scope.
#[derive(Debug)]
pub struct Hung(u32);

impl Hung {
    /// SIGSTOP.
    ///
    /// # Errors
    /// When there is no such process, or it does not stop.
    pub async fn hang(pid: u32) -> Result<Self> {
        anyhow::ensure!(processes::signal(pid, Signal::SIGSTOP), "there is no process {pid}");
        let hung = Self(pid);
        let stopped = async || (processes::is_stopped(pid) || !processes::is_running(pid)).then_some(());
        until(&format!("process {pid} stopped"), Duration::from_secs(5), stopped).await?;
        Ok(hung)
    }

    /// Whether it still is: its supervisor may have killed it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        processes::is_stopped(self.0)
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        if self.is_there() {
            _ = processes::signal(self.0, Signal::SIGCONT);
        }
    }
}

impl Scene {
    /// Who serves while the first of `loads` goes on.
    ///
    /// # Errors
    /// When nobody does.
    pub async fn serving(&self, loads: &Loads, victim: Victim, requests: u64) -> Result<Struck> {
        let service = match victim {
            Victim::Instance(service) => service,
            Victim::AccessPoint => "access-point",
            Victim::Application => {
                let (pid, served) = self.application_that_serves().await?;
                return Ok(Struck { name: "an application".to_owned(), pid, served });
            }
        };
        let (name, served) = busiest(&self.installation, service, loads.first(), requests).await?;
        let pid = self.installation.instance(&name)?.pid;
        Ok(Struck { name, pid, served })
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill(&self, loads: &Loads, victim: Victim, struck: &Struck) -> Result<()> {
        match victim {
            Victim::Instance(_) => self.installation.kill(&struck.name).await.map(drop),
            Victim::AccessPoint => loads.between_requests(self.kill_and_notice(&struck.name)).await,
            Victim::Application => {
                self.kill_the_application(struck.pid).await;
                Ok(())
            }
        }
    }

    /// Kills an access point, and waits until the client has noticed that its idle connections are closed: sending on
    /// them all the same would be the client's fault.
    async fn kill_and_notice(&self, name: &str) -> Result<()> {
        self.installation.kill(name).await?;
        let port = self.installation.base();
        let noticed = || half_closed(port).is_ok_and(|count| count == 0);
        soon("the client noticed the closed connections", noticed).await
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn hang(&self, loads: &Loads, victim: Victim, struck: &Struck) -> Result<Hung> {
        match victim {
            Victim::AccessPoint => loads.between_requests(Hung::hang(struck.pid)).await,
            Victim::Instance(_) | Victim::Application => Hung::hang(struck.pid).await,
        }
    }

    /// Waits until a victim that was killed or hung answers again.
    ///
    /// # Errors
    /// When it does not.
    pub async fn recovered(&self, struck: &Struck) -> Result<()> {
        if struck.name == "an application" {
            return self.restart_the_application().await;
        }
        let what = format!("{} is ready again", struck.name);
        until(&what, Duration::from_secs(30), async || {
            let operations = self.installation.instance(&struck.name).ok()?.operations;
            let answer = plain_get(&operations, "/ready").await.ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        })
        .await
        .with_context(|| self.installation.logs())
    }
}
