//! The sign-in pages: `GET /sign-in` begins, `POST /sign-in` takes one step.

mod begin;
mod course;
mod target;
mod views;

use axum::extract::RawQuery;
use axum::response::Response;
use evergate_keys::random;
use evergate_model::{Factor, Secret};

use crate::cookies;
use crate::effect::EffectKey;
use crate::error::Error;
use crate::flow::{Event, Flow, Submission};
use crate::form::Form;
use crate::posted::Posted;
use crate::visit::Visit;

use course::Course;

/// `GET /sign-in`: the first page, or straight on where nothing is missing.
pub(crate) async fn get(visit: Visit, RawQuery(query): RawQuery) -> Response {
    let outcome = begin::begin(&visit, query.as_deref().unwrap_or_default()).await;
    visit.finish(outcome)
}

/// `POST /sign-in`: one step.
pub(crate) async fn post(visit: Visit, body: Posted) -> Response {
    let outcome = step(&visit, &body).await;
    visit.finish(outcome)
}

async fn step(visit: &Visit, body: &[u8]) -> Result<Response, Error> {
    visit.check_origin()?;
    let form = Form::parse(body)?;
    let progress = visit.secrets.open(form.get("progress")).map_err(|_| Error::Expired)?;
    let nonce = visit.cookie(cookies::SIGN_IN).unwrap_or_default();
    progress.check(&hash_of_nonce(nonce), visit.now).map_err(|_| Error::Expired)?;
    let token = match progress.session {
        None => None,
        // A step-up goes on only with the session that it began with.
        Some(session) => {
            let signed = visit.session().filter(|signed| signed.facts.session == session);
            Some(signed.ok_or(Error::Expired)?.token)
        }
    };
    let effect = EffectKey::of(&visit.secrets, visit.request, &form);
    let submission = Submission {
        name: form.get("name").to_owned(),
        password: form.secret("password"),
        code: Secret::new(form.get("code").trim().to_owned()),
        uses: form.get("use").parse::<Factor>().ok(),
    };
    Course::new(visit, effect, Flow::new(progress), token).run(Event::Submitted(submission)).await
}

/// A new nonce for the browser's cookie.
fn new_nonce() -> String {
    data_encoding::BASE64URL_NOPAD.encode(&random::bytes::<32>())
}

/// What progress is bound to.
fn hash_of_nonce(nonce: &str) -> String {
    crate::hash_of(nonce)
}
