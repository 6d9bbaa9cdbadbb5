//! Asking one server what it is, over a connection that is kept.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Row};
use tokio::time::timeout;

use super::address::Server;
use super::choice::Standing;
use super::trouble::Problem;

/// How long a server may take to answer before it counts as silent.
const LIMIT: Duration = Duration::from_secs(1);

/// The timeline stands in the name of the file that is written to: a promotion changes it before its
/// first write, while the control file lags behind. A standby has none.
const STANDING: &str = "select pg_is_in_recovery() as is_standby, \
     current_setting('transaction_read_only') = 'on' as is_read_only, \
     case when pg_is_in_recovery() then 0 \
     else ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint end as timeline";

/// One server and the connection on which it is asked.
pub(super) struct Probe {
    server: Server,
    /// And which PostgreSQL it leads to.
    connection: Option<(PgConnection, u64)>,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// What it is.
    Is(Standing, Kind),
    /// Why it is of no use.
    No(Problem),
}

/// Why a server takes no writes, if it takes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Writable,
    Standby,
    ReadOnly,
}

impl Probe {
    pub(super) const fn new(server: Server) -> Self {
        Self { server, connection: None }
    }

    /// Asks, and keeps the connection if that went well.
    pub(super) async fn ask(mut self) -> (Self, Answer) {
        let answer = match timeout(LIMIT, self.standing()).await {
            Ok(Ok((standing, kind))) => Answer::Is(standing, kind),
            Ok(Err(error)) => Answer::No(Problem::of_connecting(&error, &self.server)),
            Err(_) => Answer::No(Problem::Silent(LIMIT)),
        };
        if matches!(answer, Answer::No(_)) {
            self.connection = None;
        }
        (self, answer)
    }

    async fn standing(&mut self) -> Result<(Standing, Kind), sqlx::Error> {
        let (connection, system) = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let mut connection = self.server.options.connect().await?;
                let system = system_identifier(&mut connection).await?;
                none.insert((connection, system))
            }
        };
        let row = sqlx::query(STANDING).fetch_one(connection).await?;
        let kind = match (row.try_get("is_standby")?, row.try_get("is_read_only")?) {
            (true, _) => Kind::Standby,
            (false, true) => Kind::ReadOnly,
            (false, false) => Kind::Writable,
        };
        let timeline = u32::try_from(row.try_get::<i64, _>("timeline")?).unwrap_or_default();
        Ok((Standing { is_writable: kind == Kind::Writable, timeline, system: *system }, kind))
    }
}

/// What PostgreSQL gave itself when it was made. 0 where somebody took the right to ask away.
async fn system_identifier(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let asked = sqlx::query_scalar::<_, i64>("select system_identifier from pg_control_system()");
    match asked.fetch_one(connection).await {
        Ok(identifier) => Ok(identifier.cast_unsigned()),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => Ok(0),
        Err(error) => Err(error),
    }
}
