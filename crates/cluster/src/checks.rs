//! What `evergate cluster check` says before a machine joins and after: lines of what was seen, and what to do.
//!
//! The files below are pure, facts in and lines out, but for [`probe`], which asks the engine, the kernel and the other
//! machines. Nothing here changes anything.

pub mod clock;
pub mod database;
pub mod disk;
pub mod doors;
pub mod engine;
pub mod file;
pub mod images;
pub mod machine;
pub mod membership;
pub mod ports;
pub mod probe;
pub mod quorum;

use std::fmt;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, and will not always.
    Warn,
    /// It does not work.
    Fail,
}

impl Outcome {
    /// Its word in what is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What one check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    check: String,
    peer: Option<String>,
    outcome: Outcome,
    seen: String,
    fix: Option<String>,
}

impl Line {
    /// It is as it should be.
    #[must_use]
    pub fn ok(check: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { check: check.into(), peer: None, outcome: Outcome::Ok, seen: seen.into(), fix: None }
    }

    /// It works, and `fix` makes it better.
    #[must_use]
    pub fn warn(check: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warn, fix: Some(fix.into()), ..Self::ok(check, seen) }
    }

    /// It does not work, and `fix` mends it.
    #[must_use]
    pub fn fail(check: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail, fix: Some(fix.into()), ..Self::ok(check, seen) }
    }

    /// A failure whose text brings its own hint, in a line that begins with `hint: `.
    #[must_use]
    pub fn refused(check: impl Into<String>, text: &str, otherwise: &str) -> Self {
        match text.split_once("\nhint: ") {
            Some((seen, fix)) => Self::fail(check, seen, fix),
            None => Self::fail(check, text, otherwise),
        }
    }

    /// It is about that other machine.
    #[must_use]
    pub fn of(self, peer: &str) -> Self {
        Self { peer: Some(peer.to_owned()), ..self }
    }

    /// What was checked, in one word: the same in every release.
    #[must_use]
    pub fn check(&self) -> &str {
        &self.check
    }

    /// The other machine that it is about: a node's name, or an address.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// How it came out.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What was seen.
    #[must_use]
    pub fn seen(&self) -> &str {
        &self.seen
    }

    /// What to do: always there, unless all is well.
    #[must_use]
    pub fn fix(&self) -> Option<&str> {
        self.fix.as_deref()
    }
}

impl fmt::Display for Line {
    /// One line, and the fix on another. What others said stays in its line, whatever it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4}  {}", self.outcome.as_str(), self.check)?;
        self.peer.iter().try_for_each(|peer| write!(f, " {}", plain(peer)))?;
        write!(f, ": {}", plain(&self.seen))?;
        self.fix.iter().try_for_each(|fix| write!(f, "\n      fix: {}", plain(fix)))
    }
}

fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines as a person sees them.
    pub(super) fn shown(lines: &[Line]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn a_line_stays_one_whatever_others_said() {
        let line = Line::warn("engine", "it said \"\u{1b}[2Jall is well\"\nok    everything", "look").of("b");
        insta::assert_snapshot!(line.to_string(), @r#"
        warn  engine b: it said " [2Jall is well" ok    everything
              fix: look
        "#);
    }

    #[test]
    fn the_hint_of_a_failure_is_its_fix() {
        let line = Line::refused("engine", "there is none\nhint: install it", "-");
        assert_eq!((line.seen(), line.fix()), ("there is none", Some("install it")));
        assert_eq!(Line::refused("engine", "there is none", "look").fix(), Some("look"));
    }
}
