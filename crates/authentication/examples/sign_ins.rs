//! What an authentication instance gets done when more people sign in than it can hash passwords of:
//! whole sign-ins, the first page and the post of name and password, over a real database.
//!
//! `cargo run --release -p evergate-authentication --example sign_ins`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a measurement"
)]

#[path = "../../policy/examples/saturation/open_loop.rs"]
mod open_loop;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use evergate_model::Timestamp;
use http::StatusCode;
use open_loop::Answer;
use support::{Browser, PASSWORD, World};
use tokio::time::Instant;

const LONG_AGO: Timestamp = Timestamp::from_seconds(1_700_000_000);
/// As long as somebody may wait for the answer to a form.
const LIMIT: Duration = Duration::from_secs(3);
const PEOPLE: usize = 100;

#[tokio::main]
async fn main() {
    let world = World::new(&[&["password"]]).await;
    for number in 0..PEOPLE {
        world.add_user(&format!("user{number}"), LONG_AGO, false).await;
    }
    let browser = world.browser();
    let ask = {
        let browser = browser.clone();
        move |number: usize| sign_in(browser.clone(), number)
    };
    // Pages that need no hashing are answered as before.
    let beat = || async {
        let (began, mut browser) = (Instant::now(), browser.clone());
        let page = browser.begin().await;
        (page.status == StatusCode::OK).then(|| began.elapsed())
    };
    let worst = open_loop::measure("sign-ins", 4, LIMIT, ask, beat).await;
    assert!(worst >= 0.8, "goodput collapses");
}

async fn sign_in(mut browser: Browser, number: usize) -> Answer {
    let page = browser.begin().await;
    let name = format!("user{}", number % PEOPLE);
    let last = browser.submit(&page, &[("name", &name), ("password", PASSWORD)]).await;
    match last.status {
        StatusCode::OK if last.continues_to().is_some() => Answer::Good,
        StatusCode::SERVICE_UNAVAILABLE => Answer::Busy,
        _ => Answer::Other,
    }
}
