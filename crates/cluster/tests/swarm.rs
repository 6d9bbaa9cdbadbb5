//! A network on the swarm of a real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and starts an engine"
)]

#[path = "swarm/engine.rs"]
mod engine;

use std::time::Duration;

use evergate_cluster::network::Network;
use evergate_cluster::plan::{Plan, Step};
use evergate_cluster::render::{ComposeFile, Inputs, render};
use evergate_cluster::swarm::{Content, Contents, Engine, MadeFor, Membership, Swarm, SwarmError};
use evergate_model::{Name, Secret};

use engine::{ADDRESS, OwnEngine};

const ONE: &str = "
stack: acme
image: evergate:1
database: { url_file: url }
nodes: { node-a: { address: 10.78.0.1, swarm: manager } }
instances:
  administration1: { service: administration, node: node-a }
  policy1: { service: policy, node: node-a, priority: 1 }
  policy2: { service: policy, node: node-a, priority: 2 }
  authentication1: { service: authentication, node: node-a }
  distribution1: { service: distribution, node: node-a }
  access-point1: { service: access-point, node: node-a, listen: [{ port: 8443, all_interfaces: true }] }
";

fn file(text: &str) -> ComposeFile {
    let network = Network::parse(text).unwrap();
    let names = network.instances().iter().map(|planned| planned.name.clone());
    let inputs = Inputs {
        image: "evergate:1".to_owned(),
        live: vec!["/evergate".to_owned(), "live".to_owned()],
        bootstraps: names.map(|name| (name.clone(), format!("acme_{name}-bootstrap-1"))).collect(),
        database_password: None,
    };
    render(&network, &inputs).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// What is kept beside secrets.
fn made_for() -> MadeFor {
    MadeFor { node: Some(name("node-a")), line: Some("ab12".to_owned()) }
}

/// Carries out what is planned; answers the steps.
async fn deploy(swarm: &Swarm, text: &str) -> Result<Vec<String>, SwarmError> {
    let file = file(text);
    let plan = Plan::between(&swarm.state().await?, &file).unwrap();
    let secrets = plan.steps.iter().filter_map(|step| match step {
        Step::MakeSecret(secret) => {
            Some((secret.clone(), Content { text: Secret::new("{}".to_owned()), made_for: made_for() }))
        }
        _ => None,
    });
    let contents: Contents = secrets.collect();
    for step in &plan.steps {
        swarm.take(step, &file, &contents).await?;
    }
    Ok(plan.steps.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_network_is_deployed_changed_rolled_back_and_removed_on_a_real_engine() {
    let own = OwnEngine::start().await;
    let open = || async { Engine::open(&own.host()).await.unwrap() };
    let patience = Duration::from_secs(60);
    let stack = name("acme");

    // In no swarm, nothing can be deployed.
    let error = open().await.manager(&stack, patience).await.unwrap_err();
    assert!(matches!(error, SwarmError::NotManager));
    open().await.make_swarm(ADDRESS).await.unwrap();
    let Membership::Member { id, is_manager: true, .. } = open().await.membership().await.unwrap() else {
        panic!("it manages the swarm that it made");
    };
    let swarm = open().await.manager(&stack, patience).await.unwrap();

    // A node is named by its id once; nothing runs on one that is not accepted.
    let error = deploy(&swarm, ONE).await.unwrap_err();
    assert!(matches!(error, SwarmError::NotAccepted(node) if node == name("node-a")));
    assert!(swarm.accept(&name("node-a"), &id).await.unwrap());
    assert!(!swarm.accept(&name("node-a"), &id).await.unwrap());
    assert!(matches!(swarm.accept(&name("node-b"), &id).await, Err(SwarmError::HasName { .. })));
    own.docker(&["node", "update", "--label-add", "theirs=1", &id]);

    // Deployed twice, the second time changes nothing; so does the file deployed by hand.
    deploy(&swarm, ONE).await.unwrap();
    let state = swarm.state().await.unwrap();
    assert_eq!(state.services.len(), 6);
    assert!(state.services.values().all(|running| running.is_ready));
    assert_eq!(deploy(&swarm, ONE).await.unwrap(), Vec::<String>::new());
    let containers = || own.docker(&["ps", "--quiet", "--no-trunc"]);
    let before = containers();
    let written = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(written.path(), file(ONE).text).unwrap();
    let path = written.path().to_str().unwrap();
    own.docker(&["stack", "deploy", "--resolve-image", "never", "--compose-file", path, "acme"]);
    assert_eq!(swarm.state().await.unwrap(), state);
    assert_eq!(containers(), before, "by hand, nothing was started anew");

    // One changed service is the only one that is touched.
    let newer = ONE.replace("priority: 2 }", "priority: 2, image: 'evergate:2' }");
    let steps = deploy(&swarm, &newer).await.unwrap();
    assert_eq!(steps, ["change `policy2`: image `evergate:1` becomes `evergate:2`"]);
    let kept = containers().lines().filter(|container| before.contains(container)).count();
    assert_eq!(kept, 5);

    // What never becomes healthy is put back, and said so.
    let hasty = open().await.manager(&stack, Duration::from_secs(8)).await.unwrap();
    let state = swarm.state().await.unwrap();
    let broken = newer.replace("evergate:2", "evergate:bad");
    let error = deploy(&hasty, &broken).await.unwrap_err();
    assert!(error.to_string().contains("the definition before was put back, and is ready"), "{error}");
    deploy(&swarm, &newer).await.unwrap();
    let added = newer.replace(
        "  distribution1",
        "  policy3: { service: policy, node: node-a, image: 'evergate:bad' }\n  distribution1",
    );
    let error = deploy(&hasty, &added).await.unwrap_err();
    assert!(error.to_string().ends_with("it was removed again"), "{error}");
    deploy(&swarm, &newer).await.unwrap();
    assert_eq!(swarm.state().await.unwrap(), state);

    let made = swarm.secrets_made().await.unwrap();
    assert_eq!(made.get("acme_policy2-bootstrap-1"), Some(&made_for()));
    // A removed instance takes its label and its secret with it.
    deploy(&swarm, &ONE.replace("  policy2: { service: policy, node: node-a, priority: 2 }\n", ""))
        .await
        .unwrap();
    let now = swarm.state().await.unwrap();
    assert!(!now.services.contains_key("policy2") && !now.secrets.contains("acme_policy2-bootstrap-1"));
    assert_eq!(now.nodes_of("policy2").len(), 0);

    // Removed as a whole: the data, the node's name and what is others' stay.
    assert_eq!(swarm.remove_stack().await.unwrap().len(), 5);
    assert_eq!(swarm.remove_stack().await.unwrap(), Vec::<String>::new());
    let left = swarm.state().await.unwrap();
    assert!(left.services.is_empty() && left.labels.is_empty() && left.secrets.len() == 5);
    let labels = swarm.nodes().await.unwrap().remove(0).labels;
    assert_eq!(labels.into_keys().collect::<Vec<_>>(), ["evergate.acme.node", "theirs"]);
    assert!(own.docker(&["volume", "ls", "--quiet"]).contains("acme_policy1"));
}
