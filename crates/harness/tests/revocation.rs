//! A session that is revoked under load passes nothing a second after the command returned: no request, no WebSocket,
//! no stream.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::application::Application;
use evergate_harness::load::{Connections, Load, Plan};
use evergate_harness::serving::more;
use evergate_harness::sign_in::sign_in;
use evergate_harness::sockets::WebSocket;
use evergate_harness::users::Credentials;
use evergate_harness::{Installation, until};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

/// What the product promises.
const PROMISE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_a_second_after_a_session_was_revoked() -> Result<()> {
    let application = Application::start().await?;
    let protect = format!("wiki={}", application.url());
    let mut installation = Installation::start_with(&["--protect", &protect]).await?;
    let user = Credentials::with_password(&installation, "dora").await?;
    let mut client = installation.client()?;
    let url = installation.url("wiki");
    sign_in(&mut client, &url, &user).await?;
    let cookie = client.cookie_header("wiki.localhost");

    let mut socket = WebSocket::open(&client, &format!("{url}echo")).await?;
    socket.say("before").await?;
    ensure!(socket.hear().await? == "before", "the WebSocket does not echo");
    let mut events = client.connect(&url.parse()?).await?;
    let request = format!(
        "GET /events HTTP/1.1\r\nHost: wiki.localhost:{}\r\nCookie: {cookie}\r\n\r\n",
        installation.base()
    );
    events.write_all(request.as_bytes()).await?;
    events.flush().await?;
    let mut piece = [0; 4096];
    let length = events.read(&mut piece).await?;
    ensure!(String::from_utf8_lossy(&piece[..length]).starts_with("HTTP/1.1 200"), "no events");

    let target = url.clone();
    let make = move |_| {
        let request = http::Request::builder().uri(&target).header("cookie", &cookie);
        request.header("accept", "application/json").body(Default::default()).expect("a request of constants")
    };
    let passed = Arc::new(std::sync::Mutex::new(Instant::now()));
    let last = Arc::clone(&passed);
    let judge = move |answer: &evergate_harness::Answer| match answer.status {
        StatusCode::OK => {
            *last.lock().expect("no judge panics") = Instant::now();
            None
        }
        StatusCode::UNAUTHORIZED => None,
        other => Some(other.to_string()),
    };
    let plan =
        Plan { rate: 100, connections: Connections::Kept, make: Arc::new(make), judge: Arc::new(judge) };
    let load = Load::start(&installation.read()?.local_ca, plan)?;
    more(&load, 100).await?;

    installation.evergate(&["session", "revoke", "--user", &user.name]).await?;
    let returned = Instant::now();
    let closed =
        timeout(PROMISE, async { while socket.say("after").await.is_ok() && socket.hear().await.is_ok() {} });
    closed.await.context("the WebSocket passes messages a second after the session was revoked")?;
    let ended = timeout(PROMISE.saturating_sub(returned.elapsed()), async {
        while events.read(&mut piece).await.is_ok_and(|length| length > 0) {}
    });
    ended.await.context("events flow a second after the session was revoked")?;
    more(&load, 200).await?;
    load.stop().await?.nothing_lost()?;
    let late = passed.lock().expect("no judge panics").saturating_duration_since(returned);
    ensure!(late < PROMISE, "a request passed {late:?} after the session was revoked");
    println!("last request passed {late:?} after the command returned");

    let state = until("the portal asks again", PROMISE, async || {
        let answer = client.get(&url).await.ok()?;
        (answer.status == StatusCode::FOUND).then_some(())
    });
    state.await?;
    installation.stop().await
}
