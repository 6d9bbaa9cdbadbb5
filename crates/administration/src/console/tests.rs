//! The console as a browser meets it.

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use evergate_model::Service;
use evergate_process::Peer;
use evergate_store::audit;

use crate::setup::PASSWORD_FILE;
use crate::testing::{Fixture, text};

async fn get(fixture: &Fixture, path: &str, cookie: &str) -> Response<Body> {
    let request = Request::builder().uri(path).header(header::COOKIE, cookie);
    fixture.send(request.body(Body::empty()).unwrap()).await
}

async fn post(fixture: &Fixture, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Response<Body> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = serde_urlencoded::to_string(fields).unwrap();
    fixture.send(request.body(Body::from(body)).unwrap()).await
}

fn cookie_of(response: &Response<Body>) -> String {
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn token_in(html: &str) -> String {
    let after = html.split("name=\"token\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

/// The cookie and the token of a fresh sign-in page.
async fn page(fixture: &Fixture) -> (String, String) {
    let response = get(fixture, "/sign-in", "").await;
    let cookie = cookie_of(&response);
    (cookie, token_in(&text(response).await))
}

async fn sign_in(fixture: &Fixture, name: &str, password: &str) -> Response<Body> {
    let (cookie, token) = page(fixture).await;
    let fields = [("token", token.as_str()), ("name", name), ("password", password)];
    post(fixture, "/sign-in", &cookie, &fields).await
}

fn password(fixture: &Fixture) -> String {
    let text = std::fs::read_to_string(fixture.directory.path().join(PASSWORD_FILE)).unwrap();
    text.trim().to_owned()
}

#[tokio::test]
async fn an_administrator_signs_in_sees_the_instances_and_signs_out() {
    let fixture = Fixture::new().await;
    let response = sign_in(&fixture, "admin", &password(&fixture)).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    for part in ["__Host-evergate-console=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = cookie_of(&response);
    let page = get(&fixture, "/instances", &cookie).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers().contains_key(header::CONTENT_SECURITY_POLICY));
    let html = text(page).await;
    for part in ["access-point2", "policy1", "The demo exists", "admin"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let api = get(&fixture, "/api/v1/users", &cookie).await;
    assert_eq!(api.status(), StatusCode::OK, "the cookie opens the API for reading");
    let forged = post(&fixture, "/sign-out", &cookie, &[("token", "x")]).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    let left = post(&fixture, "/sign-out", &cookie, &[("token", &token_in(&html))]).await;
    assert_eq!(left.status(), StatusCode::SEE_OTHER);
    let after = get(&fixture, "/instances", &cookie).await;
    assert_eq!(after.headers()[header::LOCATION], "/sign-in");
}

#[tokio::test]
async fn a_change_through_the_api_needs_more_than_the_cookie() {
    let fixture = Fixture::new().await;
    let cookie = cookie_of(&sign_in(&fixture, "admin", &password(&fixture)).await);
    let token = token_in(&text(get(&fixture, "/instances", &cookie).await).await);
    let change = |form_token: &str| {
        Request::builder()
            .method(Method::POST)
            .uri("/api/v1/groups")
            .header(header::COOKIE, &cookie)
            .header("x-evergate-token", form_token)
            .body(Body::from(r#"{"name":"staff"}"#))
            .unwrap()
    };
    assert_eq!(fixture.send(change("")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(fixture.send(change(&token)).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn who_is_no_administrator_or_types_wrong_is_refused_alike() {
    let fixture = Fixture::new().await;
    let demo = std::fs::read(fixture.directory.path().join("demo.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_slice(&demo).unwrap();
    let alice = demo["password"].as_str().unwrap();
    for (name, typed) in [("admin", "wrong"), ("alice", alice), ("nobody", "wrong"), ("", ""), ("a b", "c")] {
        let response = sign_in(&fixture, name, typed).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name}");
        let html = text(response).await;
        assert!(html.contains("not an administrator"), "{name}: {html}");
    }
    let mut reading = fixture.office.store.read().await.unwrap();
    let audited = audit::list(&mut reading, &audit::Filter::default(), 1000).await.unwrap();
    let refused = audited.iter().filter(|entry| entry.action == "console.refused");
    let subjects: Vec<&str> = refused.map(|entry| entry.subject.as_str()).collect();
    assert_eq!(subjects, ["admin", "alice"], "what nobody is called may be a password");
}

#[tokio::test]
async fn a_form_without_its_cookie_is_refused() {
    let fixture = Fixture::new().await;
    let (_, token) = page(&fixture).await;
    let (other, _) = page(&fixture).await;
    let right = password(&fixture);
    for cookie in ["", other.as_str()] {
        let fields = [("token", token.as_str()), ("name", "admin"), ("password", right.as_str())];
        let response = post(&fixture, "/sign-in", cookie, &fields).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn after_five_failures_even_the_right_password_waits() {
    let fixture = Fixture::new().await;
    for _ in 0..5 {
        assert_eq!(sign_in(&fixture, "admin", "wrong").await.status(), StatusCode::FORBIDDEN);
    }
    let response = sign_in(&fixture, "admin", &password(&fixture)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_live_tables_come_as_events_and_only_to_those_signed_in() {
    use http_body_util::BodyExt;
    let fixture = Fixture::new().await;
    assert_eq!(get(&fixture, "/instances/live", "").await.status(), StatusCode::UNAUTHORIZED);
    let cookie = cookie_of(&sign_in(&fixture, "admin", &password(&fixture)).await);
    let response = get(&fixture, "/instances/live", &cookie).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let first = response.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(first.starts_with("data: ") && first.contains("access-point1"), "{first}");
}

#[tokio::test]
async fn assets_are_served_and_nothing_else() {
    let fixture = Fixture::new().await;
    for path in evergate_pages::assets::paths() {
        assert_eq!(get(&fixture, path, "").await.status(), StatusCode::OK, "{path}");
    }
    for path in ["/.evergate/assets/x", "/.evergate/assets/../evergate.css", "/nothing"] {
        assert_eq!(get(&fixture, path, "").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// What the access point sends: its own certificate, and an id that stays the same when it repeats.
async fn sign_in_through_access_point(fixture: &Fixture, id: &str, password: &str) -> Response<Body> {
    let (cookie, token) = page(fixture).await;
    let fields = [("token", token.as_str()), ("name", "admin"), ("password", password)];
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/sign-in")
        .header(header::COOKIE, cookie)
        .header("x-evergate-request-id", id)
        .header("x-evergate-client", "192.0.2.1")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(serde_urlencoded::to_string(fields).unwrap()))
        .unwrap();
    let access_point = Peer::new("access-point1".parse().unwrap(), Service::AccessPoint);
    request.extensions_mut().insert(access_point);
    fixture.send(request).await
}

#[tokio::test]
async fn a_request_that_the_access_point_repeats_is_one_attempt_and_one_session() {
    let fixture = Fixture::new().await;
    for _ in 0..10 {
        let response = sign_in_through_access_point(&fixture, "request_1", "wrong").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    let right = password(&fixture);
    let first = sign_in_through_access_point(&fixture, "request_2", &right).await;
    assert_eq!(first.status(), StatusCode::SEE_OTHER, "one failure was counted, not ten");
    let again = sign_in_through_access_point(&fixture, "request_2", &right).await;
    assert_eq!(cookie_of(&again), cookie_of(&first));
    let mut reading = fixture.office.store.read().await.unwrap();
    let audited = audit::list(&mut reading, &audit::Filter::default(), 1000).await.unwrap();
    assert_eq!(audited.iter().filter(|entry| entry.action == "console.refused").count(), 1);
}

#[tokio::test]
async fn a_repeated_request_with_another_password_gets_no_session_and_is_one_failure() {
    let fixture = Fixture::new().await;
    let right = password(&fixture);
    let first = sign_in_through_access_point(&fixture, "request_1", &right).await;
    assert_eq!(first.status(), StatusCode::SEE_OTHER);
    for _ in 0..10 {
        let other = sign_in_through_access_point(&fixture, "request_1", "another").await;
        assert_eq!(other.status(), StatusCode::FORBIDDEN);
        assert_ne!(cookie_of(&other), cookie_of(&first));
    }
    let again = sign_in_through_access_point(&fixture, "request_1", &right).await;
    assert_eq!(cookie_of(&again), cookie_of(&first));
    for number in 0..4 {
        let other = sign_in_through_access_point(&fixture, "request_1", &format!("another {number}")).await;
        assert_eq!(other.status(), StatusCode::FORBIDDEN, "one failure was counted before, not ten");
    }
    let sixth = sign_in_through_access_point(&fixture, "request_1", "another 4").await;
    assert_eq!(sixth.status(), StatusCode::TOO_MANY_REQUESTS);
}
