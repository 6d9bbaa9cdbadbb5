//! Secrets that people type or keep in files.

use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

use anyhow::Context;

use crate::failure::Usage;

/// The first line of a file, or of standard input for `-`.
pub(super) fn password(file: &Path) -> anyhow::Result<String> {
    let text = if file.as_os_str() == "-" {
        if stdin().is_terminal() {
            eprintln!("password, then the end of the line and Ctrl-D:");
        }
        let mut text = String::new();
        stdin().read_to_string(&mut text).context("cannot read the password from standard input")?;
        text
    } else {
        std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the password in `{}`", file.display()))?
    };
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(Usage(format!("there is no password in `{}`", file.display())).into());
    }
    Ok(password.to_owned())
}
