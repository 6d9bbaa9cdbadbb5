//! What is wrong with a server, told apart, in words that say what to do.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use super::address::{self, Server};
use crate::StoreError;

/// A server that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Host and port.
    pub server: String,
    /// Why.
    pub problem: Problem,
}

/// Why a server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Its host's name leads to no address.
    #[error("there is no host of that name")]
    HostUnknown,
    /// Nobody listens there.
    #[error("it refuses connections")]
    Refused,
    /// No answer.
    #[error("it did not answer within {} ms", .0.as_millis())]
    Silent(Duration),
    /// The way there is broken.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It knows nobody of that name.
    #[error("it knows nobody named `{0}`")]
    NameUnknown(String),
    /// Name and password do not fit; it does not say which is wrong.
    #[error("it does not accept the password of `{0}`")]
    WrongPassword(String),
    /// It lets nobody in from here by that name.
    #[error("it does not let `{user}` in from here: {reason}")]
    NotLetIn {
        /// The name.
        user: String,
        /// What it said.
        reason: String,
    },
    /// It has no such database.
    #[error("it has no database `{0}`")]
    NoDatabase(String),
    /// It lets nobody of that name in without TLS, and the address asks for none.
    #[error("it does not let `{0}` in without TLS, which the address switches off")]
    TlsRequired(String),
    /// The address wants TLS and it has none.
    #[error("it does not offer TLS, which the address asks for")]
    TlsNotOffered,
    /// Its certificate is not believed.
    #[error("its certificate is not believed: {0}")]
    TlsUntrusted(String),
    /// A file that the address names is not there.
    #[error("a file that the address names cannot be read: {0}")]
    File(String),
    /// It follows another server and takes no writes.
    #[error("it is a standby and takes no writes")]
    Standby,
    /// It was told to take no writes.
    #[error("it is read-only")]
    ReadOnly,
    /// It takes writes but was replaced by another, which is not there.
    #[error("it was replaced: its timeline is {timeline}, and {seen} has been seen")]
    Replaced {
        /// Its own.
        timeline: u32,
        /// The highest one seen.
        seen: u32,
    },
    /// It takes no more connections.
    #[error("it takes no more connections")]
    Full,
    /// It is starting or stopping.
    #[error("it is starting or stopping: {0}")]
    Starting(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Problem {
    /// Whether it may be over in a moment by itself.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::HostUnknown
                | Self::Refused
                | Self::Silent(_)
                | Self::Unreachable(_)
                | Self::Standby
                | Self::ReadOnly
                | Self::Starting(_)
        )
    }
}

impl Problem {
    /// What can be done.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::HostUnknown => "is the host's name in the address right, and does this machine resolve it?",
            Self::Refused => {
                "is PostgreSQL running, does it listen there (`listen_addresses`), and is the port right?"
            }
            Self::Silent(_) | Self::Unreachable(_) => {
                "is the host up, and does a firewall let this machine through to its port?"
            }
            Self::NameUnknown(_) => {
                "is the name in the address right? `create role NAME login password '...'` makes one"
            }
            Self::WrongPassword(_) => {
                "are name and password in the address right? signs such as `/` and `@` are written `%2F` and `%40`"
            }
            Self::NotLetIn { .. } => {
                "a line for this machine and name must stand in the server's `pg_hba.conf`"
            }
            Self::NoDatabase(_) => "make it: `create database NAME owner NAME`",
            Self::TlsRequired(_) => {
                "say `sslmode=verify-full` in the address, and `sslrootcert=FILE` with the server's CA, or let it in by `pg_hba.conf`"
            }
            Self::TlsNotOffered => {
                "switch TLS on there (`ssl = on`), or say `sslmode=disable` where the network between is yours alone"
            }
            Self::TlsUntrusted(_) => {
                "name its CA in the address: `sslrootcert=FILE`; the host's name must stand in its certificate"
            }
            Self::File(_) => {
                "are the files of `sslrootcert`, `sslcert` and `sslkey` there, and may this process read them?"
            }
            Self::Standby => {
                "name all servers in the address, or promote this one if the other is gone for good"
            }
            Self::ReadOnly => {
                "`default_transaction_read_only` is on there, for the server, the database or the name"
            }
            Self::Replaced { .. } => {
                "make it follow the one that replaced it (`pg_rewind`), or name that one in the address"
            }
            Self::Full => "raise `max_connections` there, or find out who holds them (`pg_stat_activity`)",
            Self::Starting(_) => "wait; its log says how far it is",
            Self::Other(_) => "the server's log says more",
        }
    }

    /// Why `server` could not be connected to.
    pub(super) fn of_connecting(error: &sqlx::Error, server: &Server) -> Self {
        match error {
            sqlx::Error::Io(error) => of_io(error, server),
            sqlx::Error::Tls(error) => of_tls(&error.to_string()),
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => of_refusal(error.code(), error.message(), server),
                None => Self::Other(error.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.server, self.problem)
    }
}

/// All troubles in one text, with the hint of the first that says more than that nobody answers.
pub(crate) fn in_one_text(troubles: &[Trouble]) -> String {
    let says_more = |trouble: &&Trouble| {
        !matches!(trouble.problem, Problem::Refused | Problem::Silent(_) | Problem::Unreachable(_))
    };
    let hint = troubles.iter().find(says_more).or(troubles.first()).map(|trouble| trouble.problem.hint());
    let all: Vec<String> = troubles.iter().map(ToString::to_string).collect();
    let what =
        if troubles.len() == 1 { "the database at" } else { "none of the database's servers takes writes:" };
    format!("{what} {}\nhint: {}", all.join("; "), hint.unwrap_or_default())
}

fn of_io(error: &std::io::Error, server: &Server) -> Problem {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::ConnectionRefused => Problem::Refused,
        ErrorKind::InvalidData => of_tls(&text),
        // The socket is not there; over TCP it is one of the files that TLS wants.
        ErrorKind::NotFound if !address::is_socket(server) => Problem::File(text),
        ErrorKind::NotFound => Problem::Refused,
        _ if text.starts_with("failed to lookup address") => Problem::HostUnknown,
        _ => Problem::Unreachable(text),
    }
}

fn of_tls(text: &str) -> Problem {
    if text.contains("does not support TLS") {
        return Problem::TlsNotOffered;
    }
    let reason = text.strip_prefix("invalid peer certificate: ").unwrap_or(text);
    Problem::TlsUntrusted(reason.to_owned())
}

/// By SQLSTATE (PostgreSQL's appendix A).
fn of_refusal(code: &str, message: &str, server: &Server) -> Problem {
    let user = || server.options.get_username().to_owned();
    let database = || server.options.get_database().unwrap_or_default().to_owned();
    match code {
        "28P01" => Problem::WrongPassword(user()),
        "28000" if message.starts_with("role ") && message.ends_with(" does not exist") => {
            Problem::NameUnknown(user())
        }
        // A server that offers TLS was not asked for it.
        "28000" if message.ends_with("no encryption") && address::refuses_tls(server) => {
            Problem::TlsRequired(user())
        }
        "28000" | "42501" => Problem::NotLetIn { user: user(), reason: message.to_owned() },
        "3D000" => Problem::NoDatabase(database()),
        "53300" => Problem::Full,
        "57P01" | "57P02" | "57P03" => Problem::Starting(message.to_owned()),
        _ => Problem::Other(message.to_owned()),
    }
}

/// What a statement's failure means.
pub(super) fn of_statement(error: sqlx::Error) -> StoreError {
    let code = code_of(&error).unwrap_or_default();
    let message = || match &error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    match code.as_str() {
        "23505" => StoreError::Taken(message()),
        // Waited too long for a lock; lost against another and may try again.
        "55P03" | "40001" | "40P01" => StoreError::Busy,
        "25P02" => StoreError::Undone,
        "25006" => StoreError::ReadOnly,
        "42P01" | "42703" => StoreError::NotMigrated(message()),
        _ => StoreError::Database(error),
    }
}

/// Whether the connection is of no use after that error, and another server may be the one to ask.
pub(super) fn is_of_no_more_use(error: &sqlx::Error) -> bool {
    match code_of(error) {
        // Classes 08 and 57P: the connection; 25P03: idle for too long in a transaction; 25006: read-only.
        Some(code) => code.starts_with("08") || code.starts_with("57P") || code == "25P03" || code == "25006",
        None => !matches!(error, sqlx::Error::RowNotFound),
    }
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Database(error) => error.code().map(|code| code.into_owned()),
        _ => None,
    }
}
