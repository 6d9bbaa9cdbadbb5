//! Everything that can be wrong with a configuration before it is published, all of it at once.

use std::collections::BTreeMap;

use evergate_decision::{RuleProblem, RuleSet};
use evergate_model::configuration::{Mail, Resource};
use evergate_model::{Configuration, Host, Period};

use super::{Problem, upstream};

/// The longest that a permit may be remembered (design.md section 2).
const LONGEST_PERMIT: Period = Period::from_seconds(30);
/// The longest session: its token must be verifiable by a key that is kept so long.
const LONGEST_SESSION: Period = Period::from_seconds(90 * 86_400);

/// The rules of a configuration that holds together.
///
/// # Errors
/// Every problem, each with its place. Certificate files are read by
/// [`crate::certificates`], not here.
pub fn check(configuration: &Configuration) -> Result<RuleSet, Vec<Problem>> {
    let mut problems = Vec::new();
    let rules =
        RuleSet::compile(configuration).map_err(|found| problems.extend(found.iter().map(from_rule_problem)));
    hosts(configuration, &mut problems);
    for (name, resource) in &configuration.resources {
        check_resource(&format!("resources.{name}"), resource, &mut problems);
    }
    limits(configuration, &mut problems);
    if let Some(mail) = &configuration.mail {
        check_mail(mail, &mut problems);
    }
    match rules {
        Ok(rules) if problems.is_empty() => Ok(rules),
        _ => Err(problems),
    }
}

fn from_rule_problem(problem: &RuleProblem) -> Problem {
    let place = problem.at.map_or_else(|| problem.place.to_string(), |at| format!("{}, {at}", problem.place));
    Problem::new(place, &problem.message)
}

fn hosts(configuration: &Configuration, problems: &mut Vec<Problem>) {
    let mut owners: BTreeMap<&Host, String> = BTreeMap::new();
    let own = [
        ("portal_host", Some(&configuration.portal_host)),
        ("console_host", configuration.console_host.as_ref()),
    ];
    let own = own.into_iter().filter_map(|(place, host)| Some((place.to_owned(), host?)));
    let resources = configuration.resources.iter().flat_map(|(name, resource)| {
        resource.hosts.iter().map(move |host| (format!("resources.{name}.hosts"), host))
    });
    for (place, host) in own.chain(resources) {
        if let Some(owner) = owners.get(host) {
            problems.push(Problem::new(place, format!("`{host}` is the host of `{owner}` already")));
        } else {
            owners.insert(host, place);
        }
    }
}

fn check_resource(place: &str, resource: &Resource, problems: &mut Vec<Problem>) {
    let mut add =
        |field: &str, message: String| problems.push(Problem::new(format!("{place}.{field}"), message));
    if resource.hosts.is_empty() {
        add("hosts", "a resource needs a host".to_owned());
    }
    if resource.upstreams.is_empty() {
        add("upstreams", "a resource needs a server".to_owned());
    }
    for (number, text) in resource.upstreams.iter().enumerate() {
        if let Some(message) = upstream::problem(text) {
            add(&format!("upstreams[{number}]"), message);
        }
        if resource.upstreams.iter().take(number).any(|earlier| earlier == text) {
            add(&format!("upstreams[{number}]"), format!("`{text}` is there twice"));
        }
    }
    for name in resource.headers.keys() {
        if let Some(message) = header_problem(name) {
            add("headers", message);
        }
    }
    if resource.permit_cache > LONGEST_PERMIT {
        add("permit_cache", format!("`{}` is longer than `{LONGEST_PERMIT}`", resource.permit_cache));
    }
}

fn header_problem(name: &str) -> Option<String> {
    let Ok(parsed) = axum::http::HeaderName::from_bytes(name.as_bytes()) else {
        return Some(format!("`{name}` is not the name of a header"));
    };
    let parsed = parsed.as_str().replace('_', "-");
    let hop_by_hop = ["connection", "host", "te", "trailer", "transfer-encoding", "upgrade", "keep-alive"];
    if parsed.starts_with("x-evergate-") {
        return Some(format!("`{name}` belongs to Evergate"));
    }
    let is_taken =
        hop_by_hop.contains(&parsed.as_str()) || ["content-length", "cookie"].contains(&parsed.as_str());
    is_taken.then(|| format!("`{name}` cannot carry what is known of a user"))
}

fn limits(configuration: &Configuration, problems: &mut Vec<Problem>) {
    let mut add = |place: &str, message: String| problems.push(Problem::new(place, message));
    let sessions = &configuration.sessions;
    if sessions.absolute.is_zero() || sessions.absolute > LONGEST_SESSION {
        add("sessions.absolute", format!("must be above 0 and at most `{LONGEST_SESSION}`"));
    }
    if sessions.idle.is_zero() {
        add("sessions.idle", "must be above 0".to_owned());
    }
    let sign_in = &configuration.sign_in;
    if sign_in.failures == 0 {
        add("sign_in.failures", "must be above 0: nobody could sign in".to_owned());
    }
    if sign_in.failures_per_user < sign_in.failures {
        add("sign_in.failures_per_user", "must not be below `sign_in.failures`".to_owned());
    }
    if sign_in.pause.is_zero() {
        add("sign_in.pause", "must be above 0".to_owned());
    }
}

fn check_mail(mail: &Mail, problems: &mut Vec<Problem>) {
    if !is_mailbox(&mail.from) {
        problems.push(Problem::new("mail.from", format!("`{}` is not a sender's address", mail.from)));
    }
    if mail.servers.is_empty() {
        problems.push(Problem::new("mail.servers", "mail needs a server; leave `mail` out to write files"));
    }
    for (number, server) in mail.servers.iter().enumerate() {
        if server.host.is_empty() || server.host.contains(char::is_whitespace) {
            let place = format!("mail.servers[{number}].host");
            problems.push(Problem::new(place, format!("`{}` is not a host", server.host)));
        }
    }
}

/// `name@domain`, or `Words <name@domain>`.
fn is_mailbox(text: &str) -> bool {
    let address = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(start), Some(inner)) => inner.get(start + 1..).unwrap_or_default(),
        _ => text,
    };
    is_address(address)
}

/// Whether a text can be an e-mail address: one `@`, something on both sides, no blank.
pub(crate) fn is_address(text: &str) -> bool {
    let has_strange = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c);
    text.len() <= 254
        && !text.contains(has_strange)
        && text.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty() && !domain.contains('@') && domain.parse::<Host>().is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(text: &str) -> Configuration {
        serde_saphyr::from_str(text).unwrap()
    }

    fn places(text: &str) -> Vec<String> {
        check(&configuration(text)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_of_the_contract_holds_together() {
        let text = r#"
portal_host: portal.example.com
rules: { staff: 'group("staff") and password and totp' }
resources:
  wiki:
    hosts: [wiki.example.com]
    upstreams: [http://10.0.0.21:3000, http://10.0.0.22:3000]
    rule: rule(staff)
    paths: { /webhook: anyone, /admin: 'group("admins") and totp within 10m' }
    headers: { X-WEBAUTH-USER: user }
    grace: 15m
    permit_cache: 30s
"#;
        assert_eq!(places(text), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_place() {
        let found = places(
            "{portal_host: p.example, console_host: p.example, mail: {from: nobody, servers: []}, \
             sessions: {absolute: 0s}, resources: {a: {hosts: [p.example], upstreams: ['ftp://x'], \
             rule: 'password and', headers: {X-Evergate-User: user}, permit_cache: 31s}}}",
        );
        for place in [
            "console_host",
            "resources.a.hosts",
            "resources.a.rule",
            "resources.a.upstreams[0]",
            "resources.a.headers",
            "resources.a.permit_cache",
            "sessions.absolute",
            "mail.from",
            "mail.servers",
        ] {
            assert!(found.iter().any(|problem| problem.starts_with(place)), "{place}: {found:#?}");
        }
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        for good in ["a@b.example", "Evergate <noreply@example.com>"] {
            assert!(is_mailbox(good), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b\r\nBcc: x@y", "a@b@c"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
