//! Does the fault, and heals it: through the supervisor where an instance is struck, itself where a
//! server of the drill's own application is.
//!
//! The supervisor lets whatever it has stopped go on when the connection to it ends, however the
//! drill ends, and at the latest after its dead-man's time.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use evergate_process::http_client::HttpClient;
use evergate_process::supervisor::control::{self, Client, What};
use http::{Request, StatusCode};
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::application::Server;
use super::report::Fault;
use super::victim::{Struck, Victim, gone};
use super::{DrillError, fixture};
use crate::running::RunningInstance;

/// So long a hang lasts.
pub(super) const HANG: Duration = Duration::from_secs(10);
/// A killed server of the drill's application is away for so long.
const AWAY: Duration = Duration::from_secs(2);
/// A process that starts is asked whether it is ready; it is asked again soon.
const PATIENCE: Duration = Duration::from_millis(200);

/// What strikes and heals.
pub(super) struct Hand {
    supervisor: Client,
    pub(super) servers: Vec<Server>,
    /// That the supervisor killed the victim, when, and why.
    pub(super) killed: Option<(Instant, String)>,
    /// The victim's next process.
    next: Option<RunningInstance>,
}

/// How the victim came back.
#[derive(Debug, Clone)]
pub(super) struct Back {
    pub(super) at: Instant,
    pub(super) how: &'static str,
    /// Its process now, where it is another.
    pub(super) process: Option<RunningInstance>,
}

impl Hand {
    /// Connects to the supervisor of the installation in `data`, and starts the application's servers.
    pub(super) async fn new(program: &Path, data: &Path) -> Result<Self, DrillError> {
        let supervisor = Client::connect(data).await?;
        Ok(Self { supervisor, servers: fixture::servers(program).await?, killed: None, next: None })
    }

    /// Strikes. The victim may have been restarted since it was chosen: it is the process that was
    /// struck afterwards.
    pub(super) async fn strike(&mut self, victim: &mut Victim, fault: Fault) -> Result<Struck, DrillError> {
        (self.killed, self.next) = (None, None);
        drop(self.supervisor.arrived());
        let at = Instant::now();
        match victim {
            Victim::Instance(instance) => {
                let fault = match fault {
                    Fault::Crash => control::Fault::Crash,
                    Fault::Hang => control::Fault::Hang,
                };
                let lasts = (fault == control::Fault::Hang).then_some(HANG);
                instance.pid = self.supervisor.strike(instance.name.as_str(), fault, lasts).await?;
            }
            Victim::Server { place, .. } => {
                let signal = match fault {
                    Fault::Crash => Signal::SIGKILL,
                    Fault::Hang => Signal::SIGSTOP,
                };
                self.servers.get(*place).map_or(Ok(()), |server| server.signal(signal))?;
            }
        }
        let silent = match fault {
            Fault::Crash => gone(victim.process()).await,
            Fault::Hang => Instant::now(),
        };
        Ok(Struck { at, silent })
    }

    /// Looks whether the victim is back, and heals it where its time has come.
    pub(super) async fn back(
        &mut self,
        victim: &Victim,
        fault: Fault,
        struck: Struck,
    ) -> Result<Option<Back>, DrillError> {
        match victim {
            Victim::Instance(instance) => self.instance_back(instance, fault, struck).await,
            Victim::Server { place, .. } => self.server_back(*place, fault, struck).await,
        }
    }

    async fn server_back(
        &mut self,
        place: usize,
        fault: Fault,
        struck: Struck,
    ) -> Result<Option<Back>, DrillError> {
        let Some(server) = self.servers.get_mut(place) else { return Ok(None) };
        let passed = struck.at.elapsed();
        match fault {
            Fault::Crash if passed >= AWAY => {
                server.restart().await?;
                Ok(Some(Back::now("restarted", None)))
            }
            Fault::Hang if passed >= HANG => {
                server.signal(Signal::SIGCONT)?;
                Ok(Some(Back::now("continued", None)))
            }
            _ => Ok(None),
        }
    }

    async fn instance_back(
        &mut self,
        instance: &RunningInstance,
        fault: Fault,
        struck: Struck,
    ) -> Result<Option<Back>, DrillError> {
        let mut was_healed = false;
        for event in
            self.supervisor.arrived().into_iter().filter(|event| event.child == instance.name.as_str())
        {
            match event.what {
                What::Started if event.pid != instance.pid => {
                    self.next = Some(RunningInstance { pid: event.pid, ..instance.clone() });
                }
                What::Killed { why } => self.killed = Some((Instant::now(), why)),
                What::Healed { .. } => was_healed = true,
                What::Started | What::Ended { .. } => {}
            }
        }
        if let Some(next) = &self.next {
            let how = if self.killed.is_some() { "restarted by the supervisor" } else { "restarted" };
            return Ok(is_ready(next).await.then(|| Back::now(how, Some(next.clone()))));
        }
        if fault == Fault::Hang && self.killed.is_none() && struck.at.elapsed() >= HANG {
            self.supervisor.heal(instance.name.as_str()).await?;
            was_healed = true;
        }
        Ok(was_healed.then(|| Back::now("continued", None)))
    }
}

impl Back {
    fn now(how: &'static str, process: Option<RunningInstance>) -> Self {
        Self { at: Instant::now(), how, process }
    }
}

async fn is_ready(instance: &RunningInstance) -> bool {
    let request = Request::get(format!("http://{}/ready", instance.operations)).body(Bytes::new());
    let Ok(request) = request else { return false };
    let answer = HttpClient::plain().within(PATIENCE).send(request).await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

/// Waits between two looks: often while it is new, then seldom.
pub(super) async fn pause(struck: Struck) {
    let is_new = struck.at.elapsed() < Duration::from_secs(3);
    sleep(Duration::from_millis(if is_new { 10 } else { 50 })).await;
}
