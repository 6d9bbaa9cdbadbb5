//! The demo application: shows what an application behind Evergate is told of its caller, and has
//! something of everything that passes through a gateway: streams, WebSockets, large bodies.
//!
//! It believes every header it gets, as many applications do, which is why it listens on loopback
//! only.

mod page;
mod streams;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use evergate_process::Lifecycle;

/// So long open streams may go on when it is asked to end.
const DRAIN: Duration = Duration::from_secs(2);

/// The arguments of the demo application.
#[derive(Debug, clap::Args)]
pub struct DemoApplicationArguments {
    /// What it calls itself, so that its two servers can be told apart.
    #[arg(long)]
    name: String,
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// Whose it is; only a mark for `up`, which ends what an earlier one left behind.
    #[arg(long)]
    data: PathBuf,
}

/// Serves until a signal ends it.
///
/// # Errors
/// When it cannot listen.
pub async fn serve(arguments: &DemoApplicationArguments) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::new();
    lifecycle.stop_on_signals().context("cannot listen to signals")?;
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on `{}`", arguments.listen))?;
    let stopping = lifecycle.token().clone().cancelled_owned();
    let serving = axum::serve(listener, router(&arguments.name)).with_graceful_shutdown(stopping);
    let too_long = async {
        lifecycle.stopping().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving.into_future() => served.context("the demo application ended"),
        () = too_long => Ok(()),
    }
}

fn router(name: &str) -> Router {
    Router::new()
        .route("/", get(welcome))
        .route("/headers", any(headers))
        .route("/echo", any(streams::echo))
        .route("/events", get(streams::events))
        .route("/bytes", get(streams::bytes))
        .route("/upload", post(streams::upload).put(streams::upload))
        .layer(DefaultBodyLimit::disable())
        .with_state(name.to_owned())
}

async fn welcome(State(name): State<String>, headers: HeaderMap) -> impl IntoResponse {
    Html(page::welcome(&name, &headers))
}

/// The headers received, names in lower case; those that came more than once joined by a comma.
async fn headers(State(name): State<String>, headers: HeaderMap) -> impl IntoResponse {
    let mut map = serde_json::Map::new();
    for key in headers.keys() {
        let values: Vec<_> =
            headers.get_all(key).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        map.insert(key.as_str().to_owned(), values.join(", ").into());
    }
    ([("x-demo-server", name)], Json(serde_json::Value::Object(map)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use evergate_process::http_client::HttpClient;

    use super::*;

    async fn ask(path: &str) -> http::Response<Bytes> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = http::Request::get(format!("http://{}{path}", listener.local_addr().unwrap()))
            .header("x-evergate-user", "<alice>")
            .body(Bytes::new())
            .unwrap();
        let serving = axum::serve(listener, router("welcome1")).into_future();
        let client = HttpClient::plain();
        tokio::select! {
            answer = client.send(request) => answer.unwrap(),
            _ = serving => panic!("the server ended"),
        }
    }

    #[tokio::test]
    async fn the_page_shows_the_user_and_trusts_no_markup() {
        let page = String::from_utf8(ask("/").await.into_body().to_vec()).unwrap();
        assert!(page.contains("&lt;alice&gt;") && !page.contains("<alice>"), "{page}");
        assert!(page.contains("welcome1"));
    }

    #[tokio::test]
    async fn the_headers_come_back_as_json() {
        let headers: serde_json::Value = serde_json::from_slice(ask("/headers").await.body()).unwrap();
        assert_eq!(headers["x-evergate-user"], "<alice>");
    }

    #[tokio::test]
    async fn as_many_bytes_come_as_were_asked_for() {
        assert_eq!(ask("/bytes?n=200001").await.body().len(), 200_001);
        assert_eq!(ask("/bytes?n=x").await.status(), 400);
    }
}
