//! What decisions come to: verdicts, sequences, reasons, reads and lifetimes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod support;

use std::time::Duration;

use evergate_decision::RuleSet;
use evergate_decision::explain::TermOutcome;
use evergate_model::Timestamp;
use evergate_model::reads::{HeaderRead, PathRead};
use support::{NOW, at_path, configuration, decide, name, request, resource, rules, session, shown};

#[test]
fn without_a_session_the_sequences_of_the_rule_are_offered_in_the_order_written() {
    for (rule, expected) in [
        ("anyone", "permit"),
        ("password", "password"),
        ("password and totp", "password totp"),
        ("totp and password", "totp password"),
        ("password and totp or passkey", "password totp | passkey"),
        ("password and (totp or email-code)", "password totp | password email-code"),
        ("(password or passkey) and password", "password"),
        ("password or password and totp", "password"),
        ("password and totp or password", "password"),
        ("password and password within 10m and password within 5m", "password<5m"),
        ("group(\"staff\") and password", "password"),
        ("group(\"staff\")", "password"),
        ("not group(\"blocked\")", "password"),
        ("group(\"staff\") or totp", "password | totp"),
        ("group(\"staff\") or anyone", "permit"),
        ("client in 192.0.2.0/24", "permit"),
        ("client in 192.0.2.0/24 and password", "password"),
        ("client in 192.0.2.0/24 or password", "permit"),
        ("client in 10.0.0.0/8 or password", "password"),
        ("recovery-code and password or password and totp", "recovery-code password | password totp"),
    ] {
        assert_eq!(shown(&decide(rule, None, &request()).verdict), expected, "{rule}");
    }
}

#[test]
fn what_is_proven_is_not_asked_for_again() {
    let password = session(&[("password", 60)]);
    for (rule, expected) in [
        ("password", "permit"),
        ("password and totp", "totp"),
        ("password within 2m", "permit"),
        ("password within 1m", "password<1m"),
        ("password within 1m and totp or passkey", "password<1m totp | passkey"),
        ("group(\"staff\") and password", "permit"),
        ("user(\"alice\")", "permit"),
        ("group(\"staff\") and not user(\"bob\")", "permit"),
        ("user(\"Alice\") and user(\" ALICE \")", "permit"),
        ("passkey or totp", "passkey | totp"),
        ("totp", "totp"),
    ] {
        assert_eq!(shown(&decide(rule, Some(&password), &request()).verdict), expected, "{rule}");
    }
}

#[test]
fn a_recovery_code_counts_only_where_the_rule_names_it() {
    let recovered = session(&[("password", 1), ("recovery-code", 1)]);
    assert_eq!(shown(&decide("password and totp", Some(&recovered), &request()).verdict), "totp");
    let verdict = decide("password and (totp or recovery-code)", Some(&recovered), &request()).verdict;
    assert_eq!(shown(&verdict), "permit");
}

#[test]
fn a_condition_that_cannot_be_mended_denies_and_tells_its_sort_only() {
    let password = session(&[("password", 60)]);
    for (rule, word) in [
        ("group(\"secret-group\") and password", "account"),
        ("password and not user(\"alice\")", "account"),
        ("password and not user(\"Alice\")", "account"),
        ("group(\"Staff\") and password", "account"),
        ("client in 10.0.0.0/8 and password", "network"),
        ("access-point(inner)", "entrance"),
        ("path under \"/secret\"", "part"),
        ("request-method in (POST)", "kind of request"),
        ("header(x-secret) matches \"secret\"", "requires"),
        ("time in \"Sat 10:00-11:00\"", "time"),
        ("not anyone", "closed"),
        ("password and totp and group(\"secret-group\")", "account"),
    ] {
        let decision = decide(rule, Some(&password), &request());
        let shown = shown(&decision.verdict);
        assert!(shown.starts_with("deny: ") && shown.contains(word), "{rule}: {shown}");
        assert!(!shown.contains("secret"), "{shown}");
        assert!(decision.because.contains("`resources.wiki.rule`, column "), "{}", decision.because);
    }
    let outside = decide("client in 10.0.0.0/8 and password", None, &request());
    assert!(shown(&outside.verdict).starts_with("deny"), "no sign-in is offered where it cannot help");
    assert_eq!(outside.because, "`client in 10.0.0.0/8` in `resources.wiki.rule`, column 1");
}

#[test]
fn the_effective_rule_is_the_global_and_the_general_and_that_of_the_longest_prefix() {
    let mut wiki = resource("password");
    wiki.general = vec![name("general")];
    for (prefix, rule) in [("/webhook", "anyone"), ("/admin", "totp"), ("/admin/keys/", "passkey")] {
        wiki.paths.insert(prefix.to_owned(), rule.to_owned());
    }
    let mut configuration = configuration(&[("general", "certificate")], vec![("wiki", wiki)]);
    configuration.global_rule = Some("email-code".to_owned());
    let rules = RuleSet::compile(&configuration).unwrap();
    for (path, expected) in [
        ("/", "email-code certificate password"),
        ("/webhook/x", "email-code certificate"),
        ("/webhooks", "email-code certificate password"),
        ("/admin/x", "email-code certificate totp"),
        ("/admin/keys", "email-code certificate passkey"),
        ("/admin/keys/1", "email-code certificate passkey"),
        ("/admin;x=1/keys;y", "email-code certificate passkey"),
    ] {
        let decision = rules.decide(&name("wiki"), None, &at_path(path), NOW).unwrap();
        assert_eq!(shown(&decision.verdict), expected, "{path}");
    }
    let decision = rules.decide(&name("wiki"), None, &at_path("/admin/x"), NOW).unwrap();
    let read = |prefix: &str, is_under| PathRead { prefix: prefix.to_owned(), is_under };
    assert_eq!(decision.reads.paths, [read("/admin", true), read("/admin/keys", false)]);
    assert_eq!(rules.decide(&name("other"), None, &request(), NOW), None);
}

#[test]
fn every_input_that_was_read_is_recorded_and_no_other() {
    let decision = decide("password", None, &request());
    assert_eq!(decision.reads, evergate_model::Reads::default());
    let all = "anyone or request-method in (PUT) or client in 10.0.0.0/8 or access-point(inner) \
               or path under \"/a\" or header(X-B) matches \"c\"";
    let reads = decide(all, None, &request()).reads;
    assert_eq!(reads.method.as_deref(), Some("GET"));
    assert_eq!(reads.client, Some(request().client));
    assert_eq!(reads.access_point, Some(name("access-point1")));
    assert_eq!(reads.paths, [PathRead { prefix: "/a".to_owned(), is_under: false }]);
    assert_eq!(reads.headers, [HeaderRead { name: "x-b".to_owned(), value: None }]);
    assert_eq!(rules(all).decision_headers(&name("wiki")), ["x-b"]);
}

#[test]
fn a_header_condition_searches_the_value_and_an_absent_header_meets_none() {
    let mut with = request();
    with.headers.insert("user-agent".to_owned(), "Mozilla Firefox/128".to_owned());
    let rule = |pattern: &str| format!("header(User-Agent) matches \"{pattern}\"");
    for (pattern, verdict) in
        [("Firefox/\\d+", "permit"), ("(?i)FIREFOX", "permit"), ("^Mozilla .*8$", "permit")]
    {
        assert_eq!(shown(&decide(&rule(pattern), None, &with).verdict), verdict, "{pattern}");
    }
    assert!(shown(&decide(&rule("^Firefox"), None, &with).verdict).starts_with("deny"));
    assert!(shown(&decide(&rule(".*"), None, &request()).verdict).starts_with("deny"));
}

#[test]
fn an_ipv4_address_in_ipv6_form_is_that_address() {
    let mut mapped = request();
    mapped.client = "::ffff:192.0.2.7".parse().unwrap();
    assert_eq!(shown(&decide("client in 192.0.2.0/24", None, &mapped).verdict), "permit");
}

#[test]
fn a_decision_is_valid_until_the_first_moment_that_changes_it() {
    let alice = session(&[("password", 60), ("totp", 30)]);
    let until = |rule: &str| decide(rule, Some(&alice), &request()).valid_until.since(NOW);
    assert_eq!(until("anyone"), Duration::from_secs(3600), "the session's end");
    assert_eq!(until("password within 5m"), Duration::from_secs(240));
    assert_eq!(until("password within 5m and totp within 1m"), Duration::from_secs(30));
    assert_eq!(until("password within 30s or totp"), Duration::from_secs(3600), "it has lapsed already");
    assert_eq!(until("time in \"Fri 09:00-10:15\""), Duration::from_secs(900));
    assert_eq!(until("not time in \"Fri 10:30-11:00\""), Duration::from_secs(1800));
    assert_eq!(decide("password", None, &request()).valid_until, Timestamp::MAX);
}

#[test]
fn a_session_that_has_ended_is_none() {
    let alice = session(&[("password", 60)]);
    let rules = rules("password");
    let last = alice.ends_at.minus(Duration::from_millis(1));
    assert_eq!(
        shown(&rules.decide(&name("wiki"), Some(&alice), &request(), last).unwrap().verdict),
        "permit"
    );
    let ended = rules.decide(&name("wiki"), Some(&alice), &request(), alice.ends_at).unwrap();
    assert_eq!(shown(&ended.verdict), "password");
}

#[test]
fn more_alternatives_than_the_limit_offer_fewer_and_deny_nobody() {
    let pair = |minutes: usize| format!("(password within {minutes}m or totp or passkey or email-code)");
    let rule = (1..40).map(pair).collect::<Vec<_>>().join(" and ");
    let verdict = decide(&rule, None, &request()).verdict;
    let text = shown(&verdict);
    assert!(text.split(" | ").count() <= evergate_decision::limits::SEQUENCES, "{text}");
    assert!(text.starts_with("password<1m"), "{text}");
}

#[test]
fn an_explanation_tells_what_became_of_each_term() {
    let password = session(&[("password", 60)]);
    let configuration = configuration(
        &[("staff", "group(\"staff\") and password and totp")],
        vec![("wiki", resource("rule(staff) or client in 10.0.0.0/8"))],
    );
    let rules = RuleSet::compile(&configuration).unwrap();
    let explanation = rules.explain(&name("wiki"), Some(&password), &request(), NOW).unwrap();
    let terms: Vec<(String, String, usize, TermOutcome)> = explanation
        .terms
        .iter()
        .map(|term| (term.text.clone(), term.place.to_string(), term.at.column, term.outcome))
        .collect();
    let row = |text: &str, place: &str, column, outcome| (text.to_owned(), place.to_owned(), column, outcome);
    assert_eq!(
        terms,
        [
            row("group(\"staff\")", "rules.staff", 1, TermOutcome::Holds),
            row("password", "rules.staff", 20, TermOutcome::Holds),
            row("totp", "rules.staff", 33, TermOutcome::Needed),
            row("client in 10.0.0.0/8", "resources.wiki.rule", 16, TermOutcome::Fails),
        ]
    );
    assert_eq!(explanation.decision.because, "`totp` in `rules.staff`, column 33");
    let decision = rules.decide(&name("wiki"), Some(&password), &request(), NOW).unwrap();
    assert_eq!(explanation.decision, decision);
}
