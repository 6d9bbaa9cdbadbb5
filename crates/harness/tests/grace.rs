//! All policy instances are away: who was in stays in for the grace of the resource, nobody new comes in, whoever was
//! put out stays out, it is counted, and it heals by itself.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::application::Application;
use evergate_harness::load::{Connections, Load, Plan};
use evergate_harness::serving::more;
use evergate_harness::sign_in::sign_in;
use evergate_harness::users::Credentials;
use evergate_harness::{Answer, Client, Installation, until};

/// What keeps all policy instances from coming up again while it lives: they have no bootstrap file.
struct Away<'a> {
    installation: &'a Installation,
    moved: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Away<'a> {
    async fn strike(installation: &'a Installation) -> Result<Self> {
        let mut away = Self { installation, moved: Vec::new() };
        for instance in installation.read()?.instances.into_iter().filter(|one| one.service == "policy") {
            let file = installation.data().join("instances").join(&instance.name).join("bootstrap.json");
            let aside = file.with_extension("aside");
            std::fs::rename(&file, &aside).with_context(|| format!("moving {}", file.display()))?;
            away.moved.push((file, aside));
        }
        for name in ["policy1", "policy2"] {
            installation.kill(name).await?;
        }
        Ok(away)
    }

    async fn heal(self) -> Result<()> {
        for (file, aside) in &self.moved {
            std::fs::rename(aside, file)?;
        }
        for name in ["policy1", "policy2"] {
            self.installation.back(name, 0).await?;
        }
        Ok(())
    }
}

async fn grace_answers(installation: &Installation) -> Result<f64> {
    let mut count = 0.0;
    for name in ["access-point1", "access-point2"] {
        count += installation.metric(name, "evergate_grace_answers_total", &[]).await?;
    }
    Ok(count)
}

fn is_refused_for_now(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 503, "not 503: {} {}", answer.status, answer.text());
    let seconds: u64 = answer.header("retry-after").parse().context("no Retry-After in seconds")?;
    ensure!((1..=60).contains(&seconds), "Retry-After: {seconds}");
    Ok(())
}

async fn let_in(installation: &Installation, name: &str) -> Result<(Client, Credentials)> {
    let user = Credentials::with_password(installation, name).await?;
    let mut client = installation.client()?;
    let answer = sign_in(&mut client, &installation.url("gracious"), &user).await?;
    ensure!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    Ok((client, user))
}

async fn without_policy(rate: u32, seconds: u64) -> Result<()> {
    let application = Application::start().await?;
    let mut installation = Installation::start().await?;
    let upstream = application.url();
    for (name, grace) in [("gracious", "15m"), ("strict", "0s")] {
        let host = format!("{name}.localhost");
        let add = ["resource", "add", name, "--host", &host, "--upstream", &upstream, "--rule"];
        let rule = "header(x-turn) matches \"never\" or password";
        installation.evergate(&[&add[..], &[rule, "--grace", grace]].concat()).await?;
    }
    let (mut known, _) = let_in(&installation, "known").await?;
    sign_in(
        &mut known,
        &installation.url("strict"),
        &Credentials::with_password(&installation, "other").await?,
    )
    .await?;
    let (mut revoked, _) = let_in(&installation, "revoked").await?;
    installation.evergate(&["session", "revoke", "--user", "revoked"]).await?;

    let url = installation.url("gracious");
    let cookie = known.cookie_header("gracious.localhost");
    let make = move |number: u64| {
        let request = http::Request::builder().uri(format!("{url}{number}")).header("cookie", &cookie);
        request.body(Default::default()).expect("a request of constants")
    };
    let judge = |answer: &Answer| (!answer.status.is_success()).then(|| answer.status.to_string());
    let plan = Plan {
        rate,
        connections: Connections::Both,
        make: std::sync::Arc::new(make),
        judge: std::sync::Arc::new(judge),
    };
    let load = Load::start(&installation.read()?.local_ca, plan)?;
    more(&load, u64::from(rate) * 2).await?;
    ensure!(grace_answers(&installation).await? == 0.0, "grace answers while policy is there");

    let away = Away::strike(&installation).await?;
    until("grace answers are counted", Duration::from_secs(40), async || {
        (grace_answers(&installation).await.ok()? > 0.0).then_some(())
    })
    .await?;
    let answer = revoked.get(&installation.url("gracious")).await?;
    ensure!(!answer.status.is_success(), "a revoked session passes: {}", answer.status);
    let mut stranger = installation.client()?;
    let answer = stranger.get(&installation.url("gracious")).await?;
    ensure!(!answer.status.is_success(), "a stranger passes");
    let answer = match answer.leads_to() {
        Some(_) => stranger.follow(answer).await?,
        None => answer,
    };
    is_refused_for_now(&answer).context("a stranger")?;
    let request = known.request(http::Method::GET, &installation.url("gracious"))?;
    let answer = known.send(request.header("x-turn", "new").body(Default::default())?).await?;
    is_refused_for_now(&answer).context("what was never permitted")?;
    until("without grace a session is refused", Duration::from_secs(40), async || {
        let answer = known.get(&installation.url("strict")).await.ok()?;
        is_refused_for_now(&answer).ok()
    })
    .await?;
    more(&load, u64::from(rate) * seconds).await?;
    let counted = grace_answers(&installation).await?;
    away.heal().await?;

    until("somebody new can sign in again", Duration::from_secs(30), async || {
        let user = Credentials {
            name: "known".to_owned(),
            password: "correct horse known staple 9".to_owned(),
            secret: None,
        };
        let mut client = installation.client().ok()?;
        let answer = sign_in(&mut client, &installation.url("gracious"), &user).await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await?;
    more(&load, u64::from(rate) * 2).await?;
    let healed = grace_answers(&installation).await?;
    more(&load, u64::from(rate) * 4).await?;
    ensure!(grace_answers(&installation).await? == healed, "grace goes on though policy is there");
    let report = load.stop().await?;
    println!("without any policy instance for {seconds} s and more: {report}; {counted} grace answers");
    report.nothing_lost()?;
    installation.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_stays_in_while_all_of_policy_is_away() -> Result<()> {
    without_policy(40, 3).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn who_is_in_stays_in_for_a_minute_at_full_rate() -> Result<()> {
    without_policy(200, 60).await
}
