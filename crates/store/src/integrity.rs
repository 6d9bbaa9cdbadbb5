//! Whether the database is whole: what `evergate database check` asks.

use sqlx::AssertSqlSafe;

use crate::connection::Database;
use crate::query::query;
use crate::{Connection, StoreError, migrations};

/// No more problems than these are listed.
const MOST: i64 = 100;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity {
    /// The latest migration that was applied; 0 where there is none.
    pub migration: i64,
    /// The latest migration that this program knows.
    pub known_migration: i64,
    /// What is wrong with pages, indexes and references; nothing if it is whole.
    pub problems: Vec<String>,
}

/// Looks through the whole database; reads only, and takes as long as that takes. PostgreSQL's pages
/// are for its own `pg_amcheck`; its indexes, constraints and references are looked at here.
///
/// # Errors
/// When the database does not answer.
pub async fn check(connection: &mut Connection) -> Result<Integrity, StoreError> {
    let mut problems = Vec::new();
    if connection.is_postgres() {
        unfinished_in_postgres(connection, &mut problems).await?;
        references_in_postgres(connection, &mut problems).await?;
    } else {
        pages_of_sqlite(connection, &mut problems).await?;
        references_in_sqlite(connection, &mut problems).await?;
    }
    let (migration, known_migration) = migration(connection).await?;
    Ok(Integrity { migration, known_migration, problems })
}

async fn pages_of_sqlite(connection: &mut Connection, problems: &mut Vec<String>) -> Result<(), StoreError> {
    let pages = query("select integrity_check as line from pragma_integrity_check limit $1").bind(MOST);
    for row in pages.fetch_all(connection).await? {
        let line: String = row.column("line")?;
        if line != "ok" {
            problems.push(line);
        }
    }
    Ok(())
}

async fn references_in_sqlite(
    connection: &mut Connection,
    problems: &mut Vec<String>,
) -> Result<(), StoreError> {
    let references =
        query("select \"table\" as child, parent from pragma_foreign_key_check limit $1").bind(MOST);
    for row in references.fetch_all(connection).await? {
        let (table, parent): (String, Option<String>) = (row.column("child")?, row.column("parent")?);
        problems.push(dangling(&table, &parent.unwrap_or_default()));
    }
    Ok(())
}

/// Indexes and constraints that the server itself does not trust.
async fn unfinished_in_postgres(
    connection: &mut Connection,
    problems: &mut Vec<String>,
) -> Result<(), StoreError> {
    let unfinished = query(
        "select 'index' as kind, c.relname::text as name from pg_index i \
         join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = current_schema() and not (i.indisvalid and i.indisready) \
         union all select 'constraint', c.conname::text from pg_constraint c \
         join pg_namespace n on n.oid = c.connamespace \
         where n.nspname = current_schema() and not c.convalidated limit $1",
    );
    for row in unfinished.bind(MOST).fetch_all(connection).await? {
        let (kind, name): (String, String) = (row.column("kind")?, row.column("name")?);
        problems.push(format!("the {kind} `{name}` is not valid"));
    }
    Ok(())
}

/// References are the server's to keep, but whoever restores or copies may switch that off. All of ours
/// are of one column.
async fn references_in_postgres(
    connection: &mut Connection,
    problems: &mut Vec<String>,
) -> Result<(), StoreError> {
    if let Database::Postgres(link) = connection.database() {
        link.be_patient();
    }
    let references = query(
        "select c.conrelid::regclass::text as child, c.confrelid::regclass::text as parent, \
         quote_ident(a.attname::text) as child_column, quote_ident(b.attname::text) as parent_column \
         from pg_constraint c join pg_namespace n on n.oid = c.connamespace \
         join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1] \
         join pg_attribute b on b.attrelid = c.confrelid and b.attnum = c.confkey[1] \
         where c.contype = 'f' and n.nspname = current_schema() order by 1, 2",
    );
    for row in references.fetch_all(connection).await? {
        let (child, parent): (String, String) = (row.column("child")?, row.column("parent")?);
        let (from, to): (String, String) = (row.column("child_column")?, row.column("parent_column")?);
        let sql = format!(
            "select 1 as found from {child} c where c.{from} is not null \
             and not exists (select 1 from {parent} p where p.{to} = c.{from}) limit 1"
        );
        // The names are the catalogue's, quoted by it.
        if query(AssertSqlSafe(sql)).fetch_optional(connection).await?.is_some() {
            problems.push(dangling(&child, &parent));
        }
    }
    Ok(())
}

fn dangling(child: &str, parent: &str) -> String {
    format!("a row of `{child}` refers to one of `{parent}` that is not there")
}

/// The latest migration that was applied (0 where there is none), and the latest that this program
/// knows.
///
/// # Errors
/// When the database does not answer.
pub async fn migration(connection: &mut Connection) -> Result<(i64, i64), StoreError> {
    Ok((migrations::latest_applied(connection).await?, migrations::latest_known()))
}

#[cfg(test)]
mod tests {
    use crate::query::script;
    use crate::{Settings, Store};

    #[tokio::test]
    async fn a_new_database_is_whole_and_a_dangling_reference_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("x.db").display());
        let store = Store::open(&url, Settings { create: true, ..Settings::default() }).await.unwrap();
        let before = super::check(&mut store.read().await.unwrap()).await.unwrap();
        assert_eq!(before.migration, 0);
        store.migrate().await.unwrap();
        let after = super::check(&mut store.read().await.unwrap()).await.unwrap();
        assert_eq!((after.migration, after.problems), (after.known_migration, Vec::new()));
        let mut tx = store.begin().await.unwrap();
        let dangling = "create table a (id integer primary key); \
                        create table b (a integer references a (id) deferrable initially deferred); \
                        insert into b values (7); insert into a values (7);";
        script(&mut tx, dangling).await.unwrap();
        tx.commit().await.unwrap();
        let mut connection = store.read().await.unwrap();
        script(&mut connection, "pragma foreign_keys = off; delete from a;").await.unwrap();
        let found = super::check(&mut connection).await.unwrap();
        assert_eq!(found.problems, ["a row of `b` refers to one of `a` that is not there"]);
    }
}
