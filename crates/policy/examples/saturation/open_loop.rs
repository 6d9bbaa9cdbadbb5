//! Load that does not wait for answers: so many requests a second whatever becomes of them, as many
//! people make who know nothing of each other. A server that is pushed past its limit shows what it
//! still gets done.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

/// What came of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Good,
    Busy,
    Other,
}

/// What came of all requests of a step.
#[derive(Debug, Default, Clone)]
pub struct Step {
    pub offered: usize,
    pub good: usize,
    pub busy: usize,
    pub other: usize,
    /// Not answered in time.
    pub late: usize,
    /// How long the good ones took.
    pub took: Vec<Duration>,
    /// How long it lasted until the last was answered or given up.
    pub lasted: Duration,
}

impl Step {
    /// Good answers a second.
    pub fn goodput(&self, length: Duration) -> f64 {
        self.good as f64 / length.as_secs_f64()
    }

    /// What so many of a hundred stayed below.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.took.sort_unstable();
        let index = (self.took.len() * percent / 100).min(self.took.len().saturating_sub(1));
        self.took.get(index).copied().unwrap_or_default()
    }
}

/// How often requests are sent: all that are due since the last time.
const TICK: Duration = Duration::from_millis(2);

/// Offers `rate` requests a second for so long; one that takes longer than `limit` is given up.
pub async fn offer<F, Fut>(rate: f64, length: Duration, limit: Duration, ask: F) -> Step
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let started = Instant::now();
    let (mut step, mut asked) = (Step::default(), JoinSet::new());
    let mut tick = tokio::time::interval(TICK);
    while started.elapsed() < length {
        tick.tick().await;
        let due = (started.elapsed().as_secs_f64() * rate) as usize;
        while step.offered < due {
            let request = ask(step.offered);
            asked.spawn(async move {
                let began = Instant::now();
                (tokio::time::timeout(limit, request).await.ok(), began.elapsed())
            });
            step.offered += 1;
        }
        while let Some(Ok((answer, took))) = asked.try_join_next() {
            step.count(answer, took);
        }
    }
    while let Some(Ok((answer, took))) = asked.join_next().await {
        step.count(answer, took);
    }
    step.lasted = started.elapsed();
    step
}

impl Step {
    fn count(&mut self, answer: Option<Answer>, took: Duration) {
        match answer {
            Some(Answer::Good) => {
                self.good += 1;
                self.took.push(took);
            }
            Some(Answer::Busy) => self.busy += 1,
            Some(Answer::Other) => self.other += 1,
            None => self.late += 1,
        }
    }
}

/// How many a second are answered when `at_once` callers ask again as soon as they are answered.
pub async fn capacity<F, Fut>(at_once: usize, length: Duration, ask: F) -> f64
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let (ask, started) = (Arc::new(ask), Instant::now());
    let mut callers = JoinSet::new();
    for caller in 0..at_once {
        let ask = Arc::clone(&ask);
        callers.spawn(async move {
            let (mut good, mut number) = (0_usize, caller);
            while started.elapsed() < length {
                good += usize::from(ask(number).await == Answer::Good);
                number += at_once;
            }
            good
        });
    }
    let good: usize = callers.join_all().await.into_iter().sum();
    good as f64 / started.elapsed().as_secs_f64()
}

/// The steps: shares of what the server is able to do.
const SHARES: [f64; 6] = [0.5, 1.0, 1.5, 2.0, 3.0, 1.0];

/// Measures all steps and prints them; `beat` is asked four times a second besides and answers how
/// long a heartbeat took. What goodput past saturation is of its peak, at worst.
pub async fn measure<F, Fut, B, Beat>(what: &str, at_once: usize, limit: Duration, ask: F, beat: B) -> f64
where
    F: Fn(usize) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
    B: Fn() -> Beat,
    Beat: Future<Output = Option<Duration>>,
{
    let length = Duration::from_secs(6);
    let able = capacity(at_once, Duration::from_secs(4), ask.clone()).await;
    println!("{what}: {able:.0} a second with {at_once} callers that wait");
    println!("share  offered/s  good/s  busy  late  other  good p50  good p99  beats  slowest");
    let (mut peak, mut past) = (able, Vec::new());
    for share in SHARES {
        let beating = async {
            let mut beats = Vec::new();
            let until = Instant::now() + length;
            while Instant::now() < until {
                beats.push(beat().await);
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            beats
        };
        let (mut step, beats) = tokio::join!(offer(able * share, length, limit, ask.clone()), beating);
        let goodput = step.goodput(length);
        if share <= 1.0 {
            peak = peak.max(goodput)
        } else {
            past.push(goodput)
        }
        let (p50, p99) = (step.percentile(50), step.percentile(99));
        println!(
            "{share:>5}  {:>9.0}  {goodput:>6.0}  {:>4}  {:>4}  {:>5}  {p50:>8.0?}  {p99:>8.0?}  {:>2}/{:<2}  {:>7.0?}",
            step.offered as f64 / length.as_secs_f64(),
            step.busy,
            step.late,
            step.other,
            beats.iter().flatten().count(),
            beats.len(),
            beats.iter().flatten().max().copied().unwrap_or_default(),
        );
    }
    let worst = past.into_iter().fold(f64::INFINITY, f64::min) / peak;
    println!("{what}: past saturation at least {worst:.2} of the peak ({peak:.0}/s)\n");
    worst
}
