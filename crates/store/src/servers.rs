//! Which server of PostgreSQL takes writes, how what is written to it is kept, and who can listen on
//! the way there: what `evergate database check` says.

use evergate_model::Timestamp;

use crate::connection::{Connection, Inner};
use crate::query::query;
use crate::{Store, StoreError, Trouble};

/// What the server in use says of itself and of this connection. A follower counts as waited for
/// whatever it has done by then (received, written, applied): it has what a commit told of.
const SELF: &str = "select current_setting('server_version') as version, \
     trim(current_setting('synchronous_standby_names')) <> '' \
     and current_setting('synchronous_commit') in ('on', 'remote_apply', 'remote_write') as is_synchronous, \
     coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as is_encrypted, \
     coalesce(inet_client_addr() <<= inet '127.0.0.0/8' or inet_client_addr() = inet '::1', true) as is_near";

/// How the servers stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    /// The one that takes writes: host and port.
    pub writes: String,
    /// Its version, as it says it.
    pub version: String,
    /// Its timeline; every promotion begins a higher one.
    pub timeline: u32,
    /// Whether a commit waits for a standby, so that a promotion loses none.
    pub is_synchronous: bool,
    /// How what passes on the connection is kept from others.
    pub privacy: Privacy,
    /// The other servers of the address, and why they take no writes.
    pub others: Vec<Trouble>,
}

/// Who else can read what passes on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// Nobody: it does not leave this machine.
    SameMachine,
    /// Nobody: TLS, and the server's certificate is checked.
    Checked,
    /// Whoever takes the server's place: TLS, and nobody checks the certificate.
    Unchecked,
    /// Whoever is in between.
    Plain,
}

impl Privacy {
    /// Its word in what is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameMachine => "same-machine",
            Self::Checked => "tls",
            Self::Unchecked => "tls-unchecked",
            Self::Plain => "plain",
        }
    }
}

/// How the servers of a store stand; `None` with SQLite, which has none.
///
/// # Errors
/// When no server takes writes, or it does not answer.
pub async fn look(store: &Store) -> Result<Option<Servers>, StoreError> {
    let Some(postgres) = store.postgres() else { return Ok(None) };
    let (link, writes) = postgres.read_somewhere().await?;
    let mut connection = Connection::new(Inner::Postgres(link));
    let row = query(SELF).fetch_one(&mut connection).await?;
    let door = postgres.door(&writes);
    let (is_encrypted, is_near): (bool, bool) = (row.column("is_encrypted")?, row.column("is_near")?);
    let privacy = match (is_encrypted, door) {
        // Both ends have to say so: a relay makes one of them believe it.
        (_, Some(door)) if is_near && door.is_near => Privacy::SameMachine,
        (true, Some(door)) if door.checks_certificate => Privacy::Checked,
        (true, _) => Privacy::Unchecked,
        (false, _) => Privacy::Plain,
    };
    Ok(Some(Servers {
        version: row.column("version")?,
        timeline: postgres.timeline(),
        is_synchronous: row.column("is_synchronous")?,
        privacy,
        others: postgres.troubles().into_iter().filter(|trouble| trouble.server != writes).collect(),
        writes,
    }))
}

/// What time it is at the server that takes writes; `None` with SQLite, which has this machine's.
///
/// # Errors
/// When no server takes writes, or it does not answer.
pub async fn clock(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    let Some(postgres) = store.postgres() else { return Ok(None) };
    let (link, _) = postgres.read_somewhere().await?;
    let mut connection = Connection::new(Inner::Postgres(link));
    // Of the transaction's `now()` all statements have the same.
    let row = query("select (extract(epoch from clock_timestamp()) * 1000)::bigint as now");
    let row = row.fetch_one(&mut connection).await?;
    Ok(Some(Timestamp::from_milliseconds(row.column("now")?)))
}
