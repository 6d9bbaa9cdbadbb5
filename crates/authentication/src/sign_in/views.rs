//! The machine's views as pages, and what they say.

use axum::response::Response;
use evergate_model::Factor;
use evergate_pages::finish::Continue;
use evergate_pages::qr::QrCode;
use evergate_pages::sign_in::{CodeKind, CodeStep, EnrolStep, NameStep, OtherWay, PasswordStep, Step};
use evergate_pages::{Message, Notice};
use http::StatusCode;

use crate::answer;
use crate::cookies;
use crate::enrolment::seed_of;
use crate::error::Error;
use crate::flow::{Note, View};
use crate::metrics::{self, Outcome};
use crate::progress::Progress;
use crate::visit::Visit;

/// A view as an answer; the progress is sealed into it.
pub(super) fn answer(visit: &Visit, progress: &Progress, view: View) -> Result<Response, Error> {
    let step = |note| Step {
        progress: visit.secrets.seal(progress),
        destination: progress.target.host().map(ToString::to_string),
        notice: note,
    };
    let name = progress.account.as_ref().map_or_else(String::new, |account| account.name.clone());
    let ok = StatusCode::OK;
    Ok(match view {
        View::Name { name, asks_password, note } => {
            answer::page(ok, &NameStep { step: step(note.map(notice)), name, asks_password })
        }
        View::Factor { factor, others, note } => {
            let others = others.iter().filter_map(other_way).collect();
            factor_page(step(note.map(notice)), name, &factor, others, progress.session.is_some())?
        }
        View::Enrol { note } => {
            let otpauth = progress.enrolment.as_ref().map_or("", |enrolment| &enrolment.otpauth).to_owned();
            let qr = QrCode::of(&otpauth).ok_or(Error::Fault("a soft token that no picture can show"))?;
            let secret = seed_of(&otpauth);
            answer::page(ok, &EnrolStep { step: step(note.map(notice)), name, qr, secret, otpauth })
        }
        View::Continue { url } => {
            let destination =
                progress.target.host().map_or_else(|| "your applications".to_owned(), ToString::to_string);
            let page = answer::page(ok, &Continue { url, destination });
            answer::with_cookie(page, cookies::clear(cookies::SIGN_IN))
        }
        View::Denied { reason } => {
            metrics::count(Outcome::Denied);
            let message = Message::denied(&reason).for_request(visit.request);
            answer::message(StatusCode::FORBIDDEN, &message, None)
        }
        View::Paused { until } => return Err(Error::Paused { until, now: visit.now }),
        View::Expired => {
            let page = answer::message(StatusCode::BAD_REQUEST, &Message::expired(), None);
            answer::with_cookie(page, cookies::clear(cookies::SESSION))
        }
    })
}

fn factor_page(
    step: Step,
    name: String,
    factor: &Factor,
    others: Vec<OtherWay>,
    confirms: bool,
) -> Result<Response, Error> {
    let kind = match factor {
        Factor::Password => {
            return Ok(answer::page(StatusCode::OK, &PasswordStep { step, name, confirms, others }));
        }
        Factor::Totp => CodeKind::Totp,
        Factor::EmailCode => CodeKind::EmailCode,
        Factor::RecoveryCode => CodeKind::RecoveryCode,
        Factor::Passkey | Factor::Certificate | Factor::Method(_) => {
            return Err(Error::Fault("a factor was asked for that has no page"));
        }
    };
    Ok(answer::page(StatusCode::OK, &CodeStep { step, name, kind, others }))
}

fn other_way(factor: &Factor) -> Option<OtherWay> {
    let label = match factor {
        Factor::Password => "Use your password",
        Factor::Totp => "Use your authenticator app",
        Factor::EmailCode => "Send a code by mail",
        Factor::RecoveryCode => "Use a recovery code",
        Factor::Passkey | Factor::Certificate | Factor::Method(_) => return None,
    };
    Some(OtherWay { factor: factor.to_string(), label: label.to_owned() })
}

fn notice(note: Note) -> Notice {
    Notice::problem(match note {
        Note::Missing => "Please fill this in.",
        Note::WrongPassword => "This name and password do not belong together.",
        Note::WrongCode => "This code is not right, or no longer good.",
        Note::UsedCode => "This code has been used. Wait for the next one.",
    })
}
