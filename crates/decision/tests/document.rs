//! The page about access rules shows rules that are rules.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod support;

use evergate_decision::{Rule, RuleSet};
use support::{configuration, name, resource};

const PAGE: &str = include_str!("../../../docs/access-rules.md");

fn rules() -> Vec<&'static str> {
    let blocks = PAGE.split("```rule\n").skip(1);
    blocks.filter_map(|block| block.split_once("```")).flat_map(|(rules, _)| rules.lines()).collect()
}

#[test]
fn every_rule_on_the_page_can_be_used() {
    assert!(rules().len() > 10);
    let mut configuration = configuration(&[("staff", "password"), ("guests", "anyone")], vec![]);
    for (number, rule) in rules().into_iter().enumerate() {
        configuration.resources.insert(name(&format!("r{number}")), resource(rule));
    }
    RuleSet::compile(&configuration).unwrap_or_else(|problems| panic!("{problems:#?}"));
}

#[test]
fn the_page_names_every_factor_and_condition() {
    for word in evergate_model::factor::RESERVED_WORDS {
        assert!(PAGE.contains(word), "{word}");
    }
    for factor in ["password", "totp", "email-code", "recovery-code", "passkey", "certificate"] {
        assert!(PAGE.contains(factor) && Rule::parse(factor).is_ok(), "{factor}");
    }
}
