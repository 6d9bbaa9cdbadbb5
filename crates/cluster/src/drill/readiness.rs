//! Whether a subject may be struck: somebody else must be ready to do its work, and everybody who
//! calls it must know. Read from the answer of `GET /status`. Pure.

use evergate_model::Service;
use serde_json::Value;

use super::Subject;

/// Everything that is missing for striking this; nothing: it may be struck.
pub(super) fn missing(status: &Value, subject: Subject) -> Vec<String> {
    let Subject::Service(service) = subject else { return Vec::new() };
    let instances: Vec<&Value> =
        list(status, "instances").filter(|instance| text(instance, "service") == service.as_str()).collect();
    let (ready, others): (Vec<&Value>, Vec<&Value>) =
        instances.into_iter().partition(|instance| matches!(text(instance, "state"), "ready" | "degraded"));
    let mut missing = Vec::new();
    if ready.len() < 2 {
        missing.push(too_few(service, &ready, &others));
    }
    missing.extend(list(status, "links").filter_map(|link| doubt(link, service)));
    missing
}

fn too_few(service: Service, ready: &[&Value], others: &[&Value]) -> String {
    let names = |instances: &[&Value]| {
        let names: Vec<&str> = instances.iter().map(|instance| text(instance, "name")).collect();
        names.join(", ")
    };
    let only = match ready {
        [] => format!("no instance of {service} is ready"),
        ready => format!("only one instance of {service} is ready ({})", names(ready)),
    };
    let states: Vec<String> =
        others.iter().map(|other| format!("{} is {}", text(other, "name"), text(other, "state"))).collect();
    match states.as_slice() {
        [] => format!("{only}; there is no redundant one"),
        states => format!("{only}; {}", states.join(", ")),
    }
}

/// What a caller has against all but one of its candidates, if the link is one to `service`.
fn doubt(link: &Value, service: Service) -> Option<String> {
    if text(link, "to") != service.as_str() {
        return None;
    }
    let up = list(link, "candidates").filter(|candidate| text(candidate, "state") == "up").count();
    if up >= 2 {
        return None;
    }
    let doubted = list(link, "candidates").filter(|candidate| text(candidate, "state") != "up");
    let doubted: Vec<String> = doubted
        .map(|candidate| format!("{} to be {}", text(candidate, "instance"), text(candidate, "state")))
        .collect();
    let from = text(link, "from");
    Some(match doubted.as_slice() {
        [] => format!("{from} knows no redundant instance of {service}"),
        doubted => format!("{from} takes {}", doubted.join(" and ")),
    })
}

/// Who is not yet preferred again of those who should be: callers whose calls do not go to the first
/// of their candidates.
pub(super) fn held_down(status: &Value, subject: Subject) -> Option<String> {
    let Subject::Service(service) = subject else { return None };
    let held = |link: &Value| {
        let first = list(link, "candidates").next().map(|candidate| text(candidate, "instance"))?;
        let active = text(link, "active");
        let is_held = text(link, "to") == service.as_str() && !active.is_empty() && active != first;
        is_held.then(|| first.to_owned())
    };
    list(status, "links").find_map(held)
}

fn list<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    object.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POLICY: Subject = Subject::Service(Service::Policy);

    fn status(instances: &[(&str, &str)], candidates: &[(&str, &str)]) -> Value {
        let instance =
            |(name, state): &(&str, &str)| json!({ "name": name, "service": "policy", "state": state });
        let candidate = |(name, state): &(&str, &str)| json!({ "instance": name, "state": state });
        json!({
            "instances": instances.iter().map(instance).collect::<Vec<_>>(),
            "links": [
                { "from": "access-point1", "to": "policy", "active": "policy2",
                  "candidates": candidates.iter().map(candidate).collect::<Vec<_>>() },
                { "from": "access-point1", "to": "authentication", "active": null, "candidates": [] },
            ],
        })
    }

    #[test]
    fn two_that_are_ready_for_everybody_may_lose_one() {
        let both = [("policy1", "ready"), ("policy2", "degraded")];
        let status = status(&both, &[("policy1", "up"), ("policy2", "up")]);
        assert_eq!(missing(&status, POLICY), Vec::<String>::new());
        assert_eq!(held_down(&status, POLICY).as_deref(), Some("policy1"), "calls go to the second");
        assert_eq!(missing(&status, Subject::Upstream), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_named() {
        let draining = [("policy1", "ready"), ("policy2", "draining")];
        let told = missing(&status(&draining, &[("policy1", "up"), ("policy2", "draining")]), POLICY);
        assert_eq!(
            told,
            [
                "only one instance of policy is ready (policy1); policy2 is draining",
                "access-point1 takes policy2 to be draining"
            ]
        );
        let told = missing(&status(&[("policy1", "ready")], &[("policy1", "up")]), POLICY);
        assert_eq!(
            told,
            [
                "only one instance of policy is ready (policy1); there is no redundant one",
                "access-point1 knows no redundant instance of policy"
            ]
        );
        let told = missing(&status(&[], &[]), Subject::Service(Service::AccessPoint));
        assert_eq!(told, ["no instance of access-point is ready; there is no redundant one"]);
    }
}
