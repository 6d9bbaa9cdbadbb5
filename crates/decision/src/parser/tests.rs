//! The grammar, line by line, and its errors, column by column.

use proptest::prelude::*;

use crate::limits;
use crate::problem::Position;
use crate::rule::Rule;

fn shown(text: &str) -> String {
    Rule::parse(text).unwrap().expression.to_string()
}

#[test]
fn every_line_of_the_grammar_is_read() {
    for text in [
        "anyone",
        "password",
        "totp within 10m",
        "email-code or recovery-code or passkey or certificate or badge",
        "password and totp",
        "group(\"staff\") and password and totp",
        "user(\"al\\\"ice\")",
        "client in 10.0.0.0/8, 2001:db8::/32, 192.0.2.1/32",
        "access-point(edge-1)",
        "path under \"/admin\"",
        "request-method in (GET, HEAD)",
        "header(user-agent) matches \"^a\\d$\"",
        "time in \"Mon-Fri 08:00-18:00 Europe/Stockholm\"",
        "rule(staff) and not rule(blocked)",
        "not (client in 10.0.0.0/8 or group(\"x\"))",
        "password and (totp or (passkey and not user(\"x\")))",
    ] {
        let expected = text.replace("\\d", "\\\\d");
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn and_binds_more_tightly_than_or() {
    assert_eq!(shown("password or totp and passkey"), "password or (totp and passkey)");
    assert_eq!(shown("(password or totp) and passkey"), "(password or totp) and passkey");
}

#[test]
fn a_single_address_is_a_network_and_host_bits_are_cut_off() {
    assert_eq!(shown("client in 10.1.2.3"), "client in 10.1.2.3/32");
    assert_eq!(shown("client in 10.1.2.3/8"), "client in 10.0.0.0/8");
}

#[test]
fn ipv4_in_ipv6_form_is_the_ipv4_network_that_clients_are_compared_with() {
    assert_eq!(shown("client in ::ffff:10.1.2.3/104"), "client in 10.0.0.0/8");
    assert_eq!(shown("client in ::ffff:192.0.2.1"), "client in 192.0.2.1/32");
    assert_eq!(shown("client in ::/0, ::ffff:0:0/95"), "client in ::/0, ::fffe:0:0/95");
}

#[test]
fn an_error_names_its_column_and_what_was_expected() {
    let table = [
        ("", 1, "expected a factor, a condition, `anyone`, `rule(...)` or `(`, found the end of the rule"),
        ("password and", 13, "found the end of the rule"),
        ("password totp", 10, "expected `and`, `or` or the end of the rule, found `totp`"),
        ("and password", 1, "expected a factor, a condition, `anyone`, `rule(...)` or `(`, found `and`"),
        ("Password", 1, "expected a factor"),
        ("not password", 5, "`not` applies to conditions only, and `password` is a factor"),
        ("not (group(\"a\") or totp)", 20, "and `totp` is a factor"),
        ("not not anyone", 5, "expected a factor"),
        ("(password", 10, "expected `and`, `or` or `)`, found the end"),
        ("password)", 9, "expected `and`, `or` or the end of the rule, found `)`"),
        ("totp within", 12, "expected a length of time such as `10m`, found the end"),
        ("totp within soon", 13, "expected a length of time such as `10m`, found `soon`"),
        ("totp within 0s", 13, "expected a length of time"),
        ("group(staff)", 7, "expected a string in `\"`, found `staff`"),
        ("group \"staff\"", 7, "expected `(`, found `\"staff\"`"),
        ("client 10.0.0.0/8", 8, "expected `in`, found `10.0.0.0/8`"),
        ("client in 10.0.0.0/33", 11, "expected a network such as `10.0.0.0/8`, found `10.0.0.0/33`"),
        ("client in 10.0.0.0/8, office", 23, "expected a network"),
        ("request-method in (get)", 20, "expected a request method in capitals such as `GET`"),
        ("path under \"admin\"", 12, "`admin` is not a path: the path does not begin with `/`"),
        ("path under \"/a/../b\"", 12, "would never be met: paths are compared in the form `/b`"),
        ("path under \"/a;b\"", 12, "would never be met: paths are compared without what follows a `;`"),
        ("header(a b) matches \"x\"", 10, "expected `)`, found `b`"),
        ("rule(Staff)", 6, "expected a name, found `Staff`"),
        ("rule", 5, "expected `(`, found the end of the rule"),
        ("rule(staff", 11, "expected `)`, found the end of the rule"),
        ("anyone within 5m", 8, "expected `and`, `or` or the end of the rule, found `within`"),
        ("group(\"a\", \"b\")", 10, "expected `)`, found `,`"),
        ("user(alice)", 6, "expected a string in `\"`, found `alice`"),
        ("user(\"alice", 6, "the string that begins here has no closing"),
        ("client in 10.0.0.0/8,", 22, "expected a network such as `10.0.0.0/8`, found the end"),
        ("client in (10.0.0.0/8)", 11, "expected a network"),
        ("access-point edge-1", 14, "expected `(`, found `edge-1`"),
        ("access-point(\"edge-1\")", 14, "expected a name, found `\"edge-1\"`"),
        ("path \"/a\"", 6, "expected `under`, found `\"/a\"`"),
        ("path under /a", 12, "expected a string in `\"`, found `/a`"),
        ("request-method GET", 16, "expected `in`, found `GET`"),
        ("request-method in GET", 19, "expected `(`, found `GET`"),
        ("request-method in (GET POST)", 24, "expected `)`, found `POST`"),
        ("request-method in ()", 20, "expected a request method in capitals"),
        ("header(\"x\") matches \"y\"", 8, "expected a header's name"),
        ("header(x) \"y\"", 11, "expected `matches`, found `\"y\"`"),
        ("header(x) matches y", 19, "expected a string in `\"`, found `y`"),
        ("time in Mon", 9, "expected a string in `\"`, found `Mon`"),
        ("not", 4, "expected a factor, a condition"),
        ("()", 2, "expected a factor, a condition"),
        ("password or", 12, "found the end of the rule"),
        ("password or or totp", 13, "found `or`"),
        ("time \"Mon\"", 6, "expected `in`"),
        ("ü or password", 1, "has no meaning in a rule"),
    ];
    for (text, column, message) in table {
        let error = Rule::parse(text).unwrap_err();
        assert_eq!(error.at, Position { line: 1, column }, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
}

#[test]
fn parentheses_are_nested_as_deep_as_the_limit_and_no_deeper() {
    let nested = |depth| format!("{}password{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Rule::parse(&nested(limits::DEPTH)).is_ok());
    let error = Rule::parse(&nested(limits::DEPTH + 1)).unwrap_err();
    assert_eq!(error.at.column, limits::DEPTH + 1, "{error}");
}

#[test]
fn a_rule_has_as_many_terms_as_the_limit_and_no_more() {
    let joined = |terms| vec!["totp"; terms].join(" or ");
    assert!(Rule::parse(&joined(limits::TERMS)).is_ok());
    assert!(Rule::parse(&joined(limits::TERMS + 1)).unwrap_err().message.contains("more than 1000 terms"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let _ = Rule::parse(&text);
    }

    #[test]
    fn words_of_the_language_in_any_order_do_not_either(
        words in prop::collection::vec(prop::sample::select(vec![
            "and", "or", "not", "(", ")", ",", "password", "totp", "within", "10m", "group", "\"x\"", "client",
            "in", "10.0.0.0/8", "rule", "anyone", "header", "matches", "time", "path", "under", "\"/a\"",
        ]), 0..30),
    ) {
        if let Ok(rule) = Rule::parse(&words.join(" ")) {
            let once = rule.expression.to_string();
            prop_assert_eq!(shown(&once), once);
        }
    }
}
