//! The supervisor's rules and its control socket, with real processes, real signals and a real
//! database. The children are this very program, told by an environment variable what to be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evergate_process::Lifecycle;
use evergate_process::supervisor::control::{self, Client, ControlError, Event, Fault, What};
use evergate_process::supervisor::{ChildSpec, Children, Oversight, Supervisor, Watched};
use evergate_store::{Settings, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;
use tokio::time::Instant;

const DIRECTORY: &str = "OVERSIGHT_DIRECTORY";
const ADDRESS: &str = "OVERSIGHT_ADDRESS";
const HELD: &str = "held";
const PATIENCE: Duration = Duration::from_secs(30);

/// What a child is: it answers that it lives, and takes the write lock of the database once in the
/// life of the directory, if it is told of one, to keep it until it is killed.
#[tokio::test]
#[ignore = "run by the other tests as a child process"]
async fn a_child() {
    let address = std::env::var_os(ADDRESS).unwrap().into_string().unwrap();
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let live = axum::Router::new().route("/live", axum::routing::get(|| async { "live\n" }));
    let hold = async {
        let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
            return std::future::pending().await;
        };
        let store =
            Store::open(&url(&directory), Settings { create: true, ..Settings::default() }).await.unwrap();
        if directory.join(HELD).exists() {
            return std::future::pending().await;
        }
        let transaction = store.begin().await.unwrap();
        std::fs::write(directory.join(HELD), "").unwrap();
        std::future::pending::<()>().await;
        drop(transaction);
    };
    let serving = axum::serve(listener, live).into_future();
    tokio::select! {
        served = serving => served.unwrap(),
        () = hold => {}
    }
}

fn url(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("evergate.db").display())
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A child that may be silent for so long; with a database that it writes to, if there is one.
fn child(name: &str, silence: Duration, database: Option<&Path>) -> ChildSpec {
    let address = free_address();
    let mut environment = vec![(ADDRESS.into(), address.clone().into())];
    environment.extend(database.map(|directory| (DIRECTORY.into(), directory.as_os_str().to_owned())));
    ChildSpec {
        name: name.to_owned(),
        program: std::env::current_exe().unwrap(),
        arguments: ["--exact", "a_child", "--ignored", "--nocapture"].map(Into::into).to_vec(),
        environment,
        socket: None,
        stop_stage: 0,
        stop_within: Duration::from_secs(2),
        watched: Some(Watched { address, silence }),
        may_be_absent: name == "extra",
    }
}

struct Overseen {
    directory: tempfile::TempDir,
    lifecycle: Lifecycle,
    supervisor: Supervisor,
    states: watch::Receiver<Children>,
}

impl Overseen {
    /// Children that all answer.
    async fn start(directory: tempfile::TempDir, specs: Vec<ChildSpec>) -> Self {
        let addresses: Vec<String> =
            specs.iter().filter_map(|spec| Some(spec.watched.as_ref()?.address.clone())).collect();
        let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
        let lifecycle = Lifecycle::new();
        let supervisor = Supervisor::start(&lifecycle, specs, directory.path());
        let control = Some(control::bind(directory.path()).unwrap());
        let database = Some(directory.path().join("evergate.db"));
        supervisor.oversee(&lifecycle, Oversight { database, control });
        let states = supervisor.states();
        let mut overseen = Self { directory, lifecycle, supervisor, states };
        // First: somebody else, or the connection itself, may answer at an address that is still free.
        overseen
            .until(|children| {
                names.iter().all(|name| children.get(name).is_some_and(|child| child.pid.is_some()))
            })
            .await;
        for address in addresses {
            until("it answers", || std::net::TcpStream::connect(&address).is_ok()).await;
        }
        overseen
    }

    fn pid(&self, name: &str) -> u32 {
        self.states.borrow()[name].pid.expect("it runs")
    }

    async fn until(&mut self, holds: impl Fn(&Children) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, self.states.wait_for(|children| holds(children))).await;
        waited.expect("in time").unwrap();
    }

    async fn client(&self) -> Client {
        Client::connect(self.directory.path()).await.unwrap()
    }

    async fn end(self) {
        self.lifecycle.stop("the test ends");
        self.supervisor.stop().await;
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

fn is_stopped(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
}

async fn next(client: &mut Client, child: &str) -> Event {
    loop {
        let event = tokio::time::timeout(PATIENCE, client.event()).await.expect("in time").unwrap();
        if event.child == child {
            return event;
        }
    }
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_hangs_with_the_write_lock_is_killed_and_others_can_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let specs = vec![child("holder", LONG, Some(&path)), child("other", LONG, None)];
    let mut overseen = Overseen::start(directory, specs).await;
    until("the lock is held", || path.join(HELD).exists()).await;
    let (holder, other) = (overseen.pid("holder"), overseen.pid("other"));
    let mut client = overseen.client().await;

    // Whoever answers may hold it as long as it likes.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(overseen.pid("holder"), holder);

    let hung = Instant::now();
    signal(other, Signal::SIGSTOP);
    signal(holder, Signal::SIGSTOP);
    overseen.until(|children| children["holder"].kills == 1).await;
    let noticed = hung.elapsed();
    overseen.until(|children| children["holder"].pid.is_some_and(|pid| pid != holder)).await;
    // Exact bounds are tested beside the rules; this machine may be busy.
    assert!(noticed >= Duration::from_millis(200) && noticed < Duration::from_secs(5), "{noticed:?}");
    assert_eq!(overseen.pid("other"), other, "who holds no lock has more time");
    assert!(overseen.states.borrow()["holder"].last_kill.as_deref().unwrap().contains("write lock"));
    let event = next(&mut client, "holder").await;
    assert!(matches!(&event.what, What::Killed { why } if why.contains("write lock")), "{event:?}");
    assert_eq!(event.pid, holder);

    let store = Store::open(&url(&path), Settings::default()).await.unwrap();
    store.begin().await.expect("the lock is free").commit().await.unwrap();

    let asked = Instant::now();
    overseen.end().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "a stopped child hears that it is to end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_silent_for_too_long_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let specs = vec![child("door", Duration::from_secs(1), None)];
    let mut overseen = Overseen::start(directory, specs).await;
    // It must have answered once: until then it is starting.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let door = overseen.pid("door");
    signal(door, Signal::SIGSTOP);
    overseen.until(|children| children["door"].kills == 1).await;
    overseen.until(|children| children["door"].pid.is_some_and(|pid| pid != door)).await;
    assert_eq!(overseen.states.borrow()["door"].last_kill.as_deref(), Some("silent for 1s"));
    overseen.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_machine_makes_nobody_look_hung() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let specs = vec![child("holder", Duration::from_secs(2), Some(&path))];
    let overseen = Overseen::start(directory, specs).await;
    until("the lock is held", || path.join(HELD).exists()).await;
    let holder = overseen.pid("holder");
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let mut command = tokio::process::Command::new("sh");
            command.args(["-c", "while :; do :; done"]).kill_on_drop(true);
            command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(8)).await;
    drop(busy);
    assert_eq!((overseen.pid("holder"), overseen.states.borrow()["holder"].kills), (holder, 0));
    overseen.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_stops_a_child_until_it_says_so_or_goes_away() {
    let overseen = Overseen::start(tempfile::tempdir().unwrap(), vec![child("policy1", LONG, None)]).await;
    let pid = overseen.pid("policy1");
    let (mut drill, mut witness) = (overseen.client().await, overseen.client().await);

    assert_eq!(drill.strike("policy1", Fault::Hang, Some(Duration::from_secs(50))).await.unwrap(), pid);
    until("it is stopped", || is_stopped(pid)).await;
    let again = drill.strike("policy1", Fault::Crash, None).await;
    assert!(
        matches!(&again, Err(ControlError::Refused(why)) if why.contains("stopped already")),
        "{again:?}"
    );
    drill.heal("policy1").await.unwrap();
    assert_eq!(next(&mut witness, "policy1").await.what, What::Healed { why: "asked".to_owned() });
    until("it goes on", || !is_stopped(pid)).await;

    drill.strike("policy1", Fault::Hang, None).await.unwrap();
    drop(drill);
    assert_eq!(next(&mut witness, "policy1").await.what, What::Healed { why: "closed".to_owned() });
    until("it goes on", || !is_stopped(pid)).await;

    witness.strike("policy1", Fault::Hang, Some(Duration::from_secs(1))).await.unwrap();
    assert_eq!(next(&mut witness, "policy1").await.what, What::Healed { why: "time".to_owned() });
    until("it goes on", || !is_stopped(pid)).await;
    assert_eq!(overseen.pid("policy1"), pid, "nobody was killed by all this");
    overseen.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_kills_a_child_which_is_started_again_at_once_each_time() {
    let overseen = Overseen::start(tempfile::tempdir().unwrap(), vec![child("policy1", LONG, None)]).await;
    let mut drill = overseen.client().await;
    for _ in 0..5 {
        let pid = drill.strike("policy1", Fault::Crash, None).await.unwrap();
        let ended = next(&mut drill, "policy1").await;
        assert!(matches!(&ended.what, What::Ended { how } if how.contains("SIGKILL")), "{ended:?}");
        assert_eq!(ended.pid, pid);
        let ended = Instant::now();
        let started = next(&mut drill, "policy1").await;
        assert_eq!(started.what, What::Started);
        assert!(started.pid != pid && ended.elapsed() < Duration::from_millis(700), "{:?}", ended.elapsed());
    }
    assert!(drill.arrived().is_empty());
    overseen.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_child_that_may_be_absent_is_ended_for_good() {
    let specs = vec![child("policy1", LONG, None), child("extra", LONG, None)];
    let mut overseen = Overseen::start(tempfile::tempdir().unwrap(), specs).await;
    let mut client = overseen.client().await;
    for (refused, why) in [("policy1", "is needed"), ("policy9", "no child")] {
        let answer = client.end(refused).await;
        assert!(matches!(&answer, Err(ControlError::Refused(said)) if said.contains(why)), "{answer:?}");
    }
    let answer = client.strike("policy1", Fault::Hang, Some(Duration::from_secs(61))).await;
    assert!(matches!(&answer, Err(ControlError::Refused(said)) if said.contains("1 to 60 s")), "{answer:?}");
    client.end("extra").await.unwrap();
    overseen.until(|children| !children.contains_key("extra")).await;
    let ended = next(&mut client, "extra").await;
    assert!(matches!(ended.what, What::Ended { .. }), "{ended:?}");
    let answer = client.strike("extra", Fault::Crash, None).await;
    assert!(matches!(answer, Err(ControlError::Refused(_))), "{answer:?}");
    assert!(overseen.states.borrow()["policy1"].pid.is_some());
    overseen.end().await;
}
