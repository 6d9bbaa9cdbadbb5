//! Signing out: the session ends on all hosts.

use axum::response::Response;
use evergate_pages::finish::{SignOut, SignedOut};
use http::StatusCode;

use crate::account::viewer;
use crate::answer;
use crate::cookies;
use crate::error::Error;
use crate::form::Form;
use crate::posted::Posted;
use crate::visit::Visit;

/// `GET /sign-out`: asks.
pub(crate) async fn get(visit: Visit) -> Response {
    match visit.session() {
        Some(signed) => answer::page(StatusCode::OK, &SignOut { viewer: viewer(&visit, &signed) }),
        None => signed_out(),
    }
}

/// `POST /sign-out`: does.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = end(&visit, &body).await;
    visit.finish(outcome)
}

async fn end(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    visit.check_origin()?;
    let form = Form::parse(body)?;
    if let Some(signed) = visit.session() {
        // The token may be left out, by whoever is no browser; a wrong one is another session's.
        let token = form.get("token");
        if !token.is_empty() && !visit.secrets.is_form_token(signed.facts.session, token) {
            return Err(Error::ForeignForm);
        }
        let position = visit.site.neighbours.end_session(&visit.settings.portal, &signed.token).await?;
        return Ok(answer::after_ending(signed_out(), position));
    }
    Ok(signed_out())
}

/// The page that says so; the cookie goes.
pub(crate) fn signed_out() -> Response {
    let page = answer::page(StatusCode::OK, &SignedOut {});
    answer::with_cookie(page, cookies::clear(cookies::SESSION))
}
