//! What can be wrong with a network file, and where.

use std::fmt;
use std::path::PathBuf;

/// Characters of a line that are shown before and behind the place.
const AROUND: usize = 60;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The line, from 1; 0 where the whole file is meant.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// One thing that is wrong, or that is well to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What can be done.
    pub hint: Option<String>,
    /// The line with a mark below the place, where there is one.
    excerpt: Option<String>,
}

impl Problem {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: None, excerpt: None }
    }

    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self::at(Place::default(), message)
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Keeps the line of `text` where the problem stands.
    pub(super) fn shown_in(self, text: &str) -> Self {
        Self { excerpt: excerpt(text, self.place), ..self }
    }
}

/// The line with its number, and a mark below the place.
fn excerpt(text: &str, place: Place) -> Option<String> {
    let line = text.lines().nth(usize::try_from(place.line.checked_sub(1)?).ok()?)?;
    let column = usize::try_from(place.column.checked_sub(1)?).ok()?;
    let first = column.saturating_sub(AROUND);
    let shown = line.chars().skip(first).take(2 * AROUND).map(|c| if c.is_control() { ' ' } else { c });
    let shown: String = shown.collect();
    let number = place.line.to_string();
    let (gutter, before) = (" ".repeat(number.len()), " ".repeat(column - first));
    Some(format!("{number} | {}\n{gutter} | {before}^", shown.trim_end()))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.line > 0 {
            write!(f, "line {}, column {}: ", self.place.line, self.place.column)?;
        }
        f.write_str(&self.message)?;
        let lines = self.excerpt.iter().flat_map(|excerpt| excerpt.lines());
        lines.into_iter().try_for_each(|line| write!(f, "\n  {line}"))?;
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
    problems.iter().map(|problem| format!("\n  {}", problem.to_string().replace('\n', "\n  "))).collect()
}
