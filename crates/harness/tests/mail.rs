//! Codes by e-mail: mailed once though the distribution instance that took them in is killed, and good for one sign-in.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::application::Application;
use evergate_harness::sign_in::{submit, submit_once};
use evergate_harness::users::Credentials;
use evergate_harness::{Answer, Client, Installation, until};

/// The mails to an address, each as the text of its file.
fn mails(installation: &Installation, address: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(installation.data().join("mail")).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            let text = std::fs::read_to_string(path)?;
            let is_to = |line: &str| line.to_lowercase().starts_with("to:") && line.contains(address);
            found.extend(text.lines().any(is_to).then_some(text));
        }
    }
    Ok(found)
}

/// The code that stands alone on a line.
fn code(mail: &str) -> Result<String> {
    let is_code = |line: &&str| line.len() >= 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    mail.lines().map(str::trim).find(is_code).map(str::to_owned).with_context(|| format!("no code in {mail}"))
}

/// A browser that has given name and password.
async fn asked_for_a_code(installation: &Installation, user: &Credentials) -> Result<(Client, Answer)> {
    let mut client = installation.client()?;
    let page = client.get(&installation.url("mailed")).await?;
    let page = client.follow(page).await?;
    let values = [("name", user.name.clone()), ("password", user.password.clone())];
    let page = submit_once(&mut client, &page, "password", &values).await?;
    ensure!(page.form("code").is_some(), "no code is asked for: {} {}", page.status, page.text());
    Ok((client, page))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_mailed_once_though_distribution_is_killed() -> Result<()> {
    let application = Application::start().await?;
    let mut installation = Installation::start().await?;
    let rule = ["--rule", "password and email-code", "--host", "mailed.localhost", "--upstream"];
    installation
        .evergate(&[&["resource", "add", "mailed"], &rule[..], &[&application.url()]].concat())
        .await?;
    let mut waiting = Vec::new();
    for number in 0..6 {
        let user = Credentials::with_password(&installation, &format!("reader-{number}")).await?;
        if number % 2 == 1 {
            installation.kill("distribution1").await?;
        }
        let (client, page) = asked_for_a_code(&installation, &user).await?;
        waiting.push((user, client, page));
    }
    for (user, mut client, page) in waiting {
        let address = format!("{}@example.com", user.name);
        let what = format!("a mail to {address}");
        let mail = until(&what, Duration::from_secs(40), async || mails(&installation, &address).ok()?.pop())
            .await?;
        let code = code(&mail)?;
        let answer = submit(&mut client, &page, "code", &[("code", code.clone())]).await?;
        ensure!(
            answer.status.is_success() && answer.body.len() == 1024,
            "{} {}",
            answer.status,
            answer.text()
        );
        let again = submit_once(&mut client, &page, "code", &[("code", code)]).await?;
        ensure!(again.leads_to().is_none(), "a used code was good again");
        let count = mails(&installation, &address)?.len();
        ensure!(count == 1, "{count} mails to {address}");
    }
    installation.stop().await
}
