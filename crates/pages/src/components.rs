//! The small parts that several pages are made of.

use std::fmt;

use askama::Template;
use evergate_model::Timestamp;

/// What a page says about what has just happened.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// The sentence.
    pub text: String,
}

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something did not work.
    Problem,
    /// Something to know.
    Hint,
    /// Something worked.
    Success,
}

impl Notice {
    /// Something did not work.
    pub fn problem(text: impl Into<String>) -> Self {
        Self { tone: Tone::Problem, text: text.into() }
    }

    /// Something to know.
    pub fn hint(text: impl Into<String>) -> Self {
        Self { tone: Tone::Hint, text: text.into() }
    }

    /// Something worked.
    pub fn success(text: impl Into<String>) -> Self {
        Self { tone: Tone::Success, text: text.into() }
    }

    /// The style sheet's word for the tone.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self.tone {
            Tone::Problem => "problem",
            Tone::Hint => "hint",
            Tone::Success => "success",
        }
    }

    /// Problems interrupt a screen reader, the others wait for their turn.
    #[must_use]
    pub const fn role(&self) -> &'static str {
        match self.tone {
            Tone::Problem => "alert",
            Tone::Hint | Tone::Success => "status",
        }
    }
}

/// A moment as pages show it: minutes, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Moment {
    /// RFC 3339, for machines.
    #[must_use]
    pub fn datetime(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let (date, time) = text.split_once('T').unwrap_or((&text, ""));
        write!(f, "{date} {} UTC", time.get(..5).unwrap_or(time))
    }
}

/// Gives contexts that hold a secret for the eyes of one user a `Debug` which shows nothing of it.
macro_rules! closed {
    ($($context:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $context {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($context), "(...)"))
            }
        }
    )+};
}
pub(crate) use closed;

closed!(Viewer);

/// Who is looking at a page that needs a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The name the user signs in by.
    pub name: String,
    /// Proves that a form was made by us for this session; every form posts it as `token`.
    pub token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_shows_minutes() {
        assert_eq!(
            Moment(Timestamp::from_milliseconds(1_709_210_096_789)).to_string(),
            "2024-02-29 12:34 UTC"
        );
    }
}
