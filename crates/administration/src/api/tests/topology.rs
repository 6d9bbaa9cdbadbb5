//! A topology is replaced as a whole; who is in it no more is admitted no more, and nobody takes away what answers.

use axum::http::Method;
use evergate_process::Bootstrap;
use evergate_process::identity::{Identity, PeerCertificate};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asker;
use crate::grpc;

impl Asker {
    async fn places(&self) -> Value {
        self.good(Method::GET, "/topology", Value::Null).await
    }

    async fn admitted(&self) -> Vec<String> {
        let mut reading = self.fixture.office.store.read().await.unwrap();
        let admitted = evergate_store::instances::admitted(&mut reading).await.unwrap();
        admitted.into_iter().map(|entry| entry.instance.to_string()).collect()
    }
}

#[tokio::test]
async fn an_instance_is_added_and_dismissed_with_the_topology() {
    let api = Asker::new().await;
    let mut places = api.places().await;
    let first = places.clone();
    assert_eq!(api.good(Method::PUT, "/topology", places.clone()).await, json!({ "changed": false }));

    let instances = places["topology"]["instances"].as_array_mut().unwrap();
    let mut new = instances.iter().find(|one| one["name"] == "policy2").unwrap().clone();
    new["name"] = json!("policy3");
    new["outside_address"] = json!("10.0.0.13:8301");
    instances.push(new);
    assert_eq!(api.good(Method::PUT, "/topology", places.clone()).await, json!({ "changed": true }));
    assert_eq!(api.places().await, places, "it is answered as it was told");

    api.good(Method::POST, "/instances/policy3/bootstrap", json!({})).await;
    assert!(api.admitted().await.contains(&"policy3".to_owned()));
    assert_eq!(api.good(Method::PUT, "/topology", first).await, json!({ "changed": true }));
    assert!(!api.admitted().await.contains(&"policy3".to_owned()));
}

#[tokio::test]
async fn a_topology_that_cannot_serve_is_refused() {
    let api = Asker::new().await;
    let places = api.places().await;
    let without = |service: &str| {
        let mut places = places.clone();
        let instances = places["topology"]["instances"].as_array_mut().unwrap();
        instances.retain(|one| one["service"] != service);
        places["listeners"] = json!({});
        places
    };
    for service in ["administration", "policy", "authentication", "access-point"] {
        let (status, told) = api.refused(Method::PUT, "/topology", without(service)).await;
        assert_eq!(status, 409);
        assert!(told.contains(&format!("no instance of {service} is left")), "{told}");
    }
    let mut twice = places.clone();
    let instances = twice["topology"]["instances"].as_array_mut().unwrap();
    instances.push(instances[0].clone());
    let (status, told) = api.refused(Method::PUT, "/topology", twice).await;
    assert!(status == 409 && told.contains("each of its own name"), "{told}");
    let mut homeless = places.clone();
    let instances = homeless["topology"]["instances"].as_array_mut().unwrap();
    instances.iter_mut().find(|one| one["name"] == "policy1").unwrap()["address"] = json!("policy1");
    let (_, told) = api.refused(Method::PUT, "/topology", homeless).await;
    assert!(told.contains("`policy1` has no address"), "{told}");
    let mut strange = places.clone();
    strange["listeners"]["policy9"] = json!([]);
    let (_, told) = api.refused(Method::PUT, "/topology", strange).await;
    assert!(told.contains("`policy9` has listeners"), "{told}");
    assert_eq!(api.places().await, places, "nothing was changed");
}

#[tokio::test]
async fn what_an_instance_left_on_another_machine_is_believed_no_more() {
    let api = Asker::new().await;
    let certificates = || async {
        let mut reading = api.fixture.office.store.read().await.unwrap();
        let admitted = evergate_store::instances::admitted(&mut reading).await.unwrap();
        let own = admitted.into_iter().find(|entry| entry.instance.as_str() == "policy2");
        own.map(|entry| entry.certificates).unwrap_or_default()
    };
    let left_behind = api.good(Method::POST, "/instances/policy2/bootstrap", json!({})).await;
    let before = certificates().await;
    let file = api.good(Method::POST, "/instances/policy2/bootstrap", json!({})).await;
    let line = |file: &Value| PeerCertificate::read_pem(file["certificate"].as_str().unwrap()).unwrap();
    // Who holds what was left behind renews it before it is dismissed.
    let shown = line(&left_behind);
    let thief = Bootstrap::deserialize(&left_behind).unwrap();
    let thief = Identity::from_bootstrap(&thief).unwrap();
    let request = thief.request().unwrap();
    let office = &api.fixture.office;
    grpc::issue(office, &request.request, &shown.peer, &shown.sha256).await.unwrap();
    assert_eq!(certificates().await.len(), before.len() + 2);
    let dismiss = "/instances/policy2/dismiss-others";
    let kept = line(&file).sha256;
    let told = api.good(Method::POST, dismiss, json!({ "certificate": kept })).await;
    assert_eq!(told, json!({ "dismissed": before.len() + 1 }));
    let again = api.good(Method::POST, dismiss, json!({ "certificate": kept })).await;
    assert_eq!(again, json!({ "dismissed": 0 }));
    // Nor does it get another one by a connection that is still open.
    let request = thief.request().unwrap();
    let refused = grpc::issue(office, &request.request, &shown.peer, &shown.sha256).await.unwrap_err();
    assert!(refused.to_string().contains("admitted no more"), "{refused}");
    let (status, told) = api.refused(Method::POST, dismiss, json!({ "certificate": shown.sha256 })).await;
    assert!(status == 409 && told.contains("nothing of `policy2`"), "{told}");
    let left = certificates().await;
    assert_eq!(left, [kept]);
}

#[tokio::test]
async fn administration_that_was_away_for_longer_than_its_certificates_lasted_renews_itself_unless_it_was_replaced()
 {
    let api = Asker::new().await;
    let office = &api.fixture.office;
    let identity = &office.instance.identity;
    let shown = identity.own().certificate_sha256.clone();
    let dismiss_all = async || {
        let mut tx = office.store.begin().await.unwrap();
        let (actor, now) = (evergate_store::Actor::System, office.now());
        evergate_store::instances::dismiss(&mut tx, &actor, now, office.name()).await.unwrap();
        tx.commit().await.unwrap();
    };
    let issued = async || {
        let request = identity.request().unwrap();
        grpc::issue(office, &request.request, identity.me(), &shown).await
    };
    dismiss_all().await;
    issued().await.unwrap();
    // Somebody has the name by a file that was made later.
    dismiss_all().await;
    api.good(Method::POST, &format!("/instances/{}/bootstrap", office.name()), json!({})).await;
    assert!(issued().await.unwrap_err().to_string().contains("admitted no more"));
}
