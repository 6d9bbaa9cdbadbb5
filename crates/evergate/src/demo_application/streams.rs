//! The demo's long answers and long requests.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;

static ZEROS: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// How many bytes are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct HowMany {
    n: u64,
}

/// How often an event is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct HowOften {
    #[serde(default = "a_second")]
    every: u64,
}

const fn a_second() -> u64 {
    1000
}

/// A WebSocket that says everything back.
pub(super) async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(say_back)
}

async fn say_back(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let answered = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}

/// Numbers, one every `every` milliseconds, for as long as somebody listens.
pub(super) async fn events(
    Query(often): Query<HowOften>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let pause = Duration::from_millis(often.every.max(1));
    Sse::new(stream::unfold(0_u64, move |number| async move {
        if number > 0 {
            tokio::time::sleep(pause).await;
        }
        Some((Ok(Event::default().data(number.to_string())), number + 1))
    }))
}

/// `n` bytes, made as they are read.
pub(super) async fn bytes(Query(many): Query<HowMany>) -> impl IntoResponse {
    let chunks = stream::unfold(many.n, |left| async move {
        let size = left.min(ZEROS.len() as u64);
        let chunk = usize::try_from(size).ok().and_then(|size| ZEROS.get(..size)).unwrap_or_default();
        (size > 0).then(|| (Ok::<_, Infallible>(Bytes::from_static(chunk)), left - size))
    });
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(chunks))
}

/// Counts the bytes of the request.
pub(super) async fn upload(body: Body) -> Response {
    let mut received = 0_u64;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => received += chunk.len() as u64,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        }
    }
    Json(serde_json::json!({ "received": received })).into_response()
}
