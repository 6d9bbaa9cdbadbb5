//! The load for each subject: requests that need it, through the doors that users have.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use evergate_model::Service;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{Request, Response, StatusCode, Uri};

use super::Subject;
use super::application::ANSWER;
use super::fixture::{Fixture, NAME, visitor_name};
use super::forms;
use super::ledger::Deeds;
use super::visitor::Visitor;
use crate::load::{Exchange, LoadClient, Loss, Way};

/// One turn in so many is a whole sign-in, or fewer: hashing passwords costs cores, and what fits
/// them is not what a drill asks.
const SIGN_IN_EVERY: u64 = 20;
const SIGN_INS_A_SECOND: u32 = 10;
/// One API call in so many is a write.
const WRITE_EVERY: u64 = 10;

/// A load, and the count of what it does that must happen once.
pub(super) struct Work {
    pub(super) exchange: Arc<Exchange>,
    pub(super) deeds: Arc<Deeds>,
}

/// The load that needs `subject`.
pub(super) fn work(subject: Subject, fixture: &Fixture, rate: u32) -> Work {
    let (client, deeds) = (Arc::clone(&fixture.client), Arc::new(Deeds::default()));
    let counted = Arc::clone(&deeds);
    let alternating = |number: u64| if number.is_multiple_of(2) { Way::Kept } else { Way::New };
    let exchange = match subject {
        Subject::Service(Service::Policy) | Subject::Upstream => {
            session_requests(client, fixture, |_| Way::Kept)
        }
        Subject::Service(Service::AccessPoint) => session_requests(client, fixture, alternating),
        Subject::Service(Service::Authentication) => sign_ins(client, fixture, counted, sign_in_every(rate)),
        Subject::Service(Service::Distribution) => api(client, fixture, counted, |_| ApiCall::Mail),
        Subject::Service(Service::Administration) => api(client, fixture, counted, |number| {
            if number % WRITE_EVERY == WRITE_EVERY - 1 { ApiCall::Write(number) } else { ApiCall::Read }
        }),
    };
    Work { exchange, deeds }
}

fn sign_in_every(rate: u32) -> u64 {
    SIGN_IN_EVERY.max(u64::from(rate / SIGN_INS_A_SECOND))
}

fn exchange<F>(make: impl Fn(u64) -> F + Send + Sync + 'static) -> Arc<Exchange>
where
    F: Future<Output = Result<(), Loss>> + Send + 'static,
{
    Arc::new(move |number| Box::pin(make(number)))
}

/// Requests to the drill's resource with a session.
fn session_requests(client: Arc<LoadClient>, fixture: &Fixture, way: fn(u64) -> Way) -> Arc<Exchange> {
    let (resource, cookie) = (fixture.resource.clone(), fixture.cookie.clone());
    exchange(move |number| {
        let request = Request::get(&resource).header(COOKIE, &cookie).body(Bytes::new());
        let client = Arc::clone(&client);
        async move {
            let answer = client.send(way(number), request.map_err(unmade)?).await?;
            good(&answer, |answer| answer.status() == StatusCode::OK && answer.body() == ANSWER.as_bytes())
        }
    })
}

/// Sign-in pages, and now and then a whole sign-in.
fn sign_ins(client: Arc<LoadClient>, fixture: &Fixture, deeds: Arc<Deeds>, every: u64) -> Arc<Exchange> {
    let (page, password) = (fixture.sign_in.clone(), fixture.password.clone());
    exchange(move |number| {
        let (client, page, password) = (Arc::clone(&client), page.clone(), password.clone());
        let deeds = Arc::clone(&deeds);
        async move {
            let mut visitor = Visitor::new(&client, Way::Kept);
            let form = visitor.get(&page).await?;
            good(&form.answer, |answer| {
                answer.status() == StatusCode::OK && forms::asks_for(&form.text(), "password")
            })?;
            if number % every != every - 1 {
                return Ok(());
            }
            let name = visitor_name(number / every);
            deeds.begin();
            let done = visitor.submit(&form, &[("name", &name), ("password", &password)]).await?;
            let portal = page.host().unwrap_or_default();
            good(&done.answer, |answer| {
                answer.status().is_success() && visitor.cookie(portal, "__Host-evergate").is_some()
            })?;
            deeds.acknowledge();
            Ok(())
        }
    })
}

#[derive(Clone, Copy)]
enum ApiCall {
    Read,
    /// The number makes each write another.
    Write(u64),
    Mail,
}

/// Calls of the REST API through the access points.
fn api(
    client: Arc<LoadClient>,
    fixture: &Fixture,
    deeds: Arc<Deeds>,
    which: fn(u64) -> ApiCall,
) -> Arc<Exchange> {
    let (console, token) = (fixture.data.console.clone(), fixture.token.clone());
    exchange(move |number| {
        let call = which(number);
        let request = api_request(&console, &token, call);
        let (client, deeds) = (Arc::clone(&client), Arc::clone(&deeds));
        async move {
            let is_deed = !matches!(call, ApiCall::Read);
            if is_deed {
                deeds.begin();
            }
            let answer = client.send(Way::Kept, request?).await?;
            good(&answer, |answer| answer.status().is_success())?;
            if is_deed {
                deeds.acknowledge();
            }
            Ok(())
        }
    })
}

fn api_request(console: &str, token: &str, call: ApiCall) -> Result<Request<Bytes>, Loss> {
    let at = |path: &str| {
        let address = format!("{}/api/v1{path}", console.trim_end_matches('/'));
        address.parse::<Uri>().map_err(|error| unmade(error.into()))
    };
    let user = format!("/users/{NAME}");
    let (builder, body) = match call {
        ApiCall::Read => (Request::get(at(&user)?), String::new()),
        ApiCall::Write(number) => {
            (Request::patch(at(&user)?), format!("{{\"email\":\"drill-{number}@example.com\"}}"))
        }
        ApiCall::Mail => (Request::post(at("/mail/probe")?), "{}".to_owned()),
    };
    builder
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Bytes::from(body))
        .map_err(unmade)
}

fn unmade(error: http::Error) -> Loss {
    Loss::because(error.to_string())
}

fn good(answer: &Response<Bytes>, is_good: impl FnOnce(&Response<Bytes>) -> bool) -> Result<(), Loss> {
    if is_good(answer) {
        return Ok(());
    }
    Err(Loss::because(format!(
        "answered {}: {}",
        answer.status(),
        told(&String::from_utf8_lossy(answer.body()))
    )))
}

/// What an answer says, shortly: a page's title, or the beginning of anything else.
fn told(body: &str) -> String {
    let title = body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let text = title.map_or(body, |(title, _)| title);
    text.chars().take(120).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_ten_sign_ins_a_second() {
        for rate in [1_u32, 50, 200, 1_000, 10_000] {
            assert!(u64::from(rate) <= 10 * sign_in_every(rate), "at {rate} requests a second");
        }
        assert_eq!(sign_in_every(200), 20, "every 20th, as the report says");
    }

    #[test]
    fn a_page_is_told_by_its_title() {
        assert_eq!(told("<!doctype html>\n<title>Not now</title><p>x"), "Not now");
        assert_eq!(told("{\"error\":\n\"busy\"}"), "{\"error\": \"busy\"}");
        assert_eq!(told(&"x".repeat(1000)).len(), 120);
    }

    #[test]
    fn every_write_is_another() {
        let body = |number| {
            let request = api_request("https://console.localhost:1/", "t", ApiCall::Write(number)).unwrap();
            assert_eq!(request.uri().path(), "/api/v1/users/evergate-drill");
            request.into_body()
        };
        assert_ne!(body(9), body(19));
    }
}
