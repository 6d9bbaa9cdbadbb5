//! The live tables as server-sent events: sent when they differ from what was sent last.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::rows;
use super::session::SignedIn;
use crate::Failure;
use crate::api::{Status, collect_status};
use crate::office::Office;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it looks whether the administrator is still signed in.
const CHECKED_EVERY: u32 = 15;

/// The stream for one open page; it ends with the session.
pub(super) async fn follow(State(office): State<Office>, headers: HeaderMap) -> Response {
    match SignedIn::find(&office, &headers).await {
        Ok(Some(_)) => {}
        Ok(None) => return StatusCode::UNAUTHORIZED.into_response(),
        Err(failure) => return failure.into_response(),
    }
    let (sender, receiver) = mpsc::channel(1);
    let lifecycle = office.instance.lifecycle.clone();
    lifecycle.spawn_until_stop("live page", async move { send(&office, &headers, &sender).await });
    let stream = Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default());
    let mut response = stream.into_response();
    let no = HeaderValue::from_static("no");
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), no);
    response
}

async fn send(office: &Office, headers: &HeaderMap, to: &mpsc::Sender<Result<Event, Infallible>>) {
    let mut sent: Option<Status> = None;
    for round in 1_u32.. {
        if let Ok(status) = collect_status(office).await
            && sent.as_ref().is_none_or(|sent| differs(sent, &status))
        {
            let Ok(html) = rows::live(&status).render() else { return };
            if to.send(Ok(Event::default().data(html))).await.is_err() {
                return;
            }
            sent = Some(status);
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = to.closed() => return,
        }
        if round.is_multiple_of(CHECKED_EVERY) && !is_signed_in(office, headers).await {
            return;
        }
    }
}

/// Every report makes another time; only what can be seen counts.
fn differs(one: &Status, other: &Status) -> bool {
    let plain = |status: &Status| {
        let mut status = status.clone();
        status.at = 0;
        for instance in &mut status.instances {
            instance.heard_at = None;
        }
        status
    };
    plain(one) != plain(other)
}

/// A database that does not answer signs nobody out.
async fn is_signed_in(office: &Office, headers: &HeaderMap) -> bool {
    let found: Result<_, Failure> = SignedIn::find(office, headers).await;
    !matches!(found, Ok(None))
}
