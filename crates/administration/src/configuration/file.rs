//! The file of `evergate config apply`: some sections of a configuration, and the version that they
//! were written against.

use std::collections::BTreeMap;

use evergate_model::configuration::{CertificateFiles, Mail, Resource, SessionLimits, SignInLimits};
use evergate_model::topology::Mode;
use evergate_model::{Configuration, Host, Name, Service};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Change, Problem, changes_between};
use crate::Failure;

/// No file is longer, in bytes.
const LONGEST: usize = 32 << 20;

/// The sections of a file, still as they were written: each replaces the whole section of the
/// configuration; `null` takes it back to its default.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigurationFile {
    /// The version that the file was made from.
    pub base: Option<u64>,
    sections: Map<String, Value>,
}

/// What may stand in a file, so that a wrong key or value is told with its line and column.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "its fields are read by name from the same text")]
struct Sections {
    base: Option<u64>,
    portal_host: Option<Host>,
    console_host: Option<Host>,
    public_port: Option<u16>,
    certificates: Option<Vec<CertificateFiles>>,
    global_rule: Option<String>,
    rules: Option<BTreeMap<Name, String>>,
    resources: Option<BTreeMap<Name, Resource>>,
    sessions: Option<SessionLimits>,
    sign_in: Option<SignInLimits>,
    mail: Option<Mail>,
    pools: Option<BTreeMap<Service, Mode>>,
}

impl ConfigurationFile {
    /// Reads a file in YAML or JSON.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with line and column.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > LONGEST {
            return Err(Failure::invalid("", format!("the file is longer than {LONGEST} bytes")));
        }
        let wrong = |error: serde_saphyr::Error| {
            let place = error.location().map(|at| format!("line {}, column {}", at.line(), at.column()));
            let message = error.to_string();
            let first = message.lines().next().unwrap_or_default();
            Failure::Invalid(vec![Problem::new(place.unwrap_or_default(), first)])
        };
        serde_saphyr::from_str::<Sections>(text).map_err(wrong)?;
        let mut sections: Map<String, Value> = serde_saphyr::from_str(text).map_err(wrong)?;
        let base = sections.remove("base").and_then(|base| base.as_u64());
        Ok(Self { base, sections })
    }

    /// The configuration that results when these sections replace `present`'s.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when the outcome is no configuration.
    pub fn apply_to(&self, present: &Configuration) -> Result<Configuration, Failure> {
        let mut all = as_map(present);
        for (section, value) in &self.sections {
            if value.is_null() {
                all.remove(section);
            } else {
                all.insert(section.clone(), value.clone());
            }
        }
        serde_json::from_value(Value::Object(all)).map_err(|error| Failure::invalid("", error.to_string()))
    }

    /// What differs between `base` and `latest` in the sections of this file: somebody else's
    /// changes, which applying it would undo.
    #[must_use]
    pub fn overlap(&self, base: &Configuration, latest: &Configuration) -> Vec<Change> {
        let only = |configuration: &Configuration| {
            let mut map = as_map(configuration);
            map.retain(|section, _| self.sections.contains_key(section));
            Value::Object(map)
        };
        changes_between(&only(base), &only(latest))
    }
}

/// A published version as a file that can be applied again.
///
/// # Errors
/// When the configuration has no form in YAML, which does not happen.
pub fn export(version: u64, configuration: &Configuration) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Base {
        base: u64,
    }
    let text = |result: Result<String, serde_saphyr::SerializeError>| {
        result.map_err(|error| Failure::Crypto { what: "writing YAML", why: error.to_string() })
    };
    let head = text(serde_saphyr::to_string(&Base { base: version }))?;
    let body = text(serde_saphyr::to_string(configuration))?;
    Ok(format!("{}\n{body}", head.trim_end()))
}

fn as_map(configuration: &Configuration) -> Map<String, Value> {
    match serde_json::to_value(configuration) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present() -> Configuration {
        let text = "{portal_host: p.example, rules: {a: anyone}, global_rule: 'client in 10.0.0.0/8'}";
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn exactly_the_sections_of_the_file_are_replaced() {
        let file = ConfigurationFile::parse("base: 3\nrules:\n  b: password\nglobal_rule: null\n").unwrap();
        assert_eq!(file.base, Some(3));
        let after = file.apply_to(&present()).unwrap();
        assert_eq!(after.rules.keys().map(Name::as_str).collect::<Vec<_>>(), ["b"]);
        assert_eq!(after.global_rule, None);
        assert_eq!(after.portal_host.as_str(), "p.example");
    }

    #[test]
    fn a_wrong_key_is_told_with_its_line() {
        let Err(Failure::Invalid(problems)) = ConfigurationFile::parse("base: 1\nruels: {}\n") else {
            panic!("accepted")
        };
        assert!(problems[0].place.starts_with("line 2"), "{problems:?}");
        assert!(problems[0].message.contains("ruels"), "{problems:?}");
    }

    #[test]
    fn hostile_files_are_refused() {
        let deep = format!("rules: {}", "[".repeat(10_000));
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n";
        for text in
            ["", "[]", "- 1", "base: x", "rules: {a: 1, a: 2}", "\u{0}", &deep, bomb, "portal_host: 'a b'"]
        {
            let short: String = text.chars().take(40).collect();
            let outcome = ConfigurationFile::parse(text);
            assert!(outcome.is_err() || text.is_empty(), "{short}");
        }
    }

    #[test]
    fn only_overlapping_changes_of_others_count() {
        let base = present();
        let mut latest = base.clone();
        latest.global_rule = None;
        let rules = ConfigurationFile::parse("rules: {}").unwrap();
        assert_eq!(rules.overlap(&base, &latest), []);
        let global = ConfigurationFile::parse("global_rule: anyone").unwrap();
        assert_eq!(global.overlap(&base, &latest).len(), 1);
    }

    #[test]
    fn an_exported_version_can_be_applied_again() {
        let text = export(7, &present()).unwrap();
        let file = ConfigurationFile::parse(&text).unwrap();
        assert_eq!(file.base, Some(7));
        assert_eq!(file.apply_to(&present()).unwrap(), present());
    }
}
