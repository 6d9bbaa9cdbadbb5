//! Access rules: no text makes the parser panic or run away, what is read and written again is read
//! as the same, and a rule that can be used decides, on what it says that it has read.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use evergate_decision::{Rule, RuleSet, limits};
use evergate_model::{Configuration, Name, NormalPath, RequestFacts, Timestamp};
use libfuzzer_sys::fuzz_target;

static CONFIGURATION: LazyLock<Configuration> = LazyLock::new(|| {
    let text = r#"{"portal_host": "portal.example.com", "rules": {"staff": "group(\"staff\") and password"},
        "resources": {"wiki": {"hosts": ["wiki.example.com"], "upstreams": ["http://a:1"], "rule": "anyone"}}}"#;
    serde_json::from_str(text).expect("a configuration")
});

fn request() -> RequestFacts {
    RequestFacts {
        method: "GET".to_owned(),
        host: "wiki.example.com".parse().expect("a host"),
        path: NormalPath::new("/a/b?c").expect("a path"),
        client: IpAddr::from([192, 0, 2, 7]),
        access_point: "access-point1".parse().expect("a name"),
        headers: [("user-agent".to_owned(), "Firefox/128".to_owned())].into(),
    }
}

fuzz_target!(|text: &str| {
    let Ok(rule) = Rule::parse(text) else { return };
    let written = rule.expression.to_string();
    match Rule::parse(&written) {
        Ok(again) => assert_eq!(again.expression.to_string(), written),
        // Only the limit on length may refuse what was just read: escapes make it longer.
        Err(_) => assert!(written.len() > limits::TEXT, "{written}"),
    }
    let mut configuration = CONFIGURATION.clone();
    let wiki: Name = "wiki".parse().expect("a name");
    if let Some(resource) = configuration.resources.get_mut(&wiki) {
        text.clone_into(&mut resource.rule);
    }
    let Ok(rules) = RuleSet::compile(&configuration) else { return };
    let now = Timestamp::from_seconds(1_795_168_800);
    let decision = rules.decide(&wiki, None, &request(), now).expect("there is such a resource");
    assert!(decision.reads.hold_for(&request()) && decision.valid_until > now);
    let explanation = rules.explain(&wiki, None, &request(), now).expect("there is such a resource");
    assert_eq!(explanation.decision, decision);
});
