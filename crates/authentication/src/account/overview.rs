//! `/account`: what there is.

use axum::extract::RawQuery;
use axum::response::Response;
use evergate_pages::account::Overview;
use evergate_pages::{Moment, Notice};
use evergate_store::credentials::{self, Sort};
use http::StatusCode;

use super::{enter, viewer};
use crate::answer;
use crate::error::Error;
use crate::visit::Visit;

/// `GET /account`.
pub(crate) async fn get(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let outcome = page(&visit, query.as_deref().unwrap_or_default()).await;
    visit.finish(outcome)
}

async fn page(visit: &Visit, query: &str) -> Result<Response, Error> {
    let entered = enter(visit, "/account").await?;
    let mut connection = visit.site.store.read().await?;
    let user = entered.signed.facts.user;
    let all = credentials::list(&mut connection, user).await?;
    let recovery_codes = credentials::recovery_codes_left(&mut connection, user).await?;
    let of = |sort| all.iter().filter(move |credential| credential.sort == sort);
    let page = Overview {
        viewer: viewer(visit, &entered.signed),
        notice: done(query),
        email: entered.signed.facts.email.clone(),
        password_set: of(Sort::Password).next_back().map(|password| Moment(password.created_at)),
        soft_tokens: of(Sort::Totp).count(),
        recovery_codes: usize::try_from(recovery_codes).unwrap_or(usize::MAX),
        sessions: entered.sessions.len(),
    };
    Ok(answer::page(StatusCode::OK, &page))
}

/// What was done on another page, which redirected here.
pub(crate) fn done(query: &str) -> Option<Notice> {
    let text = match query.strip_prefix("done=")? {
        "password" => "Your password was changed. Your other sessions have ended.",
        "added" => "The app was set up.",
        "removed" => "The app was removed.",
        "ended" => "The session was ended.",
        _ => return None,
    };
    Some(Notice::success(text))
}
