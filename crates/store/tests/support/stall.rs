//! A process that stops: its work stands still at an await point while everybody else goes on, and
//! goes on itself when it wakes. Shared by the tests of all services that write.
#![allow(dead_code, reason = "each service uses its part")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// Work that is stopped somewhere.
pub struct Stopped<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>);

/// How far work came.
pub enum Progress<'a, T> {
    /// It was stopped before its end.
    Stopped(Stopped<'a, T>),
    /// It ended before it was to be stopped: there is no later point.
    Done(T),
}

/// Begins work and stops it after it was polled so often: at another await point for each number.
pub async fn stop_after<'a, T>(mut polls: usize, work: impl Future<Output = T> + 'a) -> Progress<'a, T> {
    let mut work: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(work);
    let done = poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        work.as_mut().poll(context).map(Some)
    });
    match done.await {
        Some(done) => Progress::Done(done),
        None => Progress::Stopped(Stopped(work)),
    }
}

/// Begins work and stops it at the first await point at which `holds`.
pub async fn stop_when<'a, T>(
    holds: impl Fn() -> bool,
    work: impl Future<Output = T> + 'a,
) -> Progress<'a, T> {
    let mut work: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(work);
    let mut looks = tokio::time::interval(Duration::from_millis(1));
    let done = poll_fn(|context| {
        while looks.poll_tick(context).is_ready() {}
        if holds() { Poll::Ready(None) } else { work.as_mut().poll(context).map(Some) }
    });
    match done.await {
        Some(done) => Progress::Done(done),
        None => Progress::Stopped(Stopped(work)),
    }
}

/// What came of work that was stopped while another did the same.
pub struct Outcome<T> {
    /// What came of it when it woke; `None` where it had to be killed, since it held the database's
    /// lock (which the supervisor does).
    pub woken: Option<T>,
    /// What came of the other's work.
    pub other: T,
}

impl<T> Stopped<'_, T> {
    /// Lets another do the same, then wakes it.
    pub async fn meanwhile(self, other: impl Future<Output = T>) -> Outcome<T> {
        self.meanwhile_within(Duration::from_millis(400), other).await
    }

    /// The same, for another that takes longer than usual.
    pub async fn meanwhile_within(self, limit: Duration, other: impl Future<Output = T>) -> Outcome<T> {
        let mut other = Box::pin(other);
        match tokio::time::timeout(limit, other.as_mut()).await {
            Ok(other) => Outcome { woken: Some(self.0.await), other },
            Err(_) => {
                drop(self);
                Outcome { woken: None, other: other.await }
            }
        }
    }
}
