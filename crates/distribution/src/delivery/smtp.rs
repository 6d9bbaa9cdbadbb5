//! Mail servers, in order of preference (RFC 5321, RFC 3207, RFC 8314).

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evergate_model::Secret;
use evergate_model::configuration::{Mail, MailServer, MailTls};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::time::Instant;

use super::carrier::Carried;
use super::mail_password;

/// How long one message may take, whatever the servers do.
pub const SERVER_LIMIT: Duration = Duration::from_secs(20);
/// How long one command of the dialogue may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(8);
/// How long a server that could not be reached is asked last.
const AVOIDED: Duration = Duration::from_secs(60);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    transport: Option<Transport>,
    avoided_until: Option<Instant>,
}

impl Servers {
    /// The servers of a configuration, for the installation in this directory.
    pub(super) fn new(mail: &Mail, installation: &Path) -> Self {
        let server = |settings: &MailServer| Server {
            settings: settings.clone(),
            installation: installation.to_owned(),
            state: Mutex::default(),
        };
        Self { servers: mail.servers.iter().map(server).collect() }
    }

    /// Hands the message to the first server that takes it. A server that refuses it for good may
    /// only refuse to be its relay: the others are asked as well.
    pub(super) async fn send(&self, mail: &Message) -> Carried {
        let dialogue = self.send_in_order(mail);
        tokio::time::timeout(SERVER_LIMIT, dialogue)
            .await
            .unwrap_or_else(|_| Carried::NotNow("the mail servers took too long".to_owned()))
    }

    async fn send_in_order(&self, mail: &Message) -> Carried {
        let mut refusals = Vec::new();
        let mut is_refused_by_all = true;
        for server in self.in_order() {
            let (name, port) = (&server.settings.host, server.settings.port);
            match server.send(mail).await {
                Ok(()) => return Carried::Delivered,
                Err(failure) => {
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

/// Why a server did not take a message.
struct Failure {
    reason: String,
    is_permanent: bool,
}

impl Server {
    async fn send(&self, mail: &Message) -> Result<(), Failure> {
        let transport = self.transport()?;
        match transport.send(mail.clone()).await {
            Ok(_) => {
                self.lock().avoided_until = None;
                Ok(())
            }
            Err(error) => {
                self.forget(error.is_permanent());
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                let reason = format!("{error}{}", cause.unwrap_or_default());
                Err(Failure { reason, is_permanent: error.is_permanent() })
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_avoided(&self, now: Instant) -> bool {
        self.lock().avoided_until.is_some_and(|until| now < until)
    }

    /// After a failure the password is read again; a server that only refused one message stays
    /// preferred.
    fn forget(&self, is_permanent: bool) {
        let mut state = self.lock();
        state.transport = None;
        if !is_permanent {
            state.avoided_until = Some(Instant::now() + AVOIDED);
        }
    }

    fn transport(&self) -> Result<Transport, Failure> {
        if let Some(transport) = &self.lock().transport {
            return Ok(transport.clone());
        }
        let made = connect(&self.settings, &self.installation)
            .map_err(|reason| Failure { reason, is_permanent: false });
        if made.is_err() {
            self.forget(false);
        }
        let transport = made?;
        self.lock().transport = Some(transport.clone());
        Ok(transport)
    }
}

/// A transport; it connects when it is first used.
fn connect(settings: &MailServer, installation: &Path) -> Result<Transport, String> {
    let parameters = || TlsParameters::new(settings.host.clone()).map_err(|error| format!("no TLS: {error}"));
    let tls = match settings.tls {
        MailTls::Starttls => Tls::Required(parameters()?),
        MailTls::Implicit => Tls::Wrapper(parameters()?),
        MailTls::None => Tls::None,
    };
    let builder = Transport::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(COMMAND_LIMIT));
    Ok(match credentials(settings, installation)? {
        Some(credentials) => builder.credentials(credentials).build(),
        None => builder.build(),
    })
}

fn credentials(settings: &MailServer, installation: &Path) -> Result<Option<Credentials>, String> {
    let Some(user) = &settings.user else { return Ok(None) };
    let password = match &settings.password_file {
        None => Secret::new(String::new()),
        Some(file) => mail_password::read(Path::new(file), installation)?,
    };
    Ok(Some(Credentials::new(user.clone(), password.expose().clone())))
}
