//! The load for each service: requests that need it, through the doors that users have.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use evergate_model::Service;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{Request, Response, StatusCode, Uri};

use super::fixture::{ANSWER, Fixture, NAME, visitor_name};
use super::forms;
use super::visitor::Visitor;
use crate::load::{Exchange, LoadClient, Loss, Way};

/// What is sent to `service`, told in words.
pub(super) const fn described(service: Service) -> &'static str {
    match service {
        Service::Policy => "requests that policy decides each time",
        Service::Authentication => "sign-in pages, every 20th with a whole sign-in",
        Service::Distribution => "mails accepted",
        Service::Administration => "API reads, every 10th a write",
        Service::AccessPoint => "requests, half of them on new connections",
    }
}

/// The load that needs `service`.
pub(super) fn traffic(service: Service, fixture: &Fixture) -> Arc<Exchange> {
    let client = Arc::clone(&fixture.client);
    match service {
        Service::Policy => session_requests(client, fixture, |_| Way::Kept),
        Service::AccessPoint => {
            session_requests(
                client,
                fixture,
                |number| {
                    if number.is_multiple_of(2) { Way::Kept } else { Way::New }
                },
            )
        }
        Service::Authentication => sign_ins(client, fixture),
        Service::Distribution => api(client, fixture, |_| ApiCall::Mail),
        Service::Administration => {
            api(client, fixture, |number| if number % 10 == 9 { ApiCall::Write } else { ApiCall::Read })
        }
    }
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

/// Sign-in pages, and every 20th time a whole sign-in.
fn sign_ins(client: Arc<LoadClient>, fixture: &Fixture) -> Arc<Exchange> {
    let (page, password) = (fixture.sign_in.clone(), fixture.password.clone());
    exchange(move |number| {
        let (client, page, password) = (Arc::clone(&client), page.clone(), password.clone());
        async move {
            let mut visitor = Visitor::new(&client, Way::Kept);
            let form = visitor.get(&page).await?;
            good(&form.answer, |answer| {
                answer.status() == StatusCode::OK && forms::asks_for(&form.text(), "password")
            })?;
            if number % 20 != 19 {
                return Ok(());
            }
            let name = visitor_name(number / 20);
            let done = visitor.submit(&form, &[("name", &name), ("password", &password)]).await?;
            let portal = page.host().unwrap_or_default();
            good(&done.answer, |answer| {
                answer.status().is_success() && visitor.cookie(portal, "__Host-evergate").is_some()
            })
        }
    })
}

#[derive(Clone, Copy)]
enum ApiCall {
    Read,
    Write,
    Mail,
}

/// Calls of the REST API through the access points.
fn api(client: Arc<LoadClient>, fixture: &Fixture, which: fn(u64) -> ApiCall) -> Arc<Exchange> {
    let (console, token) = (fixture.data.console.clone(), fixture.token.clone());
    exchange(move |number| {
        let request = api_request(&console, &token, which(number));
        let client = Arc::clone(&client);
        async move {
            let answer = client.send(Way::Kept, request?).await?;
            good(&answer, |answer| answer.status().is_success())
        }
    })
}

fn api_request(console: &str, token: &str, call: ApiCall) -> Result<Request<Bytes>, Loss> {
    let at = |path: String| format!("{}/api/v1{path}", console.trim_end_matches('/')).parse::<Uri>();
    let builder = match call {
        ApiCall::Read => Request::get(at(format!("/users/{NAME}")).map_err(|error| unmade(error.into()))?),
        ApiCall::Write => {
            Request::put(at(format!("/groups/{NAME}/members/{NAME}")).map_err(|error| unmade(error.into()))?)
        }
        ApiCall::Mail => Request::post(at("/mail/probe".to_owned()).map_err(|error| unmade(error.into()))?),
    };
    let body = if matches!(call, ApiCall::Read) { "" } else { "{}" };
    builder
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Bytes::from_static(body.as_bytes()))
        .map_err(unmade)
}

fn unmade(error: http::Error) -> Loss {
    Loss::because(error.to_string())
}

fn good(answer: &Response<Bytes>, is_good: impl FnOnce(&Response<Bytes>) -> bool) -> Result<(), Loss> {
    if is_good(answer) {
        return Ok(());
    }
    let text: String = String::from_utf8_lossy(answer.body()).chars().take(120).collect();
    Err(Loss::because(format!("answered {}: {}", answer.status(), text.replace(char::is_control, " "))))
}
