//! Signing in, at two instances over one database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod support;

use std::time::Duration;

use evergate_authentication::neighbours::MailKind;
use evergate_keys::new_id;
use evergate_model::Timestamp;
use futures_util::future::join_all;
use http::StatusCode;
use support::{Browser, NOW, PASSWORD, Page, World};

const LONG_AGO: Timestamp = Timestamp::from_seconds(1_700_000_000);
const BOTH: &[&[&str]] = &[&["password", "totp"]];

/// The page after name and password.
async fn to_code(browser: &mut Browser, name: &str) -> Page {
    let page = browser.begin().await;
    assert!(page.asks_for("name") && page.asks_for("password"), "{}", page.html);
    browser.submit(&page, &[("name", name), ("password", PASSWORD)]).await
}

#[tokio::test]
async fn each_step_may_be_taken_at_another_instance() {
    let world = World::new(BOTH).await;
    let alice = world.add_user("alice", LONG_AGO, true).await;
    let mut browser = world.browser();
    let first = browser.begin().await;
    assert!(first.policy.unwrap().starts_with("default-src 'none'"));
    let first = browser.begin().await;
    browser.instance = 1;
    let second = browser.submit(&first, &[("name", " Alice "), ("password", PASSWORD)]).await;
    assert!(second.asks_for("code") && !second.asks_for("password"), "{}", second.html);
    browser.instance = 0;
    let last = browser.submit(&second, &[("code", &world.code(&alice))]).await;
    assert_eq!(last.status, StatusCode::OK);
    let url = last.continues_to().expect("the last page does not continue");
    assert_eq!(url, "https://wiki.example.com/.evergate/session?handover=handover_0&path=%2Fpage");
    assert!(browser.cookies.contains_key("__Host-evergate"));
    // And with the session nothing is asked again.
    let again = browser.begin().await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert!(again.location.unwrap().contains("handover=handover_1"));
}

#[tokio::test]
async fn one_code_raced_at_two_instances_succeeds_once() {
    let world = World::new(BOTH).await;
    for round in 0..20 {
        let alice = world.add_user(&format!("alice{round}"), LONG_AGO, true).await;
        let code = world.code(&alice);
        let mut browsers = [world.browser(), world.browser()];
        let mut pages = Vec::new();
        for (instance, browser) in browsers.iter_mut().enumerate() {
            browser.instance = instance;
            pages.push(to_code(browser, &alice.name).await);
        }
        let fields = [("code", code.as_str())];
        let [one, two] = &mut browsers;
        let answers = join_all([one.submit(&pages[0], &fields), two.submit(&pages[1], &fields)]).await;
        let successes = answers.iter().filter(|answer| answer.continues_to().is_some()).count();
        assert_eq!(successes, 1, "round {round}");
        let refused = answers.iter().find(|answer| answer.continues_to().is_none()).unwrap();
        assert_eq!(refused.notice(), Some("This code has been used. Wait for the next one."));
    }
    assert_eq!(world.neighbours.sessions(), 20);
}

#[tokio::test]
async fn a_limit_of_five_raced_from_two_instances_lets_five_through() {
    let world = World::new(BOTH).await;
    world.add_user("alice", LONG_AGO, true).await;
    for name in ["alice", "nobody"] {
        let attempts = (0..12).map(|number| {
            let mut browser = world.browser();
            async move {
                browser.instance = number % 2;
                let page = browser.begin().await;
                let wrong = format!("wrong password {number}");
                browser.submit(&page, &[("name", name), ("password", &wrong)]).await
            }
        });
        let answers = join_all(attempts).await;
        let tried = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
        let paused = answers.iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).count();
        assert_eq!((tried, paused), (5, 7), "{name}");
        // The right password helps neither, until the pause is over or from another address.
        let mut browser = world.browser();
        let page = to_code(&mut browser, name).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(page.retry_after.is_some());
    }
    let mut elsewhere = world.browser();
    elsewhere.client = "198.51.100.7".parse().unwrap();
    assert!(to_code(&mut elsewhere, "alice").await.asks_for("code"));
    world.clock.advance(Duration::from_secs(16 * 60));
    assert!(to_code(&mut world.browser(), "alice").await.asks_for("code"));
}

#[tokio::test]
async fn an_unknown_user_sees_what_a_known_one_sees() {
    let world = World::new(BOTH).await;
    world.add_user("alice", LONG_AGO, true).await;
    let mut seen = Vec::new();
    for name in ["alice", "nobody", "not a name"] {
        let mut browser = world.browser();
        let mut pages = Vec::new();
        for _ in 0..6 {
            let page = browser.begin().await;
            let page = browser.submit(&page, &[("name", name), ("password", "wrong")]).await;
            pages.push((page.status, page.without_progress().replace(name, "NAME")));
            if page.status == StatusCode::OK {
                let sealed = page.hidden();
                assert_eq!(sealed.len(), 1);
            }
        }
        seen.push(pages);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[0][5].0, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_mailed_code_is_asked_of_unknown_users_too() {
    let world = World::new(&[&["email-code", "password"]]).await;
    world.add_user("alice", LONG_AGO, false).await;
    let mut seen = Vec::new();
    for name in ["alice", "nobody"] {
        let mut browser = world.browser();
        let page = browser.begin().await;
        assert!(page.asks_for("name") && !page.asks_for("password"));
        let code = browser.submit(&page, &[("name", name)]).await;
        assert_eq!(code.heading(), "Check your mail");
        let mut pages = vec![code.without_progress().replace(name, "NAME")];
        for _ in 0..6 {
            let wrong = browser.submit(&code, &[("code", "not digits")]).await;
            pages.push(wrong.without_progress().replace(name, "NAME"));
        }
        seen.push(pages);
    }
    assert_eq!(seen[0], seen[1]);
    let mut kinds: Vec<MailKind> = world.neighbours.mails().iter().map(|mail| mail.kind).collect();
    kinds.sort_by_key(|kind| *kind == MailKind::Nothing);
    assert_eq!(kinds, [MailKind::SignInCode, MailKind::Nothing]);
}

#[tokio::test]
async fn a_mailed_code_works_once_and_a_repeated_request_sends_one_mail() {
    let world = World::new(&[&["password", "email-code"]]).await;
    world.add_user("alice", LONG_AGO, false).await;
    let mut browser = world.browser();
    let page = browser.begin().await;
    let fields = [("name", "alice"), ("password", PASSWORD)];
    let request = Some(new_id(NOW));
    browser.request = request;
    browser.submit(&page, &fields).await;
    // The access point lost the answer and asks the other instance.
    (browser.request, browser.instance) = (request, 1);
    let code = browser.submit(&page, &fields).await;
    let mails = world.neighbours.mails();
    assert_eq!(mails.len(), 1);
    let sent = mails[0].fields.iter().find(|(name, _)| *name == "code").unwrap().1.clone();
    let mut thief = browser.clone();
    assert!(browser.submit(&code, &[("code", &sent)]).await.continues_to().is_some());
    let again = thief.submit(&code, &[("code", &sent)]).await;
    assert_eq!(again.notice(), Some("This code is not right, or no longer good."));
}

#[tokio::test]
async fn a_repeated_request_has_one_effect_and_another_password_is_another_attempt() {
    let world = World::new(BOTH).await;
    let alice = world.add_user("alice", LONG_AGO, true).await;
    let mut browser = world.browser();
    let page = browser.begin().await;
    let request = Some(new_id(NOW));
    for _ in 0..20 {
        browser.request = request;
        let wrong = browser.submit(&page, &[("name", "alice"), ("password", "wrong")]).await;
        assert_eq!(wrong.status, StatusCode::OK);
    }
    browser.request = request;
    let code = browser.submit(&page, &[("name", "alice"), ("password", PASSWORD)]).await;
    assert!(code.asks_for("code"));
    let before = browser.clone();
    let request = Some(new_id(NOW));
    let totp = world.code(&alice);
    for instance in [0, 1, 0] {
        let mut repeated = before.clone();
        (repeated.request, repeated.instance) = (request, instance);
        let last = repeated.submit(&code, &[("code", &totp)]).await;
        assert!(last.continues_to().unwrap().contains("handover=handover_0"), "{}", last.html);
    }
    assert_eq!((world.neighbours.sessions(), world.neighbours.hand_overs()), (1, 1));
}

#[tokio::test]
async fn a_right_password_gives_no_new_guesses_at_the_code() {
    let world = World::new(BOTH).await;
    let alice = world.add_user("alice", LONG_AGO, true).await;
    let wrong = world.wrong_code(&alice);
    let mut tried = 0;
    for _ in 0..4 {
        let mut browser = world.browser();
        let page = to_code(&mut browser, "alice").await;
        assert!(page.asks_for("code"));
        for _ in 0..2 {
            let answer = browser.submit(&page, &[("code", &wrong)]).await;
            tried += usize::from(answer.status == StatusCode::OK);
        }
    }
    assert_eq!(tried, 5);
}

#[tokio::test]
async fn progress_of_another_browser_or_of_long_ago_is_refused() {
    let world = World::new(BOTH).await;
    world.add_user("alice", LONG_AGO, true).await;
    let mut browser = world.browser();
    let page = to_code(&mut browser, "alice").await;
    let mut other = world.browser();
    other.begin().await;
    let answer = other.submit(&page, &[("code", "123456")]).await;
    assert_eq!((answer.status, answer.heading()), (StatusCode::BAD_REQUEST, "Signing in took too long"));
    world.clock.advance(Duration::from_secs(600));
    let answer = browser.submit(&page, &[("code", "123456")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let mut forged = page.clone();
    forged.html = forged.html.replace("name=\"progress\" value=\"", "name=\"progress\" value=\"AAAA");
    assert_eq!(browser.submit(&forged, &[("code", "1")]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_form_of_another_site_and_a_foreign_address_are_refused() {
    let world = World::new(BOTH).await;
    let mut browser = world.browser();
    let page = browser.begin().await;
    for origin in ["https://wiki.example.com", "null", "http://portal.example.com"] {
        browser.origin = Some(origin.to_owned());
        let answer = browser.submit(&page, &[("name", "a"), ("password", "b")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
    }
    let nonce = "ab".repeat(32);
    let path = format!("/sign-in?host=evil.example.com&path=/&nonce={nonce}");
    assert_eq!(browser.get(&path).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn oversized_and_malformed_forms_are_refused() {
    let world = World::new(BOTH).await;
    let mut browser = world.browser();
    let long = vec![("progress".to_owned(), "x".repeat(70_000))];
    assert_eq!(browser.post("/sign-in", &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let twice = vec![("name".to_owned(), "a".to_owned()), ("name".to_owned(), "b".to_owned())];
    assert_eq!(browser.post("/sign-in", &twice).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get("/nothing-here").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_new_account_binds_an_app_on_its_first_sign_in_and_an_old_one_is_denied() {
    let world = World::new(BOTH).await;
    let new = world.add_user("new", NOW.minus(Duration::from_secs(3600)), false).await;
    world.add_user("old", LONG_AGO, false).await;
    let mut browser = world.browser();
    let denied = to_code(&mut browser, "old").await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert!(denied.html.contains("ask your administrator"));
    let page = to_code(&mut browser, "new").await;
    assert!(page.html.contains("JBSW Y3DP EHPK 3PXP") && page.asks_for("code"), "{}", page.html);
    let wrong = browser.submit(&page, &[("code", "000000")]).await;
    assert!(wrong.html.contains("JBSW Y3DP EHPK 3PXP"));
    browser.instance = 1;
    let last = browser.submit(&wrong, &[("code", "424242")]).await;
    assert!(last.continues_to().is_some(), "{}", last.html);
    assert!(world.neighbours.has_bound(new.id));
}
