//! The portal and the account pages.
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
use evergate_model::{Timestamp, id::Credential};
use evergate_store::{Actor, invitations};
use http::StatusCode;
use support::{Browser, NOW, PASSWORD, Person, World};

const LONG_AGO: Timestamp = Timestamp::from_seconds(1_700_000_000);
const CHANGING: [&str; 4] =
    ["/account/password", "/account/soft-tokens", "/account/soft-tokens/new", "/account/recovery-codes"];

/// Signed in with the password, through the portal.
async fn signed_in(world: &World, name: &str) -> Browser {
    let mut browser = world.browser();
    let page = browser.get("/sign-in").await;
    assert!(page.html.contains("Sign in") && !page.html.contains("to continue to"));
    let last = browser.submit(&page, &[("name", name), ("password", PASSWORD)]).await;
    assert_eq!(last.continues_to().as_deref(), Some("/"), "{}", last.html);
    browser
}

/// Signed in with both factors.
async fn signed_in_fully(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    let page = browser.begin().await;
    let page = browser.submit(&page, &[("name", &person.name), ("password", PASSWORD)]).await;
    let last = browser.submit(&page, &[("code", &world.code(person))]).await;
    assert!(last.continues_to().is_some(), "{}", last.html);
    browser
}

#[tokio::test]
async fn every_page_but_the_sign_in_wants_a_session() {
    let world = World::new(&[&["password"]]).await;
    let mut browser = world.browser();
    for path in ["/", "/account", "/account/sessions"].iter().chain(&CHANGING) {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.location.unwrap().starts_with("/sign-in?to=%2F"), "{path}");
        let forged = [("token".to_owned(), "00".to_owned())];
        let posted = browser.post(path, &forged).await;
        assert!(matches!(posted.status, StatusCode::SEE_OTHER | StatusCode::METHOD_NOT_ALLOWED), "{path}");
    }
}

#[tokio::test]
async fn the_portal_lists_what_may_be_reached_and_signing_out_ends_it() {
    let world = World::new(&[&["password", "totp"]]).await;
    world.add_user("alice", LONG_AGO, true).await;
    let mut browser = signed_in(&world, "alice").await;
    let portal = browser.get("/").await;
    assert!(portal.html.contains("wiki.example.com") && portal.html.contains("asks for another factor"));
    let out = browser.submit(&portal, &[]).await;
    assert_eq!(out.heading(), "Signed out");
    assert!(!browser.cookies.contains_key("__Host-evergate"));
    assert_eq!(world.neighbours.sessions(), 0);
}

#[tokio::test]
async fn a_session_that_was_ended_elsewhere_leads_to_the_sign_in_page() {
    let world = World::new(&[&["password"]]).await;
    world.add_user("alice", LONG_AGO, false).await;
    let mut browser = signed_in(&world, "alice").await;
    world.neighbours.end_all();
    let page = browser.get("/account").await;
    assert_eq!(page.location.as_deref(), Some("/sign-in?to=%2Faccount"));
    assert!(!browser.cookies.contains_key("__Host-evergate"));
    assert!(browser.get("/sign-in?to=/account").await.asks_for("name"));
}

#[tokio::test]
async fn changes_want_a_fresh_password_and_the_second_factor_where_there_is_one() {
    let world = World::new(&[&["password", "totp"]]).await;
    let alice = world.add_user("alice", LONG_AGO, true).await;
    let mut half = signed_in(&world, "alice").await;
    for path in CHANGING {
        assert_eq!(half.get(path).await.status, StatusCode::SEE_OTHER, "{path}");
    }
    let page = half.get("/sign-in?to=/account/password").await;
    assert!(page.asks_for("code") && !page.asks_for("name"), "{}", page.html);
    let last = half.submit(&page, &[("code", &world.code(&alice))]).await;
    assert_eq!(last.continues_to().as_deref(), Some("/account/password"));
    assert!(half.get("/account/password").await.asks_for("password"));
    world.clock.advance(Duration::from_secs(601));
    let stale = half.get("/account/password").await;
    assert_eq!(stale.location.as_deref(), Some("/sign-in?to=%2Faccount%2Fpassword"));
    let page = half.get("/sign-in?to=/account/password").await;
    assert_eq!(page.heading(), "Confirm that it is you");
    let last = half.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(last.continues_to().as_deref(), Some("/account/password"));
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_is_told_by_mail() {
    let world = World::new(&[&["password"]]).await;
    world.add_user("alice", LONG_AGO, false).await;
    let mut other = signed_in(&world, "alice").await;
    let mut browser = signed_in(&world, "alice").await;
    let page = browser.get("/account/password").await;
    let short = browser.submit(&page, &[("password", "short")]).await;
    assert!(short.notice().is_some());
    let mut forged = page.clone();
    forged.html = forged.html.replace("name=\"token\" value=\"", "name=\"token\" value=\"00");
    let refused = browser.submit(&forged, &[("password", "another long password")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let done = browser.submit(&page, &[("password", "another long password")]).await;
    assert_eq!(done.location.as_deref(), Some("/account?done=password"));
    assert_eq!(other.get("/account").await.status, StatusCode::SEE_OTHER);
    assert!(browser.get("/account?done=password").await.html.contains("Your password was changed."));
    assert!(world.neighbours.mails().iter().any(|mail| mail.kind == MailKind::Notice));
    let mut again = world.browser();
    let page = again.get("/sign-in").await;
    let wrong = again.submit(&page, &[("name", "alice"), ("password", PASSWORD)]).await;
    assert!(wrong.notice().is_some());
    let right = again.submit(&wrong, &[("name", "alice"), ("password", "another long password")]).await;
    assert_eq!(right.continues_to().as_deref(), Some("/"));
}

#[tokio::test]
async fn a_stolen_password_cannot_give_itself_a_second_factor() {
    let world = World::new(&[&["password"]]).await;
    world.add_user("old", LONG_AGO, false).await;
    let mut browser = signed_in(&world, "old").await;
    assert_eq!(browser.get("/account/soft-tokens/new").await.status, StatusCode::FORBIDDEN);
    let page = browser.get("/account/recovery-codes").await;
    assert_eq!(browser.submit(&page, &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_app_is_added_and_removed() {
    let world = World::new(&[&["password", "totp"]]).await;
    let alice = world.add_user("alice", LONG_AGO, true).await;
    let mut browser = signed_in_fully(&world, &alice).await;
    let page = browser.get("/account/soft-tokens/new").await;
    assert!(page.html.contains("JBSW Y3DP EHPK 3PXP"));
    let wrong = browser.submit(&page, &[("code", "000000")]).await;
    assert!(wrong.notice().is_some());
    browser.instance = 1;
    let added = browser.submit(&wrong, &[("code", "424242")]).await;
    assert_eq!(added.location.as_deref(), Some("/account/soft-tokens?done=added"));
    let list = browser.get("/account/soft-tokens").await;
    let id = list.between("name=\"remove\" value=\"", "\"").unwrap().to_owned();
    let strange = new_id::<Credential>(NOW).to_string();
    browser.submit(&list, &[("remove", &strange)]).await;
    assert!(browser.get("/account/soft-tokens").await.html.contains(&id));
    let removed = browser.submit(&list, &[("remove", &id)]).await;
    assert_eq!(removed.location.as_deref(), Some("/account/soft-tokens?done=removed"));
    assert!(!browser.get("/account/soft-tokens").await.html.contains(&id));
}

#[tokio::test]
async fn recovery_codes_are_shown_again_to_a_repeated_request_and_work_once() {
    let world = World::new(&[&["password", "totp"], &["password", "recovery-code"]]).await;
    let alice = world.add_user("alice", LONG_AGO, true).await;
    let mut browser = signed_in_fully(&world, &alice).await;
    let page = browser.get("/account/recovery-codes").await;
    let request = Some(new_id(NOW));
    browser.request = request;
    let first = browser.submit(&page, &[]).await;
    (browser.request, browser.instance) = (request, 1);
    let second = browser.submit(&page, &[]).await;
    let code = first.between("<li><code>", "</code>").unwrap().to_owned();
    assert_eq!(second.between("<li><code>", "</code>"), Some(code.as_str()));
    assert!(browser.get("/account").await.html.contains("10 left"));
    for works in [true, false] {
        let mut other = world.browser();
        let page = other.begin().await;
        let page = other.submit(&page, &[("name", "alice"), ("password", PASSWORD)]).await;
        assert!(page.html.contains("Use a recovery code"));
        let page = other.submit(&page, &[("use", "recovery-code")]).await;
        assert_eq!(page.heading(), "Use a recovery code");
        let last = other.submit(&page, &[("code", &code.to_uppercase())]).await;
        assert_eq!(last.continues_to().is_some(), works);
    }
}

#[tokio::test]
async fn sessions_are_ended_one_by_one_and_all_others_together() {
    let world = World::new(&[&["password"]]).await;
    world.add_user("alice", LONG_AGO, false).await;
    let mut others = vec![signed_in(&world, "alice").await, signed_in(&world, "alice").await];
    let mut browser = signed_in(&world, "alice").await;
    let page = browser.get("/account/sessions").await;
    assert_eq!(page.html.matches("name=\"end\" value=\"session_").count(), 3);
    assert_eq!(page.html.matches("this one").count(), 1);
    let done = browser.submit(&page, &[("end", "others")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert_eq!(world.neighbours.sessions(), 1);
    for other in &mut others {
        assert_eq!(other.get("/").await.status, StatusCode::SEE_OTHER);
    }
    let page = browser.get("/account/sessions").await;
    let own = page.between("name=\"end\" value=\"", "\"").unwrap().to_owned();
    assert_eq!(browser.submit(&page, &[("end", &own)]).await.heading(), "Signed out");
}

#[tokio::test]
async fn an_invitation_sets_the_first_password_once() {
    let world = World::new(&[&["password"]]).await;
    let bob = world.add_user("bob", LONG_AGO, false).await;
    let token = "t".repeat(43);
    let hash = data_encoding::HEXLOWER
        .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()).as_ref());
    let mut tx = world.instances[0].store.begin().await.unwrap();
    let expires = NOW.plus(Duration::from_secs(86_400));
    invitations::add(&mut tx, &Actor::System, NOW, bob.id, &hash, expires).await.unwrap();
    tx.commit().await.unwrap();
    let mut browser = world.browser();
    assert_eq!(browser.get("/invitation?token=other").await.status, StatusCode::NOT_FOUND);
    let page = browser.get(&format!("/invitation?token={token}")).await;
    assert_eq!(page.heading(), "Welcome, bob");
    let request = Some(new_id(NOW));
    for _ in 0..2 {
        browser.request = request;
        let done = browser.submit(&page, &[("password", "a password of my own")]).await;
        assert_eq!(done.location.as_deref(), Some("/sign-in"));
    }
    let again = browser.submit(&page, &[("password", "a password of a thief")]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let page = browser.get("/sign-in").await;
    let last = browser.submit(&page, &[("name", "bob"), ("password", "a password of my own")]).await;
    assert!(last.continues_to().is_some());
    // Invited: a first app may be bound now, although the account is old.
    assert_eq!(browser.get("/account/soft-tokens/new").await.status, StatusCode::OK);
}
