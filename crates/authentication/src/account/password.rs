//! `/account/password`: another password; the other sessions end.

use axum::response::Response;
use evergate_keys::password::PasswordRefused;
use evergate_keys::{new_id, password};
use evergate_pages::Notice;
use evergate_pages::account::ChangePassword;
use evergate_store::{Actor, credentials, effects};
use http::StatusCode;

use super::{Entered, SHORTEST_PASSWORD, enter_to_change, notify, own_form, viewer};
use crate::answer;
use crate::error::Error;
use crate::posted::Posted;
use crate::visit::Visit;

const PATH: &str = "/account/password";
const FINGERPRINT: &str = "password";

/// `GET /account/password`.
pub(crate) async fn get(visit: Visit) -> Response {
    let outcome = enter_to_change(&visit, PATH).await.map(|entered| page(&visit, &entered, None));
    visit.finish(outcome)
}

/// `POST /account/password`.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = change(&visit, &body).await;
    visit.finish(outcome)
}

fn page(visit: &Visit, entered: &Entered, notice: Option<Notice>) -> Response {
    let viewer = viewer(visit, &entered.signed);
    answer::page(StatusCode::OK, &ChangePassword { viewer, notice, shortest: SHORTEST_PASSWORD })
}

async fn change(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    let entered = enter_to_change(visit, PATH).await?;
    let (form, effect) = own_form(visit, &entered.signed, body)?;
    let (facts, proof) = (&entered.signed.facts, form.secret("password"));
    if let Err(refused) = password::check_new(&proof, &facts.user_name) {
        return Ok(page(visit, &entered, Some(refusal(refused))));
    }
    let phc = visit.site.hashing.take_turn().await?.hash(proof).await?;
    let key = effect.text_of_part(FINGERPRINT);
    let mut tx = visit.site.store.begin().await?;
    if effects::find::<bool>(&mut tx, &key, FINGERPRINT).await?.is_none() {
        let actor = Actor::User(facts.user);
        credentials::set_password(&mut tx, &actor, visit.now, facts.user, new_id(visit.now), &phc).await?;
        effects::remember(&mut tx, &key, FINGERPRINT, &true, visit.now).await?;
        tx.commit().await?;
    } else {
        drop(tx);
    }
    let (portal, token) = (&visit.settings.portal, &entered.signed.token);
    visit.site.neighbours.revoke_session(effect.of_part("revoke"), portal, token, None).await?;
    notify(visit, &entered.signed, &effect, "The password was changed.").await;
    Ok(answer::redirect("/account?done=password"))
}

/// Why a password is not taken, for the user.
pub(crate) fn refusal(refused: PasswordRefused) -> Notice {
    let text = refused.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    Notice::problem(format!("{first}{}.", letters.as_str()))
}
