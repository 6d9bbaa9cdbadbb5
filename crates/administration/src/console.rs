//! The administrators' console: sign-in by name and password, and the live page of instances and
//! links. Served on the internal listener (for the access points' console host) and on the
//! instance's own browser listener.

mod answer;
mod attempt;
mod live;
mod rows;
mod session;
mod sign_in;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use evergate_pages::console::{Frame, Instances};
use evergate_pages::{Message, assets};

use crate::api::collect_status;
use crate::office::Office;

pub(crate) use session::SignedIn;

/// The pages.
pub(crate) fn router(office: &Office) -> Router {
    let asset = format!("{}{{*file}}", assets::PREFIX);
    Router::new()
        .route("/", get(async || answer::see_other("/instances")))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/instances", get(instances))
        .route("/instances/live", get(live::follow))
        .route(&asset, get(serve_asset))
        // No `fallback`: the gRPC routes that this is merged with have one.
        .route("/{*path}", any(async || answer::message(StatusCode::NOT_FOUND, &Message::not_found())))
        .with_state(office.clone())
}

async fn instances(State(office): State<Office>, headers: HeaderMap) -> Response {
    match SignedIn::find(&office, &headers).await {
        Ok(Some(session)) => show_instances(&office, &session).await,
        Ok(None) => answer::see_other("/sign-in"),
        Err(failure) => answer::failure(&failure),
    }
}

async fn show_instances(office: &Office, session: &SignedIn) -> Response {
    let live = match collect_status(office).await {
        Ok(status) => rows::live(&status),
        Err(failure) => return answer::failure(&failure),
    };
    let page = Instances {
        frame: Frame {
            name: session.name.clone(),
            token: session.form_token(),
            instance: office.name().to_string(),
            warnings: warnings(office).await,
        },
        live_url: "/instances/live".to_owned(),
        live,
    };
    answer::page(StatusCode::OK, &page)
}

/// What every administrator should know now.
async fn warnings(office: &Office) -> Vec<String> {
    let Ok(mut reading) = office.store.read().await else {
        return vec!["The database does not answer: nothing can be changed.".to_owned()];
    };
    let has_demo = evergate_store::users::find_by_name(&mut reading, "alice").await;
    let demo = matches!(has_demo, Ok(Some(user)) if user.email.as_deref() == Some(crate::setup::DEMO_EMAIL));
    let text = "The demo exists: whoever can read this installation's files can sign in as alice. \
        Remove it with `evergate demo remove`.";
    if demo { vec![text.to_owned()] } else { Vec::new() }
}

async fn serve_asset(Path(file): Path<String>) -> Response {
    match assets::lookup(&format!("{}{file}", assets::PREFIX)) {
        Some(served) => {
            let headers = [
                (header::CONTENT_TYPE, served.content_type),
                (header::CACHE_CONTROL, assets::CACHE_CONTROL),
                (header::ETAG, served.etag),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, served.bytes).into_response()
        }
        None => answer::message(StatusCode::NOT_FOUND, &Message::not_found()),
    }
}
