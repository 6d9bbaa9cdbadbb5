//! What lasts: large bodies, server-sent events, WebSockets, and how a session's end ends them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::application::Application;
use super::client::{Client, get};
use super::kit::{AccessPoint, Plan, session};

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn start() -> (Application, AccessPoint) {
    let application = Application::start().await;
    let access_point = Plan::new(&[&application.url()]).start();
    (application, access_point)
}

async fn echo(client: &mut Client, text: &str) -> String {
    client.send(text).await;
    let mut back = vec![0; text.len()];
    client.0.read_exact(&mut back).await.unwrap();
    String::from_utf8(back).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_pass_one_by_one_and_end_with_the_session() {
    let (application, access_point) = start().await;
    let mut client = Client::connect(access_point.address).await;
    client.send(get("/events", &access_point.cookie(1))).await;
    assert!(client.head().await.unwrap().contains("text/event-stream"));
    assert_eq!(client.chunk().await.unwrap(), b"data: 1\n\n");
    application.next.notify_one();
    assert_eq!(client.chunk().await.unwrap(), b"data: 1\n\n");
    access_point.policy.revoke(session(1));
    assert!(client.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_both_ways_and_ends_with_the_session() {
    let (application, access_point) = start().await;
    let (mut mine, mut others) =
        (Client::connect(access_point.address).await, Client::connect(access_point.address).await);
    for (client, number) in [(&mut mine, 1), (&mut others, 2)] {
        client.send(get("/socket", &format!("{}{WEBSOCKET}", access_point.cookie(number)))).await;
        let head = client.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 101") && head.contains("sec-websocket-accept: x"), "{head}");
        // Bytes that would be refused as HTTP.
        assert_eq!(echo(client, "\n\rGET \0 \n").await, "\n\rGET \0 \n");
    }
    assert!(application.last().head.to_lowercase().contains("upgrade: websocket"));
    access_point.policy.revoke(session(1));
    assert!(mine.is_closed().await);
    assert_eq!(echo(&mut others, "still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upgrade_is_an_answer_like_any_other() {
    let (_application, access_point) = start().await;
    let mut client = Client::connect(access_point.address).await;
    assert_eq!(client.ask(&get("/", WEBSOCKET)).await.status, 200);
    assert_eq!(client.ask(&get("/", "")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_streams_both_ways() {
    let (application, access_point) = start().await;
    let client = Client::connect(access_point.address).await;
    let length = 32 << 20;
    let head = format!("POST /big HTTP/1.1\r\nHost: wiki.example.com\r\nContent-Length: {length}\r\n\r\n");
    let (mut read, mut write) = client.0.into_inner().into_split();
    let sending = async {
        write.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..length / 65_536 {
            write.write_all(&[b'x'; 65_536]).await.unwrap();
        }
    };
    let receiving = async {
        let mut answer = Vec::new();
        while answer.len() < length {
            assert_ne!(read.read_buf(&mut answer).await.unwrap(), 0);
        }
        answer
    };
    let ((), answer) = tokio::join!(sending, receiving);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert_eq!(application.last().body.len(), length);
}
