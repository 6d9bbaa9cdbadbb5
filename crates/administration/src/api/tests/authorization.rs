//! Who may do what: one readable table, diffed, and a proof for every endpoint that it refuses.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::Privilege;
use crate::api::{ROOT, endpoints};
use crate::testing::Fixture;

/// A path with something in place of its parameters.
fn concrete(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "1".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn the_table_in_the_tree_is_what_is_served() {
    let mut table = String::from(
        "# Who may do what: every endpoint with the privilege that it requires. Administrators in the\n\
         # console have all privileges; `-` is open to every caller with a token. Made by a test.\n\n",
    );
    let mut endpoints = endpoints();
    endpoints.sort_by_key(|endpoint| (endpoint.path, endpoint.method.to_string()));
    for endpoint in &endpoints {
        let privilege = endpoint.privilege.map_or("-", Privilege::as_str);
        writeln!(
            table,
            "{:<6} {:<40} {privilege:<22} {}",
            endpoint.method.as_str(),
            endpoint.path,
            endpoint.summary
        )
        .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/output/authorization.txt");
    let in_tree = std::fs::read_to_string(path).unwrap_or_default();
    assert!(in_tree == table, "{path} is not what is served; it should be:\n{table}");
}

#[tokio::test]
async fn every_endpoint_refuses_without_a_token_and_without_the_privilege() {
    let fixture = Fixture::new().await;
    for endpoint in endpoints() {
        let path = concrete(endpoint.path);
        let named = format!("{} {}", endpoint.method, endpoint.path);
        for token in ["", "evergate_", "evergate_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x"] {
            let (status, _) = fixture.ask(token, endpoint.method.clone(), &path, Value::Null, None).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{named} with `{token}`");
        }
        let request = Request::builder().method(endpoint.method.clone()).uri(format!("{ROOT}{path}"));
        let response = fixture.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{named} without anything");
        if let Some(privilege) = endpoint.privilege {
            let others: Vec<Privilege> =
                Privilege::ALL.iter().copied().filter(|other| *other != privilege).collect();
            let token = fixture.token(&others).await;
            let (status, _) = fixture.ask(&token, endpoint.method.clone(), &path, Value::Null, None).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{named} without {privilege}");
        }
    }
}

#[tokio::test]
async fn the_description_names_every_endpoint() {
    let fixture = Fixture::new().await;
    let token = fixture.token(&[]).await;
    let (status, document) = fixture.ask(&token, Method::GET, "/openapi.json", Value::Null, None).await;
    assert_eq!((status, &document["openapi"]), (StatusCode::OK, &Value::from("3.1.0")));
    for endpoint in endpoints() {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let operation = &document["paths"][format!("{ROOT}{}", endpoint.path)][method];
        assert_eq!(operation["summary"], endpoint.summary, "{}", endpoint.path);
    }
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is referred to and not there");
    }
}
