//! Whether the database is whole: what `evergate database check` asks.

use sqlx::Row;

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
/// When the database does not answer.
pub async fn check(connection: &mut Connection) -> Result<Integrity, StoreError> {
    let mut problems = Vec::new();
    let pages = sqlx::query("select * from pragma_integrity_check limit $1").bind(MOST);
    for row in pages.fetch_all(&mut *connection).await? {
        let line: String = row.try_get(0)?;
        if line != "ok" {
            problems.push(line);
        }
    }
    let references =
        sqlx::query("select \"table\", parent from pragma_foreign_key_check limit $1").bind(MOST);
    for row in references.fetch_all(&mut *connection).await? {
        let (table, parent): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        problems.push(format!(
            "a row of `{table}` refers to one of `{}` that is not there",
            parent.unwrap_or_default()
        ));
    }
    let migration = migrations::latest_applied(connection).await?;
    Ok(Integrity { migration, known_migration: migrations::latest_known(), problems })
}

#[cfg(test)]
mod tests {
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
        sqlx::raw_sql(dangling).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let mut connection = store.read().await.unwrap();
        sqlx::raw_sql("pragma foreign_keys = off; delete from a;").execute(&mut *connection).await.unwrap();
        let found = super::check(&mut connection).await.unwrap();
        assert_eq!(found.problems, ["a row of `b` refers to one of `a` that is not there"]);
    }
}
