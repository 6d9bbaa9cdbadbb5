//! The API's client against servers that are away, busy or refuse.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use evergate_cluster::api_client::{ApiClient, ApiError};
use evergate_model::Secret;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The keys that writes carried, in the order in which they came.
type Seen = Arc<Mutex<Vec<String>>>;

/// A server that answers with these in turn, and with the last for ever.
async fn server(answers: &'static [(u16, &'static str)], seen: &Seen, tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let seen = Arc::clone(seen);
    tasks.spawn(async move {
        let mut turn = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let (status, body) = answers.get(turn).or(answers.last()).copied().unwrap();
            turn += 1;
            let seen = Arc::clone(&seen);
            let service = service_fn(move |request: Request<Incoming>| {
                let key =
                    request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
                seen.lock().unwrap().push(key.unwrap_or_default());
                async move {
                    let answer = Response::builder().status(status).body(Full::new(Bytes::from(body)));
                    Ok::<_, Infallible>(answer.unwrap())
                }
            });
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        }
    });
    url
}

async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/api/v1", listener.local_addr().unwrap())
}

fn client(servers: Vec<String>) -> ApiClient {
    ApiClient::new(servers, b"", Secret::new("evergate_x".to_owned())).unwrap()
}

#[tokio::test]
async fn the_next_server_is_asked_where_one_is_away_or_cannot_now_with_the_same_key() {
    let (seen, mut tasks) = (Seen::default(), JoinSet::new());
    let busy = server(&[(503, r#"{"error":"not now"}"#)], &seen, &mut tasks).await;
    let good = server(&[(200, r#"{"done":true}"#)], &seen, &mut tasks).await;
    let answer = client(vec![nobody().await, busy, good]).post("/x", &json!({})).await.unwrap();
    assert_eq!(answer, json!({ "done": true }));
    let keys = seen.lock().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert!(!keys[0].is_empty() && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test]
async fn what_cannot_be_done_now_is_tried_again_a_little_later() {
    let (seen, mut tasks) = (Seen::default(), JoinSet::new());
    let url = server(&[(503, r#"{"error":"not now"}"#), (204, "")], &seen, &mut tasks).await;
    client(vec![url]).delete("/x").await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_final_and_nobody_at_all_is_told_with_the_addresses() {
    let (seen, mut tasks) = (Seen::default(), JoinSet::new());
    let refuses = server(&[(403, r#"{"error":"the privilege `x` is required"}"#)], &seen, &mut tasks).await;
    let other = server(&[(200, "{}")], &seen, &mut tasks).await;
    let error = client(vec![refuses, other]).get("/x").await.unwrap_err();
    assert!(error.is(StatusCode::FORBIDDEN));
    assert_eq!(error.to_string(), "the privilege `x` is required");
    assert_eq!(seen.lock().unwrap().len(), 1);
    let away = nobody().await;
    let error = client(vec![away.clone()]).get("/x").await.unwrap_err();
    assert!(matches!(&error, ApiError::Unreachable { .. }) && error.to_string().contains(&away), "{error}");
}
