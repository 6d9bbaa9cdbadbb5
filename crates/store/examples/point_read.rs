//! How long one session takes to read, which is what a decision asks of the database, and how long an
//! audited write: `cargo run -p evergate-store --example point_read [URL] [READS]`, in a database made
//! for it where no URL is given. Prints microseconds of each: middle, and the hundredth that took longest.
#![allow(
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "it measures by the wall clock, and prints"
)]

use std::time::{Duration, Instant};

use evergate_model::{Id, Timestamp};
use evergate_store::{Actor, Settings, Store, audit, sessions, users};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = tempfile::tempdir()?;
    let url = arguments
        .next()
        .unwrap_or_else(|| format!("sqlite:{}", directory.path().join("evergate.db").display()));
    let reads: usize = arguments.next().map_or(Ok(5_000), |text| text.parse())?;
    let store = Store::open(&url, Settings { create: true, ..Settings::default() }).await?;
    store.migrate().await?;
    fill(&store).await?;
    let mut times = Vec::with_capacity(reads);
    for _ in 0..reads {
        let before = Instant::now();
        let found = sessions::get(&mut *store.read().await?, Id::new(NOW, [1; 10])).await?;
        times.push(before.elapsed().as_micros());
        found.ok_or("the session is not there")?;
    }
    print("read", times);
    let mut times = Vec::new();
    for _ in 0..reads / 20 {
        let before = Instant::now();
        let mut tx = store.begin().await?;
        audit::append(&mut tx, NOW, &Actor::System, "example.done", "it", &serde_json::Value::Null).await?;
        tx.commit().await?;
        times.push(before.elapsed().as_micros());
    }
    print("write", times);
    store.close().await;
    Ok(())
}

fn print(what: &str, mut times: Vec<u128>) {
    times.sort_unstable();
    let at = |hundredths: usize| times.get(times.len() * hundredths / 100).copied().unwrap_or_default();
    println!("{what} {} {}", at(50), at(99));
}

/// One user with one session, unless they are there.
async fn fill(store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    let mut tx = store.begin().await?;
    let user = Id::new(NOW, [1; 10]);
    if users::get(&mut tx, user).await?.is_some() {
        return Ok(());
    }
    let new = users::User {
        id: user,
        name: "alice".to_owned(),
        email: None,
        state: users::State::Active,
        created_at: NOW,
        invited_at: None,
    };
    users::add(&mut tx, &Actor::System, NOW, &new).await?;
    let session = sessions::NewSession {
        id: Id::new(NOW, [1; 10]),
        user,
        factors: Vec::new(),
        ends_at: NOW.plus(Duration::from_secs(3600)),
        client: "192.0.2.7".to_owned(),
        user_agent: "example".to_owned(),
    };
    sessions::open(&mut tx, &Actor::System, NOW, &session).await?;
    Ok(tx.commit().await?)
}
