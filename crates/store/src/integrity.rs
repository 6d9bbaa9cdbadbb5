//! Whether the database is whole: what `evergate database check` asks.

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

/// Looks through the whole database; reads only, and takes as long as that takes.
///
/// # Errors
/// When the database does not answer, or is PostgreSQL, which has tools of its own for that.
pub async fn check(connection: &mut Connection) -> Result<Integrity, StoreError> {
    connection.wants_sqlite("looking through pages", "look through PostgreSQL's with `pg_amcheck`")?;
    let mut problems = Vec::new();
    let pages = query("select integrity_check as line from pragma_integrity_check limit $1").bind(MOST);
    for row in pages.fetch_all(connection).await? {
        let line: String = row.column("line")?;
        if line != "ok" {
            problems.push(line);
        }
    }
    let references =
        query("select \"table\" as child, parent from pragma_foreign_key_check limit $1").bind(MOST);
    for row in references.fetch_all(connection).await? {
        let (table, parent): (String, Option<String>) = (row.column("child")?, row.column("parent")?);
        problems.push(format!(
            "a row of `{table}` refers to one of `{}` that is not there",
            parent.unwrap_or_default()
        ));
    }
    let (migration, known_migration) = migration(connection).await?;
    Ok(Integrity { migration, known_migration, problems })
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
