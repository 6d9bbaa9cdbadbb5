//! A PostgreSQL database for one test, on a server of the test program's own.

use std::ops::Deref;
use std::sync::OnceLock;

use evergate_store::{Settings, Store};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::cluster::Cluster;

/// The server that all tests share which do nothing to it; each has a database of its own.
static SHARED: OnceLock<Cluster> = OnceLock::new();

/// A database of its own.
pub struct Database {
    url: String,
}

impl Database {
    /// A database without tables, on the shared server.
    pub async fn empty() -> Self {
        let cluster = tokio::task::spawn_blocking(|| SHARED.get_or_init(Cluster::start)).await.unwrap();
        Self::empty_on(cluster).await
    }

    /// A database without tables, and its owner, who may do nothing else there.
    pub async fn empty_on(cluster: &Cluster) -> Self {
        let name = cluster.next_name();
        cluster.say(&format!("create role {name} login")).await;
        cluster.say(&format!("create database {name} owner {name} template template0")).await;
        Self { url: format!("postgres://{name}@127.0.0.1:{}/{name}", cluster.port()) }
    }

    /// A database with this program's tables.
    pub async fn new() -> Self {
        let database = Self::empty().await;
        let store = database.open().await;
        store.migrate().await.unwrap();
        store.close().await;
        database
    }

    /// The same on a server of its own, where nobody else commits anything.
    pub async fn alone() -> Alone {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
        let database = Self::empty_on(&cluster).await;
        database.open().await.migrate().await.unwrap();
        Alone { database, _cluster: cluster }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// A handle, as another instance would have one.
    pub async fn open(&self) -> Store {
        Store::open(&self.url, Settings::default()).await.unwrap()
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

    /// A connection that is not the store's.
    pub async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().unwrap();
        options.connect().await.unwrap()
    }
}

/// A database and its server.
pub struct Alone {
    database: Database,
    _cluster: Cluster,
}

impl Deref for Alone {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}
