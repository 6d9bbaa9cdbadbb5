//! To applications: what they are told, and how requests survive the death of a server.

use super::application::Application;
use super::client::{Client, get};
use super::kit::{Plan, until};

fn lines(head: &str) -> Vec<String> {
    let mut lines: Vec<_> =
        head.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_lowercase).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_told_who_asks_by_us_alone() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    let forged = format!(
        "{}X-Evergate-User: root\r\nX_Evergate_Groups: admins\r\nx-webauth-user: root\r\nX_WebAuth_User: root\r\n\
         X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nConnection: keep-alive, X-Evergate-Email, x-gone\r\n\
         X-Gone: 1\r\nTE: trailers\r\nUpgrade: h2c\r\n",
        access_point.cookie(1).replace("\r\n", "; theme=dark\r\n")
    );
    assert_eq!(client.ask(&get("/", &forged)).await.status, 200);
    let address = client.0.get_ref().local_addr().unwrap().ip();
    assert_eq!(
        lines(&application.last().head),
        [
            "cookie: theme=dark".to_owned(),
            "host: wiki.example.com".to_owned(),
            "x-evergate-assertion: a.b.c".to_owned(),
            "x-evergate-email: alice@example.com".to_owned(),
            "x-evergate-groups: staff,admins".to_owned(),
            "x-evergate-session: p-1".to_owned(),
            "x-evergate-user: alice".to_owned(),
            format!("x-forwarded-for: {address}"),
            "x-forwarded-host: wiki.example.com".to_owned(),
            "x-forwarded-proto: https".to_owned(),
            "x-webauth-user: alice".to_owned(),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_cannot_set_our_cookies() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    let answer = Client::connect(access_point.address).await.ask(&get("/cookies", "")).await;
    assert_eq!(answer.all("set-cookie"), ["a=1"]);
    assert!(answer.all("x-hop").is_empty() && answer.all("connection").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_has_closed_loses_no_request() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    for _ in 0..20 {
        assert_eq!(client.ask(&get("/then-die", "")).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_goes_to_the_next_server_whatever_its_method() {
    let (first, second) = (Application::start().await, Application::start().await);
    let access_point = Plan::new(&[&first.url(), &second.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    let post = "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(client.ask(post).await.text(), "ok hello");
    assert_eq!((first.count(), second.count()), (1, 0));
    let address = first.address;
    drop(first);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        assert_eq!(client.ask(&get("/", "")).await.status, 200);
        assert_eq!(client.ask(post).await.text(), "ok hello");
    }
    assert_eq!(second.count(), 6);
    let site = access_point.shared.site.load();
    let status = site.resources().next().unwrap().upstreams.status();
    assert_eq!((status.active.unwrap().to_string(), status.failovers), (second.url(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_idempotent_is_sent_twice() {
    let (first, second) = (Application::start().await, Application::start().await);
    let access_point = Plan::new(&[&first.url(), &second.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    // Both die under it, each once.
    assert_eq!(client.ask(&get("/die", "")).await.status, 502);
    assert_eq!((first.count(), second.count()), (1, 1));
    let post = "POST /die HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(client.ask(post).await.status, 502);
    assert_eq!(first.count() + second.count(), 3, "sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_its_body_off_is_not_the_servers_fault() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    client
        .send("POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    client.send("nonsense\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 400);
    assert!(client.is_closed().await);
    let site = access_point.shared.site.load();
    let status = site.resources().next().unwrap().upstreams.status();
    assert_eq!(status.candidates[0].state, evergate_failover::engine::State::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_and_an_absent_application_are_told() {
    let access_point = Plan::new(&["http://127.0.0.1:9"]).start();
    let mut client = Client::connect(access_point.address).await;
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n").await.status, 404);
    assert_eq!(client.ask(&get("/", "")).await.status, 502);
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: portal.example.com\r\n\r\n").await.status, 503);
    let ready = client.ask("GET /.evergate/ready HTTP/1.1\r\nHost: anything\r\n\r\n").await;
    assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_to_a_server_are_used_again() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    for _ in 0..10 {
        assert_eq!(client.ask(&get("/", "")).await.status, 200);
    }
    assert_eq!(application.connections(), 1);
    until("all ten arrived", || application.count() == 10).await;
}
