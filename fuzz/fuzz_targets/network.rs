//! `network.yml` as people write it: every refusal says why, and what is accepted can be rendered as YAML and deployed,
//! after which there is nothing left to do.
#![no_main]

use evergate_cluster::network::Network;
use evergate_cluster::plan::{Plan, State};
use evergate_cluster::render::{Inputs, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let network = match Network::parse(text) {
        Ok(network) => network,
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
            return;
        }
    };
    let names = network.instances().iter().map(|planned| planned.name.clone());
    let inputs = Inputs {
        image: "evergate:1".to_owned(),
        live: vec!["/evergate".to_owned()],
        bootstraps: names.map(|name| (name.clone(), format!("{name}-bootstrap"))).collect(),
        database_password: Some("database-password".to_owned()),
    };
    let Ok(file) = render(&network, &inputs) else { return };
    assert!(Network::parse(&file.text).is_err(), "a compose file is no network file");
    let plan = Plan::between(&State::default(), &file).expect("nothing is moved that is not there");
    let after = plan.steps.iter().fold(State::default(), State::after);
    assert!(Plan::between(&after, &file).expect("nothing is moved").is_empty());
});
