//! Load shedding: so many requests are worked on at once, so many wait, and none for long. What
//! cannot be done in time is refused at once as *busy*, before any work was put into it, so that past
//! saturation the work that is done is work that somebody still waits for. Callers are served by turns
//! ([`turns`]): one that sends more than its share is the one that is refused.
//!
//! Heartbeats stay outside of the layer: an instance that is busy is not down, and says so. They pass
//! through the same runtime, whose queue this keeps short.

mod turns;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use evergate_model::Name;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::identity::Peer;
use turns::{Entry, Ticket, Turns};

/// Counter of requests that were refused as busy; label `work`: which kind.
pub const SHED: &str = "evergate_shed_total";

/// When the listener had read a request: what it waits for the runtime counts as waiting.
#[derive(Debug, Clone, Copy)]
pub struct Arrived(Instant);

impl Arrived {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(Instant::now())
    }
}

/// What is taken on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The kind of work, as the metric names it.
    pub work: &'static str,
    /// So many requests are worked on at once.
    pub running: usize,
    /// So many more wait, of all callers together.
    pub waiting: usize,
    /// A request that has waited longer is refused.
    pub patience: Duration,
}

/// Puts [`Limits`] in front of a service. All services that one layer makes share them.
#[derive(Debug, Clone)]
pub struct SheddingLayer(Arc<Room>);

/// Who calls; `None` where no certificate says.
type Caller = Option<Name>;
/// How one who waits is called: true to a place, false away.
type Call = oneshot::Sender<bool>;

#[derive(Debug)]
struct Room {
    limits: Limits,
    turns: Mutex<Turns<Caller, Call>>,
}

impl SheddingLayer {
    /// A layer with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let turns = Mutex::new(Turns::new(limits.running, limits.waiting));
        Self(Arc::new(Room { limits, turns }))
    }
}

impl<S> Layer<S> for SheddingLayer {
    type Service = Shedding<S>;

    fn layer(&self, inner: S) -> Shedding<S> {
        Shedding { room: Arc::clone(&self.0), inner }
    }
}

/// A service behind [`Limits`].
#[derive(Debug, Clone)]
pub struct Shedding<S> {
    room: Arc<Room>,
    inner: S,
}

impl<S, Body, Answer> Service<Request<Body>> for Shedding<S>
where
    S: Service<Request<Body>, Response = Response<Answer>> + Clone + Send + 'static,
    S::Future: Send,
    Body: Send + 'static,
    Answer: Default,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that was polled to readiness is used; a clone takes its place.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let room = Arc::clone(&self.room);
        Box::pin(async move {
            let arrived =
                request.extensions().get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
            let caller = request.extensions().get::<Peer>().map(|peer| peer.instance.clone());
            match room.enter(caller, arrived).await {
                Some(_place) => inner.call(request).await,
                None => {
                    metrics::counter!(SHED, "work" => room.limits.work).increment(1);
                    Ok(busy(&request))
                }
            }
        })
    }
}

/// A place in the room; given to the next when the request is answered or given up.
#[derive(Debug)]
struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.0.turns();
        if let Some(next) = turns.leave() {
            // Whoever waits takes itself out before it goes: there is somebody to hear it.
            _ = next.send(true);
        }
    }
}

/// One who waits, and takes itself out when it is given up.
#[derive(Debug)]
struct Waiter {
    room: Arc<Room>,
    caller: Caller,
    ticket: Ticket,
    called: oneshot::Receiver<bool>,
}

impl Waiter {
    /// Until it is called, or has waited for so long.
    async fn wait(mut self, patience: Duration) -> Option<Place> {
        let called = tokio::time::timeout(patience, &mut self.called).await.ok()?.ok()?;
        called.then(|| Place(Arc::clone(&self.room)))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let waited = self.room.turns().give_up(&self.caller, self.ticket);
        // It may have been called at the very moment at which it was given up.
        if !waited && self.called.try_recv() == Ok(true) {
            drop(Place(Arc::clone(&self.room)));
        }
    }
}

impl Room {
    /// A place for a request that arrived then; `None` where there is none in time.
    async fn enter(self: &Arc<Self>, caller: Caller, arrived: Instant) -> Option<Place> {
        let patience = self.limits.patience.checked_sub(arrived.elapsed())?;
        let (call, called) = oneshot::channel();
        let entry = self.turns().enter(&caller, call);
        match entry {
            Entry::Runs => Some(Place(Arc::clone(self))),
            Entry::Full => None,
            Entry::Waits { ticket, instead_of } => {
                if let Some(other) = instead_of {
                    // It may have gone by itself meanwhile.
                    _ = other.send(false);
                }
                Waiter { room: Arc::clone(self), caller, ticket, called }.wait(patience).await
            }
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns<Caller, Call>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer of who is busy: gRPC's `RESOURCE_EXHAUSTED` (8), in headers alone, or 503.
fn busy<Body, Answer: Default>(request: &Request<Body>) -> Response<Answer> {
    let mut response = Response::new(Answer::default());
    let is_grpc =
        request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()));
    if is_grpc {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        headers.insert("grpc-status", HeaderValue::from_static("8"));
        headers.insert("grpc-message", HeaderValue::from_static("busy"));
    } else {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

const GRPC: &str = "application/grpc";

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tower::ServiceExt;

    use super::*;

    const LIMITS: Limits =
        Limits { work: "test", running: 2, waiting: 3, patience: Duration::from_millis(100) };

    /// A service that takes so long.
    fn slow(
        layer: &SheddingLayer,
        time: Duration,
    ) -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone {
        layer.layer(tower::service_fn(move |_: Request<()>| async move {
            tokio::time::sleep(time).await;
            Ok::<_, Infallible>(Response::new(()))
        }))
    }

    async fn statuses(number: usize, time: Duration) -> Vec<u16> {
        let layer = SheddingLayer::new(LIMITS);
        let calls = (0..number).map(|_| slow(&layer, time).oneshot(Request::new(())));
        join_all(calls).await.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_run_so_many_wait_and_the_rest_is_refused_at_once() {
        let started = Instant::now();
        let got = statuses(7, Duration::from_millis(30)).await;
        assert_eq!(got, [200, 200, 200, 200, 200, 503, 503]);
        assert_eq!(started.elapsed(), Duration::from_millis(90), "two at once");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_too_long_is_refused() {
        assert_eq!(statuses(5, Duration::from_millis(150)).await, [200, 200, 503, 503, 503]);
    }

    #[tokio::test(start_paused = true)]
    async fn past_saturation_as_much_is_done_as_before_and_nobody_waits_long() {
        // Two at once, 10 ms each: 200 a second at most; three times as many are offered.
        let (layer, time) = (SheddingLayer::new(LIMITS), Duration::from_millis(10));
        let started = Instant::now();
        let calls = (0..3000_u32).map(|number| {
            let layer = &layer;
            async move {
                tokio::time::sleep(Duration::from_secs(5) * number / 3000).await;
                let began = Instant::now();
                let answer = slow(layer, time).oneshot(Request::new(())).await.unwrap();
                (answer.status() == StatusCode::OK).then(|| began.elapsed())
            }
        });
        let good: Vec<Duration> = join_all(calls).await.into_iter().flatten().collect();
        let most = started.elapsed().as_millis() / 5;
        assert!(good.len() as u128 * 10 >= most * 9, "{} of {most}", good.len());
        assert!(good.iter().all(|took| *took <= LIMITS.patience + time), "{:?}", good.iter().max());
    }

    #[tokio::test(start_paused = true)]
    async fn the_runtimes_own_queue_counts_as_waiting() {
        let layer = SheddingLayer::new(LIMITS);
        let mut request = Request::new(());
        request.extensions_mut().insert(Arrived::now());
        tokio::time::advance(Duration::from_millis(101)).await;
        let answer = slow(&layer, Duration::ZERO).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_leaves_its_place_to_another() {
        let layer = SheddingLayer::new(LIMITS);
        for _ in 0..20 {
            let mut call = slow(&layer, Duration::from_secs(60)).oneshot(Request::new(())).boxed();
            assert!((&mut call).now_or_never().is_none());
        }
        let answer = slow(&layer, Duration::ZERO).oneshot(Request::new(())).await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// A request of the access point of that name.
    fn of(name: &str) -> Request<()> {
        let mut request = Request::new(());
        let peer = Peer::new(name.parse().unwrap(), evergate_model::Service::AccessPoint);
        request.extensions_mut().insert(peer);
        request
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_sends_without_measure_keeps_nobody_else_from_being_served() {
        let limits = Limits { running: 4, waiting: 60, ..LIMITS };
        let (layer, time) = (SheddingLayer::new(limits), Duration::from_millis(5));
        // It always has four times as many requests open as there is room for, and sends again at once.
        let flood = join_all((0..256).map(|_| async {
            while slow(&layer, time).oneshot(of("access-point1")).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }));
        let other = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut slowest = Duration::ZERO;
            for _ in 0..200 {
                let began = Instant::now();
                let answer = slow(&layer, time).oneshot(of("access-point2")).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                slowest = slowest.max(began.elapsed());
            }
            slowest
        };
        let slowest = tokio::select! {
            _ = flood => unreachable!("it goes on for ever"),
            slowest = other => slowest,
        };
        assert!(slowest <= 3 * time, "{slowest:?}: at most one of the other before each of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn a_grpc_caller_is_told_in_its_own_words() {
        let layer = SheddingLayer::new(Limits { running: 0, waiting: 0, ..LIMITS });
        let request = Request::builder().header(CONTENT_TYPE, "application/grpc").body(()).unwrap();
        let answer = slow(&layer, Duration::ZERO).oneshot(request).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["grpc-status"]),
            (200, &HeaderValue::from_static("8"))
        );
    }
}
