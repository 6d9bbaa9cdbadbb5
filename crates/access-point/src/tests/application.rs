//! An application behind the access point: says what it received, and behaves as its path asks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// An application that runs until it is dropped.
pub(crate) struct Application {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    /// Sends the next event of `/events`.
    pub(crate) next: Arc<Notify>,
    manner: watch::Sender<Manner>,
    task: JoinHandle<()>,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    AtOnce,
    /// After so long.
    Slowly(Duration),
    /// As a stopped process: connections are made and bytes are taken by the system alone.
    Hung,
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Application {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (received, next) = (Arc::<Mutex<Vec<Received>>>::default(), Arc::new(Notify::new()));
        let (seen, signal) = (Arc::clone(&received), Arc::clone(&next));
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let manner = watch::Sender::new(Manner::AtOnce);
        let mut awake = manner.subscribe();
        let task = Handle::current().spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            loop {
                until_awake(&mut awake).await;
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                running.spawn(converse(stream, Arc::clone(&seen), Arc::clone(&signal), awake.clone()));
            }
        });
        Self { address, received, connections, next, manner, task }
    }

    /// Does nothing any more, as if it were stopped with SIGSTOP.
    pub(crate) fn hang(&self) {
        self.manner.send_replace(Manner::Hung);
    }

    /// Goes on.
    pub(crate) fn wake(&self) {
        self.manner.send_replace(Manner::AtOnce);
    }

    /// Takes so long for each answer.
    pub(crate) fn slow_down(&self, to: Duration) {
        self.manner.send_replace(Manner::Slowly(to));
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn last(&self) -> Received {
        self.received.lock().unwrap().last().unwrap().clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

async fn until_awake(manner: &mut watch::Receiver<Manner>) {
    drop(manner.wait_for(|manner| *manner != Manner::Hung).await);
}

async fn converse(
    stream: TcpStream,
    seen: Arc<Mutex<Vec<Received>>>,
    next: Arc<Notify>,
    mut manner: watch::Receiver<Manner>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(received) = read(&mut stream).await {
        until_awake(&mut manner).await;
        let now = *manner.borrow();
        if let Manner::Slowly(time) = now {
            tokio::time::sleep(time).await;
        }
        let path = received.head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.lock().unwrap().push(received.clone());
        let answer = match path.as_str() {
            "/events" => return events(stream, &next).await,
            "/socket" => return socket(stream).await,
            // Ends the connection under the request.
            "/die" => return,
            // Answers, and ends the connection that it said it would keep.
            "/then-die" => {
                let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                return;
            }
            "/cookies" => String::from(
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\n\
                 Set-Cookie: __Host-evergate=stolen\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n",
            ),
            _ => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
                received.body.len() + 3,
                format_args!("ok {}", String::from_utf8_lossy(&received.body))
            ),
        };
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request, with its body.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let mut body = Vec::new();
    if lower.contains("transfer-encoding: chunked") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await.ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if size == 0 {
                break;
            }
            body.extend(&chunk[..size]);
        }
    } else if let Some(length) = lower.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        body = vec![0; length.trim().parse().ok()?];
        stream.read_exact(&mut body).await.ok()?;
    }
    Some(Received { head, body })
}

/// Server-sent events: one at once, then one each time the test says so.
async fn events(mut stream: BufReader<TcpStream>, next: &Notify) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let stream = stream.get_mut();
    let _ = stream.write_all(head.as_bytes()).await;
    loop {
        if stream.write_all(b"9\r\ndata: 1\n\n\r\n").await.is_err() {
            return;
        }
        next.notified().await;
    }
}

/// Takes any upgrade, then sends back what comes.
async fn socket(mut stream: BufReader<TcpStream>) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: x\r\n\r\n";
    let _ = stream.get_mut().write_all(head.as_bytes()).await;
    let mut bytes = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        if stream.get_mut().write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
