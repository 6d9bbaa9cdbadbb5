//! Real listeners that die in mid-call: no call is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evergate_failover::engine::{Cause, Command, Member, State};
use evergate_failover::shell::{Beat, BeatError, DialError, PoolOptions};
use evergate_failover::{CallError, CallOptions, Classify, Dial, MemberId, Pool, Reach};
use evergate_model::Timestamp;
use evergate_model::topology::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Speaks a protocol of one byte: `?` is answered with `!` after the server counted it, `.` is a
/// heartbeat. A link is an address: every call has a connection of its own.
struct Bytes;

#[derive(Debug)]
struct Broken(Reach);
impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
impl Classify for Broken {
    fn reach(&self) -> Reach {
        self.0
    }
}

async fn ask(address: &str, byte: u8) -> Result<u8, Broken> {
    let mut stream = TcpStream::connect(address).await.map_err(|_| Broken(Reach::NotReached))?;
    stream.write_all(&[byte]).await.map_err(|_| Broken(Reach::Lost))?;
    let mut answer = [0];
    stream.read_exact(&mut answer).await.map_err(|_| Broken(Reach::Lost))?;
    match answer {
        [b'x'] => Err(Broken(Reach::Answered)),
        [b'~'] => Err(Broken(Reach::Busy)),
        [byte] => Ok(byte),
    }
}

impl Dial for Bytes {
    type Link = String;
    async fn dial(&self, member: &Member) -> Result<String, DialError> {
        TcpStream::connect(&*member.address).await?;
        Ok(member.address.to_string())
    }
    async fn beat(&self, link: &String) -> Result<Beat, BeatError> {
        match ask(link, b'.').await {
            Ok(b'-') => Ok(Beat::Draining),
            Ok(_) => Ok(Beat::Serving),
            Err(error) => Err(BeatError::Lost(error.to_string())),
        }
    }
}

/// A member in its own runtime thread, so that killing it closes every socket it has.
struct Server {
    address: String,
    served: Arc<AtomicU64>,
    task: AbortHandle,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(address: &str, answer: u8, beat: u8) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let task = tasks.spawn(serve(listener, Arc::clone(&served), answer, beat));
        Self { address, served, task, _tasks: tasks }
    }

    fn kill(&self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, served: Arc<AtomicU64>, answer: u8, beat: u8) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let served = Arc::clone(&served);
        connections.spawn(async move {
            let mut byte = [0];
            if stream.read_exact(&mut byte).await.is_err() {
                return;
            }
            if byte == [b'?'] {
                // The window in which a kill finds calls in flight.
                tokio::time::sleep(Duration::from_millis(3)).await;
                served.fetch_add(1, Ordering::SeqCst);
            }
            drop(stream.write_all(&[if byte == [b'?'] { answer } else { beat }]).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

fn pool(members: Vec<Member>, mode: Mode) -> (Pool<Bytes>, JoinSet<()>) {
    let now = Timestamp::from_seconds(1_700_000_000);
    let pool = Pool::new(Bytes, members, mode, PoolOptions::internal("test", now));
    let mut tasks = JoinSet::new();
    tasks.spawn(pool.clone().run());
    (pool, tasks)
}

async fn call(pool: &Pool<Bytes>) -> Result<u8, CallError<Broken>> {
    pool.call(CallOptions::WRITE, |link| async move { ask(&link, b'?').await }).await
}

async fn until(pool: &Pool<Bytes>, member: &str, state: State) {
    let mut events = pool.events();
    let is = || pool.status().candidates.iter().any(|c| c.instance.as_str() == member && c.state == state);
    while !is() {
        tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn whoever_is_active_killed_under_load_three_times_loses_no_call() {
    let mut servers =
        [Server::start("127.0.0.1:0", b'!', b'!').await, Server::start("127.0.0.1:0", b'!', b'!').await];
    let names = ["a", "b"];
    let members = vec![Member::new("a", &servers[0].address, 1), Member::new("b", &servers[1].address, 2)];
    let (pool, _running) = pool(members, Mode::Failover);
    for _ in 0..3 {
        let active = pool.status().active.unwrap();
        let victim = names.iter().position(|name| *name == active.as_str()).unwrap();
        let mut calls = JoinSet::new();
        for number in 0..300 {
            let pool = pool.clone();
            calls.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number)).await;
                call(&pool).await
            });
        }
        let mut answered = 0;
        while let Some(result) = calls.join_next().await {
            assert_eq!(result.unwrap().unwrap(), b'!');
            answered += 1;
            if answered == 100 {
                assert!(servers[victim].served.load(Ordering::SeqCst) >= 100, "it had been serving");
                servers[victim].kill();
            }
        }
        assert_eq!(answered, 300);
        assert_ne!(pool.status().active, Some(active));
        servers[victim] = Server::start(&servers[victim].address, b'!', b'!').await;
        until(&pool, names[victim], State::Up).await;
    }
    let status = pool.status();
    assert_eq!(status.failovers, 3, "{status:?}");
    assert!(matches!(status.last.unwrap().cause, Cause::Reset | Cause::Refused));
}

#[tokio::test]
async fn while_all_are_dead_calls_wait_for_whoever_returns_first() {
    let first = Server::start("127.0.0.1:0", b'!', b'!').await;
    let second = Server::start("127.0.0.1:0", b'!', b'!').await;
    let members = vec![Member::new("a", &first.address, 1), Member::new("b", &second.address, 2)];
    let (pool, _running) = pool(members, Mode::Failover);
    first.kill();
    second.kill();
    until(&pool, "a", State::Down).await;
    until(&pool, "b", State::Down).await;
    assert_eq!(pool.status().active, None);
    let (answer, _server) =
        tokio::join!(call(&pool), async { Server::start(&second.address, b'!', b'!').await });
    assert_eq!(answer.unwrap(), b'!');
}

#[tokio::test]
async fn nobody_at_all_is_said_at_the_deadline() {
    let gone = Server::start("127.0.0.1:0", b'!', b'!').await;
    gone.kill();
    let (pool, _running) = pool(vec![Member::new("a", &gone.address, 1)], Mode::Failover);
    until(&pool, "a", State::Down).await;
    let options = CallOptions::READ.within(Duration::from_millis(200));
    let error = pool.call(options, |link| async move { ask(&link, b'?').await }).await.unwrap_err();
    assert!(matches!(&error, CallError::NoAnswer { attempts, .. } if *attempts > 1), "{error}");
}

#[tokio::test]
async fn an_error_of_the_service_is_an_answer_and_no_failure() {
    let server = Server::start("127.0.0.1:0", b'x', b'!').await;
    let (pool, _running) = pool(vec![Member::new("a", &server.address, 1)], Mode::Failover);
    assert!(matches!(call(&pool).await, Err(CallError::Answered(Broken(Reach::Answered)))));
    assert_eq!(server.served.load(Ordering::SeqCst), 1);
    assert_eq!(pool.status().candidates[0].state, State::Up);
}

#[tokio::test]
async fn a_busy_member_is_passed_over_and_stays_up() {
    let busy = Server::start("127.0.0.1:0", b'~', b'!').await;
    let free = Server::start("127.0.0.1:0", b'!', b'!').await;
    let members = vec![Member::new("a", &busy.address, 1), Member::new("b", &free.address, 2)];
    let (pool, _running) = pool(members, Mode::Failover);
    assert_eq!(call(&pool).await.unwrap(), b'!');
    assert_eq!(pool.status().candidates[0].state, State::Up);
}

#[tokio::test]
async fn a_call_that_may_be_made_only_once_is_not_repeated_after_it_was_sent() {
    let first = Server::start("127.0.0.1:0", b'!', b'!').await;
    let second = Server::start("127.0.0.1:0", b'!', b'!').await;
    let members = vec![Member::new("a", &first.address, 1), Member::new("b", &second.address, 2)];
    let (pool, _running) = pool(members, Mode::Failover);
    let once = CallOptions::ONCE;
    let lost: Result<u8, _> = pool.call(once, |_| async { Err(Broken(Reach::Lost)) }).await;
    assert!(matches!(lost, Err(CallError::Lost(_))));
    assert_eq!(second.served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_member_that_says_it_stops_is_left_before_it_does() {
    let first = Server::start("127.0.0.1:0", b'!', b'-').await;
    let second = Server::start("127.0.0.1:0", b'!', b'!').await;
    let members = vec![Member::new("a", &first.address, 1), Member::new("b", &second.address, 2)];
    let (pool, _running) = pool(members, Mode::Failover);
    until(&pool, "a", State::Draining).await;
    assert_eq!(pool.status().active, Some(MemberId::from("b")));
}

#[tokio::test]
async fn a_heartbeat_notices_a_dead_member_without_any_call_and_it_is_told() {
    let first = Server::start("127.0.0.1:0", b'!', b'!').await;
    let second = Server::start("127.0.0.1:0", b'!', b'!').await;
    let members = vec![Member::new("a", &first.address, 1), Member::new("b", &second.address, 2)];
    let (pool, _running) = pool(members, Mode::Failover);
    assert_eq!(call(&pool).await.unwrap(), b'!', "it has answered once");
    let mut events = pool.events();
    first.kill();
    let told = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Command::Failover(failover) = events.recv().await.unwrap() {
                return failover;
            }
        }
    });
    assert_eq!(told.await.unwrap().to, MemberId::from("b"));
}

#[tokio::test]
async fn a_new_list_is_watched_from_then_on() {
    let first = Server::start("127.0.0.1:0", b'!', b'!').await;
    let (pool, _running) = pool(Vec::new(), Mode::Failover);
    let waiting = call(&pool);
    pool.reconfigure(vec![Member::new("a", &first.address, 1)], Mode::Failover);
    assert_eq!(waiting.await.unwrap(), b'!');
    first.kill();
    until(&pool, "a", State::Down).await;
}
