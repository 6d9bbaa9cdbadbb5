//! A machine that joins gets the files of its own node's instances for its token, once, and nothing else.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use evergate_model::Topology;
use evergate_process::Bootstrap;
use evergate_process::bootstrap::ListenerSource;
use serde_json::{Value, json};

use super::Asker;

impl Asker {
    /// Puts the second instance of each service on `node-b`, and all at addresses that other machines reach.
    async fn on_two_nodes() -> Self {
        let api = Self::new().await;
        let instances = crate::testing::topology().instances.into_iter().map(|mut instance| {
            let number = instance.priority;
            instance.node = if number == 1 { "node-a" } else { "node-b" }.parse().unwrap();
            instance.address = format!("10.0.0.{number}:8300");
            instance
        });
        let topology = Topology { instances: instances.collect(), balanced: Vec::new() };
        let mut tx = api.fixture.office.store.begin().await.unwrap();
        let actor = evergate_store::Actor::System;
        evergate_store::installation::set_topology(&mut tx, &actor, api.fixture.office.now(), &topology)
            .await
            .unwrap();
        let listeners =
            ["10.0.0.1:8304", "127.0.0.1:8304"].map(|one| ListenerSource::address(one.to_owned()));
        let text = serde_json::to_string(&listeners).unwrap();
        let first = "administration1".parse().unwrap();
        evergate_store::instances::set_listeners(&mut tx, &first, &text).await.unwrap();
        tx.commit().await.unwrap();
        api
    }

    async fn join(&self, token: &str, node: &str, key: &str) -> (StatusCode, Value) {
        let path = format!("/nodes/{node}/join");
        self.fixture.ask(token, Method::POST, &path, json!({}), Some(key)).await
    }
}

#[tokio::test]
async fn a_node_gets_its_instances_files_for_its_token_once() {
    let api = Asker::on_two_nodes().await;
    let made = api.good(Method::POST, "/nodes/node-b/join-token", Value::Null).await;
    assert_eq!(made["servers"], json!(["https://10.0.0.1:8304/api/v1"]));
    assert!(made["local_ca"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    let token = made["token"].as_str().unwrap();

    let (status, told) = api.join(token, "node-a", "k1").await;
    assert_eq!((status, &told["error"]), (StatusCode::FORBIDDEN, &json!("the join token is another node's")));
    let (status, given) = api.join(token, "node-b", "k1").await;
    assert_eq!(status, StatusCode::CREATED, "{given}");
    let files: BTreeMap<String, Bootstrap> = serde_json::from_value(given["bootstraps"].clone()).unwrap();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let all = ["access-point2", "administration2", "authentication2", "distribution2", "policy2"];
    assert_eq!(names, all);
    assert!(files["access-point2"].database.is_none() && files["policy2"].wrapping_key.is_none());
    assert!(files["administration2"].wrapping_key.is_some());

    let mut reading = api.fixture.office.store.read().await.unwrap();
    let admitted = evergate_store::instances::admitted(&mut reading).await.unwrap();
    drop(reading);
    for (name, file) in &files {
        let own = evergate_process::identity::PeerCertificate::read_pem(&file.certificate).unwrap();
        let entry = admitted.iter().find(|entry| entry.instance.as_str() == name).unwrap();
        assert!(entry.certificates.contains(&own.sha256), "{name} is admitted by it");
        let peer =
            file.administration.iter().find(|peer| peer.instance.as_str() == "administration2").unwrap();
        assert_eq!(peer.certificates.len(), 2, "whoever joins believes the new administration instance too");
    }

    assert_eq!(api.join(token, "node-b", "k1").await, (status, given), "a repetition is answered the same");
    let (status, told) = api.join(token, "node-b", "k2").await;
    assert_eq!((status, &told["error"]), (StatusCode::FORBIDDEN, &json!("the join token was used")));
}

#[tokio::test]
async fn a_join_token_opens_nothing_else_and_nothing_else_joins() {
    let api = Asker::on_two_nodes().await;
    let made = api.good(Method::POST, "/nodes/node-b/join-token", Value::Null).await;
    let token = made["token"].as_str().unwrap();
    for endpoint in crate::api::endpoints().iter().filter(|endpoint| endpoint.privilege.is_some()) {
        let path = endpoint.path.replace("{name}", "node-b").replace("{id}", "1").replace("{number}", "1");
        let (status, _) = api.fixture.ask(token, endpoint.method.clone(), &path, json!({}), None).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{} {path}", endpoint.method);
    }
    // Not even a token with every privilege.
    let (status, told) = api.join(&api.token, "node-b", "k1").await;
    assert_eq!((status, &told["error"]), (StatusCode::FORBIDDEN, &json!("a join token is needed")));
    assert_eq!(api.join("evergate_nonsense", "node-b", "k1").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(api.refused(Method::POST, "/nodes/node-c/join-token", Value::Null).await.0, 404);
}

#[tokio::test]
async fn where_administration_is_reached_from_its_own_machine_only_nobody_is_invited() {
    let api = Asker::new().await;
    let (status, told) = api.refused(Method::POST, "/nodes/node/join-token", Value::Null).await;
    assert_eq!(status, 409);
    assert!(told.contains("reached from its own machine only"), "{told}");
}
