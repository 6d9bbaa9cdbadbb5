//! One message to one mail server (RFC 5321, RFC 3207, RFC 8314). The dialogue is taken step by step,
//! because its last one, handing the message over, must not be done by an instance that hung since
//! the first.

use std::path::Path;
use std::time::Duration;

use evergate_model::Secret;
use evergate_model::configuration::{MailServer, MailTls};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};

use super::lease::Lease;
use super::mail_password;

/// How long one command of the dialogue may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(8);
/// How long a server may take to say good-bye.
const FAREWELL_LIMIT: Duration = Duration::from_millis(200);

/// Why a message was not handed over.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server did not take it.
    Server(Refusal),
    /// It is another instance's to send by now.
    LeaseOver,
}

/// Why a server did not take a message.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) is_permanent: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        let reason = format!("{error}{}", cause.unwrap_or_default());
        Self::Server(Refusal { reason, is_permanent: error.is_permanent() })
    }
}

impl Failure {
    fn for_now(reason: String) -> Self {
        Self::Server(Refusal { reason, is_permanent: false })
    }
}

/// Hands the message to the server, if the lease still allows it when the server is ready to take it.
/// The password is read anew each time: it may have been changed.
pub(super) async fn hand_over(
    settings: &MailServer,
    installation: &Path,
    mail: &Message,
    lease: &Lease,
) -> Result<(), Failure> {
    let credentials = credentials(settings, installation).map_err(Failure::for_now)?;
    let mut connection = connect(settings).await?;
    if let Some(credentials) = &credentials {
        connection.auth(DEFAULT_MECHANISMS, credentials).await?;
    }
    let outcome = speak(&mut connection, mail, lease).await;
    if !matches!(outcome, Err(Failure::LeaseOver)) {
        // A server that took the message took it, whatever it says to the farewell.
        let _ = tokio::time::timeout(FAREWELL_LIMIT, connection.abort()).await;
    }
    outcome
}

async fn connect(settings: &MailServer) -> Result<AsyncSmtpConnection, Failure> {
    let tls = || {
        TlsParameters::new(settings.host.clone())
            .map_err(|error| Failure::for_now(format!("no TLS: {error}")))
    };
    let (server, hello) = ((settings.host.as_str(), settings.port), ClientId::default());
    let wrapped = if settings.tls == MailTls::Implicit { Some(tls()?) } else { None };
    let mut connection =
        AsyncSmtpConnection::connect_tokio1(server, Some(COMMAND_LIMIT), &hello, wrapped, None).await?;
    if settings.tls == MailTls::Starttls {
        connection.starttls(tls()?, &hello).await?;
    }
    Ok(connection)
}

async fn speak(connection: &mut AsyncSmtpConnection, mail: &Message, lease: &Lease) -> Result<(), Failure> {
    let (envelope, text) = (mail.envelope(), mail.formatted());
    let options = options(connection, &text, envelope.from().into_iter().chain(envelope.to()))?;
    connection.command(Mail::new(envelope.from().cloned(), options)).await?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await?;
    }
    connection.command(Data).await?;
    if !lease.allows_handing_over() {
        return Err(Failure::LeaseOver);
    }
    connection.message(&text).await?;
    Ok(())
}

/// What the server has to be able to do for this message.
fn options<'a>(
    connection: &AsyncSmtpConnection,
    text: &[u8],
    mut addresses: impl Iterator<Item = &'a Address>,
) -> Result<Vec<MailParameter>, Failure> {
    let wanted = [
        (
            !addresses.all(|address| address.to_string().is_ascii()),
            Extension::SmtpUtfEight,
            MailParameter::SmtpUtfEight,
        ),
        (!text.is_ascii(), Extension::EightBitMime, MailParameter::Body(MailBodyParameter::EightBitMime)),
    ];
    let mut options = Vec::new();
    for (is_wanted, extension, option) in wanted {
        if is_wanted && !connection.server_info().supports_feature(extension) {
            let reason = format!("the server cannot do `{extension}`, which the message needs");
            return Err(Failure::Server(Refusal { reason, is_permanent: true }));
        }
        options.extend(is_wanted.then_some(option));
    }
    Ok(options)
}

fn credentials(settings: &MailServer, installation: &Path) -> Result<Option<Credentials>, String> {
    let Some(user) = &settings.user else { return Ok(None) };
    let password = match &settings.password_file {
        None => Secret::new(String::new()),
        Some(file) => mail_password::read(Path::new(file), installation)?,
    };
    Ok(Some(Credentials::new(user.clone(), password.expose().clone())))
}
