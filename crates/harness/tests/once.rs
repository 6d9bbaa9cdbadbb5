//! What must happen once happens once, though two instances are asked at the same moment: a code is good for one
//! sign-in, and a lockout of five failures is five.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::api::Api;
use evergate_harness::serving::calls;
use evergate_harness::sign_in::submit_once;
use evergate_harness::users::Credentials;
use evergate_harness::{Answer, Client, Installation};
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// An installation whose authentication instances share the calls.
async fn balanced() -> Result<Installation> {
    let installation = Installation::start().await?;
    let file = installation.scratch().join("balanced.yml");
    let version = installation.evergate_json(&["config", "show"]).await?;
    let base = version["version"].as_u64().context("`config show --json` tells no version")?;
    std::fs::write(&file, format!("base: {base}\npools:\n  authentication: balance\n"))?;
    installation.evergate(&["config", "apply", &file.display().to_string()]).await?;
    let both = async || {
        let client = installation.client().ok()?;
        let mut client = client;
        for _ in 0..4 {
            client.get(&installation.read().ok()?.portal).await.ok()?;
        }
        let calls = calls(&installation, "authentication").await.ok()?;
        calls.values().all(|count| *count > 0).then_some(())
    };
    evergate_harness::until("both authentication instances are used", Duration::from_secs(20), both).await?;
    Ok(installation)
}

/// Makes a user with a soft token through the API, which is faster than a process for each.
async fn user(api: &mut Api, name: &str) -> Result<Credentials> {
    let password = format!("correct horse {name} staple 9");
    let body =
        json!({"name": name, "email": format!("{name}@example.com"), "password": password, "groups": []});
    api.call(Method::POST, "/users", Some(&body)).await?;
    let enrolled = api.call(Method::POST, &format!("/users/{name}/totp"), None).await?;
    let otpauth = enrolled["otpauth"].as_str().context("no otpauth")?;
    Ok(Credentials {
        name: name.to_owned(),
        password,
        secret: Some(evergate_harness::codes::secret(otpauth)?),
    })
}

/// A browser that has given name and password, and the page that asks for the code.
async fn before_the_code(installation: &Installation, user: &Credentials) -> Result<(Client, Answer)> {
    let mut client = installation.client()?;
    let page = client.get(&installation.read()?.url).await?;
    let page = client.follow(page).await?;
    let values = [("name", user.name.clone()), ("password", user.password.clone())];
    let page = submit_once(&mut client, &page, "password", &values).await?;
    ensure!(
        page.form("code").is_some(),
        "{} is not asked for a code: {} {}",
        user.name,
        page.status,
        page.text()
    );
    Ok((client, page))
}

async fn race_codes(users: usize) -> Result<()> {
    let mut installation = balanced().await?;
    let mut api = Api::of_instance(&installation, 0)?;
    let before = calls(&installation, "authentication").await?;
    let started = Instant::now();
    for number in 0..users {
        let user = user(&mut api, &format!("racer-{number}")).await?;
        let (first, second) =
            tokio::try_join!(before_the_code(&installation, &user), before_the_code(&installation, &user))?;
        let code = [("code", user.code()?)];
        let (mut one, page_of_one) = first;
        let (mut two, page_of_two) = second;
        let (first, second) = tokio::try_join!(
            submit_once(&mut one, &page_of_one, "code", &code),
            submit_once(&mut two, &page_of_two, "code", &code),
        )?;
        let winners = usize::from(first.opens_a_session()) + usize::from(second.opens_a_session());
        ensure!(winners == 1, "{winners} sessions by one code: {} {}", first.text(), second.text());
        let third = before_the_code(&installation, &user).await?;
        let (mut three, page) = third;
        let again = submit_once(&mut three, &page, "code", &code).await?;
        ensure!(!again.opens_a_session(), "a used code was good again");
    }
    let after = calls(&installation, "authentication").await?;
    let shares: Vec<u64> =
        after.iter().map(|(name, count)| count - before.get(name).copied().unwrap_or(0)).collect();
    println!("{users} races, one session each; calls by instance {shares:?}; {:.1?}", started.elapsed());
    ensure!(shares.iter().all(|share| *share > users as u64 / 2), "one instance did everything: {shares:?}");
    installation.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_bring_the_same_code_one_is_let_in() -> Result<()> {
    race_codes(8).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn of_two_who_bring_the_same_code_one_is_let_in_a_thousand_times() -> Result<()> {
    race_codes(1000).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_wrong_passwords_at_once_exactly_five_are_tried() -> Result<()> {
    let mut installation = balanced().await?;
    let mut api = Api::of_instance(&installation, 0)?;
    let user = user(&mut api, "target").await?;
    let tried_before = wrong_passwords(&installation).await?;
    let mut attempts = JoinSet::new();
    for number in 0..24 {
        let mut client = installation.client()?;
        let page = client.get(&installation.read()?.url).await?;
        let page = client.follow(page).await?;
        let values = [("name", user.name.clone()), ("password", format!("wrong {number}"))];
        attempts.spawn(async move { submit_once(&mut client, &page, "password", &values).await });
    }
    while let Some(answer) = attempts.join_next().await {
        ensure!(!answer??.opens_a_session(), "a wrong password was enough");
    }
    let tried = wrong_passwords(&installation).await? - tried_before;
    ensure!(tried == 5, "{tried} passwords were tried");
    let right = before_the_code(&installation, &user).await;
    ensure!(right.is_err(), "the right password was tried though the user is locked out");
    installation.stop().await
}

/// How many passwords were tried and found wrong, at all instances together.
async fn wrong_passwords(installation: &Installation) -> Result<u64> {
    let mut count = 0.0;
    for instance in ["authentication1", "authentication2"] {
        count += installation.metric(instance, "evergate_sign_ins_total", &["wrong"]).await?;
    }
    Ok(count as u64)
}
