//! Many users sign in together while authentication instances are killed and hang: each gets in, nobody fails who did
//! nothing wrong, and every acknowledged sign-in is a session.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::api::Api;
use evergate_harness::application::Application;
use evergate_harness::scene::{Hung, sessions};
use evergate_harness::serving::calls;
use evergate_harness::sign_in::{sign_in, submit};
use evergate_harness::users::Credentials;
use evergate_harness::{Client, Installation};
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

/// How many users, how many of them a second, how often all of them.
#[derive(Clone, Copy)]
struct Size {
    users: usize,
    rate: u32,
    rounds: usize,
}

/// For every commit.
const MODERATE: Size = Size { users: 24, rate: 8, rounds: 1 };
/// What the product promises.
const FULL: Size = Size { users: 60, rate: 20, rounds: 3 };

/// Signs one user in; how long that took.
async fn enter(installation: &Installation, user: Credentials) -> Result<(Client, Duration)> {
    let mut client = installation.client()?;
    let since = Instant::now();
    let answer = sign_in(&mut client, &installation.url("crowded"), &user).await?;
    let is_in = answer.status.is_success() && answer.body.len() == 1024;
    ensure!(is_in, "{}: {} {}", user.name, answer.status, answer.text());
    Ok((client, since.elapsed()))
}

/// All sign in, one after the other at the given rate, however long each takes.
async fn all_enter(
    installation: std::sync::Arc<Installation>,
    users: &[Credentials],
    rate: u32,
) -> Result<Vec<(Client, Duration)>> {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    let mut entering = JoinSet::new();
    for user in users {
        ticks.tick().await;
        let (installation, user) = (std::sync::Arc::clone(&installation), user.clone());
        entering.spawn(async move { enter(&installation, user).await });
    }
    let mut entered = Vec::new();
    while let Some(one) = entering.join_next().await {
        entered.push(one??);
    }
    Ok(entered)
}

/// The instance of authentication that has the next few calls.
async fn who_serves(installation: &Installation) -> Result<String> {
    let before = calls(installation, "authentication").await?;
    let grown = evergate_harness::until("somebody signs in", Duration::from_secs(10), async || {
        let after = calls(installation, "authentication").await.ok()?;
        let grown = after
            .into_iter()
            .map(|(name, count)| (count.saturating_sub(*before.get(&name).unwrap_or(&count)), name));
        grown.max().filter(|(grown, _)| *grown > 2)
    });
    Ok(grown.await?.1)
}

/// A kill and a hang, each of whoever serves then.
async fn strike(installation: &Installation, pause: Duration) -> Result<()> {
    let name = who_serves(installation).await?;
    let pid = installation.kill(&name).await?;
    installation.back(&name, pid).await?;
    let name = who_serves(installation).await?;
    let hung = Hung::hang(installation.instance(&name)?.pid).await?;
    tokio::time::sleep(pause).await;
    drop(hung);
    Ok(())
}

async fn crowd(size: Size) -> Result<()> {
    let application = Application::start().await?;
    let installation = Installation::start().await?;
    let upstream = ["--upstream", &application.url(), "--rule", "password"];
    let add = ["resource", "add", "crowded", "--host", "crowded.localhost"];
    installation.evergate(&[&add[..], &upstream[..]].concat()).await?;
    let mut api = Api::of_instance(&installation, 0)?;
    let mut users = Vec::new();
    for number in 0..size.users {
        let name = format!("visitor-{number}");
        let password = format!("correct horse {name} staple 9");
        let body =
            json!({"name": name, "password": password, "groups": [], "email": format!("{name}@example.com")});
        api.call(Method::POST, "/users", Some(&body)).await?;
        users.push(Credentials { name, password, secret: None });
    }
    let installation = std::sync::Arc::new(installation);
    let mut took = Vec::new();
    let mut inside = Vec::new();
    let third = Duration::from_secs(1) * u32::try_from(size.users)? / size.rate / 3;
    for _ in 0..size.rounds {
        let entering = all_enter(std::sync::Arc::clone(&installation), &users, size.rate);
        let (entered, struck) = tokio::join!(entering, strike(&installation, third));
        struck?;
        for (client, time) in entered? {
            took.push(time);
            inside.push(client);
        }
    }
    took.sort();
    println!(
        "{} sign-ins at {}/s while authentication was killed and hung {} times each: all acknowledged; median {:.1?}, slowest {:.1?}",
        took.len(),
        size.rate,
        size.rounds,
        took[took.len() / 2],
        took[took.len() - 1]
    );
    for client in &mut inside {
        let answer = client.get(&installation.url("crowded")).await?;
        ensure!(answer.status.is_success(), "an acknowledged sign-in does not hold: {}", answer.status);
    }
    for user in &users {
        let count = sessions(&mut api, &user.name).await?;
        ensure!(count == size.rounds as u64, "{}: {count} sessions of {} sign-ins", user.name, size.rounds);
    }
    // The counters of failures: nobody failed, so that exactly the limit of five is left to each.
    let user = users.first().context("no users")?;
    for attempt in 1..=5 {
        let mut client = installation.client()?;
        let page = client.get(&installation.url("crowded")).await?;
        let page = client.follow(page).await?;
        ensure!(page.form("password").is_some(), "attempt {attempt} is not let try: {}", page.text());
        let values = [("name", user.name.clone()), ("password", "wrong".to_owned())];
        submit(&mut client, &page, "password", &values).await?;
    }
    let refused = enter(&installation, user.clone()).await;
    ensure!(refused.is_err(), "five failures do not lock out");
    let user = users.get(1).context("one user")?;
    for _ in 1..5 {
        let mut client = installation.client()?;
        let page = client.get(&installation.url("crowded")).await?;
        let page = client.follow(page).await?;
        let values = [("name", user.name.clone()), ("password", "wrong".to_owned())];
        submit(&mut client, &page, "password", &values).await?;
    }
    enter(&installation, user.clone()).await.context("four failures lock out")?;
    let mut installation = std::sync::Arc::into_inner(installation).context("still in use")?;
    installation.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_signs_in_while_authentication_fails() -> Result<()> {
    crowd(MODERATE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn sixty_users_sign_in_together_while_authentication_fails() -> Result<()> {
    crowd(FULL).await
}
