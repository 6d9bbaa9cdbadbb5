//! Copies of the whole database, which bring along the files that belong to it: backups. Of SQLite
//! alone: PostgreSQL's are made with its own tools.

use evergate_model::Timestamp;

use crate::query::query;
use crate::row::Row;
use crate::{Actor, Connection, StoreError, Tx, sessions, users};

/// Users are read so many at a time.
const PAGE: u32 = 500;

/// Writes a copy of the database, as it is at this moment, to a file that must not exist.
///
/// # Errors
/// When the file cannot be written.
pub async fn copy_to(connection: &mut Connection, file: &str) -> Result<(), StoreError> {
    only_sqlite(connection)?;
    query("vacuum into $1").bind(file).execute(connection).await?;
    Ok(())
}

/// Puts files into a copy.
///
/// # Errors
/// When the copy cannot be written, or already has files.
pub async fn attach(tx: &mut Tx, files: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
    only_sqlite(tx)?;
    query("create table attached_files (name text primary key, content blob not null)").execute(tx).await?;
    for (name, content) in files {
        query("insert into attached_files (name, content) values ($1, $2)")
            .bind(name)
            .bind(content)
            .execute(tx)
            .await?;
    }
    Ok(())
}

/// The files in a copy; nothing in a database that is none.
///
/// # Errors
/// When the copy cannot be read.
pub async fn attached(connection: &mut Connection) -> Result<Option<Vec<(String, Vec<u8>)>>, StoreError> {
    only_sqlite(connection)?;
    let is_copy =
        query("select 1 from sqlite_master where name = 'attached_files'").fetch_optional(connection).await?;
    if is_copy.is_none() {
        return Ok(None);
    }
    let rows = query("select name, content from attached_files").fetch_all(connection).await?;
    let file = |row: &Row| Ok((row.column("name")?, row.column("content")?));
    Ok(Some(rows.iter().map(file).collect::<Result<_, StoreError>>()?))
}

/// Makes a copy the database of a living installation again: the files go, the epoch rises, so that
/// instances that have seen later snapshots believe the next ones, and all sessions end, because
/// some may have been ended since.
///
/// # Errors
/// When the copy cannot be written.
pub async fn revive(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    only_sqlite(tx)?;
    query("drop table attached_files").execute(tx).await?;
    query("delete from snapshots").execute(tx).await?;
    query("update installation set epoch = epoch + 1, revision = 0 where id = 1").execute(tx).await?;
    let mut after = String::new();
    loop {
        let page = users::list(tx, &after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.name);
        for user in &page {
            sessions::revoke_user(tx, &Actor::System, now, user.id).await?;
        }
    }
}

fn only_sqlite(connection: &Connection) -> Result<(), StoreError> {
    connection
        .wants_sqlite("a copy in a file", "copy a PostgreSQL database with `pg_dump` or `pg_basebackup`")
}
