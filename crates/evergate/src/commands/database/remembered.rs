//! Which timelines of PostgreSQL the instances of a directory remember: `evergate database` goes by them
//! too, and shows where they stand, so that a person can mend them.

use std::fmt;
use std::path::{Path, PathBuf};

use evergate_model::DatabaseTimeline;
use evergate_store::timeline::{self, MemoryError};

/// What one instance remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    seen: DatabaseTimeline,
    file: PathBuf,
}

impl fmt::Display for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DatabaseTimeline { system_identifier, timeline } = self.seen;
        write!(f, "timeline {timeline} of {system_identifier} in `{}`", self.file.display())
    }
}

/// What the instances of this directory remember, by name.
pub(super) fn read(directory: &Path) -> Result<Vec<Remembered>, MemoryError> {
    let found = timeline::instances(directory)?;
    Ok(found.into_iter().map(|(file, seen)| Remembered { seen, file }).collect())
}

/// Where it stands, behind a message.
pub(super) fn said(remembered: &[Remembered]) -> String {
    if remembered.is_empty() {
        return String::new();
    }
    let all: Vec<String> = remembered.iter().map(ToString::to_string).collect();
    format!("; remembered is {}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_instance_remembers_is_shown_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(said(&read(directory.path()).unwrap()), "");
        for (instance, timeline) in [("policy1", 2), ("authentication1", 3)] {
            let own = directory.path().join("instances").join(instance);
            std::fs::create_dir_all(&own).unwrap();
            let content = format!("{{\"system_identifier\": 7, \"timeline\": {timeline}}}");
            std::fs::write(own.join(timeline::FILE), content).unwrap();
        }
        std::fs::create_dir_all(directory.path().join("instances/access-point1")).unwrap();
        let found = read(directory.path()).unwrap();
        let text = said(&found);
        assert!(text.starts_with("; remembered is timeline 3 of 7 in `"), "{text}");
        assert!(text.contains("authentication1/database-timeline.json`, timeline 2 of 7 in `"), "{text}");
    }
}
