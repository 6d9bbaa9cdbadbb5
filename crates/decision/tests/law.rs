//! The law of the permit cache: a remembered decision equals a fresh one, for every rule, session,
//! pair of requests and moment. And the proof that the test would notice an evaluator that forgets
//! to record one of its inputs.
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

use evergate_decision::RuleSet;
use evergate_model::factor::ProvenFactor;
use evergate_model::verdict::Decision;
use evergate_model::{NormalPath, Reads, RequestFacts, SessionFacts, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use support::{NOW, configuration, name, request, resource, session};

fn condition() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "anyone",
        "group(\"staff\")",
        "group(\"admins\")",
        "user(\"alice\")",
        "client in 10.0.0.0/8",
        "client in 10.1.0.0/16, 2001:db8::/32",
        "access-point(edge1)",
        "path under \"/a\"",
        "path under \"/a/b\"",
        "request-method in (GET, HEAD)",
        "request-method in (POST)",
        "header(x-one) matches \"^a\"",
        "header(x-two) matches \"b\"",
        "time in \"Mon-Fri 08:00-18:00 Europe/Stockholm\"",
        "time in \"Fri 10:00-10:05\"",
    ])
    .prop_map(str::to_owned)
}

fn factor() -> impl Strategy<Value = String> {
    let factors = vec!["password", "totp", "passkey", "email-code", "recovery-code"];
    (prop::sample::select(factors), prop::option::of(1_u32..600)).prop_map(|(factor, within)| match within {
        None => factor.to_owned(),
        Some(seconds) => format!("{factor} within {seconds}s"),
    })
}

fn joined(inner: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = String> {
    (prop::collection::vec(inner, 2..4), prop::sample::select(vec![" and ", " or "]))
        .prop_map(|(parts, word)| format!("({})", parts.join(word)))
}

fn rule() -> impl Strategy<Value = String> {
    let conditions = condition().prop_recursive(2, 8, 3, |inner| joined(inner).boxed());
    let term = prop_oneof![
        3 => factor(),
        3 => condition(),
        1 => conditions.prop_map(|text| format!("not {text}").replace("not not ", "not ")),
        1 => Just("rule(shared)".to_owned()),
    ];
    term.prop_recursive(3, 24, 3, |inner| joined(inner).boxed())
}

fn rules() -> impl Strategy<Value = RuleSet> {
    let paths =
        prop::collection::btree_map(prop::sample::select(vec!["/a", "/a/b", "/c", "/"]), rule(), 0..3);
    let shared = prop_oneof![factor(), condition()];
    (rule(), paths, shared, prop::option::of(condition())).prop_map(|(own, paths, shared, global)| {
        let mut wiki = resource(&own);
        wiki.paths = paths.into_iter().map(|(prefix, rule)| (prefix.to_owned(), rule)).collect();
        let mut configuration = configuration(&[("shared", &shared)], vec![("wiki", wiki)]);
        configuration.global_rule = global;
        RuleSet::compile(&configuration).unwrap_or_else(|problems| panic!("{problems:?}"))
    })
}

fn requests() -> impl Strategy<Value = RequestFacts> {
    let value = || prop::option::of(prop::sample::select(vec!["a", "b", "ab", "c"]));
    (
        prop::sample::select(vec!["GET", "HEAD", "POST"]),
        prop::sample::select(vec!["/", "/a", "/a/b", "/a/b/c", "/c", "/ab"]),
        prop::sample::select(vec!["10.1.2.3", "10.2.3.4", "192.0.2.1", "2001:db8::1"]),
        prop::sample::select(vec!["edge1", "edge2"]),
        value(),
        value(),
    )
        .prop_map(|(method, path, client, access_point, one, two)| RequestFacts {
            method: method.to_owned(),
            path: NormalPath::new(path).unwrap(),
            client: client.parse().unwrap(),
            access_point: name(access_point),
            headers: [("x-one", one), ("x-two", two)]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect(),
            ..request()
        })
}

fn sessions() -> impl Strategy<Value = Option<SessionFacts>> {
    let ages = prop::collection::btree_map(
        prop::sample::select(vec!["password", "totp", "passkey", "email-code"]),
        0_u64..900,
        0..4,
    );
    let groups = prop::sample::subsequence(vec!["admins", "staff"], 0..=2);
    let made = (ages, groups, -10_i64..600).prop_map(|(ages, groups, lasts)| {
        let proven = |(factor, ago): (&str, u64)| ProvenFactor {
            factor: factor.parse().unwrap(),
            at: NOW.minus(std::time::Duration::from_secs(ago)),
        };
        SessionFacts {
            factors: ages.into_iter().map(proven).collect(),
            groups: groups.into_iter().map(str::to_owned).collect(),
            ends_at: Timestamp::from_milliseconds(NOW.as_milliseconds() + lasts * 1000),
            ..session(&[])
        }
    });
    prop::option::of(made)
}

/// One trial: rules, a session, two requests, and how late within the lifetime the second comes.
type Trial = (RuleSet, Option<SessionFacts>, RequestFacts, RequestFacts, f64);

fn trials() -> impl Strategy<Value = Trial> {
    // Half of the second requests differ in one thing only: those are the ones that a forgotten
    // input lets through.
    let second = (requests(), requests(), 0_u8..6).prop_map(|(first, other, which)| {
        let mut second = first.clone();
        match which {
            0 => second.method = other.method,
            1 => second.path = other.path,
            2 => second.client = other.client,
            3 => second.access_point = other.access_point,
            4 => second.headers = other.headers,
            _ => second = other,
        }
        (first, second)
    });
    (rules(), sessions(), second, 0.0..1.0_f64)
        .prop_map(|(rules, session, (first, second), share)| (rules, session, first, second, share))
}

/// Checks the law, with `bug` applied to what the evaluator says of the first request.
fn check(trial: &Trial, bug: impl Fn(&mut Decision)) -> Result<(), TestCaseError> {
    let (rules, session, first, second, share) = trial;
    let decide = |request, now| rules.decide(&name("wiki"), session.as_ref(), request, now).unwrap();
    let honest = decide(first, NOW);
    let mut remembered = honest.clone();
    bug(&mut remembered);
    if !remembered.reads.hold_for(second) {
        return Ok(());
    }
    prop_assert!(remembered.valid_until > NOW);
    let lifetime = remembered.valid_until.since(NOW).as_millis().min(86_400_000) as f64;
    let later = NOW.plus(std::time::Duration::from_millis((share * (lifetime - 1.0)) as u64));
    prop_assert_eq!(decide(second, later), honest);
    Ok(())
}

fn caught(bug: impl Fn(&mut Decision)) -> bool {
    let config =
        Config { cases: 20_000, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let result = TestRunner::new(config).run(&trials(), |trial| check(&trial, &bug));
    matches!(result, Err(TestError::Fail(..)))
}

proptest! {
    #![proptest_config(Config { cases: 4000, ..Config::default() })]

    #[test]
    fn a_remembered_decision_equals_a_fresh_one(trial in trials()) {
        check(&trial, |_| {})?;
    }
}

#[test]
fn the_law_test_notices_each_input_that_is_not_recorded() {
    type Bug = fn(&mut Decision);
    let bugs: [(&str, Bug); 7] = [
        ("method", |decision| decision.reads.method = None),
        ("client", |decision| decision.reads.client = None),
        ("access point", |decision| decision.reads.access_point = None),
        ("path", |decision| decision.reads.paths.clear()),
        ("path under not recorded", |decision| decision.reads.paths.retain(|read| !read.is_under)),
        ("headers", |decision| decision.reads.headers.clear()),
        ("time", |decision| decision.valid_until = Timestamp::MAX),
    ];
    for (input, bug) in bugs {
        assert!(caught(bug), "an evaluator that forgets the {input} goes unnoticed");
    }
    assert!(!caught(|decision| decision.reads = Reads { ..decision.reads.clone() }));
}
