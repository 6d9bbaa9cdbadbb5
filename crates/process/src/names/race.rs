//! Attempts at the addresses of one name: what is known first, what is news beside it, the next one when
//! one is silent (after RFC 8305, Happy Eyeballs).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Known, Missed, Name, Names};

/// An attempt that has not succeeded after so long is no longer relied upon (RFC 8305, section 5).
const PATIENCE: Duration = Duration::from_millis(250);
/// After the last attempt has failed, a look-up under way is waited for so much longer: a refusal shall
/// be known soon also where names are not.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Makes attempts at the addresses of `name` until one succeeds.
pub(super) async fn run<T, E, F>(
    names: &Names,
    name: &Arc<Name>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Missed<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut known = name.known.subscribe();
    let mut inquiry = Inquiry { names, name, was_made: false };
    if !name.is_fresh() {
        inquiry.make();
    }
    let mut addresses = Addresses::default();
    let mut attempts = FuturesUnordered::new();
    let mut failure: Option<(E, Instant)> = None;
    let mut is_due = true;
    let mut patience = Instant::now() + PATIENCE;
    loop {
        let is_asked = {
            let known = known.borrow_and_update();
            is_due |= addresses.learn(&known.addresses);
            known.is_asked
        };
        if std::mem::take(&mut is_due)
            && let Some(address) = addresses.untried.pop_front()
        {
            attempts.push(attempt(address));
            patience = Instant::now() + PATIENCE;
        }
        if attempts.is_empty() && !is_asked {
            return Err(missed(failure, &known));
        }
        let last_words = failure.as_ref().filter(|_| attempts.is_empty()).map(|(_, at)| *at + LAST_WORDS);
        tokio::select! {
            biased;
            Some(outcome) = attempts.next() => match outcome {
                Ok(reached) => return Ok(reached),
                Err(error) => {
                    failure = Some((error, Instant::now()));
                    is_due = true;
                    inquiry.make();
                }
            },
            Ok(()) = known.changed() => {}
            () = sleep_until(patience), if !attempts.is_empty() && inquiry.is_of_use(&addresses) => {
                is_due = true;
                inquiry.make();
                patience = Instant::now() + PATIENCE;
            }
            () = sleep_until(last_words.unwrap_or(patience)), if last_words.is_some() => {
                return Err(missed(failure, &known));
            }
        }
    }
}

fn missed<E>(failure: Option<(E, Instant)>, known: &watch::Receiver<Known>) -> Missed<E> {
    let no_address = || Missed::NoAddress(known.borrow().failure());
    failure.map_or_else(no_address, |(failure, _)| Missed::Failed(failure))
}

/// The one look-up that whoever makes attempts may ask for.
struct Inquiry<'a> {
    names: &'a Names,
    name: &'a Arc<Name>,
    was_made: bool,
}

impl Inquiry<'_> {
    fn make(&mut self) {
        if !std::mem::replace(&mut self.was_made, true) {
            self.names.ask(self.name);
        }
    }

    /// Whether losing patience leads to anything.
    fn is_of_use(&self, addresses: &Addresses) -> bool {
        !self.was_made || !addresses.untried.is_empty()
    }
}

/// Those that are still to be tried, and all that are known.
#[derive(Default)]
struct Addresses {
    untried: VecDeque<SocketAddr>,
    known: Vec<SocketAddr>,
}

impl Addresses {
    /// Takes an answer, its news first; whether there were any.
    fn learn(&mut self, found: &[SocketAddr]) -> bool {
        let before = self.known.len();
        for address in found {
            if !self.known.contains(address) {
                let position = self.known.len() - before;
                self.untried.insert(position.min(self.untried.len()), *address);
                self.known.push(*address);
            }
        }
        self.known.len() > before
    }
}
