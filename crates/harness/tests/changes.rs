//! Publishing a configuration and rotating keys under load loses nothing, and every instance says that it has them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::application::Application;
use evergate_harness::load::{Connections, Load, Plan};
use evergate_harness::serving::more;
use evergate_harness::sign_in::sign_in;
use evergate_harness::users::Credentials;
use evergate_harness::{Answer, Installation, until};
use serde_json::Value;

/// What every instance says of itself in `evergate status`, under `field`.
async fn told(installation: &Installation, field: &str) -> Result<Vec<Value>> {
    let status = installation.evergate_json(&["status"]).await?;
    let instances = status["instances"].as_array().context("no instances in `evergate status --json`")?;
    Ok(instances.iter().map(|instance| instance[field].clone()).collect())
}

/// Waits until all instances say the same under `field`, and not what they said `before`.
async fn agree(installation: &Installation, field: &str, before: &[Value]) -> Result<Vec<Value>> {
    let what = format!("all instances agree on new {field}");
    until(&what, Duration::from_secs(20), async || {
        let now = told(installation, field).await.ok()?;
        let is_new = before.iter().zip(&now).any(|(before, now)| before != now);
        (is_new && now.windows(2).all(|pair| pair[0] == pair[1])).then_some(now)
    })
    .await
}

async fn change_under_load(rate: u32, rounds: u32) -> Result<()> {
    let application = Application::start().await?;
    let mut installation = Installation::start().await?;
    let upstream = application.url();
    for (name, cache) in [("cached", "30s"), ("uncached", "0s")] {
        let host = format!("{name}.localhost");
        let add = ["resource", "add", name, "--host", &host, "--upstream", &upstream, "--rule", "password"];
        installation.evergate(&[&add[..], &["--permit-cache", cache]].concat()).await?;
    }
    let user = Credentials::with_password(&installation, "frida").await?;
    let mut client = installation.client()?;
    let mut targets = Vec::new();
    for name in ["cached", "uncached"] {
        sign_in(&mut client, &installation.url(name), &user).await?;
        targets.push((installation.url(name), client.cookie_header(&format!("{name}.localhost"))));
    }
    let make = move |number: u64| {
        let (url, cookie) = &targets[number as usize % targets.len()];
        let request = http::Request::builder().uri(format!("{url}{number}")).header("cookie", cookie);
        request.body(Default::default()).expect("a request of constants")
    };
    let judge = |answer: &Answer| (!answer.status.is_success()).then(|| answer.status.to_string());
    let plan = Plan { rate, connections: Connections::Both, make: Arc::new(make), judge: Arc::new(judge) };
    let load = Load::start(&installation.read()?.local_ca, plan)?;
    more(&load, u64::from(rate)).await?;

    for round in 0..rounds {
        let before = told(&installation, "configuration").await?;
        let rule = format!("group(\"staff-{round}\") and password");
        installation.evergate(&["rule", "add", "staff", &rule, "--draft"]).await?;
        installation.evergate(&["config", "publish", "-m", "a rule for the staff"]).await?;
        agree(&installation, "configuration", &before).await?;
        installation.evergate(&["rule", "remove", "staff"]).await?;

        installation.evergate(&["keys", "rotate"]).await?;
        more(&load, u64::from(rate)).await?;
        let answer = client.get(&installation.url("uncached")).await?;
        ensure!(answer.status.is_success(), "the session does not outlive a rotation: {}", answer.status);
    }
    more(&load, 2 * u64::from(rate)).await?;
    let report = load.stop().await?;
    println!("{rounds} rounds: {report}");
    report.nothing_lost()?;
    let fresh = Credentials::with_password(&installation, "gustav").await?;
    let answer = sign_in(&mut installation.client()?, &installation.url("cached"), &fresh).await?;
    ensure!(answer.status.is_success(), "nobody can sign in after the rotation: {}", answer.status);
    installation.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_and_rotating_lose_no_request() -> Result<()> {
    change_under_load(40, 1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn publishing_and_rotating_three_times_at_full_rate_lose_no_request() -> Result<()> {
    change_under_load(200, 3).await
}
