//! Why the database did not do what it was asked.

/// Why an operation on the store failed. What is merely absent is an `Option`, never this.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or refused the statement.
    #[error("the database did not answer as it should")]
    Database(#[source] sqlx::Error),
    /// Another process kept the write lock for longer than `Settings::busy_timeout`.
    #[error("the database was locked by another process for too long")]
    Busy,
    /// Something of that key is there already.
    #[error("there is already such a thing: {0}")]
    Taken(String),
    /// A row holds what this program never writes.
    #[error("the database holds a {what} that cannot be read: `{text}`")]
    Corrupt {
        /// What it should be.
        what: &'static str,
        /// What stands there.
        text: String,
    },
    /// An effect key came again with another content.
    #[error("the effect key `{0}` was used before for something else")]
    OtherEffect(String),
    /// The database was made by a newer or another program.
    #[error("migration {number} of the database is not the one of this program")]
    OtherMigration {
        /// The number of the migration that differs.
        number: i64,
    },
    /// The database's file cannot be made.
    #[error("the database file `{path}` cannot be opened")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether the same operation may succeed if it is tried again, here or elsewhere.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Busy)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::Taken(database.message().to_owned())
            }
            sqlx::Error::Database(database) if is_busy(database.code().as_deref()) => Self::Busy,
            sqlx::Error::PoolTimedOut => Self::Busy,
            _ => Self::Database(error),
        }
    }
}

/// `SQLITE_BUSY` and `SQLITE_LOCKED` with their extended codes, whose low byte is the plain one.
fn is_busy(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}
