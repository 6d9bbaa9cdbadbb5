//! What is found wrong with the rules of a configuration, and how large one may be.
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

use evergate_decision::{RuleSet, limits};
use evergate_model::Configuration;
use support::{NOW, configuration, name, request, resource, shown};

fn problems(configuration: &Configuration) -> Vec<String> {
    RuleSet::compile(configuration).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn all_problems_are_found_at_once_each_with_its_place() {
    let mut wiki = resource("password and badge");
    wiki.general = vec![name("nowhere")];
    wiki.paths.insert("admin".to_owned(), "totp".to_owned());
    wiki.paths.insert("/a".to_owned(), "totp".to_owned());
    wiki.paths.insert("/a/".to_owned(), "totp".to_owned());
    wiki.paths.insert("/b".to_owned(), "header(x) matches \"(\"".to_owned());
    let mut configuration = configuration(
        &[
            ("a", "password and rule(b)"),
            ("b", "totp or rule(a)"),
            ("c", "rule(missing) and time in \"Mon 25:00-26:00\""),
            ("d", "not rule(strong)"),
            ("e", "password and"),
            ("f", "rule(e) and rule(a)"),
            ("strong", "password and totp"),
        ],
        vec![("wiki", wiki)],
    );
    configuration.global_rule = Some("client in 10.0.0.0/99".to_owned());
    let mut found = problems(&configuration);
    found.sort();
    let expected = [
        "`global_rule`, column 11: expected a network such as `10.0.0.0/8`, found `10.0.0.0/99`",
        "`resources.wiki.general`: there is no rule `nowhere`",
        "`resources.wiki.paths./b`, column 1: the pattern cannot be used: unclosed group",
        "`resources.wiki.paths.admin`: `admin` is not a path: the path does not begin with `/`",
        "`resources.wiki.rule`, column 14: there is no method `badge`, nor a condition of that name",
        "`rules.a`, column 14: the rules refer to each other in a circle: `a` -> `b` -> `a`",
        "`rules.c`, column 19: `25:00-26:00` is not a span of hours; write days, hours and time zone, as in `Mon-Fri 08:00-18:00 Europe/Stockholm`",
        "`rules.c`, column 1: there is no rule `missing`",
        "`rules.d`, column 1: `not` applies to conditions only, and the rule named here asks for a factor",
        "`rules.e`, column 13: expected a factor, a condition, `anyone`, `rule(...)` or `(`, found the end of the rule",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_prefix_has_one_rule() {
    let mut wiki = resource("password");
    wiki.paths.insert("/a".to_owned(), "totp".to_owned());
    wiki.paths.insert("/a/".to_owned(), "passkey".to_owned());
    let found = problems(&configuration(&[], vec![("wiki", wiki)]));
    assert_eq!(found, ["`resources.wiki.paths./a/`: this prefix has another rule already"]);
}

#[test]
fn a_rule_that_refers_to_itself_is_a_circle() {
    let found = problems(&configuration(&[("a", "rule(a)")], vec![]));
    assert_eq!(found, ["`rules.a`, column 1: the rules refer to each other in a circle: `a` -> `a`"]);
}

#[test]
fn a_negated_reference_to_conditions_is_fine() {
    let configuration =
        configuration(&[("inside", "client in 10.0.0.0/8")], vec![("wiki", resource("not rule(inside)"))]);
    let rules = RuleSet::compile(&configuration).unwrap();
    assert_eq!(shown(&rules.decide(&name("wiki"), None, &request(), NOW).unwrap().verdict), "permit");
}

#[test]
fn a_chain_of_100_000_rules_is_fine() {
    let mut configuration = configuration(&[("r0", "password")], vec![("wiki", resource("rule(r99999)"))]);
    for number in 1..100_000 {
        configuration.rules.insert(name(&format!("r{number}")), format!("rule(r{})", number - 1));
    }
    let rules = RuleSet::compile(&configuration).unwrap();
    assert_eq!(shown(&rules.decide(&name("wiki"), None, &request(), NOW).unwrap().verdict), "password");
}

#[test]
fn a_circle_of_100_000_rules_is_found() {
    let mut configuration = configuration(&[], vec![]);
    for number in 0..100_000 {
        configuration.rules.insert(name(&format!("r{number}")), format!("rule(r{})", (number + 1) % 100_000));
    }
    let found = problems(&configuration);
    assert_eq!(found.len(), 1);
    assert!(found[0].len() < 1000, "{}", found[0].len());
}

#[test]
fn rules_that_double_at_each_reference_are_evaluated_once_each() {
    let mut configuration = configuration(&[("r0", "password")], vec![("wiki", resource("rule(r60)"))]);
    for number in 1..=60 {
        let before = number - 1;
        let text = format!("(rule(r{before}) or totp) and (rule(r{before}) or passkey)");
        configuration.rules.insert(name(&format!("r{number}")), text);
    }
    let rules = RuleSet::compile(&configuration).unwrap();
    let verdict = rules.decide(&name("wiki"), None, &request(), NOW).unwrap().verdict;
    assert_eq!(shown(&verdict), "password | totp passkey");
}

#[test]
fn more_than_the_limits_is_refused_with_the_limit() {
    let wide = (0..300).map(|_| "password").collect::<Vec<_>>().join(" or ");
    let mut large = configuration(&[], vec![]);
    for number in 0..40 {
        large.rules.insert(name(&format!("r{number}")), wide.clone());
    }
    let all = (0..40).map(|number| format!("rule(r{number})")).collect::<Vec<_>>().join(" and ");
    large.resources.insert(name("wiki"), resource(&all));
    let found = problems(&large);
    assert!(found.len() == 1 && found[0].contains("more than 10000 terms"), "{found:?}");

    let mut many = resource("password");
    for number in 0..=limits::PATHS {
        many.paths.insert(format!("/p{number}"), "totp".to_owned());
    }
    let found = problems(&configuration(&[], vec![("wiki", many)]));
    assert!(found.len() == 1 && found[0].contains("200 path rules at most"), "{found:?}");

    let mut broken = configuration(&[], vec![]);
    for number in 0..2000 {
        broken.rules.insert(name(&format!("r{number}")), "and".to_owned());
    }
    let found = problems(&broken);
    assert_eq!(found.len(), limits::PROBLEMS + 1);
    assert_eq!(found.last().unwrap(), "`configuration`: 1000 more problems");
}
