//! One way to put a statement to either database: its text and values are kept until it is known
//! whose connection they go to, so that a noun's file says each statement once.

use std::borrow::Cow;

use sqlx::{Executor, Postgres, SqlSafeStr, SqlStr, Sqlite};

use tokio::time::timeout;

use crate::connection::{Connection, Database};
use crate::row::Row;
use crate::{StoreError, sqlite};

/// A statement with `$1` placeholders, in the subset that both databases understand.
pub(crate) fn query<'q>(sql: impl SqlSafeStr) -> Query<'q> {
    Query { sql: sql.into_sql_str(), values: Vec::new() }
}

/// Several statements at once, without values: tables.
pub(crate) async fn script(connection: &mut Connection, sql: impl SqlSafeStr) -> Result<(), StoreError> {
    let sql = sqlx::raw_sql(sql);
    match connection.database() {
        Database::Sqlite(connection) => connection.execute(sql).await.map(drop).map_err(sqlite::error),
        Database::Postgres(link) => {
            let done = timeout(link.limit(), link.statement().execute(sql)).await;
            link.done(done).map(drop)
        }
    }
}

/// A statement and the values for its placeholders.
#[must_use]
pub(crate) struct Query<'q> {
    sql: SqlStr,
    values: Vec<Value<'q>>,
}

/// What a statement may be given, and what columns hold; nulls keep their type, which PostgreSQL
/// wants to know.
pub(crate) enum Value<'q> {
    Integer(Option<i64>),
    Text(Option<Cow<'q, str>>),
    Bytes(Option<Cow<'q, [u8]>>),
    Truth(bool),
}

/// How many rows a statement changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed(u64);

impl Changed {
    pub(crate) const fn rows_affected(self) -> u64 {
        self.0
    }
}

/// The statement as the driver of one database takes it.
macro_rules! prepared {
    ($query:expr, $database:ty) => {{
        let mut query = sqlx::query::<$database>($query.sql);
        for value in $query.values {
            query = match value {
                Value::Integer(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::Truth(value) => query.bind(value),
            };
        }
        query
    }};
}

/// Does the same with either driver; `$row` makes a [`Row`] of the driver's.
macro_rules! on_either {
    ($query:expr, $connection:expr, $fetch:ident, |$found:ident, $row:ident| $outcome:expr) => {
        match $connection.database() {
            Database::Sqlite(connection) => {
                let $found = prepared!($query, Sqlite).$fetch(connection).await.map_err(sqlite::error)?;
                let $row = Row::Sqlite;
                Ok($outcome)
            }
            Database::Postgres(link) => {
                let query = prepared!($query, Postgres);
                let done = timeout(link.limit(), query.$fetch(link.statement())).await;
                let $found = link.done(done)?;
                let $row = Row::Postgres;
                Ok($outcome)
            }
        }
    };
}

impl<'q> Query<'q> {
    /// The value for the next placeholder.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(crate) async fn execute(self, connection: &mut Connection) -> Result<Changed, StoreError> {
        on_either!(self, connection, execute, |done, _row| Changed(done.rows_affected()))
    }

    pub(crate) async fn fetch_one(self, connection: &mut Connection) -> Result<Row, StoreError> {
        on_either!(self, connection, fetch_one, |found, row| row(found))
    }

    pub(crate) async fn fetch_optional(self, connection: &mut Connection) -> Result<Option<Row>, StoreError> {
        on_either!(self, connection, fetch_optional, |found, row| found.map(row))
    }

    pub(crate) async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<Row>, StoreError> {
        on_either!(self, connection, fetch_all, |found, row| found.into_iter().map(row).collect())
    }
}

macro_rules! values {
    ($($from:ty => |$value:ident| $to:expr;)*) => {
        $(impl<'q> From<$from> for Value<'q> {
            fn from($value: $from) -> Self {
                $to
            }
        })*
    };
}

values! {
    i64 => |value| Self::Integer(Some(value));
    Option<i64> => |value| Self::Integer(value);
    bool => |value| Self::Truth(value);
    &'q str => |value| Self::Text(Some(value.into()));
    Option<&'q str> => |value| Self::Text(value.map(Into::into));
    String => |value| Self::Text(Some(value.into()));
    &'q String => |value| Self::Text(Some(value.into()));
    Option<String> => |value| Self::Text(value.map(Into::into));
    &'q Option<String> => |value| Self::Text(value.as_ref().map(Into::into));
    &'q [u8] => |value| Self::Bytes(Some(value.into()));
    Option<&'q [u8]> => |value| Self::Bytes(value.map(Into::into));
    Vec<u8> => |value| Self::Bytes(Some(value.into()));
    &'q Vec<u8> => |value| Self::Bytes(Some(value.into()));
}
