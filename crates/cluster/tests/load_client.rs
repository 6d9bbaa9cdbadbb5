//! The load's client against real TLS servers that go away: it never writes a request twice, and it
//! says which connections broke.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use evergate_cluster::load::{LoadClient, Way};
use http::Request;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a server does with each request of a connection, in turn.
#[derive(Clone, Copy)]
enum Act {
    Answer,
    AnswerAndClose,
    Die,
}

struct Server {
    address: SocketAddr,
    ca: String,
    requests: Arc<AtomicU64>,
    closed: Arc<Notify>,
    _task: JoinSet<()>,
}

async fn server(acts: &'static [Act]) -> Server {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(evergate_process::identity::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, closed) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let (counted, told) = (Arc::clone(&requests), Arc::clone(&closed));
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counted, told) = (acceptor.clone(), Arc::clone(&counted), Arc::clone(&told));
            connections.spawn(async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                for act in acts {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    if matches!(act, Act::Die) {
                        return;
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                    if matches!(act, Act::AnswerAndClose) {
                        break;
                    }
                }
                drop(stream.shutdown().await);
                drop(stream);
                told.notify_one();
            });
        }
    });
    Server { address, ca: certificate.pem(), requests, closed, _task: task }
}

fn request() -> Request<Bytes> {
    Request::get("https://a.test:1/x").body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_is_passed_over_and_nothing_is_lost() {
    let server = server(&[Act::Answer, Act::AnswerAndClose]).await;
    let client = LoadClient::new(server.ca.as_bytes(), server.address).unwrap();
    for _ in 0..3 {
        for _ in 0..2 {
            let answer = client.send(Way::Kept, request()).await.unwrap();
            assert_eq!(answer.body(), "ok");
        }
        server.closed.notified().await;
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 6, "each was written once");
}

#[tokio::test]
async fn a_request_whose_connection_dies_is_lost_and_not_written_again() {
    let server = server(&[Act::Answer, Act::Die]).await;
    let client = LoadClient::new(server.ca.as_bytes(), server.address).unwrap();
    client.send(Way::Kept, request()).await.unwrap();
    let loss = client.send(Way::Kept, request()).await.unwrap_err();
    let broken = loss.broken.expect("its connection broke");
    assert!(broken.opened < broken.begun);
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nobody_there_is_a_loss_without_a_broken_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, ca) = (listener.local_addr().unwrap(), server(&[]).await.ca);
    drop(listener);
    let loss = LoadClient::new(ca.as_bytes(), address).unwrap().send(Way::New, request()).await.unwrap_err();
    assert!(loss.broken.is_none(), "{loss:?}");
}

#[tokio::test]
async fn a_server_of_another_ca_is_refused() {
    let (mine, other) = (server(&[Act::Answer]).await, server(&[Act::Answer]).await);
    let client = LoadClient::new(other.ca.as_bytes(), mine.address).unwrap();
    let loss = client.send(Way::New, request()).await.unwrap_err();
    assert!(loss.reason.contains("certificate"), "{loss:?}");
    assert!(LoadClient::new(b"-----BEGIN CERTIFICATE-----\n!\n", mine.address).is_err());
}
