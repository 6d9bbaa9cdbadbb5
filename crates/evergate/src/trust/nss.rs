//! The certificate databases of Chromium and Firefox.

use std::path::{Path, PathBuf};

use super::{LocalCa, Outcome, RunError, run};

pub(super) fn add(ca: &LocalCa) -> Vec<Outcome> {
    let file = ca.file.to_string_lossy();
    each(
        |_| true,
        |database| run("certutil", &["-d", database, "-A", "-t", "C,,", "-n", &ca.name, "-i", &file]),
        "believes",
    )
}

pub(super) fn remove(ca: &LocalCa) -> Vec<Outcome> {
    let knows = |database: &str| run("certutil", &["-d", database, "-L", "-n", &ca.name]).is_ok();
    each(knows, |database| run("certutil", &["-d", database, "-D", "-n", &ca.name]), "no longer believes")
}

fn each(
    concerns: impl Fn(&str) -> bool,
    act: impl Fn(&str) -> Result<(), RunError>,
    done: &str,
) -> Vec<Outcome> {
    let outcome = |directory: &PathBuf| {
        let name = directory.display();
        match act(&sql(directory)) {
            Ok(()) => Outcome::Done(format!("the browser database `{name}` {done} the local CA")),
            Err(RunError::Missing) => Outcome::NotPossible(format!(
                "`{name}`: there is no `certutil` (Debian: apt install libnss3-tools)"
            )),
            Err(RunError::Failed(error)) => Outcome::NotPossible(format!("`{name}`: {error}")),
        }
    };
    databases().iter().filter(|directory| concerns(&sql(directory))).map(outcome).collect()
}

/// How `certutil` wants a database to be named.
fn sql(directory: &Path) -> String {
    format!("sql:{}", directory.display())
}

/// Chromium's database, and one for each of Firefox's profiles.
fn databases() -> Vec<PathBuf> {
    let Some(home) = std::env::home_dir() else { return Vec::new() };
    let profiles = |directory: PathBuf| {
        std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
    };
    let is_database = |directory: &Path| directory.join("cert9.db").is_file();
    std::iter::once(home.join(".pki/nssdb"))
        .chain(profiles(home.join(".mozilla/firefox")))
        .chain(profiles(home.join("snap/firefox/common/.mozilla/firefox")))
        .filter(|directory| is_database(directory))
        .collect()
}
