//! Behind balancers that say by the PROXY protocol whom they bring, and before those who only pretend to.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

use super::application::Application;
use super::client::{Client, get};
use super::kit::{AccessPoint, Plan, until};
use super::tls::{certify, connect};
use crate::accept::proxy_protocol::{LONGEST, SIGNATURE};

const READY: &str = "GET /.evergate/ready HTTP/1.1\r\nHost: x\r\n\r\n";

/// Behind balancers on this machine, or elsewhere.
fn plan(application: &Application, balancers: &str) -> Plan {
    let mut plan = Plan::new(&[&application.url()]);
    plan.balancers = vec![balancers.parse().unwrap()];
    plan.settings.lame = Duration::ZERO;
    plan
}

fn behind(application: &Application) -> AccessPoint {
    plan(application, "127.0.0.0/8").start()
}

fn binary(command: u8, family: u8, said: &[u8]) -> Vec<u8> {
    let length = u16::try_from(said.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, said].concat()
}

fn ipv4(tlvs: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&[192, 0, 2, 7, 10, 0, 0, 1, 0xc0, 0, 1, 0xbb], tlvs].concat())
}

fn ipv6() -> Vec<u8> {
    let source: Ipv6Addr = "2001:db8::7".parse().unwrap();
    binary(0x21, 0x21, &[&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0, 1, 0, 2]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_the_one_that_the_balancer_names() {
    let application = Application::start().await;
    let access_point = behind(&application);
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 49152 443\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 49152 443\r\n".to_vec(), "2001:db8::7"),
        (ipv4(&[]), "192.0.2.7"),
        (ipv4(b"\x01\0\x02h2\x02\0\x03abc"), "192.0.2.7"),
        (ipv6(), "2001:db8::7"),
    ] {
        // With the request behind it, and in pieces that arrive apart.
        for is_whole in [true, false] {
            let mut connection = Client::connect(access_point.address).await;
            connection.0.get_ref().set_nodelay(true).unwrap();
            let request = [&header[..], get("/", "X-Forwarded-For: 10.9.9.9\r\n").as_bytes()].concat();
            if is_whole {
                connection.send(&request).await;
            } else {
                for byte in &request {
                    connection.send([*byte]).await;
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!(connection.answer().await.unwrap().status, 200);
            let head = application.last().head.to_lowercase();
            assert!(head.contains(&format!("\r\nx-forwarded-for: {client}\r\n")), "{head}");
            // The header is of the connection, not of a request.
            assert_eq!(connection.ask(&get("/", "")).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_brings_no_good_header_is_refused_without_a_word() {
    let application = Application::start().await;
    let mut plan = plan(&application, "127.0.0.1/32");
    plan.settings.proxy_header = Duration::from_millis(200);
    let access_point = plan.start();
    for bytes in [
        get("/", "").into_bytes(),
        READY.as_bytes().to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 49152\r\n".to_vec(),
        [&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat(),
        binary(0x21, 0x11, &[192, 0, 2, 7]),
        binary(0x21, 0x12, &[0; 12]),
        ipv4(b"\x01\0\x03h2"),
        binary(0x21, 0x11, &[0; LONGEST]),
        // Slow: what comes is a beginning, and nothing follows.
        Vec::new(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4".to_vec(),
        SIGNATURE.to_vec(),
        ipv4(&[])[..20].to_vec(),
    ] {
        let mut connection = Client::connect(access_point.address).await;
        connection.send(&bytes).await;
        assert!(connection.is_closed().await, "{}", bytes.escape_ascii());
    }
    // Truncated: the end comes in its midst.
    let mut connection = Client::connect(access_point.address).await;
    connection.send(&ipv6()[..30]).await;
    connection.0.get_mut().shutdown().await.unwrap();
    assert!(connection.is_closed().await);
    assert!(application.received.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancers_own_connection_is_told_of_readiness_and_nothing_else() {
    let application = Application::start().await;
    let access_point = behind(&application);
    for header in [
        binary(0x20, 0x00, &[]),
        binary(0x20, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0xc0, 0, 1, 0xbb]),
        b"PROXY UNKNOWN\r\n".to_vec(),
        binary(0x21, 0x00, &[]),
        binary(0x21, 0x31, &[b'/'; 216]),
    ] {
        let mut connection = Client::connect(access_point.address).await;
        connection.send(&header).await;
        assert_eq!(connection.ask(READY).await.status, 200);
        for path in ["/", "/.evergate/jwks.json", "/.evergate/ready/x"] {
            let mut connection = Client::connect(access_point.address).await;
            connection.send(&header).await;
            let answer = connection.ask(&get(path, "")).await;
            assert_eq!((answer.status, answer.header("connection")), (400, "close"), "{path}");
            assert!(answer.text().contains("does not say whose"), "{}", answer.text());
            assert!(connection.is_closed().await);
        }
    }
    assert!(application.received.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_balancer_without_a_header_is_told_of_readiness_and_with_one_brings_a_client() {
    let application = Application::start().await;
    let mut plan = plan(&application, "127.0.0.1/32");
    let roots = certify(&mut plan);
    let access_point = plan.start();
    for (header, path, status) in [
        (&b""[..], "/.evergate/ready", StatusCode::OK),
        (b"", "/", StatusCode::BAD_REQUEST),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n", "/", StatusCode::OK),
    ] {
        let stream = connect(&access_point, roots.clone(), "wiki.example.com", b"http/1.1", header).await;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream.unwrap())).await.unwrap();
        let connection = Handle::current().spawn(connection);
        let request = Request::get(path).header("host", "wiki.example.com").body(Empty::<Bytes>::new());
        assert_eq!(sender.send_request(request.unwrap()).await.unwrap().status(), status, "{path}");
        connection.abort();
    }
    assert!(application.last().head.to_lowercase().contains("\r\nx-forwarded-for: 192.0.2.7\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_anybody_else_is_refused_and_without_one_they_are_who_they_are() {
    let application = Application::start().await;
    for balancers in ["10.0.0.0/8", "::1/128"] {
        let mut plan = plan(&application, balancers);
        let roots = certify(&mut plan);
        let access_point = plan.start();
        for header in [b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), ipv4(&[]), ipv6()] {
            let mut connection = Client::connect(access_point.address).await;
            connection.send(&header).await;
            assert!(connection.is_closed().await, "{}", header.escape_ascii());
            let stream =
                connect(&access_point, roots.clone(), "wiki.example.com", b"http/1.1", &header).await;
            assert!(stream.is_err(), "{}", header.escape_ascii());
        }
        let stream = connect(&access_point, roots, "wiki.example.com", b"http/1.1", b"").await;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream.unwrap())).await.unwrap();
        let connection = Handle::current().spawn(connection);
        let request = Request::get("/").header("host", "wiki.example.com").body(Empty::<Bytes>::new());
        assert_eq!(sender.send_request(request.unwrap()).await.unwrap().status(), StatusCode::OK);
        let own = format!("\r\nx-forwarded-for: {}\r\n", Ipv4Addr::LOCALHOST);
        assert!(application.last().head.to_lowercase().contains(&own));
        connection.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_stopping_what_balancers_bring_is_served_until_they_can_know() {
    let application = Application::start().await;
    let mut plan = plan(&application, "127.0.0.1/32");
    plan.settings.lame = Duration::from_secs(2);
    let access_point = plan.start();
    access_point.shared.readiness.not_ready("draining", "draining");
    access_point.lifecycle.stop("test");
    until("it stops", || *access_point.shared.mode.borrow() == crate::desk::Mode::Stopping).await;
    for (request, status) in [(READY.to_owned(), 503), (get("/", ""), 200)] {
        let mut connection = Client::connect(access_point.address).await;
        connection.send(ipv4(&[])).await;
        let answer = connection.ask(&request).await;
        assert_eq!((answer.status, answer.header("connection")), (status, "close"));
    }
    until("the socket is closed", || std::net::TcpStream::connect(access_point.address).is_err()).await;
    assert!(access_point.lifecycle.finish(Duration::from_secs(5)).await, "all threads have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_in_the_clear_is_told_where_https_is() {
    let application = Application::start().await;
    let mut plan = Plan::new(&[&application.url()]);
    plan.settings.head = Duration::from_millis(300);
    certify(&mut plan);
    let access_point = plan.start();
    let mut connection = Client::connect(access_point.address).await;
    let answer = connection.ask(&get("/a?b", "")).await;
    assert_eq!((answer.status, answer.header("connection")), (400, "close"));
    assert_eq!(answer.text(), "This port speaks HTTPS.\nhttps://wiki.example.com/a?b\n");
    assert!(connection.is_closed().await);
    // Who sends no request, one without an end, or one that is too long, is owed nothing.
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(9000));
    for bytes in ["\r\n", "SSH-2.0-x\r\n", "\u{1}", "GET / HTTP/1.1\r\nHost: a\r\n", &long] {
        let mut connection = Client::connect(access_point.address).await;
        // The connection may be closed before all of it is written.
        let _ = connection.0.get_mut().write_all(bytes.as_bytes()).await;
        assert!(connection.is_closed().await, "{bytes}");
    }
    assert!(application.received.lock().unwrap().is_empty());
}
