//! The REST API below `/api/v1`: what administrators, the command line and the console's scripts
//! may ask for. One file per noun; [`routes`] is the one list of endpoints, from which the router,
//! the table of who may do what, and the API's description are made.

mod answer;
mod api_tokens;
mod audit;
mod call;
mod configuration;
mod documents;
mod drills;
mod groups;
mod guard;
mod instances;
mod keys;
mod mail;
mod nodes;
mod openapi;
mod resources;
mod route;
mod rules;
mod sessions;
mod status;
mod topology;
mod users;
mod write;

#[cfg(test)]
mod tests;

use answer::{Answer, Stop};
use call::Call;
pub use openapi::document as description;
use route::Route;
pub use route::{Endpoint, endpoints};
pub(crate) use status::{CandidateStatus, InstanceStatus, LinkStatus, Status, collect as collect_status};
pub(crate) use users::{random_token, token_hash};

use axum::Router;
use axum::http::StatusCode;

use crate::office::Office;

/// Where the API begins.
pub const ROOT: &str = "/api/v1";

/// All endpoints.
pub(crate) fn routes() -> Vec<Route> {
    [
        status::routes(),
        instances::routes(),
        nodes::routes(),
        topology::routes(),
        users::routes(),
        groups::routes(),
        resources::routes(),
        rules::routes(),
        configuration::routes(),
        sessions::routes(),
        api_tokens::routes(),
        keys::routes(),
        audit::routes(),
        mail::routes(),
        drills::routes(),
        documents::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The router of the whole API; unknown paths below its root are 404 in its own form, but only for
/// callers who may know.
pub(crate) fn router(office: &Office) -> Router {
    let mut api: Router<Office> = Router::new();
    for route in routes() {
        api = route.mount(api, office);
    }
    let api = api
        .fallback(|| async { Stop::from(crate::Failure::NotFound("such endpoint".to_owned())) })
        .method_not_allowed_fallback(|| async { (StatusCode::METHOD_NOT_ALLOWED, "") })
        .with_state(office.clone());
    Router::new().nest(ROOT, api)
}
