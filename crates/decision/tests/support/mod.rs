//! Configurations, sessions and requests for the tests of decisions.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use evergate_decision::RuleSet;
use evergate_model::configuration::{Configuration, Resource, SessionLimits, SignInLimits};
use evergate_model::factor::ProvenFactor;
use evergate_model::verdict::{Decision, Verdict};
use evergate_model::{Id, Name, NormalPath, Period, RequestFacts, SessionFacts, Timestamp};

/// 2026-11-20 10:00 UTC, a Friday.
pub const NOW: Timestamp = Timestamp::from_seconds(1_795_168_800);

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn resource(rule: &str) -> Resource {
    Resource {
        hosts: vec!["wiki.example.com".parse().unwrap()],
        upstreams: vec!["http://127.0.0.1:3000".to_owned()],
        rule: rule.to_owned(),
        paths: BTreeMap::new(),
        general: Vec::new(),
        headers: BTreeMap::new(),
        grace: Period::from_seconds(900),
        permit_cache: Period::from_seconds(30),
        mode: evergate_model::topology::Mode::default(),
        title: None,
    }
}

pub fn configuration(rules: &[(&str, &str)], resources: Vec<(&str, Resource)>) -> Configuration {
    Configuration {
        portal_host: "portal.example.com".parse().unwrap(),
        console_host: None,
        public_port: None,
        certificates: Vec::new(),
        global_rule: None,
        rules: rules.iter().map(|(key, text)| (name(key), (*text).to_owned())).collect(),
        resources: resources.into_iter().map(|(key, resource)| (name(key), resource)).collect(),
        sessions: SessionLimits::default(),
        sign_in: SignInLimits::default(),
        mail: None,
        pools: BTreeMap::new(),
    }
}

/// A configuration with one resource, `wiki`, that has this rule.
pub fn rules(rule: &str) -> RuleSet {
    RuleSet::compile(&configuration(&[], vec![("wiki", resource(rule))])).unwrap()
}

pub fn request() -> RequestFacts {
    RequestFacts {
        method: "GET".to_owned(),
        host: "wiki.example.com".parse().unwrap(),
        path: NormalPath::new("/").unwrap(),
        client: [192, 0, 2, 7].into(),
        access_point: name("access-point1"),
        headers: BTreeMap::new(),
    }
}

pub fn at_path(path: &str) -> RequestFacts {
    RequestFacts { path: NormalPath::new(path).unwrap(), ..request() }
}

/// A session of `alice`, in the group `staff`, with these factors proven so many seconds ago.
pub fn session(factors: &[(&str, u64)]) -> SessionFacts {
    let proven = |(factor, ago): &(&str, u64)| ProvenFactor {
        factor: factor.parse().unwrap(),
        at: NOW.minus(std::time::Duration::from_secs(*ago)),
    };
    SessionFacts {
        session: Id::new(NOW, [1; 10]),
        user: Id::new(NOW, [2; 10]),
        user_name: "alice".to_owned(),
        email: None,
        groups: vec!["staff".to_owned()],
        factors: factors.iter().map(proven).collect(),
        opened_at: NOW.minus(std::time::Duration::from_secs(3600)),
        ends_at: NOW.plus(std::time::Duration::from_secs(3600)),
    }
}

pub fn decide(rule: &str, session: Option<&SessionFacts>, request: &RequestFacts) -> Decision {
    rules(rule).decide(&name("wiki"), session, request, NOW).unwrap()
}

/// A verdict in one line: `permit`, `deny: REASON`, or `password totp | passkey`.
pub fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Permit => "permit".to_owned(),
        Verdict::Deny { reason } => format!("deny: {reason}"),
        Verdict::SignIn { sequences } => {
            let sequence = |sequence: &Vec<evergate_model::factor::WantedFactor>| {
                let words: Vec<String> = sequence
                    .iter()
                    .map(|wanted| match wanted.within {
                        None => wanted.factor.to_string(),
                        Some(period) => format!("{}<{period}", wanted.factor),
                    })
                    .collect();
                words.join(" ")
            };
            sequences.iter().map(sequence).collect::<Vec<_>>().join(" | ")
        }
    }
}
