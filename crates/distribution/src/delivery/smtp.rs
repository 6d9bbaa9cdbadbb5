//! Mail servers, in order of preference: which is asked next, and what is remembered of each.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evergate_model::configuration::{Mail, MailServer};
use lettre::Message;
use tokio::time::Instant;

use super::carrier::Carried;
use super::dialogue::{self, Failure};
use super::lease::Lease;

/// How long one message may take, whatever the servers do.
pub const SERVER_LIMIT: Duration = Duration::from_secs(20);
/// How long a server that could not be reached is asked last.
const AVOIDED: Duration = Duration::from_secs(60);

/// The configured servers.
#[derive(Debug)]
pub(super) struct Servers {
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    settings: MailServer,
    /// The installation's directory.
    installation: PathBuf,
    avoided_until: Mutex<Option<Instant>>,
}

impl Servers {
    /// The servers of a configuration, for the installation in this directory.
    pub(super) fn new(mail: &Mail, installation: &Path) -> Self {
        let server = |settings: &MailServer| Server {
            settings: settings.clone(),
            installation: installation.to_owned(),
            avoided_until: Mutex::default(),
        };
        Self { servers: mail.servers.iter().map(server).collect() }
    }

    /// Hands the message to the first server that takes it. A server that refuses it for good may
    /// only refuse to be its relay: the others are asked as well.
    pub(super) async fn send(&self, mail: &Message, lease: &Lease) -> Carried {
        let dialogue = self.send_in_order(mail, lease);
        tokio::time::timeout(SERVER_LIMIT, dialogue)
            .await
            .unwrap_or_else(|_| Carried::NotNow("the mail servers took too long".to_owned()))
    }

    async fn send_in_order(&self, mail: &Message, lease: &Lease) -> Carried {
        let mut refusals = Vec::new();
        let mut is_refused_by_all = true;
        for server in self.in_order() {
            let (name, port) = (&server.settings.host, server.settings.port);
            match server.send(mail, lease).await {
                Ok(()) => return Carried::Delivered,
                Err(Failure::LeaseOver) => {
                    return Carried::NotNow(
                        "the lease was over before the message was handed over".to_owned(),
                    );
                }
                Err(Failure::Server(failure)) => {
                    is_refused_by_all &= failure.is_permanent;
                    refusals.push(format!("`{name}:{port}`: {}", failure.reason));
                }
            }
        }
        let reason = refusals.join("; ");
        if is_refused_by_all && !reason.is_empty() {
            Carried::Refused(reason)
        } else {
            Carried::NotNow(reason)
        }
    }

    /// Those that answered last time first, each part in the configured order.
    fn in_order(&self) -> Vec<&Server> {
        let now = Instant::now();
        let (avoided, preferred): (Vec<_>, Vec<_>) =
            self.servers.iter().partition(|server| server.is_avoided(now));
        preferred.into_iter().chain(avoided).collect()
    }
}

impl Server {
    async fn send(&self, mail: &Message, lease: &Lease) -> Result<(), Failure> {
        let sent = dialogue::hand_over(&self.settings, &self.installation, mail, lease).await;
        match &sent {
            Ok(()) => *self.lock() = None,
            // A server that only refused one message stays preferred.
            Err(Failure::Server(refusal)) if !refusal.is_permanent => {
                *self.lock() = Some(Instant::now() + AVOIDED);
            }
            Err(_) => {}
        }
        sent
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.avoided_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_avoided(&self, now: Instant) -> bool {
        self.lock().is_some_and(|until| now < until)
    }
}
