//! Why the database did not do what it was asked.

use std::time::Duration;

use crate::postgres::{AddressError, Trouble, in_one_text};

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
    #[error(
        "migration {number} of the database is not the one of this program\n\
         hint: a newer Evergate changed the database; run that one"
    )]
    OtherMigration {
        /// The number of the migration that differs.
        number: i64,
    },
    /// A table or column of this program is not there.
    #[error(
        "the database was not brought up to this program: {0}\nhint: `evergate database migrate` does that"
    )]
    NotMigrated(String),
    /// The address leads nowhere.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No server of the address can be used; why, of each.
    #[error("{}", in_one_text(.0))]
    Unusable(Vec<Trouble>),
    /// The server said nothing for so long.
    #[error("the database did not answer within {} ms", .limit.as_millis())]
    Silent {
        /// The limit.
        limit: Duration,
    },
    /// The server stopped taking writes; another is looked for.
    #[error("the database server takes no writes any more")]
    ReadOnly,
    /// A statement of the transaction failed, so all of it was undone.
    #[error("a statement of the transaction failed, and nothing of it was written")]
    Undone,
    /// There is no such thing with PostgreSQL.
    #[error("{what} is for an SQLite database, and this one is PostgreSQL\nhint: {instead}")]
    OnlySqlite {
        /// What was asked for.
        what: &'static str,
        /// What to do.
        instead: &'static str,
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
    /// Whether no server was reached, or none takes writes yet, as where all machines have just been
    /// switched on. A wrong name, password or certificate does not mend itself.
    #[must_use]
    pub fn is_too_early(&self) -> bool {
        match self {
            Self::Unusable(troubles) => troubles.iter().all(|trouble| trouble.problem.may_pass()),
            Self::Silent { .. } | Self::ReadOnly => true,
            _ => false,
        }
    }

    /// Whether the same operation may succeed if it is tried again, here or elsewhere.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Database(_)
            | Self::Busy
            | Self::NotMigrated(_)
            | Self::Unusable(_)
            | Self::Silent { .. }
            | Self::ReadOnly
            | Self::Undone => true,
            Self::Taken(_)
            | Self::Corrupt { .. }
            | Self::OtherEffect(_)
            | Self::OtherMigration { .. }
            | Self::Address(_)
            | Self::OnlySqlite { .. }
            | Self::File { .. } => false,
        }
    }
}
