//! What a policy instance gets done when it is asked for more than it can do: decisions over its real
//! listener (mutual TLS, HTTP/2), on one thread, with callers on another.
//!
//! `cargo run --release -p evergate-policy --example decisions`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a measurement"
)]

#[path = "saturation/listening.rs"]
mod listening;
#[path = "saturation/open_loop.rs"]
mod open_loop;
#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use evergate_model::Service;
use evergate_process::link::Link;
use evergate_wire::proto::policy_client::PolicyClient;
use evergate_wire::proto::policy_server::Policy as _;
use open_loop::Answer;
use support::{Installation, WIKI, decide_request, key};
use tokio::sync::Semaphore;
use tonic::Code;

/// As long as an access point waits.
const LIMIT: Duration = Duration::from_secs(2);
/// So many questions an access point has on their way at most; it turns away the rest itself.
const QUESTIONS: usize = 512;
const SESSIONS: usize = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (served, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async move {
            let at = Installation::new().await;
            let mut tokens = Vec::new();
            for _ in 0..SESSIONS {
                let mut open = at.open_request(key(), &["password", "totp"]);
                open.get_mut().host = WIKI.to_owned();
                tokens.push(at.one.open_session(open).await.unwrap().into_inner().token);
            }
            let server = listening::serve(Service::Policy, |instance| {
                evergate_policy::router(at.one.clone(), &instance.readiness)
            });
            served.send((server.await, tokens)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let (server, tokens) = ready.recv().unwrap();
    let (link, tokens) = (server.link().await, Arc::new(tokens));
    let beat_link = link.clone();
    let room = Arc::new(Semaphore::new(QUESTIONS));
    let ask = move |number: usize| {
        let (room, link, token) = (Arc::clone(&room), link.clone(), tokens[number % SESSIONS].clone());
        async move {
            let Ok(_room) = room.try_acquire() else { return Answer::Busy };
            decide(link, token).await
        }
    };
    let beat = || async {
        let began = tokio::time::Instant::now();
        let beat = tokio::time::timeout(Duration::from_secs(1), beat_link.heartbeat()).await;
        beat.is_ok_and(|beat| beat.is_ok()).then(|| began.elapsed())
    };
    let worst = open_loop::measure("decisions", 32, LIMIT, ask, beat).await;
    assert!(worst >= 0.8, "goodput collapses");
}

async fn decide(link: Link, token: String) -> Answer {
    let request = decide_request(&token, "wiki", WIKI).into_inner();
    match PolicyClient::new(link).decide(request).await {
        Ok(_) => Answer::Good,
        Err(status) if status.code() == Code::ResourceExhausted => Answer::Busy,
        Err(_) => Answer::Other,
    }
}
