//! Moving a whole installation from an SQLite database to an empty PostgreSQL one: all of it or nothing,
//! in one transaction there, while one here keeps every writer out.
//!
//! [`TABLES`] names what there is to move. A test compares it with a new database, and [`move_all`]
//! with the one it is given, so that no table is ever forgotten.

mod tables;

use crate::audit::{self, Verification};
use crate::connection::{Connection, Database};
use crate::query::{query, script};
use crate::{Store, StoreError, Tx, migrations};
use tables::{Columns, count, tables_of};

/// Parents come before those who refer to them.
const TABLES: &[&str] = &[
    "installation",
    "versions",
    "draft",
    "snapshots",
    "key_bundles",
    "authorities",
    "admissions",
    "statuses",
    "wishes",
    "leases",
    "listeners",
    "host_certificates",
    "join_tokens",
    "api_tokens",
    "users",
    "groups",
    "members",
    "credentials",
    "recovery_codes",
    "used_codes",
    "attempts",
    "email_codes",
    "invitations",
    "enrolments",
    "outbox",
    "console_sessions",
    "sessions",
    "hand_overs",
    "revocations",
    POSITION,
    "effects",
    "audit",
];
/// What migrations keep for themselves, on each side its own.
const MIGRATIONS: &str = "migrations";
/// The one table with a row from the beginning.
const POSITION: &str = "revocation_position";
/// So many rows are read, then written with one statement.
const PAGE: i64 = 250;
/// The server ends a transaction that lies idle for half a second; this one may lie longer while this
/// machine reads.
const PATIENCE: &str = "set local idle_in_transaction_session_timeout = '60s'";

/// Why an installation was not moved. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// One of the two did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Only from SQLite to PostgreSQL.
    #[error("an installation moves from an SQLite database to a PostgreSQL one, and not otherwise")]
    Direction,
    /// Made by another version.
    #[error(
        "the tables of the {side} database are not this program's\nhint: bring it up with `evergate database migrate`"
    )]
    OtherTables {
        /// `SQLite` or `PostgreSQL`.
        side: &'static str,
    },
    /// Nobody said how to move that one.
    #[error("the SQLite database has a table `{0}` that this program does not know: it is no installation's")]
    UnknownTable(String),
    /// There is something where it should go.
    #[error(
        "the PostgreSQL database is not empty: table `{table}` has rows\nhint: make a new database for it"
    )]
    NotEmpty {
        /// The first table with something in it.
        table: String,
    },
    /// A text that PostgreSQL cannot keep.
    #[error(
        "column `{column}` of table `{table}` holds a text with a zero byte, which PostgreSQL does not keep"
    )]
    ZeroByte {
        /// The table.
        table: String,
        /// Its column.
        column: String,
    },
    /// The log is broken already.
    #[error("record {number} of the audit log does not follow from the one before")]
    BrokenLog {
        /// The first record that does not follow.
        number: u64,
    },
    /// What arrived is not what was sent.
    #[error("table `{table}` has {there} rows in PostgreSQL and {here} in SQLite")]
    Differs {
        /// The table.
        table: String,
        /// Rows here.
        here: u64,
        /// Rows there.
        there: u64,
    },
    /// The log that arrived is another.
    #[error("the audit log in PostgreSQL is not the one of SQLite")]
    OtherLog,
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// How many rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// The last hash of the audit log: the same on both sides.
    pub head: String,
}

/// Moves everything. The SQLite database stays as it is; from here on only one of the two may be used.
///
/// # Errors
/// When one is not of this program, the target holds anything, or the two do not agree afterwards. The
/// target is then as it was, unless its server was lost during the commit itself.
pub async fn move_all(source: &Store, target: &Store) -> Result<Moved, MoveError> {
    if source.postgres().is_some() || target.postgres().is_none() {
        return Err(MoveError::Direction);
    }
    let mut from = source.begin().await?;
    refuse_other_source(&mut from).await?;
    // A long log takes a while: before anything waits in the target.
    let head = head_of(&mut from).await?;
    let mut to = target.begin().await?;
    if let Database::Postgres(link) = to.database() {
        link.be_patient();
    }
    script(&mut to, PATIENCE).await?;
    refuse_other_target(&mut to).await?;
    let mut rows = Vec::new();
    for &table in TABLES {
        rows.push((table, move_table(&mut from, &mut to, table).await?));
    }
    compare(&mut to, &rows, &head).await?;
    to.commit().await?;
    Ok(Moved { rows, head })
}

/// Only what this program made, and of which every table is moved.
async fn refuse_other_source(from: &mut Tx) -> Result<(), MoveError> {
    if !migrations::are_exactly_ours(from).await? {
        return Err(MoveError::OtherTables { side: "SQLite" });
    }
    let is_unknown = |table: &String| table != MIGRATIONS && !TABLES.contains(&table.as_str());
    match tables_of(from).await?.into_iter().find(is_unknown) {
        Some(table) => Err(MoveError::UnknownTable(table)),
        None => Ok(()),
    }
}

/// Only empty tables of this program; takes out the one row that they begin with.
async fn refuse_other_target(to: &mut Tx) -> Result<(), MoveError> {
    if !migrations::are_exactly_ours(to).await? {
        return Err(MoveError::OtherTables { side: "PostgreSQL" });
    }
    for &table in TABLES.iter().filter(|table| **table != POSITION) {
        if count(to, table).await? != 0 {
            return Err(MoveError::NotEmpty { table: table.to_owned() });
        }
    }
    let used = "select count(*) as held from revocation_position where last <> 0";
    if query(used).fetch_one(to).await?.count("held")? != 0 {
        return Err(MoveError::NotEmpty { table: POSITION.to_owned() });
    }
    query("delete from revocation_position").execute(to).await?;
    Ok(())
}

/// Page after page: the next is read before it is written, so the target is never long without a word.
async fn move_table(from: &mut Tx, to: &mut Tx, table: &'static str) -> Result<u64, MoveError> {
    let columns = Columns::of(from, table).await?;
    let (mut moved, mut after): (u64, i64) = (0, i64::MIN);
    loop {
        let page = columns.page_after(from, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(moved) };
        after = last.place;
        moved = moved.saturating_add(columns.write(to, page).await?);
    }
}

/// Whether as much arrived as was there, and the log is the same to its last hash.
async fn compare(to: &mut Tx, rows: &[(&'static str, u64)], head: &str) -> Result<(), MoveError> {
    for &(table, here) in rows {
        let there = count(to, table).await?;
        if there != here {
            return Err(MoveError::Differs { table: table.to_owned(), here, there });
        }
    }
    if head_of(to).await? == head { Ok(()) } else { Err(MoveError::OtherLog) }
}

/// The last hash of a log that holds.
async fn head_of(connection: &mut Connection) -> Result<String, MoveError> {
    match audit::verify(connection).await? {
        Verification::Whole { head, .. } => Ok(head),
        Verification::Broken { number } => Err(MoveError::BrokenLog { number }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Settings;

    #[tokio::test]
    async fn every_table_that_migrations_make_is_moved_and_parents_go_first() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("x.db").display());
        let store = Store::open(&url, Settings { create: true, ..Settings::default() }).await.unwrap();
        store.migrate().await.unwrap();
        let mut reading = store.read().await.unwrap();
        let there: BTreeSet<String> = tables_of(&mut reading).await.unwrap().into_iter().collect();
        let mut ours: BTreeSet<String> = TABLES.iter().map(|table| (*table).to_owned()).collect();
        assert_eq!(ours.len(), TABLES.len(), "none is named twice");
        ours.insert(MIGRATIONS.to_owned());
        assert_eq!(ours, there, "a table of a migration is to be entered in `TABLES`");

        let references = query(
            "select m.name as child, f.\"table\" as parent from sqlite_master m \
             join pragma_foreign_key_list(m.name) f where m.type = 'table'",
        );
        let references = references.fetch_all(&mut reading).await.unwrap();
        assert!(references.len() >= 10);
        for row in &references {
            let (child, parent): (String, String) =
                (row.column("child").unwrap(), row.column("parent").unwrap());
            let place = |name: &str| TABLES.iter().position(|table| *table == name).unwrap();
            assert!(place(&parent) < place(&child), "`{child}` refers to `{parent}`");
        }
    }
}
