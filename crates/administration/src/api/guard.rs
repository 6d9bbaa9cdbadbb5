//! Before every endpoint: who asks, and whether they may. What has passed is a [`Call`].

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use evergate_keys::api_token;
use evergate_model::id::{ApiToken, User};
use evergate_model::{Id, Name};
use evergate_store::{Actor, api_tokens, join_tokens};

use super::call::{Call, EffectKey};
use crate::office::Office;
use crate::{Failure, Privilege, console};

/// No body is longer, in bytes; a configuration of 100,000 rules fits.
const LONGEST_BODY: usize = 32 << 20;
/// No body may take longer.
const BODY_TIME: std::time::Duration = std::time::Duration::from_secs(30);
/// A key that makes repetitions harmless: the caller's own, or the access point's.
const KEYS: [&str; 2] = ["idempotency-key", "x-evergate-request-id"];
const LONGEST_KEY: usize = 200;
/// The use of a token is noted once in so long.
const NOTE_USE_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Whoever holds this token.
    Token { id: Id<ApiToken>, privileges: Vec<Privilege> },
    /// An administrator, signed in to the console.
    Administrator(Id<User>),
    /// A machine that is to run the instances of this node, by its join token.
    Node { node: Name, token_hash: String },
}

impl Caller {
    /// Whether the caller may do that.
    pub(crate) fn may(&self, privilege: Privilege) -> bool {
        match self {
            Self::Token { privileges, .. } => privileges.contains(&privilege),
            Self::Administrator(_) => true,
            Self::Node { .. } => false,
        }
    }

    /// The same, as a failure.
    pub(crate) fn require(&self, privilege: Privilege) -> Result<(), Failure> {
        if self.may(privilege) { Ok(()) } else { Err(Failure::Forbidden(privilege)) }
    }

    /// As the audit log names them.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Token { id, .. } => Actor::ApiToken(*id),
            Self::Administrator(user) => Actor::Administrator(*user),
            Self::Node { .. } => Actor::System,
        }
    }
}

/// What stands before one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) office: Office,
    pub(super) privilege: Option<Privilege>,
}

/// Lets a request through with its [`Call`], or refuses it.
pub(super) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match admit(gate, request).await {
        Ok(request) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

async fn admit(gate: Gate, request: Request) -> Result<Request, Failure> {
    let (mut parts, body) = request.into_parts();
    let caller = identify(&gate.office, &parts.method, &parts.headers).await?;
    if let Some(privilege) = gate.privilege {
        caller.require(privilege)?;
    }
    let body = read(body).await?;
    let effect = effect_key(&caller, &parts.headers)?.map(|key| {
        // Not the whole address: that names the instance, and a request repeated at another is the same.
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        // With a key: the body may hold a password, and this is stored.
        let wanted = [b"api effect".as_slice(), parts.method.as_str().as_bytes(), path.as_bytes(), &body];
        EffectKey { key, fingerprint: gate.office.vault.hash(&wanted) }
    });
    let query = parts.uri.query().unwrap_or_default().to_owned();
    parts.extensions.insert(Call { office: gate.office, caller, body, query, effect });
    Ok(Request::from_parts(parts, Body::empty()))
}

async fn read(body: Body) -> Result<axum::body::Bytes, Failure> {
    let wrong = |why: String| Failure::invalid("", why);
    tokio::time::timeout(BODY_TIME, to_bytes(body, LONGEST_BODY))
        .await
        .map_err(|_| wrong(format!("the body took longer than {} s", BODY_TIME.as_secs())))?
        .map_err(|_| wrong(format!("the body is broken off or longer than {LONGEST_BODY} bytes")))
}

/// Who sends these headers: the holder of a token, or an administrator whose browser sends the
/// console's cookie. A browser sends cookies for other sites too, so changes need the token of the
/// console's pages besides.
async fn identify(office: &Office, method: &Method, headers: &HeaderMap) -> Result<Caller, Failure> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        return by_token(office, token.unwrap_or_default().trim()).await;
    }
    let session = console::SignedIn::find(office, headers).await?.ok_or(Failure::NoCredentials)?;
    if *method != Method::GET && !session.is_form_token(headers.get("x-evergate-token")) {
        return Err(Failure::Refused("the console's form token is missing".to_owned()));
    }
    Ok(Caller::Administrator(session.user))
}

async fn by_token(office: &Office, text: &str) -> Result<Caller, Failure> {
    let hash = api_token::hash(text).ok_or(Failure::NoCredentials)?;
    let hash = HEXLOWER.encode(&hash);
    let (now, mut reading) = (office.now(), office.store.read().await?);
    let Some(token) = api_tokens::find_by_hash(&mut reading, &hash).await? else {
        let node = join_tokens::find(&mut reading, now, &hash).await?.ok_or(Failure::NoCredentials)?;
        return Ok(Caller::Node { node, token_hash: hash });
    };
    drop(reading);
    if token.used_at.is_none_or(|used_at| now.since(used_at) > NOTE_USE_EVERY) {
        let mut tx = office.store.begin().await?;
        api_tokens::touch(&mut tx, now, token.id).await?;
        tx.commit().await?;
    }
    let privileges = token.privileges.iter().filter_map(|text| text.parse().ok()).collect();
    Ok(Caller::Token { id: token.id, privileges })
}

fn effect_key(caller: &Caller, headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = KEYS.iter().find_map(|name| headers.get(*name)) else { return Ok(None) };
    let is_good = |text: &&str| !text.is_empty() && text.len() <= LONGEST_KEY;
    let text = value.to_str().ok().filter(is_good).ok_or_else(|| {
        Failure::invalid("idempotency-key", format!("it must be 1 to {LONGEST_KEY} visible ASCII characters"))
    })?;
    Ok(Some(format!("api {} {text}", caller.actor())))
}
