//! Debian's store of CA certificates, which most programs read.

use std::path::{Path, PathBuf};

use super::{LocalCa, Outcome, RunError, run};

const DIRECTORY: &str = "/usr/local/share/ca-certificates";
const UPDATE: &str = "update-ca-certificates";

pub(super) fn add(ca: &LocalCa) -> Option<Outcome> {
    Path::new(DIRECTORY).is_dir().then(|| {
        change(ca, |target| std::fs::copy(&ca.file, target).map(drop), "the system believes the local CA")
    })
}

pub(super) fn remove(ca: &LocalCa) -> Option<Outcome> {
    target(ca).exists().then(|| {
        change(ca, |target| std::fs::remove_file(target), "the system no longer believes the local CA")
    })
}

fn target(ca: &LocalCa) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{}.crt", ca.name))
}

fn change(ca: &LocalCa, act: impl FnOnce(&Path) -> std::io::Result<()>, done: &str) -> Outcome {
    let target = target(ca);
    if let Err(error) = act(&target) {
        let name = target.display();
        return Outcome::NotPossible(format!(
            "`{name}`: {error} (the system's store needs root: try with sudo)"
        ));
    }
    match run(UPDATE, &[]) {
        Ok(()) => Outcome::Done(done.to_owned()),
        Err(RunError::Missing) => Outcome::NotPossible(format!("there is no `{UPDATE}`")),
        Err(RunError::Failed(error)) => Outcome::NotPossible(format!("`{UPDATE}` failed: {error}")),
    }
}
