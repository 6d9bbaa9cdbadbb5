//! The console's sign-in page: an administrator's name and password.

use std::net::{IpAddr, Ipv4Addr};

use axum::Form;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::Response;
use evergate_model::{Secret, Service};
use evergate_pages::console::ConsoleSignIn;
use evergate_pages::{Message, Notice};
use evergate_process::Peer;
use evergate_wire::page_headers::{CLIENT, REQUEST_ID};
use serde::Deserialize;

use super::answer;
use super::attempt::{self, Outcome, Typed};
use super::session::{SignedIn, cookie};
use crate::Failure;
use crate::api::{random_token, token_hash};
use crate::browser_listener::DirectClient;
use crate::office::Office;

/// Binds the form to the browser that it was sent to.
const NONCE: &str = "__Host-evergate-console-signin";

/// The form.
#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    token: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
}

/// The form of sign-out.
#[derive(Deserialize)]
pub(super) struct Leave {
    #[serde(default)]
    token: String,
}

pub(super) async fn show(State(office): State<Office>, headers: HeaderMap) -> Response {
    match SignedIn::find(&office, &headers).await {
        Ok(Some(_)) => answer::see_other("/instances"),
        Ok(None) => form(StatusCode::OK, "", None),
        Err(failure) => answer::failure(&failure),
    }
}

pub(super) async fn submit(
    State(office): State<Office>,
    extensions: Extensions,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    let nonce = cookie(&headers, NONCE).unwrap_or_default();
    if nonce.is_empty() || Secret::new(fields.token.clone()) != Secret::new(form_token(&nonce)) {
        let notice = Notice::hint("This page was too old, or cookies are off. Try again.");
        return form(StatusCode::FORBIDDEN, &fields.name, Some(notice));
    }
    let (name, client) = (fields.name.clone(), client(&extensions, &headers));
    let request = request_id(&extensions, &headers);
    let typed = Typed { name: fields.name, password: Secret::new(fields.password) };
    match attempt::make(&office, client, request.as_deref(), typed).await {
        Ok(Outcome::SignedIn(cookie)) => answer::with_cookie(answer::see_other("/instances"), &cookie),
        Ok(Outcome::Wrong) => {
            let notice = Notice::problem("This is not an administrator's name and password.");
            form(StatusCode::FORBIDDEN, &name, Some(notice))
        }
        Ok(Outcome::Paused { minutes }) => {
            answer::message(StatusCode::TOO_MANY_REQUESTS, &Message::locked(minutes))
        }
        Err(failure) => answer::failure(&failure),
    }
}

pub(super) async fn sign_out(
    State(office): State<Office>,
    headers: HeaderMap,
    Form(leave): Form<Leave>,
) -> Response {
    let ended = async {
        let Some(session) = SignedIn::find(&office, &headers).await? else { return Ok(None) };
        if Secret::new(leave.token) != Secret::new(session.form_token()) {
            return Err(Failure::Refused("the form is another session's".to_owned()));
        }
        session.end(&office).await.map(Some)
    };
    match ended.await {
        Ok(Some(cookie)) => answer::with_cookie(answer::see_other("/sign-in"), &cookie),
        Ok(None) => answer::see_other("/sign-in"),
        Err(failure) => answer::failure(&failure),
    }
}

fn form(status: StatusCode, name: &str, notice: Option<Notice>) -> Response {
    let (nonce, _) = random_token();
    let token = form_token(nonce.expose());
    let page = ConsoleSignIn { token, name: name.to_owned(), notice };
    let cookie =
        format!("{NONCE}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=600", nonce.expose());
    answer::with_cookie(answer::page(status, &page), &cookie)
}

fn form_token(nonce: &str) -> String {
    token_hash(&format!("evergate console sign-in\0{nonce}"))
}

/// Whose failures are counted: what the access point says of its client, or who is connected.
fn client(extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let direct = extensions.get::<DirectClient>().map(|client| client.0);
    let is_forwarded = extensions.get::<Peer>().is_some_and(|peer| peer.service == Service::AccessPoint);
    let said = headers.get(CLIENT).filter(|_| is_forwarded);
    let said = said.and_then(|value| value.to_str().ok()?.parse().ok());
    direct.or(said).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The access point's id of the request, the same when it repeats it at another instance. Whoever is
/// connected directly repeats nothing.
fn request_id(extensions: &Extensions, headers: &HeaderMap) -> Option<String> {
    let is_forwarded = extensions.get::<Peer>().is_some_and(|peer| peer.service == Service::AccessPoint);
    let id = headers.get(REQUEST_ID).filter(|_| is_forwarded)?.to_str().ok()?;
    Some(id.to_owned())
}
