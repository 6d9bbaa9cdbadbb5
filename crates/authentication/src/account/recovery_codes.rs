//! `/account/recovery-codes`: how many are left, and making new ones, which are shown once.

use axum::response::Response;
use evergate_keys::{new_id, recovery};
use evergate_pages::Moment;
use evergate_pages::account::{NewRecoveryCodes, RecoveryCodes};
use evergate_store::credentials::{self, Sort};
use evergate_store::{Actor, effects};
use http::StatusCode;

use super::{check_may_strengthen, enter_to_change, notify, own_form, viewer};
use crate::answer;
use crate::error::Error;
use crate::posted::Posted;
use crate::visit::Visit;

const PATH: &str = "/account/recovery-codes";
const FINGERPRINT: &str = "recovery codes";

/// `GET /account/recovery-codes`.
pub(crate) async fn get(visit: Visit) -> Response {
    let outcome = page(&visit).await;
    visit.finish(outcome)
}

/// `POST /account/recovery-codes`: makes new ones.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = renew(&visit, &body).await;
    visit.finish(outcome)
}

async fn page(visit: &Visit) -> Result<Response, Error> {
    let entered = enter_to_change(visit, PATH).await?;
    let mut connection = visit.site.store.read().await?;
    let user = entered.signed.facts.user;
    let all = credentials::list(&mut connection, user).await?;
    let left = credentials::recovery_codes_left(&mut connection, user).await?;
    let made = all.iter().rfind(|credential| credential.sort == Sort::RecoveryCodes);
    let page = RecoveryCodes {
        viewer: viewer(visit, &entered.signed),
        remaining: usize::try_from(left).unwrap_or(usize::MAX),
        made: made.map(|credential| Moment(credential.created_at)),
    };
    Ok(answer::page(StatusCode::OK, &page))
}

async fn renew(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    let entered = enter_to_change(visit, PATH).await?;
    check_may_strengthen(visit, &entered.signed).await?;
    let (_, effect) = own_form(visit, &entered.signed, body)?;
    let user = entered.signed.facts.user;
    let key = effect.text_of_part(FINGERPRINT);
    let mut tx = visit.site.store.begin().await?;
    let codes = match effects::find::<String>(&mut tx, &key, FINGERPRINT).await? {
        // The same request again: the same codes, or those on the user's screen would be none.
        Some(sealed) => {
            visit.secrets.open_codes(&sealed).ok_or(Error::Fault("codes that cannot be opened"))?
        }
        None => {
            let codes: Vec<String> = recovery::generate().iter().map(|code| code.expose().clone()).collect();
            let kept = |code: &String| {
                visit.secrets.keep_recovery_code(user, &recovery::normalise(code).unwrap_or_default())
            };
            let hashes: Vec<String> = codes.iter().map(kept).collect();
            let (actor, id) = (Actor::User(user), new_id(visit.now));
            credentials::set_recovery_codes(&mut tx, &actor, visit.now, user, id, &hashes).await?;
            let sealed = visit.secrets.seal_codes(&codes);
            effects::remember(&mut tx, &key, FINGERPRINT, &sealed, visit.now).await?;
            codes
        }
    };
    tx.commit().await?;
    notify(visit, &entered.signed, &effect, "New recovery codes were made.").await;
    let viewer = viewer(visit, &entered.signed);
    Ok(answer::page(StatusCode::OK, &NewRecoveryCodes { viewer, codes }))
}
