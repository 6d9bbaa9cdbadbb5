//! Applications that hang or are slow: whoever asks is answered by another server, soon, and
//! nothing is done twice that must not be.

use std::time::Duration;

use evergate_failover::engine::{PoolStatus, State};
use evergate_process::Clock;
use evergate_process::clock::ManualClock;
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::application::Application;
use super::client::{Client, get};
use super::kit::{AccessPoint, Plan, until};

/// What a request may take while a server hangs, on a machine that is busy with other tests; without
/// a second server it would wait for longer than the client does.
const SOON: Duration = Duration::from_secs(2);
const POST: &str = "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 5\r\n\r\nhello";

struct Scene {
    first: Application,
    second: Application,
    access_point: AccessPoint,
    hands: ManualClock,
}

/// Two servers, the first of which has answered.
async fn scene() -> Scene {
    let (first, second) = (Application::start().await, Application::start().await);
    let hands = ManualClock::new(Clock::system().now());
    let mut plan = Plan::new(&[&first.url(), &second.url()]);
    plan.clock = hands.clock();
    let access_point = plan.start();
    let scene = Scene { first, second, access_point, hands };
    assert_eq!(scene.get().await.0, 200);
    assert_eq!((scene.first.count(), scene.second.count()), (1, 0));
    scene
}

impl Scene {
    async fn client(&self) -> Client {
        Client::connect(self.access_point.address).await
    }

    /// The status of the answer to a GET, and how long it took.
    async fn get(&self) -> (u16, Duration) {
        let begun = Instant::now();
        let status = self.client().await.ask(&get("/", "")).await.status;
        (status, begun.elapsed())
    }

    fn status(&self) -> PoolStatus {
        self.access_point.shared.site.load().resources().next().unwrap().upstreams.status()
    }

    fn state_of_first(&self) -> State {
        self.status().candidates[0].state
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_server_holds_no_request_for_long_and_gets_no_more_of_them() {
    let scene = scene().await;
    scene.first.hang();
    for (status, took) in join_all((0..20).map(|_| scene.get())).await {
        assert!(status == 200 && took < SOON, "{status} {took:?}");
    }
    assert_eq!(scene.state_of_first(), State::Suspect);
    let begun = Instant::now();
    for _ in 0..40 {
        assert_eq!(scene.get().await.0, 200);
    }
    // Had each waited, it were 12 s.
    assert!(begun.elapsed() < 3 * SOON, "{:?}", begun.elapsed());
    assert_eq!(scene.first.count(), 1, "it has read nothing");
    let status = scene.status();
    assert_eq!((status.active.unwrap().to_string(), status.failovers), (scene.second.url(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_server_that_wakes_is_tried_and_preferred_again() {
    let scene = scene().await;
    scene.first.hang();
    assert_eq!(scene.get().await.0, 200);
    assert_eq!(scene.state_of_first(), State::Suspect);
    // Tried while it still hangs: whoever is the one to try it is answered by the other.
    scene.hands.advance(Duration::from_secs(60));
    let (status, took) = scene.get().await;
    assert!(status == 200 && took < SOON, "{status} {took:?}");
    assert_eq!(scene.state_of_first(), State::Suspect);
    scene.first.wake();
    scene.hands.advance(Duration::from_secs(300));
    assert_eq!(scene.get().await.0, 200);
    assert_eq!(scene.state_of_first(), State::Up);
    scene.hands.advance(Duration::from_secs(300));
    let before = scene.first.count();
    assert_eq!(scene.get().await.0, 200);
    assert_eq!(scene.first.count(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_repeated_waits_for_the_server_that_has_it_and_the_next_goes_elsewhere() {
    let scene = scene().await;
    scene.first.hang();
    let mut stuck = scene.client().await;
    stuck.send(POST).await;
    until("the server is doubted", || scene.state_of_first() == State::Suspect).await;
    let mut client = scene.client().await;
    let begun = Instant::now();
    assert_eq!(client.ask(POST).await.text(), "ok hello");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    // Not even when it is time to try it again.
    scene.hands.advance(Duration::from_secs(60));
    assert_eq!(client.ask(POST).await.text(), "ok hello");
    assert_eq!(scene.second.count(), 2);
    scene.first.wake();
    assert_eq!(stuck.answer().await.unwrap().text(), "ok hello");
    assert_eq!((scene.first.count(), scene.second.count()), (2, 2), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_is_heard_also_if_it_comes_from_the_server_that_was_doubted() {
    let scene = scene().await;
    scene.first.slow_down(Duration::from_millis(600));
    scene.second.hang();
    let (status, took) = scene.get().await;
    assert_eq!(status, 200);
    assert!(Duration::from_millis(590) < took && took < 2 * SOON, "{took:?}");
    assert_eq!(scene.first.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_left_for_the_other() {
    let scene = scene().await;
    scene.first.slow_down(Duration::from_secs(2));
    for _ in 0..50 {
        let (status, took) = scene.get().await;
        assert!(status == 200 && took < SOON, "{status} {took:?}");
    }
    assert_eq!(scene.second.count(), 50);
    assert!(scene.first.count() <= 2, "only who found out was sent to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_is_waited_for_and_not_doubted() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    application.slow_down(Duration::from_millis(700));
    assert_eq!(Client::connect(access_point.address).await.ask(&get("/", "")).await.status, 200);
    let status = access_point.shared.site.load().resources().next().unwrap().upstreams.status();
    assert_eq!(status.candidates[0].cause, evergate_failover::engine::Cause::Configured);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_come_about_soon_is_given_up_and_nothing_was_sent() {
    // Takes TCP connections and never says a word of TLS.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let second = Application::start().await;
    let access_point = Plan::new(&[&url, &second.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    let begun = Instant::now();
    assert_eq!(client.ask(POST).await.text(), "ok hello");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let status = access_point.shared.site.load().resources().next().unwrap().upstreams.status();
    assert_eq!(status.active.unwrap().to_string(), second.url(), "the next does not wait for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_opened_at_the_other_server_while_the_first_hangs() {
    let scene = scene().await;
    scene.first.hang();
    let mut client = scene.client().await;
    let begun = Instant::now();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.send(get("/socket", upgrade)).await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 101"));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    client.send("hello").await;
    let mut back = [0; 5];
    client.0.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
}
