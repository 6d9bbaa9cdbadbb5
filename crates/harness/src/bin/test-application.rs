//! An application to protect: small answers, large bodies both ways, events, a WebSocket.
//! `test-application ADDRESS`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};

/// How many requests were served.
type Served = Arc<AtomicU64>;

/// What a large body is made of.
const PIECE: Bytes = Bytes::from_static(&[b'x'; 65536]);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let address: SocketAddr = std::env::args().nth(1).context("usage: test-application ADDRESS")?.parse()?;
    let served = Served::default();
    let router = Router::new()
        .route("/headers", get(headers))
        .route("/bytes/{length}", get(bytes))
        .route("/upload", axum::routing::put(upload).post(upload))
        .route("/events", get(events))
        .route("/echo", get(echo))
        .fallback(small)
        .layer(axum::middleware::map_request_with_state(Arc::clone(&served), count))
        .route(
            "/served",
            get(async |State(served): State<Served>| served.load(Ordering::Relaxed).to_string()),
        )
        .with_state(served);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn count(State(served): State<Served>, request: axum::extract::Request) -> axum::extract::Request {
    served.fetch_add(1, Ordering::Relaxed);
    request
}

/// 1 KiB.
async fn small() -> Bytes {
    PIECE.slice(..1024)
}

/// The headers that came, as JSON; of several of a name, all.
async fn headers(headers: HeaderMap) -> Json<Vec<(String, String)>> {
    let pairs = headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Json(pairs.collect())
}

/// So many bytes, in pieces, without a length said beforehand.
async fn bytes(Path(length): Path<u64>) -> Response {
    let pieces = stream::unfold(length, async |left| {
        let size = usize::try_from(left.min(65536)).ok().filter(|size| *size > 0)?;
        Some((Ok::<_, Infallible>(PIECE.slice(..size)), left - size as u64))
    });
    Body::from_stream(pieces).into_response()
}

/// How many bytes came.
async fn upload(body: Body) -> Result<String, String> {
    let mut pieces = body.into_data_stream();
    let mut length = 0_usize;
    while let Some(piece) = pieces.next().await {
        length += piece.map_err(|error| error.to_string())?.len();
    }
    Ok(length.to_string())
}

/// Server-sent events, one each 50 ms, without end.
async fn events() -> Response {
    let beats = stream::unfold(0_u64, async |number| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: {number}\n\n"))), number + 1))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(beats)).into_response()
}

/// A WebSocket that says everything back.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.next().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}
