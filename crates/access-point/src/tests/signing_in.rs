//! The way to the sign-in page and back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use evergate_model::{Reads, Timestamp};
use futures_util::future::BoxFuture;
use http::{Request, Response};

use super::client::{Answer, Client, get};
use super::kit::{self, AccessPoint, Plan};
use super::policy::answer;
use crate::decide::policy::AnswerVerdict;
use crate::decide::sessions::Revocation;
use crate::forward::pages::{PageBody, Pages};
use crate::site::BuiltIn;

fn signed_out() -> AccessPoint {
    let access_point = Plan::new(&["http://127.0.0.1:9"]).start();
    access_point.policy.say(Ok(answer(AnswerVerdict::SignIn, Reads::default())));
    access_point
}

async fn ask(access_point: &AccessPoint, request: &str) -> Answer {
    Client::connect(access_point.address).await.ask(request).await
}

fn nonce(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    cookie.strip_prefix("__Host-evergate-return=").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_sent_to_sign_in_with_a_way_back() {
    let access_point = signed_out();
    let navigate = "Sec-Fetch-Mode: navigate\r\n";
    let sent = ask(&access_point, &get("/a?b=c&d", navigate)).await;
    assert_eq!(sent.status, 302);
    let nonce = nonce(&sent);
    let hash = HEXLOWER.encode(digest(&SHA256, nonce.as_bytes()).as_ref());
    assert_eq!(
        sent.header("location"),
        format!(
            "https://portal.example.com:8443/sign-in?host=wiki.example.com&path=%2Fa%3Fb%3Dc%26d&nonce={hash}"
        )
    );
    assert!(sent.header("set-cookie").ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"));
    let again =
        ask(&access_point, &get("/", &format!("{navigate}Cookie: __Host-evergate-return={nonce}\r\n"))).await;
    assert_eq!(self::nonce(&again), nonce, "two windows share one way back");
    let post =
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nSec-Fetch-Mode: navigate\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&access_point, post).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_where_to_sign_in() {
    let access_point = signed_out();
    let told = ask(&access_point, &get("/api", "Accept: application/json\r\n")).await;
    assert_eq!(told.status, 401);
    assert!(told.header("www-authenticate").starts_with("Evergate realm=\"wiki.example.com\""));
    let body: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(body["error"], "sign-in required");
    assert!(body["sign_in"].as_str().unwrap().starts_with("https://portal.example.com:8443/sign-in?host="));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_sets_the_session_cookie_and_returns() {
    let access_point = signed_out();
    let cookie = "Cookie: __Host-evergate-return=abc\r\n";
    let back =
        ask(&access_point, &get("/.evergate/session?handover=handover_1&path=%2Fa%3Fb%3Dc", cookie)).await;
    assert_eq!((back.status, back.header("location")), (303, "/a?b=c"));
    assert_eq!(
        back.all("set-cookie"),
        [
            "__Host-evergate=v1.token; Path=/; Secure; HttpOnly; SameSite=Lax",
            "__Host-evergate-return=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        ]
    );
    let redeemed = access_point.policy.redeemed.lock().unwrap().clone();
    assert_eq!(redeemed, [("handover_1".to_owned(), "wiki.example.com".to_owned(), b"abc".to_vec())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_that_is_used_or_of_another_browser_sets_nothing() {
    let access_point = signed_out();
    for (query, cookie) in [
        ("handover=handover_1&path=/", ""),
        ("handover=handover_2&path=/", "Cookie: __Host-evergate-return=abc\r\n"),
        ("path=/", "Cookie: __Host-evergate-return=abc\r\n"),
    ] {
        let refused = ask(&access_point, &get(&format!("/.evergate/session?{query}"), cookie)).await;
        assert_eq!((refused.status, refused.all("set-cookie").len()), (400, 0), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_and_only_by_post_from_here() {
    let access_point = signed_out();
    let token = access_point.token(1);
    let cookie = format!("Cookie: __Host-evergate={token}\r\n");
    let post = |lines: &str| {
        format!(
            "POST /.evergate/sign-out HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 0\r\n{lines}\r\n"
        )
    };
    assert_eq!(ask(&access_point, &get("/.evergate/sign-out", &cookie)).await.status, 200);
    for site in ["cross-site", "same-site"] {
        let elsewhere = post(&format!("{cookie}Sec-Fetch-Site: {site}\r\n"));
        assert_eq!(ask(&access_point, &elsewhere).await.status, 403, "{site}");
    }
    assert!(access_point.policy.ended.lock().unwrap().is_empty());
    let out = ask(&access_point, &post(&format!("{cookie}Sec-Fetch-Site: same-origin\r\n"))).await;
    assert_eq!((out.status, out.header("location")), (303, "https://portal.example.com:8443/"));
    assert!(
        out.header("set-cookie").starts_with("__Host-evergate=; ")
            && out.header("set-cookie").ends_with("Max-Age=0")
    );
    assert_eq!(*access_point.policy.ended.lock().unwrap(), [token]);
}

/// Pages that say of every request that it ended sessions, at the log's position 7.
struct SigningOut;

impl Pages for SigningOut {
    fn send(
        &self,
        _: BuiltIn,
        _: Request<bytes::Bytes>,
    ) -> BoxFuture<'static, Result<Response<PageBody>, String>> {
        let page = PageBody::Whole(bytes::Bytes::from_static(b"Signed out"));
        let answer = Response::builder().header("x-evergate-log-position", "7").body(page);
        Box::pin(async move { answer.map_err(|error| error.to_string()) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_have_signed_out_has_here_too() {
    let mut plan = Plan::new(&["http://127.0.0.1:9"]);
    plan.pages = Arc::new(SigningOut);
    let access_point = plan.start();
    access_point.policy.ends_at.store(8, Ordering::SeqCst);
    let posted = |path: &str, host: &str, lines: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{lines}\r\n")
    };
    let cookie = access_point.cookie(2);
    for (session, position, request) in [
        (1, 7, posted("/sign-out", "portal.example.com", "")),
        (2, 8, posted("/.evergate/sign-out", "wiki.example.com", &cookie)),
    ] {
        let life = access_point.shared.decider.sessions.life(kit::session(session));
        let mut client = Client::connect(access_point.address).await;
        let mut asking = Box::pin(client.ask(&request));
        // Less than the second after which it is answered anyway.
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut asking).await.is_err());
        access_point.policy.log.send_modify(|step| {
            step.position = position;
            step.revocations = vec![Revocation { session: kit::session(session), forget_at: Timestamp::MAX }];
        });
        let told = asking.await;
        assert!(life.has_ended() && told.all("x-evergate-log-position").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_assertion_keys_are_public() {
    let access_point = signed_out();
    let keys = ask(&access_point, &get("/.evergate/jwks.json", "")).await;
    assert_eq!((keys.status, keys.text().as_str()), (200, r#"{"keys":[]}"#));
}
