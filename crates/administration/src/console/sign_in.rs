//! Signing in to the console: an administrator's name and password, with the same limits as users
//! have.

use std::net::{IpAddr, Ipv4Addr};

use axum::Form;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::Response;
use evergate_model::{Secret, Service};
use evergate_pages::console::ConsoleSignIn;
use evergate_pages::{Message, Notice};
use evergate_process::Peer;
use evergate_store::attempts::{self, Limits, Reservation};
use evergate_store::groups::{self, ADMINISTRATORS};
use evergate_store::users::{self, State as UserState, User};
use evergate_store::{Actor, audit, configurations, credentials};
use serde::Deserialize;
use serde_json::json;

use super::answer;
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
    let name = fields.name.clone();
    match attempt(&office, client(&extensions, &headers), fields).await {
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
    let said = headers.get("x-evergate-client").filter(|_| is_forwarded);
    let said = said.and_then(|value| value.to_str().ok()?.parse().ok());
    direct.or(said).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// What came of an attempt.
enum Outcome {
    SignedIn(String),
    Wrong,
    Paused { minutes: u64 },
}

async fn attempt(office: &Office, client: IpAddr, fields: Fields) -> Result<Outcome, Failure> {
    let Some(name) = users::normal_name(&fields.name) else { return Ok(Outcome::Wrong) };
    if fields.password.is_empty() || fields.password.len() > 1024 {
        return Ok(Outcome::Wrong);
    }
    if let Reservation::Refused { until } = reserve(office, &name, client).await? {
        let minutes = until.since(office.now()).as_secs().div_ceil(60).max(1);
        return Ok(Outcome::Paused { minutes });
    }
    let Found { administrator, is_user, phc } = find(office, &name).await?;
    let is_right = office.passwords.verify(Secret::new(fields.password), phc).await?;
    match administrator.filter(|_| is_right) {
        Some(user) => {
            let mut tx = office.store.begin().await?;
            attempts::release(&mut tx, &name, client).await?;
            tx.commit().await?;
            SignedIn::open(office, user.id).await.map(Outcome::SignedIn)
        }
        // A name that nobody has may be a password in the wrong field, and strangers have many.
        None if !is_user => Ok(Outcome::Wrong),
        None => {
            let mut tx = office.store.begin().await?;
            let detail = json!({ "client": client });
            audit::append(&mut tx, office.now(), &Actor::System, "console.refused", &name, &detail).await?;
            tx.commit().await?;
            Ok(Outcome::Wrong)
        }
    }
}

async fn reserve(office: &Office, name: &str, client: IpAddr) -> Result<Reservation, Failure> {
    let mut tx = office.store.begin().await?;
    let (_, configuration) =
        configurations::latest(&mut tx).await?.ok_or(Failure::Missing("configuration"))?;
    let sign_in = configuration.sign_in;
    let limits = Limits {
        failures: sign_in.failures,
        failures_per_user: sign_in.failures_per_user,
        pause: sign_in.pause.as_duration(),
    };
    let reservation = attempts::reserve(&mut tx, office.now(), name, client, limits).await?;
    tx.commit().await?;
    Ok(reservation)
}

/// Who a name is.
#[derive(Default)]
struct Found {
    /// The active administrator of that name.
    administrator: Option<User>,
    /// Whether it is anybody's.
    is_user: bool,
    /// The PHC string to check against.
    phc: Option<String>,
}

async fn find(office: &Office, name: &str) -> Result<Found, Failure> {
    let mut reading = office.store.read().await?;
    let Some(user) = users::find_by_name(&mut reading, name).await? else { return Ok(Found::default()) };
    let is_administrator =
        groups::names_of(&mut reading, user.id).await?.iter().any(|group| group == ADMINISTRATORS);
    let phc = credentials::find_password(&mut reading, user.id).await?.map(|(_, phc)| phc);
    let may = is_administrator && user.state == UserState::Active && phc.is_some();
    Ok(Found { administrator: may.then_some(user), is_user: true, phc })
}
