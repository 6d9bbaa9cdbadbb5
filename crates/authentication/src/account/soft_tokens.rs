//! `/account/soft-tokens`: the authenticator apps, and removing one.

use axum::extract::RawQuery;
use axum::response::Response;
use evergate_pages::Moment;
use evergate_pages::account::{SoftToken, SoftTokens};
use evergate_store::credentials::{self, Credential, Sort};
use evergate_store::{Actor, effects};
use http::StatusCode;

use super::{enter_to_change, notify, overview, own_form, viewer};
use crate::answer;
use crate::error::Error;
use crate::posted::Posted;
use crate::visit::Visit;

pub(super) const PATH: &str = "/account/soft-tokens";
const FINGERPRINT: &str = "remove soft token";

/// `GET /account/soft-tokens`.
pub(crate) async fn get(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let outcome = page(&visit, query.as_deref().unwrap_or_default()).await;
    visit.finish(outcome)
}

/// `POST /account/soft-tokens`: removes one.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = remove(&visit, &body).await;
    visit.finish(outcome)
}

async fn page(visit: &Visit, query: &str) -> Result<Response, Error> {
    let entered = enter_to_change(visit, PATH).await?;
    let mut connection = visit.site.store.read().await?;
    let all = credentials::list(&mut connection, entered.signed.facts.user).await?;
    let soft_tokens = all.iter().filter(|credential| credential.sort == Sort::Totp).map(soft_token).collect();
    let viewer = viewer(visit, &entered.signed);
    Ok(answer::page(StatusCode::OK, &SoftTokens { viewer, notice: overview::done(query), soft_tokens }))
}

fn soft_token(credential: &Credential) -> SoftToken {
    SoftToken {
        id: credential.id.to_string(),
        label: credential.label.clone(),
        added: Moment(credential.created_at),
        used: credential.used_at.map(Moment),
    }
}

async fn remove(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    let entered = enter_to_change(visit, PATH).await?;
    let (form, effect) = own_form(visit, &entered.signed, body)?;
    let wanted = form.get("remove").parse().map_err(|_| Error::Malformed("There is no such app."))?;
    let user = entered.signed.facts.user;
    let key = effect.text_of_part(FINGERPRINT);
    let mut tx = visit.site.store.begin().await?;
    let was_removed = match effects::find(&mut tx, &key, FINGERPRINT).await? {
        // The same request again, perhaps of an instance that died before it wrote the mail.
        Some(was_removed) => was_removed,
        None => {
            let all = credentials::list(&mut tx, user).await?;
            // Only soft tokens are removed here.
            let is_there =
                all.iter().any(|credential| credential.id == wanted && credential.sort == Sort::Totp);
            if is_there {
                credentials::remove(&mut tx, &Actor::User(user), visit.now, user, wanted).await?;
            }
            effects::remember(&mut tx, &key, FINGERPRINT, &is_there, visit.now).await?;
            is_there
        }
    };
    tx.commit().await?;
    if was_removed {
        notify(visit, &entered.signed, &effect, "An authenticator app was removed.").await;
    }
    Ok(answer::redirect("/account/soft-tokens?done=removed"))
}
