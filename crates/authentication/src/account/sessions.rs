//! `/account/sessions`: the user's own sessions, and ending them.

use axum::extract::RawQuery;
use axum::response::Response;
use evergate_model::Id;
use evergate_model::id::Session;
use evergate_pages::Moment;
use evergate_pages::account::{OwnSession, Sessions};
use http::StatusCode;

use super::{enter, overview, own_form, viewer};
use crate::answer;
use crate::error::Error;
use crate::neighbours::SessionSummary;
use crate::posted::Posted;
use crate::sign_out::signed_out;
use crate::visit::Visit;

const PATH: &str = "/account/sessions";

/// `GET /account/sessions`.
pub(crate) async fn get(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let outcome = page(&visit, query.as_deref().unwrap_or_default()).await;
    visit.finish(outcome)
}

/// `POST /account/sessions`: ends one, or all others.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = end(&visit, &body).await;
    visit.finish(outcome)
}

async fn page(visit: &Visit, query: &str) -> Result<Response, Error> {
    let entered = enter(visit, PATH).await?;
    let own = entered.signed.facts.session;
    let mut sessions: Vec<OwnSession> = entered.sessions.iter().map(|summary| shown(summary, own)).collect();
    sessions.sort_by_key(|session| !session.is_this);
    let viewer = viewer(visit, &entered.signed);
    Ok(answer::page(StatusCode::OK, &Sessions { viewer, notice: overview::done(query), sessions }))
}

fn shown(summary: &SessionSummary, own: Id<Session>) -> OwnSession {
    OwnSession {
        id: summary.id.to_string(),
        is_this: summary.id == own,
        opened: Moment(summary.opened_at),
        seen: Some(Moment(summary.last_seen_at)),
        ends: Moment(summary.ends_at),
        client: Some(summary.client.clone()).filter(|client| !client.is_empty()),
        factors: summary.factors.iter().map(|proven| proven.factor.to_string()).collect(),
    }
}

async fn end(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    let entered = enter(visit, PATH).await?;
    let (form, effect) = own_form(visit, &entered.signed, body)?;
    let (portal, token) = (&visit.settings.portal, &entered.signed.token);
    let key = effect.of_part("revoke");
    let ended = || answer::redirect("/account/sessions?done=ended");
    if form.get("end") == "others" {
        let position = visit.site.neighbours.revoke_session(key, portal, token, None).await?;
        return Ok(answer::after_ending(ended(), position));
    }
    let session = form.get("end").parse().map_err(|_| Error::Malformed("There is no such session."))?;
    if session == entered.signed.facts.session {
        let position = visit.site.neighbours.end_session(portal, token).await?;
        return Ok(answer::after_ending(signed_out(), position));
    }
    let position = visit.site.neighbours.revoke_session(key, portal, token, Some(session)).await?;
    Ok(answer::after_ending(ended(), position))
}
