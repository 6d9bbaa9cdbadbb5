//! What is taken in, and what is refused, byte by byte.

use super::application::Application;
use super::client::{Client, get};
use super::kit::Plan;

/// A request after which nothing may be left over for the next one.
struct Case {
    bytes: &'static str,
    status: u16,
}

const fn refused(bytes: &'static str) -> Case {
    Case { bytes, status: 400 }
}

/// The smuggling table: raw bytes in, the status that must come out. Each is followed by a request
/// for `/smuggled`, which must never arrive once the connection was refused.
const SMUGGLING: &[Case] = &[
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    refused("POST / HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: +5\r\n\r\nhello"),
    refused("POST / HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: 5, 5\r\n\r\nhello"),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    ),
    refused("POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    refused("POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
    refused("POST / HTTP/1.0\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\nx\r\n0\r\n\r\n",
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
    ),
    refused("get / HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET / HTTP/1.1\nHost: wiki.example.com\r\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost: wiki.example.com\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost: wiki.example.com\r\nX: a\rb\r\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost: wiki.example.com\r\nX: a\r\n b\r\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost: wiki.example.com\r\nX: a\0b\r\n\r\n"),
    refused("GET / HTTP/1.1\r\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost: wiki.example.com\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost: wiki.example.com, portal.example.com\r\n\r\n"),
    refused("GET / HTTP/1.1\r\nHost: user@wiki.example.com\r\n\r\n"),
    refused("GET https://portal.example.com/ HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET /a%2fb HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET /%2e%2e/b HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET /a%5cb HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET /a%00b HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET /../b HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    refused("GET * HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n"),
    Case {
        bytes: "CONNECT wiki.example.com:443 HTTP/1.1\r\nHost: wiki.example.com:443\r\n\r\n",
        status: 405,
    },
    Case { bytes: "TRACE / HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n", status: 405 },
    refused(
        "GET / HTTP/1.1\r\nHost: wiki.example.com\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc",
    ),
];

async fn try_to_smuggle(address: std::net::SocketAddr, case: &Case, cut: usize) {
    let mut client = Client::connect(address).await;
    client.0.get_ref().set_nodelay(true).unwrap();
    let (first, second) = case.bytes.split_at(cut);
    client.send(first).await;
    tokio::task::yield_now().await;
    // The connection may be closed before all of it is written.
    let rest = format!("{second}{}", get("/smuggled", ""));
    let _ = tokio::io::AsyncWriteExt::write_all(client.0.get_mut(), rest.as_bytes()).await;
    let answer =
        client.answer().await.unwrap_or_else(|| panic!("no answer to {:?} cut at {cut}", case.bytes));
    assert_eq!(answer.status, case.status, "{:?}", case.bytes);
    assert!(client.answer().await.is_none(), "answered on after {:?}", case.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_past() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    for case in SMUGGLING {
        // Whole, and in two pieces that arrive apart.
        for cut in [0, case.bytes.len() / 3, case.bytes.len() - 1] {
            try_to_smuggle(access_point.address, case, cut).await;
        }
    }
    let received = application.received.lock().unwrap();
    assert!(received.iter().all(|received| !received.head.contains("smuggled")), "{received:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_clear_passes_and_the_connection_stays() {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    let mut client = Client::connect(access_point.address).await;
    for (request, forwarded) in [
        ("GET / HTTP/1.1\r\nHost: WIKI.example.com:8443\r\n\r\n", "GET / HTTP/1.1"),
        ("GET https://wiki.example.com/a HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n", "GET /a HTTP/1.1"),
        ("GET //a/./%62?c=%2f HTTP/1.1\r\nHost: wiki.example.com\r\n\r\n", "GET /a/b?c=%2f HTTP/1.1"),
        (
            "POST /c HTTP/1.1\r\nHost: wiki.example.com\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
            "POST /c HTTP/1.1",
        ),
    ] {
        let answer = client.ask(request).await;
        assert_eq!(answer.status, 200, "{request}");
        assert!(application.last().head.starts_with(forwarded), "{}", application.last().head);
    }
    let last = application.last();
    assert_eq!(last.body, b"abc");
    assert!(!last.head.to_lowercase().contains("t: 1\r\n"), "trailers are not passed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_and_an_idle_connection_are_let_go() {
    let mut plan = Plan::new(&["http://127.0.0.1:9"]);
    plan.settings.head = std::time::Duration::from_millis(100);
    plan.settings.idle = std::time::Duration::from_millis(100);
    let access_point = plan.start();
    let (mut slow, mut idle) =
        (Client::connect(access_point.address).await, Client::connect(access_point.address).await);
    slow.send("GET / HTTP/1.1\r\nHost: wi").await;
    assert!(slow.is_closed().await && idle.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_on_which_short_requests_follow_each_other_is_not_idle() {
    let application = Application::start().await;
    let mut plan = Plan::new(&[&application.url()]);
    plan.settings.idle = std::time::Duration::from_millis(100);
    let access_point = plan.start();
    let mut client = Client::connect(access_point.address).await;
    let started = tokio::time::Instant::now();
    // Most of the time none is in hand, whenever one looks.
    while started.elapsed() < 5 * std::time::Duration::from_millis(100) {
        assert_eq!(client.ask(&get("/", "")).await.status, 200);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(client.is_closed().await, "idle at last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_long_is_refused() {
    let access_point = Plan::new(&["http://127.0.0.1:9"]).start();
    let mut client = Client::connect(access_point.address).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: wiki.example.com\r\nX: {}", "a".repeat(40_000))).await;
    assert_eq!(client.answer().await.unwrap().status, 400);
    assert!(client.is_closed().await);
}
