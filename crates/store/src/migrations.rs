//! The tables, in the order in which they came to be.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use sqlx::AssertSqlSafe;

use crate::connection::Database;
use crate::query::{query, script};
use crate::{Connection, StoreError, Tx, dialect};

/// One step: its number, its name, its statements.
struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

impl Migration {
    /// What tells it from another of its number.
    fn hash(&self) -> String {
        HEXLOWER.encode(digest(&SHA256, self.sql.as_bytes()).as_ref())
    }
}

macro_rules! migrations {
    ($($number:literal $file:literal)*) => {
        &[$(Migration { number: $number, name: $file, sql: include_str!(concat!("../migrations/", $file, ".sql")) }),*]
    };
}

/// Entered by number; several builders have ranges of their own (see the crate's page), so a gap is
/// no error.
const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_audit"
    2 "0002_effects"
    3 "0003_users"
    4 "0004_groups"
    5 "0005_credentials"
    6 "0006_attempts"
    7 "0007_email_codes"
    8 "0008_proved_attempts"
    9 "0009_attempt_windows"
    20 "0020_sessions"
    21 "0021_revocations"
    22 "0022_hand_overs"
    30 "0030_outbox"
    31 "0031_enrolments"
    32 "0032_outbox_interruptions"
    40 "0040_invitations"
    50 "0050_installation"
    51 "0051_configuration"
    52 "0052_snapshots"
    53 "0053_keys"
    54 "0054_instances"
    55 "0055_leases"
    56 "0056_access"
    57 "0057_host_certificates"
    58 "0058_listeners"
    59 "0059_join_tokens"
    60 "0060_certificate_lines"
};

/// What the name of a migration contains that takes away what an older program needs. All others
/// only add, so that an older and a newer program run side by side on one database, and an older
/// one starts again after a newer one was there (design.md section 4: expand, then contract a
/// release later).
const CONTRACTS: &str = "_contract_";

/// Applies what is missing, all in the caller's transaction, which keeps all other writers out.
pub(crate) async fn apply(tx: &mut Tx) -> Result<(), StoreError> {
    if let Database::Postgres(link) = tx.database() {
        link.be_patient();
        script(tx, dialect::BLOB.postgres).await?;
    }
    let table = "create table if not exists migrations (number bigint primary key, name text not null, hash text not null)";
    make(tx, table).await?;
    let applied = query("select number, hash, name from migrations order by number")
        .fetch_all(tx)
        .await?
        .iter()
        .map(|row| Ok((row.column("number")?, (row.column("hash")?, row.column("name")?))))
        .collect::<Result<std::collections::BTreeMap<i64, (String, String)>, StoreError>>()?;
    let is_known = |number: i64| MIGRATIONS.iter().any(|ours| ours.number == number);
    if let Some((&number, _)) =
        applied.iter().find(|(number, (_, name))| !is_known(**number) && name.contains(CONTRACTS))
    {
        return Err(StoreError::OtherMigration { number });
    }
    for migration in MIGRATIONS {
        let hash = migration.hash();
        match applied.get(&migration.number) {
            Some((theirs, _)) if *theirs == hash => {}
            Some(_) => return Err(StoreError::OtherMigration { number: migration.number }),
            None => add(tx, migration, &hash).await?,
        }
    }
    Ok(())
}

/// Whether the database has this program's tables: no migration less, none more, none other.
pub(crate) async fn are_exactly_ours(connection: &mut Connection) -> Result<bool, StoreError> {
    if latest_applied(connection).await? == 0 {
        return Ok(false);
    }
    let applied = query("select number, hash from migrations order by number").fetch_all(connection).await?;
    let applied = applied
        .iter()
        .map(|row| Ok((row.column("number")?, row.column("hash")?)))
        .collect::<Result<Vec<(i64, String)>, StoreError>>()?;
    Ok(applied.into_iter().eq(MIGRATIONS.iter().map(|ours| (ours.number, ours.hash()))))
}

/// The number of the latest migration that was applied; 0 where there is none.
pub(crate) async fn latest_applied(connection: &mut Connection) -> Result<i64, StoreError> {
    let table = connection.dialect(&dialect::MIGRATIONS_TABLE);
    if query(table).fetch_one(connection).await?.count("tables")? == 0 {
        return Ok(0);
    }
    query("select coalesce(max(number), 0) as number from migrations")
        .fetch_one(connection)
        .await?
        .column("number")
}

/// The number of the latest migration that this program knows.
pub(crate) fn latest_known() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}

async fn add(tx: &mut Tx, migration: &Migration, hash: &str) -> Result<(), StoreError> {
    make(tx, migration.sql).await?;
    query("insert into migrations (number, name, hash) values ($1, $2, $3)")
        .bind(migration.number)
        .bind(migration.name)
        .bind(hash)
        .execute(tx)
        .await?;
    tracing::debug!(migration = migration.name, "applied a migration");
    Ok(())
}

/// Makes tables.
async fn make(tx: &mut Tx, sql: &'static str) -> Result<(), StoreError> {
    if tx.is_postgres() {
        script(tx, AssertSqlSafe(dialect::tables_for_postgres(sql))).await
    } else {
        script(tx, sql).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_in_order_and_named_by_their_number() {
        assert!(MIGRATIONS.is_sorted_by(|a, b| a.number < b.number));
        for migration in MIGRATIONS {
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)), "{}", migration.name);
        }
    }
}
