//! What can be wrong with a network file, and where.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 where it concerns the whole file.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What can be done.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn at(place: serde_saphyr::Location, message: impl Into<String>) -> Self {
        Self { line: place.line(), column: place.column(), message: message.into(), hint: None }
    }

    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self { line: 0, column: 0, message: message.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is too long to be a network file.
    #[error("`{}` is {size} bytes long; a network file has at most 1 MiB", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        size: u64,
    },
    /// The file's content is wrong.
    #[error("`{}` has {}{}", path.display(), count(problems), list(problems))]
    Problems {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
}

fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "a problem".to_owned(),
        count => format!("{count} problems"),
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
