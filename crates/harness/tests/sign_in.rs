//! A plain HTTP client signs in with codes that Debian's `oathtool` computes, and out again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::sign_in::sign_in;
use evergate_harness::users::Credentials;
use evergate_harness::{Installation, markup, until};
use http::{Method, StatusCode};

#[tokio::test]
async fn a_stranger_is_sent_to_the_portal_and_a_program_is_told_so() -> Result<()> {
    let mut installation = Installation::start().await?;
    let up = installation.read()?;
    let mut client = installation.client()?;

    let answer = client.get(&up.url).await?;
    ensure!(answer.status == StatusCode::FOUND, "{}", answer.status);
    let target = answer.leads_to().context("a redirect that leads nowhere")?.to_string();
    ensure!(target.starts_with(&format!("{}sign-in?", up.portal)), "{target}");

    let form = client.request(Method::POST, &up.url)?.header("sec-fetch-mode", "navigate");
    let posted = client.send(form.body(Default::default())?).await?;
    ensure!(posted.status == StatusCode::SEE_OTHER, "a form without a session: {}", posted.status);

    let request = client.request(Method::GET, &up.url)?.header("accept", "application/json");
    let refused = client.send(request.body(Default::default())?).await?;
    ensure!(refused.status == StatusCode::UNAUTHORIZED, "{}", refused.status);
    ensure!(refused.headers.contains_key("www-authenticate"));
    let told = refused.json()?;
    ensure!(told["error"] == "sign-in required", "{told}");
    ensure!(told["sign_in"].as_str().is_some_and(|url| url.starts_with(&up.portal)), "{told}");
    installation.stop().await
}

#[tokio::test]
async fn the_demo_user_signs_in_with_a_code_of_oathtool_and_out_again() -> Result<()> {
    let mut installation = Installation::start().await?;
    let up = installation.read()?;
    let user = Credentials::of_demo(&installation).await?;
    let mut client = installation.client()?;

    let welcome = sign_in(&mut client, &up.url, &user).await?;
    ensure!(welcome.status == StatusCode::OK, "{}: {}", welcome.status, welcome.text());
    ensure!(welcome.url.to_string() == up.url, "ended at {}", welcome.url);
    ensure!(welcome.text().contains(&user.name), "the demo does not know {}: {}", user.name, welcome.text());

    let headers = client.get(&format!("{}headers", up.url)).await?;
    let text = headers.text().to_lowercase();
    for name in ["x-evergate-user", "x-evergate-session", "x-evergate-assertion"] {
        ensure!(text.contains(name), "the application was not told {name}: {text}");
    }
    ensure!(!text.contains("__host-evergate"), "the application sees the session's cookie: {text}");

    let portal = client.get(&up.portal).await?;
    let portal = client.follow(portal).await?;
    ensure!(portal.status == StatusCode::OK && portal.text().contains(&user.name), "{}", portal.text());
    let out = markup::forms(&portal.text())
        .into_iter()
        .find(|form| form.action.contains("sign-out"))
        .context("the portal has no form to sign out by")?;
    let target = portal.resolve(&out.action).context("sign-out leads nowhere")?;
    let old = client.twin()?;
    client.post(&target.to_string(), &out.hidden).await?;

    for mut client in [client, old] {
        until("the session's end is known", Duration::from_secs(1), async || {
            let again = client.get(&up.url).await.ok()?;
            (again.status == StatusCode::FOUND).then_some(())
        })
        .await?;
    }
    installation.stop().await
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_code_lead_nowhere() -> Result<()> {
    let mut installation = Installation::start().await?;
    let up = installation.read()?;
    let user = Credentials::of_demo(&installation).await?;
    let mut client = installation.client()?;

    let wrong = Credentials { password: "not this one".to_owned(), ..user.clone() };
    ensure!(sign_in(&mut client, &up.url, &wrong).await.is_err(), "a wrong password was enough");

    let other = Credentials { secret: Some("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned()), ..user };
    let mut client = installation.client()?;
    ensure!(sign_in(&mut client, &up.url, &other).await.is_err(), "a code of another token was enough");
    let answer = client.get(&up.url).await?;
    ensure!(answer.status == StatusCode::FOUND, "{}", answer.status);
    installation.stop().await
}

#[tokio::test]
async fn a_protected_application_is_reached_with_a_password() -> Result<()> {
    let application = evergate_harness::application::Application::start().await?;
    let protect = format!("wiki={}", application.url());
    let mut installation = Installation::start_with(&["--protect", &protect]).await?;
    let user = Credentials::with_password(&installation, "bea").await?;
    let mut client = installation.client()?;
    let answer = sign_in(&mut client, &installation.url("wiki"), &user).await?;
    ensure!(answer.status == StatusCode::OK && answer.body.len() == 1024, "{}", answer.text());
    installation.stop().await
}
