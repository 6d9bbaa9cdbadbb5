//! The installation that runs in a swarm, as `DIR/swarm.json` tells the commands of the machine that founded it.

use std::path::{Path, PathBuf};

use evergate_model::Name;
use evergate_process::files;
use serde::{Deserialize, Serialize};

/// The file.
const FILE: &str = "swarm.json";

/// Where an installation in a swarm is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The name of the stack.
    pub stack: Name,
    /// The API's addresses.
    pub servers: Vec<String>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{}`", path.display())]
pub struct DeployedError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Deployed {
    /// That of this directory, if its installation was deployed.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read(directory: &Path) -> Result<Option<Self>, DeployedError> {
        let path = directory.join(FILE);
        let read = || {
            let Some(text) = files::read_if_present(&path)? else { return Ok(None) };
            serde_json::from_slice(&text).map(Some).map_err(std::io::Error::from)
        };
        read().map_err(|source| DeployedError { path: path.clone(), source })
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), DeployedError> {
        let path = directory.join(FILE);
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        let written = text.and_then(|text| files::write_public(&path, &text));
        written.map_err(|source| DeployedError { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_damaged_is_told() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Deployed::read(directory.path()).unwrap(), None);
        let servers = vec!["https://10.0.0.11:8304/api/v1".to_owned()];
        let deployed = Deployed { stack: "acme".parse().unwrap(), servers };
        deployed.write(directory.path()).unwrap();
        assert_eq!(Deployed::read(directory.path()).unwrap(), Some(deployed));
        std::fs::write(directory.path().join(FILE), "{").unwrap();
        let error = Deployed::read(directory.path()).unwrap_err().to_string();
        assert!(error.ends_with("swarm.json`"), "{error}");
    }
}
