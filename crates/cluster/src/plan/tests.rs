//! What a plan does, and what it never does.

use proptest::prelude::*;

use super::*;
use crate::network::Network;
use crate::render::{Inputs, render};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn file(text: &str) -> ComposeFile {
    let network = Network::parse(text).unwrap();
    let names = network.instances().iter().map(|planned| planned.name.clone());
    let inputs = Inputs {
        image: "evergate:1".to_owned(),
        live: vec!["live".to_owned()],
        bootstraps: names.map(|name| (name.clone(), format!("{name}-1"))).collect(),
        database_password: Some("password-1".to_owned()),
    };
    render(&network, &inputs).unwrap()
}

fn apply(state: State, plan: &Plan) -> State {
    plan.steps.iter().fold(state, State::after)
}

/// What runs after a first deployment.
fn deployed(text: &str) -> State {
    let plan = Plan::between(&State::default(), &file(text)).unwrap();
    apply(State::default(), &plan)
}

fn told(plan: &Plan) -> String {
    plan.steps.iter().map(|step| format!("{step}\n")).collect()
}

const TWO: &str = "
stack: acme
database: { managed: a }
nodes: { a: { address: 10.0.0.1, swarm: manager }, b: { address: 10.0.0.2, swarm: worker }, c: { address: 10.0.0.3, swarm: worker } }
instances:
  administration1: { service: administration, node: a }
  policy1: { service: policy, node: a }
  policy2: { service: policy, node: b }
  authentication1: { service: authentication, node: a }
  distribution1: { service: distribution, node: a }
  access-point1: { service: access-point, node: a, listen: [{ port: 443, all_interfaces: true }] }
  access-point2: { service: access-point, node: b, listen: [{ port: 443, all_interfaces: true }] }
";

fn planned(text: &str) -> Plan {
    let state = deployed(TWO);
    let plan = Plan::between(&state, &file(text)).unwrap();
    assert_eq!(apply(state, &plan), deployed(text));
    plan
}

#[test]
fn a_first_deployment_begins_with_labels_secrets_and_the_database() {
    let plan = Plan::between(&State::default(), &file(TWO)).unwrap();
    insta::assert_snapshot!(told(&plan));
}

#[test]
fn what_runs_already_needs_nothing() {
    assert!(planned(TWO).is_empty());
    let mut with_digests = deployed(TWO);
    with_digests.services.values_mut().for_each(|running| running.image.push_str("@sha256:0123"));
    assert!(Plan::between(&with_digests, &file(TWO)).unwrap().is_empty());
}

#[test]
fn a_new_image_goes_one_service_at_a_time() {
    let plan = planned(&TWO.replace("stack: acme", "stack: acme\nimage: evergate:2"));
    insta::assert_snapshot!(told(&plan));
    assert!(
        !plan.interrupted.contains(&Service::Policy) && !plan.interrupted.contains(&Service::AccessPoint)
    );
    assert!(plan.interrupted.contains(&Service::Administration), "there is one only");
    assert!(!plan.interrupts_database);
}

#[test]
fn an_override_or_a_limit_alone_is_a_change_of_that_service_alone() {
    let overridden = "overrides: { services: { policy2: { environment: { A: b } } } }\n";
    let limited = TWO.replace("service: policy, node: b", "service: policy, node: b, limits: { cpu: 0.5 }");
    for text in [format!("{TWO}{overridden}"), limited] {
        assert_eq!(told(&planned(&text)), "change `policy2`: its definition differs\n");
    }
}

#[test]
fn an_instance_is_added_moved_and_removed() {
    let added = planned(
        &TWO.replace("  authentication1", "  policy3: { service: policy, node: c }\n  authentication1"),
    );
    let moved = planned(
        &TWO.replace("policy2: { service: policy, node: b }", "policy2: { service: policy, node: c }"),
    );
    let removed = planned(&TWO.replace("  policy2: { service: policy, node: b }\n", ""));
    insta::assert_snapshot!(format!("{}\n{}\n{}", told(&added), told(&moved), told(&removed)));
    assert!([added, moved, removed].iter().all(|plan| plan.interrupted.is_empty()));
}

#[test]
fn who_has_a_port_that_is_needed_goes_first_and_everybody_else_last() {
    let text = TWO
        .replace("access-point2: {", "access-point3: {")
        .replace("  policy2: { service: policy, node: b }\n", "");
    let plan = planned(&text);
    insta::assert_snapshot!(told(&plan));
    assert!(plan.interrupted.is_empty());
}

#[test]
fn two_that_exchange_a_port_are_said_to_interrupt() {
    let swapped = TWO
        .replace("access-point1", "x")
        .replace("access-point2", "access-point1")
        .replace("  x:", "  access-point2:");
    let plan = planned(&swapped);
    insta::assert_snapshot!(told(&plan));
    assert_eq!(plan.interrupted, BTreeSet::from([Service::AccessPoint]));
}

#[test]
fn an_instance_that_is_not_ready_is_waited_for_before_the_other_is_touched() {
    let mut state = deployed(TWO);
    state.services.get_mut("policy1").unwrap().is_ready = false;
    let text = TWO.replace(
        "policy2: { service: policy, node: b }",
        "policy2: { service: policy, node: b, image: 'e:2' }",
    );
    let plan = Plan::between(&state, &file(&text)).unwrap();
    insta::assert_snapshot!(told(&plan));
    assert!(plan.interrupted.is_empty());
}

#[test]
fn the_managed_database_is_not_moved_away_from_its_data() {
    let error = Plan::between(&deployed(TWO), &file(&TWO.replace("managed: a", "managed: b"))).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn an_instance_does_not_become_one_of_another_service() {
    let text = TWO.replace("policy2: { service: policy", "policy2: { service: distribution");
    insta::assert_snapshot!(Plan::between(&deployed(TWO), &file(&text)).unwrap_err());
}

#[test]
fn labels_that_somebody_took_away_or_put_elsewhere_are_put_right() {
    let mut state = deployed(TWO);
    state.labels.remove(&(name("a"), "policy1".to_owned()));
    state.labels.insert((name("c"), "policy2".to_owned()));
    state.labels.insert((name("c"), "policy9".to_owned()));
    let plan = Plan::between(&state, &file(TWO)).unwrap();
    insta::assert_snapshot!(told(&plan));
    assert_eq!(apply(state, &plan), deployed(TWO));
}

/// Three of one service, two of another, one of a third.
fn service_of(name: &str) -> Service {
    match name {
        "a" | "b" | "c" => Service::Policy,
        "d" | "e" => Service::AccessPoint,
        _ => Service::Distribution,
    }
}

fn rendered() -> impl Strategy<Value = Rendered> {
    (0..3u8, 0..2u8, prop::option::weighted(0.3, 443..445u16), 0..3u8).prop_map(
        |(node, image, port, definition)| Rendered {
            service: None,
            image: format!("evergate:{image}"),
            node: name(&format!("n{node}")),
            secrets: BTreeSet::from([format!("s{definition}")]),
            ports: port.into_iter().collect(),
            definition: definition.to_string(),
        },
    )
}

/// Services of which no two want the same port of a node.
fn services() -> impl Strategy<Value = BTreeMap<String, Rendered>> {
    prop::collection::btree_map("[a-f]", rendered(), 0..6).prop_map(|services| {
        let mut taken = BTreeSet::new();
        let mut free =
            |service: &Rendered| service.ports.iter().all(|port| taken.insert((service.node.clone(), *port)));
        let services = services.into_iter().filter(|(_, service)| free(service));
        services
            .map(|(name, of)| (name.clone(), Rendered { service: Some(service_of(&name)), ..of }))
            .collect()
    })
}

/// What runs: services, some of them not ready.
fn state() -> impl Strategy<Value = State> {
    (services(), prop::collection::vec(prop::bool::weighted(0.8), 6)).prop_map(|(services, ready)| {
        let plan = Plan::towards(&State::default(), &services).unwrap();
        let mut state = apply(State::default(), &plan);
        state.services.values_mut().zip(ready).for_each(|(running, is_ready)| running.is_ready = is_ready);
        state
    })
}

/// Ready instances of each service while a step is taken: who is stopped in it does not count.
fn ready_during(state: &State, step: &Step) -> BTreeMap<Service, usize> {
    let stopped = match step {
        Step::Change { name, .. } | Step::Move { name, .. } | Step::Remove { name } => Some(name.as_str()),
        _ => None,
    };
    let count = |service| state.ready_besides(service, stopped.unwrap_or_default());
    Service::ALL.into_iter().map(|service| (service, count(service))).collect()
}

/// Whether somebody has a port of a node that another is to have.
fn ports_change_hands(state: &State, wanted: &BTreeMap<String, Rendered>) -> bool {
    wanted.iter().any(|(name, service)| state.in_the_way(name, service).is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_plan_leads_to_what_is_wanted_and_the_next_is_empty(state in state(), wanted in services()) {
        let plan = Plan::towards(&state, &wanted).unwrap();
        let after = apply(state, &plan);
        let fresh = apply(State::default(), &Plan::towards(&State::default(), &wanted).unwrap());
        prop_assert_eq!(&after.labels, &fresh.labels);
        prop_assert_eq!(&after.secrets, &fresh.secrets);
        let made = |state: &State| -> BTreeMap<String, Running> {
            state.services.iter().map(|(name, running)| (name.clone(), Running { is_ready: true, ..running.clone() })).collect()
        };
        prop_assert_eq!(made(&after), made(&fresh));
        prop_assert!(Plan::towards(&after, &wanted).unwrap().is_empty());
    }

    #[test]
    fn no_step_takes_a_port_that_another_has(state in state(), wanted in services()) {
        let plan = Plan::towards(&state, &wanted).unwrap();
        let mut now = state;
        for step in &plan.steps {
            if let Step::Add { name, service } | Step::Change { name, service, .. } | Step::Move { name, service, .. } = step {
                prop_assert_eq!(now.in_the_way(name, service), None, "{}", step);
            }
            now = now.after(step);
        }
    }

    #[test]
    fn no_step_leaves_a_service_without_a_ready_instance_that_had_two(state in state(), wanted in services()) {
        let plan = Plan::towards(&state, &wanted).unwrap();
        let had_two = |service: &Service| state.ready_besides(*service, "") >= 2;
        // A service that is wanted no more, ends.
        let stays = |service: &Service| wanted.values().any(|of| of.service == Some(*service));
        let mut now = state.clone();
        let mut interrupted = BTreeSet::new();
        for step in &plan.steps {
            let ready = ready_during(&now, step);
            interrupted.extend(ready.into_iter().filter(|(_, count)| *count == 0).map(|(service, _)| service));
            now = now.after(step);
        }
        for service in Service::ALL.iter().filter(|service| had_two(service) && stays(service)) {
            prop_assert_eq!(interrupted.contains(service), plan.interrupted.contains(service), "{}", told(&plan));
            prop_assert!(!interrupted.contains(service) || ports_change_hands(&state, &wanted), "{}", told(&plan));
        }
    }
}
