//! The operations listener: whether this process works, whether it should be given work, and its
//! metrics. No secrets, no authentication; it listens on loopback unless told otherwise.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use crate::lifecycle::Lifecycle;
use crate::readiness::Readiness;
use crate::telemetry::Metrics;

const TIDY_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Operations {
    readiness: Readiness,
    metrics: Metrics,
}

/// Serves `/live`, `/ready` and `/metrics` at `address` until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    lifecycle: &Lifecycle,
    address: &str,
    readiness: Readiness,
    metrics: Metrics,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let tidied = metrics.clone();
    lifecycle.spawn_until_stop("tidy metrics", async move {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            tidied.tidy();
        }
    });
    // Not drained: it must answer until the very end, so that a draining instance can be seen.
    let server = axum::serve(listener, router(readiness, metrics)).into_future();
    lifecycle.spawn_until_end("operations", async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the operations listener ended");
        }
    });
    Ok(())
}

fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(render))
        .with_state(Operations { readiness, metrics })
}

async fn ready(State(operations): State<Operations>) -> impl IntoResponse {
    let state = operations.readiness.state();
    let status = if state.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(state))
}

async fn render(State(operations): State<Operations>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], operations.metrics.render())
}
