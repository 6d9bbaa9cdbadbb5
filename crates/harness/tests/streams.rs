//! Large bodies both ways, server-sent events and WebSockets pass, and memory stays small while they do.

use anyhow::{Context, Result, ensure};
use evergate_harness::application::Application;
use evergate_harness::client::Client;
use evergate_harness::processes::{Memory, memory};
use evergate_harness::sign_in::sign_in;
use evergate_harness::sockets::WebSocket;
use evergate_harness::users::Credentials;
use evergate_harness::{Installation, until};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const MEBIBYTE: u64 = 1024 * 1024;
/// An access point under load.
const LOADED: u64 = 100 * MEBIBYTE;
/// Any instance with nothing to do.
const IDLE: u64 = 30 * MEBIBYTE;

struct Scene {
    installation: Installation,
    client: Client,
    url: String,
    _application: Application,
}

async fn scene() -> Result<Scene> {
    let application = Application::start().await?;
    let protect = format!("wiki={}", application.url());
    let installation = Installation::start_with(&["--protect", &protect]).await?;
    let user = Credentials::with_password(&installation, "emil").await?;
    let mut client = installation.client()?;
    let url = installation.url("wiki");
    sign_in(&mut client, &url, &user).await?;
    Ok(Scene { installation, client, url, _application: application })
}

impl Scene {
    /// A connection on which the head of a request has been sent.
    async fn begin(&self, head: &str) -> Result<TlsStream<TcpStream>> {
        let mut stream = self.client.connect(&self.url.parse()?).await?;
        let cookie = self.client.cookie_header("wiki.localhost");
        let host = format!("wiki.localhost:{}", self.installation.base());
        stream.write_all(format!("{head}\r\nHost: {host}\r\nCookie: {cookie}\r\n").as_bytes()).await?;
        Ok(stream)
    }

    fn access_points(&self) -> Result<Vec<Memory>> {
        ["access-point1", "access-point2"]
            .into_iter()
            .map(|name| memory(self.installation.instance(name)?.pid))
            .collect()
    }
}

async fn up_and_down(bytes: u64) -> Result<()> {
    let mut scene = scene().await?;
    let mut stream = scene.begin("PUT /upload HTTP/1.1").await?;
    stream.write_all(format!("Content-Length: {bytes}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let piece = vec![b'u'; 1 << 18];
    let mut left = bytes;
    while left > 0 {
        let size = left.min(piece.len() as u64);
        stream.write_all(&piece[..usize::try_from(size)?]).await?;
        left -= size;
    }
    stream.flush().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200") && answer.contains(&bytes.to_string()), "up: {answer}");

    let mut stream = scene.begin(&format!("GET /bytes/{bytes} HTTP/1.1")).await?;
    stream.write_all(b"Connection: close\r\n\r\n").await?;
    stream.flush().await?;
    let mut piece = vec![0; 1 << 18];
    let mut received = 0;
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            break;
        }
        received += piece[..length].iter().filter(|byte| **byte == b'x').count() as u64;
    }
    ensure!(received == bytes, "down: {received} of {bytes} bytes");

    for memory in scene.access_points()? {
        println!("{} MiB at most", memory.peak / MEBIBYTE);
        ensure!(memory.peak < LOADED, "an access point took {} MiB", memory.peak / MEBIBYTE);
    }
    scene.installation.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_both_ways() -> Result<()> {
    up_and_down(128 * MEBIBYTE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn a_gibibyte_passes_both_ways() -> Result<()> {
    up_and_down(1024 * MEBIBYTE).await
}

#[tokio::test]
async fn events_and_web_sockets_pass_as_they_come() -> Result<()> {
    let mut scene = scene().await?;
    let mut stream = scene.begin("GET /events HTTP/1.1").await?;
    stream.write_all(b"Accept: text/event-stream\r\n\r\n").await?;
    stream.flush().await?;
    let mut text = String::new();
    let mut piece = [0; 4096];
    // The application sends one each 50 ms without end: seeing the fourth means that none was held back.
    while !text.contains("data: 3") {
        let length = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut piece)).await??;
        ensure!(length > 0, "the events ended: {text}");
        text += &String::from_utf8_lossy(&piece[..length]);
    }
    let mut socket = WebSocket::open(&scene.client, &format!("{}echo", scene.url)).await?;
    for number in 0..200 {
        let message = format!("{number} {}", "w".repeat(number * 50));
        socket.say(&message).await?;
        ensure!(socket.hear().await? == message, "message {number} came back changed");
    }
    scene.installation.stop().await
}

#[tokio::test]
async fn an_idle_instance_takes_little_memory() -> Result<()> {
    let mut installation = Installation::start().await?;
    let mut problems = Vec::new();
    for instance in installation.read()?.instances {
        let small = until("little memory", Duration::from_secs(3), async || {
            memory(instance.pid).ok().filter(|memory| memory.anonymous < IDLE)
        });
        let memory = memory(instance.pid).context("it is gone")?;
        println!(
            "{}: {} MiB resident, of it {} MiB its own",
            instance.name,
            memory.resident / MEBIBYTE,
            memory.anonymous / MEBIBYTE
        );
        if small.await.is_err() {
            problems.push(format!("{} takes {} MiB", instance.name, memory.anonymous / MEBIBYTE));
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join(", "));
    installation.stop().await
}
