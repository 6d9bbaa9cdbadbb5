//! Invitations: whoever holds the link sets the first password.

use axum::extract::RawQuery;
use axum::response::Response;
use evergate_keys::{new_id, password};
use evergate_model::Secret;
use evergate_pages::sign_in::Invitation;
use evergate_pages::{Message, Notice};
use evergate_store::{Actor, credentials, effects, invitations, users};
use http::StatusCode;

use crate::account::SHORTEST_PASSWORD;
use crate::answer;
use crate::effect::EffectKey;
use crate::error::Error;
use crate::form::Form;
use crate::hash_of;
use crate::posted::Posted;
use crate::visit::Visit;

/// `GET /invitation?token=...`: asks for a password.
pub(crate) async fn get(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let outcome = ask(&visit, query.as_deref().unwrap_or_default()).await;
    visit.finish(outcome)
}

/// `POST /invitation`: sets it.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = accept(&visit, &body).await;
    visit.finish(outcome)
}

async fn ask(visit: &Visit, query: &str) -> Result<Response, Error> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query).map_err(|_| Error::Malformed("The address cannot be read."))?;
    let token =
        pairs.into_iter().find(|(name, _)| name == "token").map(|(_, token)| token).unwrap_or_default();
    match invited(visit, &token).await? {
        Some(user) => Ok(page(token, user.name, None)),
        None => Ok(gone()),
    }
}

async fn accept(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    visit.check_origin()?;
    let form = Form::parse(body)?;
    let token = form.get("invitation").to_owned();
    let key = EffectKey::of(&visit.secrets, visit.request, &form).text_of_part("invitation");
    let proof = form.secret("password");
    let Some(user) = invited(visit, &token).await? else {
        // A repetition of the request that was accepted finds the invitation used.
        let mut tx = visit.site.store.begin().await?;
        let was_accepted = effects::find::<bool>(&mut tx, &key, FINGERPRINT).await?.is_some();
        return Ok(if was_accepted { answer::redirect("/sign-in") } else { gone() });
    };
    if let Err(refused) = password::check_new(&proof, &user.name) {
        return Ok(page(token, user.name, Some(crate::account::password::refusal(refused))));
    }
    set(visit, &token, &key, &user, proof).await
}

const FINGERPRINT: &str = "invitation";

async fn set(
    visit: &Visit,
    token: &str,
    key: &str,
    user: &users::User,
    proof: Secret<String>,
) -> Result<Response, Error> {
    let phc = visit.site.hashing.take_turn().await?.hash(proof).await?;
    let mut tx = visit.site.store.begin().await?;
    if effects::find::<bool>(&mut tx, key, FINGERPRINT).await?.is_none() {
        if invitations::accept(&mut tx, visit.now, &hash_of(token)).await?.is_none() {
            return Ok(gone());
        }
        let actor = Actor::User(user.id);
        credentials::set_password(&mut tx, &actor, visit.now, user.id, new_id(visit.now), &phc).await?;
        users::set_invited(&mut tx, &actor, visit.now, user.id, None).await?;
        effects::remember(&mut tx, key, FINGERPRINT, &true, visit.now).await?;
        tx.commit().await?;
    }
    Ok(answer::redirect("/sign-in"))
}

async fn invited(visit: &Visit, token: &str) -> Result<Option<users::User>, Error> {
    let mut connection = visit.site.store.read().await?;
    match invitations::find(&mut connection, visit.now, &hash_of(token)).await? {
        Some(user) => Ok(users::get(&mut connection, user).await?),
        None => Ok(None),
    }
}

fn page(invitation: String, name: String, notice: Option<Notice>) -> Response {
    let page = Invitation { invitation, name, notice, shortest: SHORTEST_PASSWORD };
    answer::page(StatusCode::OK, &page)
}

fn gone() -> Response {
    let message = Message::new(
        "This invitation is no longer good",
        "It was used already, or has expired. Ask your administrator for another.",
    );
    answer::message(StatusCode::NOT_FOUND, &message.again("/sign-in"), None)
}
