//! How an access point leaves: nothing in hand is lost, nothing new is taken.

use super::application::Application;
use super::client::{Client, get};
use super::kit::{Plan, until};

#[tokio::test(flavor = "multi_thread")]
async fn while_stopping_the_next_answer_is_the_last_and_nobody_new_is_let_in() {
    let application = Application::start().await;
    let mut plan = Plan::new(&[&application.url()]);
    plan.settings.drain_idle = std::time::Duration::from_secs(2);
    let access_point = plan.start();
    let (mut busy, mut idle) =
        (Client::connect(access_point.address).await, Client::connect(access_point.address).await);
    assert_eq!(busy.ask(&get("/", "")).await.status, 200);
    assert_eq!(idle.ask(&get("/", "")).await.status, 200);
    access_point.shared.readiness.not_ready("draining", "draining");
    access_point.lifecycle.stop("test");
    until("the socket is closed", || std::net::TcpStream::connect(access_point.address).is_err()).await;
    let last = busy.ask(&get("/", "")).await;
    assert_eq!((last.status, last.header("connection")), (200, "close"));
    assert!(busy.is_closed().await && idle.is_closed().await);
    assert!(access_point.lifecycle.finish(std::time::Duration::from_secs(5)).await, "all threads have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_drain_it_says_so_and_serves_again_when_resumed() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    assert_eq!(client.ask(&get("/", "")).await.status, 200);
    access_point.shared.readiness.not_ready("asked-to-drain", "an administrator asked it to drain");
    until("it drains", || *access_point.shared.mode.borrow() == crate::desk::Mode::Draining).await;
    let ready = "GET /.evergate/ready HTTP/1.1\r\nHost: x\r\n\r\n";
    let told = client.ask(ready).await;
    assert_eq!((told.status, told.header("connection")), (503, "close"));
    access_point.shared.readiness.clear("asked-to-drain");
    let mut client = Client::connect(access_point.address).await;
    assert_eq!(client.ask(ready).await.status, 200);
    assert_eq!(client.ask(&get("/", "")).await.status, 200);
}
