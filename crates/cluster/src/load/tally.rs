//! What became of every request of a load.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// A request that was not answered well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What happened.
    pub reason: String,
    /// Set if its connection died under it.
    pub broken: Option<Broken>,
}

/// A connection that died under a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// When the connection was asked for.
    pub opened: Instant,
    /// When the request was begun on it.
    pub begun: Instant,
}

impl Loss {
    /// A bad answer: the reason alone.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), broken: None }
    }
}

/// One turn of a load.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When its turn came.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
    /// Nothing, or why it is lost.
    pub loss: Option<Loss>,
}

/// What became of a load.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Every turn, in the order of their ends.
    pub samples: Vec<Sample>,
}

impl Tally {
    /// How many turns there were.
    #[must_use]
    pub fn sent(&self) -> u64 {
        u64::try_from(self.samples.len()).unwrap_or(u64::MAX)
    }

    /// The lost ones.
    pub fn lost(&self) -> impl Iterator<Item = (&Sample, &Loss)> {
        self.samples.iter().filter_map(|sample| Some((sample, sample.loss.as_ref()?)))
    }

    /// Why, and how often.
    #[must_use]
    pub fn reasons(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for (_, loss) in self.lost() {
            *reasons.entry(loss.reason.clone()).or_default() += 1;
        }
        reasons
    }

    /// The times of the answered ones, shortest first.
    #[must_use]
    pub fn times(&self) -> Vec<Duration> {
        let answered = self.samples.iter().filter(|sample| sample.loss.is_none());
        let mut times: Vec<Duration> = answered.map(|sample| sample.took).collect();
        times.sort_unstable();
        times
    }

    /// The first answer to a turn that came after `moment`: the moment of the answer.
    #[must_use]
    pub fn first_answer_after(&self, moment: Instant) -> Option<Instant> {
        let later = self.samples.iter().filter(|sample| sample.loss.is_none() && sample.began >= moment);
        later.map(|sample| sample.began + sample.took).min()
    }
}
