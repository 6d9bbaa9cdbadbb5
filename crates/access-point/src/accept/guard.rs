//! The bytes of one client connection on their way to hyper: framing is checked, time limits are
//! kept with one timer per connection, which is read only when nothing moves.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::framing::{Framing, Phase};
use crate::settings::Settings;

/// What hyper reads in place of refused bytes. No head and no chunk's line may hold a NUL, so that it
/// answers 400 or fails the body, and closes; it looks at a head once that ends.
const POISON: &[u8] = b"\0\r\n\r\n";
/// The most that is read away after the last answer, in bytes.
const LINGER_BYTES: usize = 1 << 20;

/// What the requests of a connection tell its guard.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    in_hand: AtomicU32,
    /// A request was in hand since this was looked at.
    was_used: AtomicBool,
    is_tunnel: AtomicBool,
    lingers: AtomicBool,
    answers: Mutex<Vec<Weak<AtomicU32>>>,
}

/// An answer on HTTP/2, where a client that reads nothing of it stalls no write on the socket: for
/// how many ticks it has had nothing but the client to wait for.
#[derive(Debug)]
pub(crate) struct Watched(Arc<AtomicU32>);

impl Watched {
    /// What comes next is asked for; `waits`: it is not there yet, which is not the client's fault.
    pub(crate) fn asked(&self, waits: bool) {
        self.0.store(u32::from(!waits), Ordering::Relaxed);
    }
}

/// On HTTP/2 answers share the connection, and one may have to wait for all others: it is given so
/// many times the time that a stalled connection has.
const UNREAD: u32 = 5;
/// The answers in a connection's list from which on those that have ended are taken out.
const TIDY_FROM: usize = 256;

impl Activity {
    /// Watches an answer until the answer to this call is dropped.
    #[must_use]
    pub(crate) fn watch(&self) -> Watched {
        let ticks = Arc::new(AtomicU32::new(1));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= TIDY_FROM {
            answers.retain(|answer| answer.strong_count() > 0);
        }
        answers.push(Arc::downgrade(&ticks));
        Watched(ticks)
    }

    /// A tick is over: for how many the answer has waited for the client that has waited longest.
    fn tick(&self) -> u32 {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut longest = 0;
        answers.retain(|answer| {
            let Some(ticks) = answer.upgrade() else { return false };
            if ticks.load(Ordering::Relaxed) > 0 {
                longest = longest.max(ticks.fetch_add(1, Ordering::Relaxed));
            }
            true
        });
        longest
    }

    /// A request is in hand until the answer to this call is dropped.
    #[must_use]
    pub(crate) fn begin(self: &Arc<Self>) -> InHand {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        self.was_used.store(true, Ordering::Relaxed);
        InHand(Arc::clone(self))
    }

    /// Whether no request was in hand since this was asked last: between two looks many may have come and gone.
    fn was_idle(&self) -> bool {
        !self.was_used.swap(false, Ordering::Relaxed) && self.in_hand.load(Ordering::Relaxed) == 0
    }

    /// What follows is not HTTP any more (WebSocket).
    pub(crate) fn becomes_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    /// The client may still be sending what nobody will read: the connection is closed so that the
    /// last answer reaches it all the same.
    pub(crate) fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Relaxed)
    }
}

/// A request in hand.
#[derive(Debug)]
pub(crate) struct InHand(Arc<Activity>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.was_used.store(true, Ordering::Relaxed);
        self.0.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client connection under guard.
#[derive(Debug)]
pub(crate) struct Guard<Io> {
    io: Io,
    activity: Arc<Activity>,
    /// Absent on HTTP/2, whose frames have lengths.
    framing: Option<Framing>,
    /// What is still to be read in place of what was refused.
    poison: Option<&'static [u8]>,
    timer: Pin<Box<Sleep>>,
    limits: Limits,
    ticks: Ticks,
}

/// The limits, in ticks.
#[derive(Debug, Clone, Copy)]
struct Limits {
    tick: Duration,
    head: u32,
    idle: u32,
    stall: u32,
}

/// For how many ticks a thing has lasted.
#[derive(Debug, Default)]
struct Ticks {
    head: u32,
    idle: u32,
    stalled_write: u32,
    has_written: bool,
    is_writing: bool,
}

impl<Io> Guard<Io> {
    /// Guards `io`; its framing is followed unless the client speaks HTTP/2.
    #[must_use]
    pub(crate) fn new(io: Io, is_http2: bool, activity: Arc<Activity>, settings: &Settings) -> Self {
        let tick = settings.tick;
        let ticks = |limit: Duration| {
            u32::try_from(limit.as_nanos() / tick.as_nanos().max(1)).unwrap_or(u32::MAX).max(1)
        };
        Self {
            io,
            activity,
            framing: (!is_http2).then(Framing::default),
            poison: None,
            timer: Box::pin(tokio::time::sleep(tick)),
            limits: Limits {
                tick,
                head: ticks(settings.head),
                idle: ticks(settings.idle),
                stall: ticks(settings.stall),
            },
            ticks: Ticks::default(),
        }
    }

    /// Looks at the timer; an error when a limit has been passed.
    fn poll_limits(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.timer.as_mut().poll(context).is_ready() {
            self.timer.as_mut().reset(Instant::now() + self.limits.tick);
            self.tick()?;
        }
        Ok(())
    }

    fn tick(&mut self) -> io::Result<()> {
        let is_in_head = self.framing.as_ref().is_some_and(|framing| framing.phase() == Phase::Head);
        let is_idle = self.activity.was_idle() && !is_in_head;
        let is_stalled = self.ticks.is_writing && !std::mem::take(&mut self.ticks.has_written);
        let count = |ticks: &mut u32, goes_on: bool, limit: u32| {
            *ticks = if goes_on { *ticks + 1 } else { 0 };
            *ticks > limit
        };
        let too_long = [
            count(&mut self.ticks.head, is_in_head && !self.activity.is_tunnel(), self.limits.head),
            count(&mut self.ticks.idle, is_idle, self.limits.idle),
            count(&mut self.ticks.stalled_write, is_stalled, self.limits.stall),
            self.activity.tick() > self.limits.stall.saturating_mul(UNREAD),
        ];
        if too_long.contains(&true) { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Follows what was just read. Where it must not go on, poison takes its place.
    fn follow(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let Some(framing) = self.framing.as_mut().filter(|_| !self.activity.is_tunnel()) else { return };
        let read = buffer.filled().get(before..).unwrap_or_default();
        let Err(violation) = framing.follow(read) else {
            if framing.phase() != Phase::Head {
                self.ticks.head = 0;
            }
            return;
        };
        tracing::debug!(error = %violation.error, "request refused");
        buffer.set_filled(before + violation.at);
        self.activity.linger();
        self.poison = Some(POISON);
        self.deliver_poison(buffer);
    }

    /// Gives hyper what is left of the poison; nothing is the end of the connection.
    fn deliver_poison(&mut self, buffer: &mut ReadBuf<'_>) {
        let poison = self.poison.unwrap_or_default();
        let (now, later) = poison.split_at(poison.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.poison = Some(later);
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Guard<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.poison.is_some() {
            this.deliver_poison(buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.io).poll_read(context, buffer) {
            Poll::Pending => {
                this.poll_limits(context)?;
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                outcome?;
                this.follow(buffer, before);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<Io: Unpin> Guard<Io> {
    fn wrote<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.ticks.is_writing = outcome.is_pending();
        if outcome.is_pending() {
            self.poll_limits(context)?;
        } else {
            self.ticks.has_written = true;
        }
        outcome
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Guard<Io> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(context, bytes);
        this.wrote(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write_vectored(context, slices);
        this.wrote(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_flush(context);
        this.wrote(context, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_shutdown(context);
        this.wrote(context, outcome)
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Guard<Io> {
    /// Ends the connection. If the client may still be sending, what comes is read away first,
    /// within bounds: a socket closed with unread bytes is reset, and the last answer lost.
    pub(crate) async fn close(mut self) {
        if !self.activity.lingers.load(Ordering::Relaxed) {
            return;
        }
        let reading = async {
            self.io.shutdown().await?;
            let mut scratch = [0; 4096];
            let mut rest = LINGER_BYTES;
            while rest > 0 {
                match self.io.read(&mut scratch).await? {
                    0 => break,
                    read => rest = rest.saturating_sub(read),
                }
            }
            Ok::<(), io::Error>(())
        };
        // Whatever goes wrong, the connection is over.
        drop(tokio::time::timeout(self.limits.tick, reading).await);
    }
}
