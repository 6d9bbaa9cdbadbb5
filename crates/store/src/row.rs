//! Columns into the model's types and back: the one place where a text of the database is trusted
//! or refused.

use std::str::FromStr;

use evergate_model::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use crate::StoreError;

/// A row of either database.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both databases can give as a column.
pub(crate) trait Column<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Column<'r> for T where T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{}

impl Row {
    /// A column of a type the database knows.
    pub(crate) fn column<'r, T: Column<'r>>(&'r self, name: &str) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => row.try_get(name),
            Self::Postgres(row) => row.try_get(name),
        }
        .map_err(StoreError::Database)
    }

    /// A text column that is a `T`.
    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        parse(name, &self.column::<String>(name)?)
    }

    /// A moment.
    pub(crate) fn moment(&self, name: &str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_milliseconds(self.column(name)?))
    }

    /// A moment, or null.
    pub(crate) fn moment_or_null(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.column::<Option<i64>>(name)?.map(Timestamp::from_milliseconds))
    }

    /// A number that is never negative.
    pub(crate) fn count(&self, name: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.column(name)?;
        u64::try_from(number).map_err(|_| StoreError::Corrupt { what: name, text: number.to_string() })
    }

    /// A text column that is JSON of a `T`.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, name: &'static str) -> Result<T, StoreError> {
        let text: String = self.column(name)?;
        serde_json::from_str(&text).map_err(|_| corrupt(name, &text))
    }
}

fn parse<T: FromStr>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| corrupt(what, text))
}

fn corrupt(what: &'static str, text: &str) -> StoreError {
    StoreError::Corrupt { what, text: text.chars().take(80).collect() }
}

/// A count as the database keeps it.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// JSON text of a value; what cannot be written as JSON is written as `null`, which no reader of
/// ours takes for a value.
pub(crate) fn json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
