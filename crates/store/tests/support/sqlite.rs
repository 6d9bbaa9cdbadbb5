//! An SQLite database for one test.

use std::path::Path;

use evergate_store::{Settings, Store};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

/// A database in a directory of its own.
pub struct Database {
    directory: tempfile::TempDir,
}

impl Database {
    /// A database without tables.
    pub async fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A database with this program's tables.
    pub async fn new() -> Self {
        let database = Self::empty().await;
        database.open().await.migrate().await.unwrap();
        database
    }

    /// The same: nobody else ever has the file.
    pub async fn alone() -> Self {
        Self::new().await
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.directory().join("evergate.db").display())
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A handle, as another instance would have one.
    pub async fn open(&self) -> Store {
        Store::open(&self.url(), Settings { create: true, ..Settings::default() }).await.unwrap()
    }

    /// Does what no program of ours would do.
    pub async fn tamper(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    async fn connect(&self) -> SqliteConnection {
        let options: sqlx::sqlite::SqliteConnectOptions = self.url().parse().unwrap();
        options.connect().await.unwrap()
    }
}
