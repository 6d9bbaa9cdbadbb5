//! How the command fails: what it prints, and with which code it exits (contract.md).

use std::process::ExitCode;

use evergate_process::bootstrap::BootstrapError;

const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 64;
pub(crate) const BAD_FILE: u8 = 78;

/// The command was used wrongly in a way that the parser of arguments cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A file's content is wrong. The text names file and place.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadFile(pub String);

/// A failure with a piece of advice, printed on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{text}\nhint: {hint}")]
pub struct Hinted {
    /// What went wrong.
    pub text: String,
    /// What can be done.
    pub hint: String,
}

/// A failure with advice.
pub fn hinted(text: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { text: text.into(), hint: hint.into() }.into()
}

/// Prints what the parser of arguments says; asking for help is no failure.
#[must_use]
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nowhere to say it if printing itself fails.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Prints a failure with its causes.
#[must_use]
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {}", in_one_text(error));
    ExitCode::from(code(error))
}

/// The failure and its causes, separated by colons; advice goes last.
fn in_one_text(error: &anyhow::Error) -> String {
    let mut texts = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let (text, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
        // A source that is already told by its outer error is not told twice.
        if !texts.last().is_some_and(|outer: &String| outer.ends_with(text)) {
            texts.push(text.to_owned());
        }
        if !hint.is_empty() {
            hints.push(format!("\nhint: {hint}"));
        }
    }
    format!("{}{}", texts.join(": "), hints.concat())
}

fn code(error: &anyhow::Error) -> u8 {
    let is_bad_file = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<BadFile>() || matches!(cause.downcast_ref(), Some(BootstrapError::Parse { .. }))
    };
    if error.chain().any(|cause| cause.is::<Usage>()) {
        USAGE
    } else if error.chain().any(is_bad_file) {
        BAD_FILE
    } else {
        FAILED
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_failure_is_told_with_its_causes_and_the_advice_last() {
        let error =
            Err::<(), _>(hinted("port `1` is in use", "take another")).context("cannot start").unwrap_err();
        assert_eq!(in_one_text(&error), "cannot start: port `1` is in use\nhint: take another");
        assert_eq!(code(&error), 1);
    }

    #[test]
    fn wrong_files_and_wrong_usage_have_codes_of_their_own() {
        assert_eq!(code(&anyhow::Error::from(BadFile("x".to_owned())).context("y")), 78);
        assert_eq!(code(&Usage("x".to_owned()).into()), 64);
    }
}
