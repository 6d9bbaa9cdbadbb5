//! Names that move, vanish, or are looked up slowly, and addresses that refuse or are silent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;

use super::*;

const OLD: &str = "10.0.0.1";
const NEW: &str = "10.0.0.2";

/// What a name server does.
#[derive(Debug, Clone)]
enum Answer {
    Says(&'static [&'static str]),
    SaysAfter(Duration, &'static [&'static str]),
    KnowsNobody,
    IsSilent,
}

/// A name server that says what it is told to.
#[derive(Debug)]
struct Server {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
}

impl Server {
    fn new(answer: Answer) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(answer), asked: AtomicUsize::new(0) })
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Server {
    fn look_up(&self, host: Arc<str>) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        assert!(host.parse::<IpAddr>().is_err(), "{host} is an address");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        let addresses = |of: &[&str]| of.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        async move {
            match answer {
                Answer::Says(found) => Ok(addresses(found)),
                Answer::SaysAfter(pause, found) => {
                    tokio::time::sleep(pause).await;
                    Ok(addresses(found))
                }
                Answer::KnowsNobody => Err(io::Error::other("name or service not known")),
                Answer::IsSilent => std::future::pending().await,
            }
        }
        .boxed()
    }
}

/// What an address does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Serves,
    Refuses,
    IsSilent,
}

/// What is where; who connects is given the address that took it.
#[derive(Default)]
struct World(BTreeMap<&'static str, At>);

impl World {
    fn of(pairs: &[(&'static str, At)]) -> Self {
        Self(pairs.iter().copied().collect())
    }

    async fn attempt(&self, address: SocketAddr) -> Result<String, &'static str> {
        match self.0.get(address.ip().to_string().as_str()).copied() {
            Some(At::Serves) => Ok(address.to_string()),
            Some(At::Refuses) | None => Err("refused"),
            Some(At::IsSilent) => std::future::pending().await,
        }
    }

    /// What was reached, and how long that took.
    async fn reach(&self, names: &Names) -> (Result<String, String>, Duration) {
        let begun = Instant::now();
        let reached = names.reach("policy1", 8301, |address| self.attempt(address)).await;
        let why = |missed: Missed<&str>| match missed {
            Missed::NoAddress(error) => format!("no address: {error}"),
            Missed::Failed(error) => error.to_owned(),
        };
        (reached.map_err(why), begun.elapsed())
    }
}

fn at(ip: &str) -> Result<String, String> {
    Ok(format!("{ip}:8301"))
}

fn names(server: &Arc<Server>) -> Names {
    Names::new(&Lifecycle::new(), Arc::clone(server) as Arc<dyn Resolver>)
}

/// Names that know the old address, by a look-up that is no longer fresh.
async fn names_that_know_the_old(server: &Arc<Server>) -> Names {
    let (names, world) = (names(server), World::of(&[(OLD, At::Serves)]));
    assert_eq!(world.reach(&names).await.0, at(OLD));
    tokio::time::advance(FRESH * 2).await;
    names
}

async fn until_nothing_is_asked(names: &Names) {
    let mut known = names.name("policy1").known.subscribe();
    known.wait_for(|known| !known.is_asked).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_found_is_reached_at_once_while_its_look_ups_fail_or_hang() {
    let server = Server::new(Answer::Says(&[OLD]));
    let names = names_that_know_the_old(&server).await;
    let world = World::of(&[(OLD, At::Serves)]);
    for away in [Answer::KnowsNobody, Answer::Says(&[]), Answer::IsSilent] {
        server.set(away);
        tokio::time::advance(FRESH * 2).await;
        assert_eq!(world.reach(&names).await, (at(OLD), Duration::ZERO));
        until_nothing_is_asked(&names).await;
        assert_eq!(world.reach(&names).await, (at(OLD), Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_name_that_was_never_found_is_waited_for() {
    let pause = Duration::from_millis(700);
    let server = Server::new(Answer::SaysAfter(pause, &[OLD]));
    let (names, world) = (names(&server), World::of(&[(OLD, At::Serves)]));
    let (reached, took) = world.reach(&names).await;
    assert_eq!(reached, at(OLD));
    assert!(took >= pause && took < pause * 2, "{took:?}");
    tokio::time::advance(FRESH * 2).await;
    assert_eq!(world.reach(&names).await, (at(OLD), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_nowhere_is_said_to() {
    let server = Server::new(Answer::KnowsNobody);
    let (names, world) = (names(&server), World::default());
    let (reached, took) = world.reach(&names).await;
    assert_eq!(reached, Err("no address: name or service not known".to_owned()));
    assert_eq!(took, Duration::ZERO);
    server.set(Answer::Says(&[NEW]));
    assert_eq!(World::of(&[(NEW, At::Serves)]).reach(&names).await.0, at(NEW));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_moved_is_reached_by_the_connection_that_its_old_place_refuses() {
    let server = Server::new(Answer::Says(&[OLD]));
    let names = names_that_know_the_old(&server).await;
    let world = World::of(&[(OLD, At::Refuses), (NEW, At::Serves)]);
    server.set(Answer::SaysAfter(LATE / 2, &[NEW]));
    let (reached, took) = world.reach(&names).await;
    assert_eq!(reached, at(NEW));
    assert!(took <= LATE, "{took:?}");
}

/// How long a look-up is waited for when all known addresses refuse.
const LATE: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_service_that_moved_is_reached_by_the_next_connection_when_the_look_up_was_too_slow_for_this() {
    let server = Server::new(Answer::Says(&[OLD]));
    let names = names_that_know_the_old(&server).await;
    let world = World::of(&[(OLD, At::Refuses), (NEW, At::Serves)]);
    server.set(Answer::SaysAfter(LATE * 3, &[NEW]));
    let (reached, took) = world.reach(&names).await;
    assert_eq!(reached, Err("refused".to_owned()));
    assert!(took < LATE * 2, "{took:?}");
    until_nothing_is_asked(&names).await;
    assert_eq!(world.reach(&names).await, (at(NEW), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_known_soon_though_the_look_up_hangs() {
    let server = Server::new(Answer::Says(&[OLD]));
    let names = names_that_know_the_old(&server).await;
    server.set(Answer::IsSilent);
    let (reached, took) = World::of(&[(OLD, At::Refuses)]).reach(&names).await;
    assert_eq!(reached, Err("refused".to_owned()));
    assert!(took < LATE * 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_old_place_delays_nobody_once_the_new_one_is_known() {
    let server = Server::new(Answer::Says(&[OLD]));
    let names = names_that_know_the_old(&server).await;
    let world = World::of(&[(OLD, At::IsSilent), (NEW, At::Serves)]);
    let pause = Duration::from_millis(20);
    server.set(Answer::SaysAfter(pause, &[NEW]));
    let (reached, took) = world.reach(&names).await;
    assert_eq!(reached, at(NEW));
    assert!(took <= pause * 2, "{took:?}");
    // From then on the old place is not even tried.
    assert_eq!(world.reach(&names).await, (at(NEW), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_silent_place_that_was_only_just_looked_up_is_doubted_after_a_quarter_of_a_second() {
    let server = Server::new(Answer::Says(&[OLD]));
    let (names, world) = (names(&server), World::of(&[(OLD, At::IsSilent), (NEW, At::Serves)]));
    World::of(&[(OLD, At::Serves)]).reach(&names).await.0.unwrap();
    server.set(Answer::Says(&[NEW]));
    let (reached, took) = world.reach(&names).await;
    assert_eq!(reached, at(NEW));
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn of_several_addresses_the_next_is_tried_when_one_is_silent_and_at_once_when_it_refuses() {
    let server = Server::new(Answer::Says(&[OLD, NEW]));
    let names = names(&server);
    let (reached, took) = World::of(&[(OLD, At::Refuses), (NEW, At::Serves)]).reach(&names).await;
    assert_eq!((reached, took), (at(NEW), Duration::ZERO));
    let (reached, took) = World::of(&[(OLD, At::IsSilent), (NEW, At::Serves)]).reach(&names).await;
    assert_eq!(reached, at(NEW));
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_once_at_a_time_and_its_look_up_ends() {
    let server = Server::new(Answer::IsSilent);
    let (names, world) = (names(&server), World::of(&[(OLD, At::Serves)]));
    let everybody = futures_util::future::join_all((0..100).map(|_| world.reach(&names)));
    for (reached, took) in everybody.await {
        assert!(reached.unwrap_err().starts_with("no address"));
        assert!(took >= LOOK_UP_LIMIT && took < LOOK_UP_LIMIT * 2, "{took:?}");
    }
    assert_eq!(server.asked(), 1);
    server.set(Answer::Says(&[OLD]));
    assert_eq!(world.reach(&names).await.0, at(OLD));
    // What was found a moment ago is not asked for again.
    assert_eq!(world.reach(&names).await.0, at(OLD));
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_goes_on_when_the_one_who_wanted_it_has_left() {
    let server = Server::new(Answer::SaysAfter(Duration::from_secs(2), &[OLD]));
    let (names, world) = (names(&server), World::of(&[(OLD, At::Serves)]));
    assert!(timeout(Duration::from_secs(1), world.reach(&names)).await.is_err());
    until_nothing_is_asked(&names).await;
    assert_eq!(world.reach(&names).await, (at(OLD), Duration::ZERO));
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_is_never_looked_up() {
    let server = Server::new(Answer::KnowsNobody);
    let names = names(&server);
    for (host, reached) in [("127.0.0.1", "127.0.0.1:1"), ("::1", "[::1]:1"), ("[::1]", "[::1]:1")] {
        names.refresh(host);
        let attempt = |address: SocketAddr| async move { Ok::<_, ()>(address.to_string()) };
        assert_eq!(names.reach(host, 1, attempt).await.unwrap(), reached);
    }
    assert_eq!(server.asked(), 0);
    assert!(names.0.kept.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_more_names_are_kept_than_fit_and_those_in_use_stay() {
    let server = Server::new(Answer::Says(&[OLD]));
    let names = names(&server);
    names.refresh("policy1");
    for number in 0..NAMES_MAX + 99 {
        tokio::time::advance(Duration::from_millis(1)).await;
        names.refresh(&format!("host-{number}"));
        names.name("policy1");
    }
    let kept = names.0.kept.lock().unwrap();
    assert_eq!(kept.len(), NAMES_MAX);
    assert!(kept.contains_key("policy1") && !kept.contains_key("host-0"));
}

#[tokio::test]
async fn the_system_knows_this_machine() {
    let names = Names::system(&Lifecycle::new());
    let attempt = |address: SocketAddr| async move { Ok::<_, ()>(address) };
    let reached = names.reach("localhost", 7, attempt).await.unwrap();
    assert!(reached.ip().is_loopback() && reached.port() == 7, "{reached}");
}
