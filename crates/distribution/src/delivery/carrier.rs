//! How a message leaves: by the configured servers, or as a file where there are none.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use evergate_model::Timestamp;
use evergate_model::configuration::Mail;
use evergate_store::outbox::Leased;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;

use super::files;
use super::lease::Lease;
use super::smtp::Servers;
use crate::letter::Letter;

/// The sender where none is configured.
const OWN_SENDER: &str = "Evergate <evergate@localhost>";

/// What came of carrying a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// It was handed over.
    Delivered,
    /// It cannot be delivered, ever.
    Refused(String),
    /// It could not be delivered this time.
    NotNow(String),
}

/// How messages leave.
#[derive(Debug)]
pub(super) struct Carrier {
    directory: PathBuf,
    mail: Option<Mail>,
    servers: Option<Servers>,
}

impl Carrier {
    /// Writes files to `directory`, which lies in the installation's, until it is told of servers.
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self { directory, mail: None, servers: None }
    }

    /// Uses these servers from now on, if they are others than before.
    pub(super) fn use_configuration(&mut self, mail: Option<&Mail>) {
        if self.mail.as_ref() != mail {
            self.mail = mail.cloned();
            let installation = self.directory.parent().unwrap_or(&self.directory);
            self.servers = mail.map(|mail| Servers::new(mail, installation));
        }
    }

    pub(super) async fn carry(&self, message: &Leased, letter: &Letter, lease: &Lease) -> Carried {
        let sender = self.mail.as_ref().map_or(OWN_SENDER, |mail| mail.from.as_str());
        let mail = match write(sender, message, letter) {
            Ok(mail) => mail,
            Err(reason) => return Carried::Refused(reason),
        };
        match &self.servers {
            Some(servers) => servers.send(&mail, lease).await,
            None => files::write(&self.directory, message.id, mail.formatted()).await,
        }
    }
}

/// The mail (RFC 5322). Date and Message-ID are the same at every try, so that a receiver which
/// gets it twice can tell.
fn write(sender: &str, message: &Leased, letter: &Letter) -> Result<Message, String> {
    let from: Mailbox = sender.parse().map_err(|_| format!("`{sender}` is not a sender"))?;
    let to: Mailbox = message.recipient.parse().map_err(|_| "the recipient is not an address".to_owned())?;
    let message_id = format!("<{}@{}>", message.id, from.email.domain());
    let since_epoch: Duration = message.accepted_at.since(Timestamp::from_seconds(0));
    Message::builder()
        .from(from)
        .to(to)
        .subject(letter.subject)
        .date(UNIX_EPOCH + since_epoch)
        .message_id(Some(message_id))
        .header(ContentType::TEXT_PLAIN)
        .body(letter.body.clone())
        .map_err(|error| error.to_string())
}
