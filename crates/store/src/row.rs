//! Columns into the model's types and back: the one place where a text of the database is trusted
//! or refused.

use std::str::FromStr;

use evergate_model::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::StoreError;

/// Reads columns by name.
pub(crate) trait Columns {
    /// A column of a type the database knows.
    fn column<'r, T>(&'r self, name: &str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>;

    /// A text column that is a `T`.
    fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        parse(name, &self.column::<String>(name)?)
    }

    /// A moment.
    fn moment(&self, name: &str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_milliseconds(self.column(name)?))
    }

    /// A moment, or null.
    fn moment_or_null(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.column::<Option<i64>>(name)?.map(Timestamp::from_milliseconds))
    }

    /// A number that is never negative.
    fn count(&self, name: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.column(name)?;
        u64::try_from(number).map_err(|_| StoreError::Corrupt { what: name, text: number.to_string() })
    }

    /// A text column that is JSON of a `T`.
    fn json<T: serde::de::DeserializeOwned>(&self, name: &'static str) -> Result<T, StoreError> {
        let text: String = self.column(name)?;
        serde_json::from_str(&text).map_err(|_| corrupt(name, &text))
    }
}

impl Columns for SqliteRow {
    fn column<'r, T>(&'r self, name: &str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        Ok(self.try_get(name)?)
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
