//! One question to policy at a time per session and resource: who comes while it is on its way
//! waits for its answer, and uses it if it fits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use evergate_model::RequestFacts;
use tokio::sync::watch;

use super::permits::{Grant, Pair};
use super::policy::{Answer, NoAnswer};

/// How a question was answered.
pub(crate) type Outcome = Result<Arc<Judgement>, NoAnswer>;

/// An answer, and the grant that it makes if it is a permit.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// What policy said.
    pub(crate) answer: Answer,
    /// What follows from it.
    pub(crate) grant: Option<Arc<Grant>>,
}

/// The questions on their way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<BTreeMap<Pair, Flight>>);

/// A question on its way.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    facts: Arc<RequestFacts>,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// A question's end, for whoever carries it.
#[derive(Debug)]
pub(crate) struct Landing {
    flights: Arc<Flights>,
    /// Absent for a flight that nobody can join.
    pair: Option<Pair>,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Flights {
    /// The question that is on its way for this pair.
    #[must_use]
    pub(crate) fn current(&self, pair: &Pair) -> Option<Flight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(pair).cloned()
    }

    /// Begins a question. Others can join it if `is_open`, and if none is on its way for the pair;
    /// if that one is the same question, it is joined, and there is no landing.
    #[must_use]
    pub(crate) fn begin(
        self: &Arc<Self>,
        pair: &Pair,
        facts: Arc<RequestFacts>,
        is_open: bool,
    ) -> (Flight, Option<Landing>) {
        let (sender, outcome) = watch::channel(None);
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = flights.get(pair).filter(|_| is_open);
        if let Some(same) = current.filter(|current| *current.facts == *facts) {
            return (same.clone(), None);
        }
        let is_first = is_open && current.is_none();
        let flight = Flight { facts, outcome };
        if is_first {
            flights.insert(pair.clone(), flight.clone());
        }
        drop(flights);
        let pair = is_first.then(|| pair.clone());
        (flight, Some(Landing { flights: Arc::clone(self), pair, outcome: sender }))
    }
}

impl Landing {
    /// Gives everyone who waits the outcome. Whoever comes from now on asks anew: the answer was
    /// made before they came.
    pub(crate) fn land(mut self, outcome: Outcome) {
        self.close();
        self.outcome.send_replace(Some(outcome));
    }

    fn close(&mut self) {
        if let Some(pair) = self.pair.take() {
            self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&pair);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.close();
    }
}

impl Flight {
    /// Waits for the outcome.
    pub(crate) async fn outcome(mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            _ => Err(NoAnswer::Away("the question was abandoned".to_owned())),
        }
    }

    /// Whether this flight's answer is also the answer for `facts`.
    #[must_use]
    pub(crate) fn answers(&self, answer: &Answer, facts: &RequestFacts) -> bool {
        *self.facts == *facts || answer.reads.hold_for(facts)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Wake, Waker};

    use evergate_model::{NormalPath, RequestFacts};

    use super::*;

    /// Looks, in the moment that an outcome is given, whether its question can still be joined.
    struct Look {
        flights: Arc<Flights>,
        pair: Pair,
        found: Mutex<Option<bool>>,
    }

    impl Wake for Look {
        fn wake(self: Arc<Self>) {
            *self.found.lock().unwrap() = Some(self.flights.current(&self.pair).is_some());
        }
    }

    #[test]
    fn whoever_has_seen_an_answer_finds_no_question_on_its_way() {
        let pair = Pair { token: [1; 32], resource: "wiki".parse().unwrap() };
        let facts = Arc::new(RequestFacts {
            method: "GET".to_owned(),
            host: "wiki.example.com".parse().unwrap(),
            path: NormalPath::new("/").unwrap(),
            client: "192.0.2.7".parse().unwrap(),
            access_point: "access-point1".parse().unwrap(),
            headers: BTreeMap::new(),
        });
        let flights = Arc::new(Flights::default());
        let (flight, landing) = flights.begin(&pair, Arc::clone(&facts), true);
        assert!(flights.current(&pair).is_some());
        assert!(flights.begin(&pair, facts, true).1.is_none(), "the same question is asked once");
        let look = Arc::new(Look { flights, pair, found: Mutex::default() });
        let waker = Waker::from(Arc::clone(&look));
        let mut outcome = pin!(flight.outcome());
        assert!(outcome.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        landing.unwrap().land(Err(NoAnswer::Away("told to".to_owned())));
        assert_eq!(*look.found.lock().unwrap(), Some(false));
    }
}
