//! Mail goes out: what is due is leased, carried, and marked.
//!
//! Two instances never send the same message at the same time; one that dies while it sends loses
//! its lease, and the other sends again, under the same Message-ID. A message reaches a server twice
//! only if whoever held the lease was stopped between the server's acceptance and writing that down
//! ([`Lease`] keeps a later waking from it); each such time is counted.

mod carrier;
mod dialogue;
mod files;
mod lease;
mod mail_password;
mod schedule;
mod smtp;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evergate_model::id::Message;
use evergate_model::{Id, Name};
use evergate_process::{Clock, Lifecycle};
use evergate_store::outbox::{Finished, Leased, Outcome};
use evergate_store::{Store, StoreError, outbox};
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{Notify, watch};

use crate::current::Current;
use crate::letter::{self, Fields, Kind};
use crate::measures;

use carrier::{Carried, Carrier};
use lease::Lease;
use schedule::Next;

pub use smtp::SERVER_LIMIT;

/// How long a lease lasts; within it a message is carried or left.
const LEASE: Duration = Duration::from_secs(60);
/// The most messages of one lease.
const BATCH: u32 = 200;
/// How many messages are carried at the same time.
const AT_ONCE: usize = 8;
/// How often the outbox is looked at although nobody said that something came in: that finds
/// what is due again, and what a dead instance left.
const PERIOD: Duration = Duration::from_secs(1);
/// How long messages gather before they are leased, so that many share a commit.
const GATHERING: Duration = Duration::from_millis(50);

/// What delivers, on one instance.
#[derive(Debug)]
pub struct Delivery {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Whether to stop.
    pub lifecycle: Lifecycle,
    /// Who leases.
    pub instance: Name,
    /// Where messages are written when no server is configured.
    pub directory: PathBuf,
    /// How mail leaves, and the key to read messages with.
    pub current: watch::Receiver<Arc<Current>>,
    /// Says that something came in.
    pub accepted: Arc<Notify>,
}

/// The context that a message's fields are sealed in.
pub(crate) fn context(id: Id<Message>) -> Vec<u8> {
    id.to_string().into_bytes()
}

impl Delivery {
    /// Delivers until the process stops; what is under way then is finished.
    pub async fn run(self) {
        let mut carrier = Carrier::new(self.directory.clone());
        if let Err(error) = self.end_own_leases().await {
            tracing::warn!(%error, "what was leased before the start waits until its lease is over");
        }
        while self.wait().await {
            carrier.use_configuration(self.current.borrow().mail.as_ref());
            if let Err(error) = self.work_off(&carrier).await {
                tracing::warn!(%error, "the outbox cannot be worked off; trying again");
            }
        }
    }

    /// Whoever leased under this name before has ended.
    async fn end_own_leases(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        outbox::end_leases(&mut tx, &self.instance).await?;
        tx.commit().await
    }

    /// Waits for the next round; false when there is none.
    async fn wait(&self) -> bool {
        tokio::select! {
            () = self.lifecycle.stopping() => return false,
            () = self.accepted.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
        tokio::time::sleep(GATHERING).await;
        true
    }

    /// Rounds until nothing is due.
    async fn work_off(&self, carrier: &Carrier) -> Result<(), StoreError> {
        while !self.lifecycle.is_stopping() && self.is_due().await? {
            let now = self.clock.now();
            let mut tx = self.store.begin().await?;
            let leased = outbox::lease(&mut tx, now, &self.instance, now.plus(LEASE), BATCH).await?;
            tx.commit().await?;
            let lease = Lease::until(self.clock.clone(), now.plus(LEASE));
            let done = self.carry_all(carrier, leased, &lease).await;
            self.mark(done).await?;
        }
        Ok(())
    }

    async fn is_due(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut reading = self.store.read().await?;
        let waiting = outbox::waiting(&mut reading).await?;
        let oldest = waiting.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!(measures::WAITING).set(waiting.messages as f64);
        metrics::gauge!(measures::OLDEST).set(oldest.as_secs_f64());
        if waiting.messages == 0 { Ok(false) } else { outbox::is_due(&mut reading, now).await }
    }

    async fn carry_all(&self, carrier: &Carrier, leased: Vec<Leased>, lease: &Lease) -> Vec<(Leased, Next)> {
        let carry = |message: Leased| async move {
            let next = self.carry(carrier, &message, lease).await;
            (message, next)
        };
        stream::iter(leased).map(carry).buffer_unordered(AT_ONCE).collect().await
    }

    async fn carry(&self, carrier: &Carrier, message: &Leased, lease: &Lease) -> Next {
        let now = self.clock.now();
        let Ok(kind) = message.kind.parse::<Kind>() else {
            return Next::Finish(Outcome::Failed(format!("`{}` is not a kind of message", message.kind)));
        };
        if !lease.lasts(SERVER_LIMIT) || self.lifecycle.is_stopping() {
            return Next::Postpone { due_at: now, reason: "not tried".to_owned() };
        }
        let carried = match self.read(kind, message) {
            Ok(Some(letter)) => carrier.carry(message, &letter, lease).await,
            Ok(None) => Carried::Delivered,
            Err(reason) => Carried::Refused(reason),
        };
        schedule::after(carried, kind, message.accepted_at, message.tries, self.clock.now())
    }

    fn read(&self, kind: Kind, message: &Leased) -> Result<Option<letter::Letter>, String> {
        let sealer = Arc::clone(&self.current.borrow());
        let opened = sealer.sealer.open(&context(message.id), &message.sealed);
        let fields = opened.map_err(|error| error.to_string())?;
        let fields: Fields = serde_json::from_slice(&fields).map_err(|error| error.to_string())?;
        letter::compose(kind, &fields).map_err(|error| error.to_string())
    }

    /// Writes down what came of all of them, in one commit.
    async fn mark(&self, done: Vec<(Leased, Next)>) -> Result<(), StoreError> {
        let mut marked = Vec::with_capacity(done.len());
        let mut tx = self.store.begin().await?;
        for (message, next) in &done {
            let written = match next {
                Next::Finish(outcome) => {
                    outbox::finish(&mut tx, self.clock.now(), &self.instance, message.id, outcome).await?
                }
                Next::Postpone { due_at, reason } => {
                    let is_ours =
                        outbox::postpone(&mut tx, &self.instance, message.id, *due_at, reason).await?;
                    if is_ours { Finished::Now } else { Finished::NotOurs }
                }
            };
            marked.push((message, next, written));
        }
        tx.commit().await?;
        marked.into_iter().for_each(|(message, next, written)| schedule::record(message, next, written));
        Ok(())
    }
}
