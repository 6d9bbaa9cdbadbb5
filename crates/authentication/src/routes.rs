//! Which page is where.

use axum::Router;
use axum::routing::get;

use crate::site::Site;
use crate::visit::Visit;
use crate::{account, answer, assets, invitation, portal, sign_in, sign_out};

/// All pages.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(portal::get))
        .route("/sign-in", get(sign_in::get).post(sign_in::post))
        .route("/sign-out", get(sign_out::get).post(sign_out::post))
        .route("/invitation", get(invitation::get).post(invitation::post))
        .route("/account", get(account::overview::get))
        .route("/account/password", get(account::password::get).post(account::password::post))
        .route("/account/soft-tokens", get(account::soft_tokens::get).post(account::soft_tokens::post))
        .route("/account/soft-tokens/new", get(account::enrol::get).post(account::enrol::post))
        .route(
            "/account/recovery-codes",
            get(account::recovery_codes::get).post(account::recovery_codes::post),
        )
        .route("/account/sessions", get(account::sessions::get).post(account::sessions::post))
        .route("/.evergate/assets/{hash}/{file}", get(assets::get))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(site)
}

async fn not_found(visit: Visit) -> axum::response::Response {
    visit.finish(Err(crate::error::Error::NotFound))
}

async fn not_allowed() -> axum::response::Response {
    let message = evergate_pages::Message::malformed("This page cannot be asked for like that.");
    answer::message(http::StatusCode::METHOD_NOT_ALLOWED, &message, None)
}
