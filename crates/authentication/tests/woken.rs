//! An instance that hangs in the middle of a request, at any await point, while the access point
//! repeats the request at the other, and that wakes afterwards: nothing happens twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

#[path = "../../store/tests/support/stall.rs"]
mod stall;
mod support;

use std::time::Duration;

use evergate_keys::new_id;
use evergate_model::id::User;
use evergate_model::{Id, Timestamp};
use evergate_store::credentials;
use http::StatusCode;
use stall::{Progress, stop_after};
use support::{Browser, NOW, PASSWORD, Page, World};

const LONG_AGO: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// So many times the work is stopped, each time at another of its first points. How far it has come
/// there differs from time to time, since the database answers sooner or later.
const ROUNDS: usize = 24;
const POINTS: usize = 6;

/// Two browsers that are one: the same cookies and the same request, at the one instance and at the
/// other.
fn twice(browser: &Browser) -> (Browser, Browser) {
    let request = Some(new_id(NOW));
    let at = |instance| {
        let mut same = browser.clone();
        (same.instance, same.request) = (instance, request);
        same
    };
    (at(0), at(1))
}

/// Submits a page at an instance that is stopped after so many polls and, meanwhile, at the other;
/// the answers, the woken one's first; `None` where there are no so many.
async fn submit_twice(
    browser: &Browser,
    page: &Page,
    fields: &[(&str, &str)],
    polls: usize,
) -> Option<(Option<Page>, Page, Browser)> {
    let (mut hung, mut other) = twice(browser);
    let outcome = match stop_after(polls, hung.submit(page, fields)).await {
        Progress::Stopped(stopped) => stopped.meanwhile(other.submit(page, fields)).await,
        Progress::Done(_) => return None,
    };
    Some((outcome.woken, outcome.other, other))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_counted_once_wherever_the_instance_hangs() {
    let world = World::with_failures(&[&["password", "totp"]], 2).await;
    let mut stopped = 0;
    for round in 0..ROUNDS {
        let polls = round % POINTS;
        let name = format!("alice{round}");
        world.add_user(&name, LONG_AGO, true).await;
        let mut browser = world.browser();
        browser.client = format!("2001:db8::{round:x}").parse().unwrap();
        let page = browser.begin().await;
        let fields = [("name", name.as_str()), ("password", "wrong")];
        let Some((woken, other, _)) = submit_twice(&browser, &page, &fields, polls).await else { continue };
        stopped += 1;
        for answer in woken.iter().chain([&other]) {
            assert_eq!((answer.status, answer.notice()), (other.status, other.notice()), "{round}");
            assert_eq!(answer.status, StatusCode::OK, "{round}");
        }
        // Of two failures that are allowed one is left.
        for wanted in [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
            assert_eq!(browser.submit(&page, &fields).await.status, wanted, "{round}");
        }
    }
    assert!(stopped > ROUNDS / 2, "{stopped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_leaves_no_failure_wherever_the_instance_hangs() {
    let world = World::with_failures(&[&["password"]], 1).await;
    for round in 0..ROUNDS {
        let polls = round % POINTS;
        let name = format!("alice{round}");
        world.add_user(&name, LONG_AGO, true).await;
        let browser = &mut world.browser();
        let page = browser.begin().await;
        let fields = [("name", name.as_str()), ("password", PASSWORD)];
        let before = (world.neighbours.sessions(), world.neighbours.hand_overs());
        let Some((woken, other, _)) = submit_twice(browser, &page, &fields, polls).await else { continue };
        for answer in woken.iter().chain([&other]) {
            let url = format!("handover=handover_{}&", before.1);
            assert!(answer.continues_to().is_some_and(|to| to.contains(&url)), "{round}: {}", answer.html);
        }
        let after = (world.neighbours.sessions(), world.neighbours.hand_overs());
        assert_eq!(after, (before.0 + 1, before.1 + 1), "{round}");
        // The only failure that is allowed is still there.
        let mut again = world.browser();
        let page = again.begin().await;
        let wrong = [("name", name.as_str()), ("password", "wrong")];
        assert_eq!(again.submit(&page, &wrong).await.status, StatusCode::OK, "{round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_signs_in_once_wherever_the_instance_hangs() {
    let world = World::new(&[&["password", "totp"]]).await;
    for round in 0..ROUNDS {
        let polls = round % POINTS;
        let alice = world.add_user(&format!("alice{round}"), LONG_AGO, true).await;
        let mut browser = world.browser();
        let page = browser.begin().await;
        let page = browser.submit(&page, &[("name", &alice.name), ("password", PASSWORD)]).await;
        let code = world.code(&alice);
        let fields = [("code", code.as_str())];
        let before = (world.neighbours.sessions(), world.neighbours.hand_overs());
        let Some((woken, other, _)) = submit_twice(&browser, &page, &fields, polls).await else { continue };
        for answer in woken.iter().chain([&other]) {
            let url = format!("handover=handover_{}&", before.1);
            assert!(answer.continues_to().is_some_and(|to| to.contains(&url)), "{round}: {}", answer.html);
        }
        let after = (world.neighbours.sessions(), world.neighbours.hand_overs());
        assert_eq!(after, (before.0 + 1, before.1 + 1), "{round}");
        let third = browser.submit(&page, &fields).await;
        assert_eq!(third.notice(), Some("This code has been used. Wait for the next one."));
    }
}

/// The code in the last of the mails.
fn newest_code(world: &World, known: &[String]) -> String {
    let mails = world.neighbours.mails();
    let codes = mails.iter().map(|mail| {
        mail.fields.iter().find(|(name, _)| *name == "code").map(|(_, code)| code.clone()).unwrap()
    });
    codes.into_iter().find(|code| !known.contains(code)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_wakes_does_not_bring_an_older_mailed_code_back() {
    let world = World::new(&[&["email-code", "password"]]).await;
    for round in 0..ROUNDS {
        let polls = round % POINTS;
        let name = format!("alice{round}");
        world.add_user(&name, LONG_AGO, false).await;
        let mut browser = world.browser();
        let page = browser.begin().await;
        let fields = [("name", name.as_str())];
        let mails: Vec<String> = known_codes(&world);
        let (mut hung, mut other) = twice(&browser);
        let Progress::Stopped(stopped) = stop_after(polls, hung.submit(&page, &fields)).await else {
            continue;
        };
        let mut codes = mails;
        let outcome = stopped
            .meanwhile(async {
                let first = other.submit(&page, &fields).await;
                codes.push(newest_code(&world, &codes));
                // The user asks once more: another code, in place of the first.
                let second = browser.submit(&page, &fields).await;
                assert_eq!(first.heading(), second.heading());
                second
            })
            .await;
        let code = newest_code(&world, &codes);
        assert_eq!(world.neighbours.mails().len(), codes.len() + 1, "{round}: two requests, two mails");
        let answer = browser.submit(&outcome.other, &[("code", &code)]).await;
        assert!(answer.asks_for("password"), "{round}: {}", answer.html);
    }
}

fn known_codes(world: &World) -> Vec<String> {
    let mails = world.neighbours.mails();
    let code = |mail: &evergate_authentication::neighbours::Mail| {
        mail.fields.iter().find(|(name, _)| *name == "code").map(|(_, code)| code.clone())
    };
    mails.iter().filter_map(code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_wakes_does_not_end_sessions_opened_since_the_password_was_changed() {
    let world = World::new(&[&["password"]]).await;
    for round in 0..ROUNDS {
        let polls = round % POINTS;
        let name = format!("alice{round}");
        let alice = world.add_user(&name, LONG_AGO, false).await;
        let mut browser = sign_in(&world, &name, PASSWORD).await;
        let page = browser.get("/account/password").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.html);
        let new = "an altogether different sentence";
        let (mut hung, mut other) = twice(&browser);
        let fields = [("password", new)];
        let Progress::Stopped(stopped) = stop_after(polls, hung.submit(&page, &fields)).await else {
            continue;
        };
        let outcome = stopped
            .meanwhile(async {
                let changed = other.submit(&page, &fields).await;
                // With the new password, elsewhere.
                sign_in(&world, &name, new).await;
                changed
            })
            .await;
        for answer in outcome.woken.iter().chain([&outcome.other]) {
            assert_eq!(answer.location.as_deref(), Some("/account?done=password"), "{round}");
        }
        assert_eq!(world.neighbours.sessions_of(alice.id), 2, "{round}");
        let mails = world.neighbours.mails();
        let notices = mails.iter().filter(|mail| mail.fields.contains(&("user", name.clone()))).count();
        assert_eq!(notices, 1, "{round}");
    }
}

async fn sign_in(world: &World, name: &str, password: &str) -> Browser {
    let mut browser = world.browser();
    let page = browser.begin().await;
    let last = browser.submit(&page, &[("name", name), ("password", password)]).await;
    assert!(last.continues_to().is_some(), "{}", last.html);
    browser
}

/// Whether the user's password was found right at this moment.
async fn used_now(world: &World, user: Id<User>) -> bool {
    let mut reading = world.instances[0].store.read().await.unwrap();
    let all = credentials::list(&mut reading, user).await.unwrap();
    all.iter().any(|credential| credential.used_at == Some(world.clock.clock().now()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_while_it_was_checked_is_the_one_that_counts() {
    let world = World::new(&[&["password"]]).await;
    let mut refused = 0;
    for round in 0..ROUNDS {
        let polls = round % POINTS;
        let name = format!("alice{round}");
        let alice = world.add_user(&name, LONG_AGO, false).await;
        let mut owner = sign_in(&world, &name, PASSWORD).await;
        let page = owner.get("/account/password").await;
        world.clock.advance(Duration::from_secs(1));
        let mut thief = world.browser();
        let first = thief.begin().await;
        let fields = [("name", name.as_str()), ("password", PASSWORD)];
        let Progress::Stopped(stopped) = stop_after(polls, thief.submit(&first, &fields)).await else {
            continue;
        };
        // What the database was still writing when the work stopped is written by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let was_judged = used_now(&world, alice.id).await;
        owner.instance = 1;
        let new = [("password", "an altogether different sentence")];
        let outcome = stopped.meanwhile(owner.submit(&page, &new)).await;
        assert_eq!(outcome.other.location.as_deref(), Some("/account?done=password"), "{round}");
        let Some(woken) = outcome.woken else { continue };
        // What was judged before the change was right then; all else is judged by the new password.
        if !was_judged {
            assert!(woken.notice().is_some() && woken.asks_for("password"), "{round}: {}", woken.html);
            refused += 1;
        }
    }
    assert!(refused > 0, "it was never stopped while it hashed");
}
