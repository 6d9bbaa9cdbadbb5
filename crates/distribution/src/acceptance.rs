//! Mail comes in: accepted means written to the outbox, on disk.
//!
//! A commit costs about a millisecond, whatever is in it. So what arrives while one is being
//! written goes into the next one together, and each caller is answered when its commit is done.

use std::sync::Arc;

use evergate_model::id::Message;
use evergate_model::{Id, Timestamp};
use evergate_process::Clock;
use evergate_store::effects::Effect;
use evergate_store::outbox::NewMessage;
use evergate_store::{Store, Tx, outbox};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::DistributionError;
use crate::letter::Kind;
use crate::measures;

/// How many messages may wait to be written; beyond it callers are told to go elsewhere.
const QUEUE: usize = 1024;
/// The most messages in one commit.
const BATCH: usize = 256;

/// A message that is to be accepted.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) effect: Effect,
    pub(crate) id: Id<Message>,
    pub(crate) recipient: String,
    pub(crate) kind: Kind,
    pub(crate) sealed: Vec<u8>,
}

type Answer = Result<Id<Message>, DistributionError>;

#[derive(Debug)]
struct Job {
    incoming: Incoming,
    answer: oneshot::Sender<Answer>,
}

/// The door of the outbox. Clones share one writer.
#[derive(Debug, Clone)]
pub struct Acceptance {
    jobs: mpsc::Sender<Job>,
}

/// The writer behind [`Acceptance`]; it ends when the last clone of that is gone.
#[derive(Debug)]
pub struct Writer {
    jobs: mpsc::Receiver<Job>,
    store: Store,
    clock: Clock,
    accepted: Arc<Notify>,
}

/// A door and its writer; `accepted` is told when something new is in the outbox.
#[must_use]
pub fn open(store: Store, clock: Clock, accepted: Arc<Notify>) -> (Acceptance, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Acceptance { jobs: sender }, Writer { jobs: receiver, store, clock, accepted })
}

impl Acceptance {
    /// Writes a message to the outbox and gives its id, or that of the one which the same effect
    /// wrote before.
    pub(crate) async fn accept(&self, incoming: Incoming) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job { incoming, answer }).map_err(|_| DistributionError::Overloaded)?;
        answered.await.unwrap_or_else(|_| Err(DistributionError::Outbox("the writer has ended".to_owned())))
    }
}

impl Writer {
    /// Writes batch after batch until the last door is gone.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while self.jobs.recv_many(&mut batch, BATCH).await > 0 {
            self.write(std::mem::take(&mut batch)).await;
        }
    }

    async fn write(&self, batch: Vec<Job>) {
        let (incoming, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.incoming, job.answer)).unzip();
        let outcomes = match write_all(&self.store, self.clock.now(), &incoming).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let text = error.to_string();
                incoming.iter().map(|_| Err(DistributionError::Outbox(text.clone()))).collect()
            }
        };
        self.accepted.notify_one();
        for ((incoming, answer), outcome) in incoming.iter().zip(answers).zip(outcomes) {
            if outcome.is_ok() {
                metrics::counter!(measures::ACCEPTED, "kind" => incoming.kind.as_str()).increment(1);
            }
            // a caller that went away repeats its effect key and learns the same
            let _ = answer.send(outcome);
        }
    }
}

/// All of them in one commit. What is wrong with one is its own; what is wrong with the
/// transaction is everybody's.
async fn write_all(
    store: &Store,
    now: Timestamp,
    incoming: &[Incoming],
) -> Result<Vec<Answer>, DistributionError> {
    let mut tx = store.begin().await?;
    let mut answers = Vec::with_capacity(incoming.len());
    for one in incoming {
        match write_one(&mut tx, now, one).await {
            Err(DistributionError::Store(error)) if error.is_temporary() => return Err(error.into()),
            answer => answers.push(answer),
        }
    }
    tx.commit().await?;
    Ok(answers)
}

async fn write_one(tx: &mut Tx, now: Timestamp, incoming: &Incoming) -> Answer {
    if let Some(id) = incoming.effect.done(tx).await? {
        return Ok(id);
    }
    let (id, recipient, kind) = (incoming.id, incoming.recipient.as_str(), incoming.kind.as_str());
    outbox::add(tx, now, &NewMessage { id, recipient, kind, sealed: &incoming.sealed }).await?;
    incoming.effect.keep(tx, &id, now).await?;
    Ok(id)
}
