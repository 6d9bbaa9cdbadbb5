//! `/account/soft-tokens/new`: another authenticator app, bound by its first code.

use axum::response::Response;
use evergate_pages::Notice;
use evergate_pages::account::EnrolSoftToken;
use evergate_pages::qr::QrCode;
use http::StatusCode;

use super::{Entered, check_may_strengthen, enter_to_change, notify, own_form, viewer};
use crate::answer;
use crate::effect::EffectKey;
use crate::enrolment::seed_of;
use crate::error::Error;
use crate::neighbours::Confirmation;
use crate::posted::Posted;
use crate::progress::Enrolment;
use crate::visit::Visit;

const PATH: &str = "/account/soft-tokens/new";

/// `GET /account/soft-tokens/new`: shows the seed.
pub(crate) async fn get(visit: Visit) -> Response {
    let outcome = begin(&visit).await;
    visit.finish(outcome)
}

/// `POST /account/soft-tokens/new`: takes the first code.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = confirm(&visit, &body).await;
    visit.finish(outcome)
}

async fn begin(visit: &Visit) -> Result<Response, Error> {
    let entered = enter_to_change(visit, PATH).await?;
    check_may_strengthen(visit, &entered.signed).await?;
    let facts = &entered.signed.facts;
    let effect = EffectKey::of_request(&visit.secrets, visit.request).of_part("begin enrolment");
    let (id, otpauth) = visit.site.neighbours.begin_enrolment(effect, facts.user, &facts.user_name).await?;
    page(visit, &entered, Enrolment { id, otpauth }, None)
}

fn page(
    visit: &Visit,
    entered: &Entered,
    enrolment: Enrolment,
    notice: Option<Notice>,
) -> Result<Response, Error> {
    let page = EnrolSoftToken {
        viewer: viewer(visit, &entered.signed),
        notice,
        enrolment: visit.secrets.seal_enrolment(entered.signed.facts.session, &enrolment),
        qr: QrCode::of(&enrolment.otpauth).ok_or(Error::Fault("a soft token that no picture can show"))?,
        secret: seed_of(&enrolment.otpauth),
        otpauth: enrolment.otpauth,
    };
    Ok(answer::page(StatusCode::OK, &page))
}

async fn confirm(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    let entered = enter_to_change(visit, PATH).await?;
    check_may_strengthen(visit, &entered.signed).await?;
    let (form, effect) = own_form(visit, &entered.signed, body)?;
    let facts = &entered.signed.facts;
    let enrolment = visit
        .secrets
        .open_enrolment(facts.session, form.get("enrolment"))
        .ok_or(Error::Malformed("There is no such enrolment."))?;
    let key = effect.of_part("confirm enrolment");
    let code = form.get("code").trim();
    match visit.site.neighbours.confirm_enrolment(key, facts.user, &enrolment.id, code).await? {
        Confirmation::Bound => {
            notify(visit, &entered.signed, &effect, "An authenticator app was set up.").await;
            Ok(answer::redirect("/account/soft-tokens?done=added"))
        }
        Confirmation::WrongCode => {
            let notice = Notice::problem("This code is not right. Try the next one.");
            page(visit, &entered, enrolment, Some(notice))
        }
        Confirmation::Gone => Ok(answer::redirect(PATH)),
    }
}
