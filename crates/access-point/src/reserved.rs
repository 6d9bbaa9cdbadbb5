//! The paths below `/.evergate/`, which belong to Evergate on every host.

use evergate_model::NormalPath;
use evergate_model::id::{Id, Request};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;

use crate::accept::Asked;
use crate::answers::{self, Reader, Words};
use crate::body::Body;
use crate::decide::policy::NoAnswer;
use crate::desk::Desk;
use crate::identify::cookies;
use crate::sign_in;

/// What the reserved paths begin with.
pub(crate) const PREFIX: &str = "/.evergate";
/// Says whether this access point should be given work.
pub(crate) const READY: &str = "/.evergate/ready";
/// Where the pages' assets are; forwarded with the pages on their hosts.
pub(crate) const ASSETS: &str = "/.evergate/assets";

/// A hand-over, as the portal sends a browser here.
#[derive(Deserialize)]
struct HandOver {
    handover: String,
    #[serde(default)]
    path: String,
}

/// Answers a request for a reserved path.
pub(crate) async fn answer(desk: &Desk, head: &Parts, asked: &Asked, id: Id<Request>) -> Response<Body> {
    let is_read = head.method == Method::GET || head.method == Method::HEAD;
    match asked.path.path() {
        READY if is_read => ready(desk),
        "/.evergate/jwks.json" if is_read => {
            answers::with_type("application/jwk-set+json", desk.site().jwks.clone())
        }
        "/.evergate/page.css" if is_read => answers::with_type("text/css; charset=utf-8", answers::STYLE),
        "/.evergate/session" if is_read => session(desk, head, asked, id).await,
        "/.evergate/sign-out" if is_read => answers::html(&answers::frame(
            "Sign out",
            "<form method=\"post\"><button>Sign out</button></form>",
        )),
        "/.evergate/sign-out" if head.method == Method::POST => sign_out(desk, head, asked, id).await,
        _ => answers::words(
            Reader::of(head),
            Words {
                status: StatusCode::NOT_FOUND,
                title: "Not found",
                text: "There is no such page.",
                id: None,
            },
        ),
    }
}

fn ready(desk: &Desk) -> Response<Body> {
    let is_ready = desk.is_ready();
    let mut answer =
        answers::with_type("text/plain; charset=utf-8", if is_ready { "ready\n" } else { "not ready\n" });
    if !is_ready {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    answer
}

/// Takes the session over from the portal: bound to this host and to this browser's nonce.
async fn session(desk: &Desk, head: &Parts, asked: &Asked, id: Id<Request>) -> Response<Body> {
    let query = asked.path.path_and_query().split_once('?').map_or("", |(_, query)| query);
    let nonce = cookies::find(&head.headers, cookies::RETURN).ok().flatten();
    let (Ok(hand_over), Some(nonce)) = (serde_urlencoded::from_str::<HandOver>(query), nonce) else {
        return over(id);
    };
    let path = return_path(&hand_over.path);
    let redeemed = desk.policy.redeem(id, hand_over.handover, asked.host.clone(), nonce.into()).await;
    match redeemed {
        Ok(redeemed) => sign_in::come_back(&redeemed.token, &path),
        Err(NoAnswer::Refused(reason) | NoAnswer::Unknown(reason)) => {
            tracing::info!(reason, request = %id, "hand-over refused");
            over(id)
        }
        Err(reason @ (NoAnswer::Away(_) | NoAnswer::Busy(_) | NoAnswer::Behind)) => {
            tracing::warn!(%reason, request = %id, "hand-over not confirmed");
            unconfirmed(Reader::of(head), id)
        }
    }
}

/// Where to return to: a path on this host and nothing else.
fn return_path(path: &str) -> String {
    match NormalPath::new(path) {
        Ok(path) if !path.is_under(PREFIX) => path.path_and_query().to_owned(),
        _ => "/".to_owned(),
    }
}

fn over(id: Id<Request>) -> Response<Body> {
    let main = format!(
        "<p>The way back from signing in was used already, has expired, or was begun in another browser.</p>\
         <p><a href=\"/\">Begin again</a></p><p class=\"id\">{id}</p>"
    );
    let mut answer = answers::html(&answers::frame("Please sign in again", &main));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
}

/// Ends the session everywhere. Whoever holds its token may, from a page of this very host: a
/// neighbour below the same domain, to whose forms the cookie is sent, may not.
async fn sign_out(desk: &Desk, head: &Parts, asked: &Asked, id: Id<Request>) -> Response<Body> {
    let is_from_here = |site: &HeaderValue| site == "same-origin" || site == "none";
    if !head.headers.get("sec-fetch-site").is_none_or(is_from_here) {
        return answers::words(
            Reader::of(head),
            Words {
                status: StatusCode::FORBIDDEN,
                title: "Not signed out",
                text: "Another site asked for it.",
                id: Some(id),
            },
        );
    }
    let site = desk.site();
    if let Ok(Some(caller)) = desk.caller(&site, head, asked) {
        match desk.policy.end_session(caller.token.to_string(), asked.host.clone()).await {
            Ok(position) => desk.decider.log.reach(position).await,
            Err(reason @ (NoAnswer::Away(_) | NoAnswer::Busy(_) | NoAnswer::Behind)) => {
                tracing::warn!(%reason, request = %id, "session not ended");
                return unconfirmed(Reader::of(head), id);
            }
            Err(NoAnswer::Refused(_) | NoAnswer::Unknown(_)) => {}
        }
    }
    let mut answer = answers::redirect(&Method::POST, &site.portal_url("/"));
    answer.headers_mut().append(SET_COOKIE, sign_in::expired(cookies::SESSION));
    answer
}

/// What cannot be confirmed now.
#[must_use]
pub(crate) fn unconfirmed(reader: Reader, id: Id<Request>) -> Response<Body> {
    answers::words(
        reader,
        Words {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "Please try again in a moment",
            text: "Whether you may see this cannot be confirmed at the moment.",
            id: Some(id),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_returns_to_a_path_on_this_host_only() {
        for (given, taken) in [
            ("/a?b=c", "/a?b=c"),
            ("", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/evil.example/"),
            ("/\\evil.example", "/"),
            ("/.evergate/sign-out", "/"),
        ] {
            assert_eq!(return_path(given), taken, "{given}");
        }
    }
}
