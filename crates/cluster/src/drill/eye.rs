//! Watches the struck instance's callers: who noticed, whose calls moved away, and when all of these
//! had moved back.

use tokio::time::Instant;

use super::DrillError;
use super::metrics::{Metrics, Moves};
use crate::running::RunningInstance;

/// One caller, with its moves before the fault and since.
#[derive(Debug)]
struct Caller {
    instance: RunningInstance,
    before: Moves,
    since: Moves,
}

/// Watches the callers of one member of their pools.
#[derive(Debug)]
pub(super) struct Eye {
    member: String,
    callers: Vec<Caller>,
    /// The first caller that took the member not to be up, and when.
    pub(super) detected: Option<(Instant, String)>,
    /// Since when all calls that had moved away are back.
    pub(super) all_back: Option<Instant>,
}

impl Eye {
    /// Begins to watch, before the fault.
    pub(super) async fn open(callers: Vec<RunningInstance>, member: &str) -> Result<Self, DrillError> {
        let mut watched = Vec::new();
        for instance in callers {
            let before = Metrics::read(&instance).await?.moves(member);
            watched.push(Caller { instance, before, since: Moves::default() });
        }
        Ok(Self { member: member.to_owned(), callers: watched, detected: None, all_back: None })
    }

    /// Looks once.
    pub(super) async fn look(&mut self) {
        for caller in &mut self.callers {
            let Ok(metrics) = Metrics::read(&caller.instance).await else { continue };
            if self.detected.is_none() && metrics.holds_up(&self.member) == Some(false) {
                self.detected = Some((Instant::now(), caller.instance.name.to_string()));
            }
            let now = metrics.moves(&self.member);
            caller.since = Moves { away: now.away - caller.before.away, back: now.back - caller.before.back };
        }
        if are_back(self.callers.iter().map(|caller| caller.since)) {
            self.all_back = self.all_back.or_else(|| Some(Instant::now()));
        } else {
            self.all_back = None;
        }
    }

    /// Whether any caller's calls moved away.
    pub(super) fn has_moved(&self) -> bool {
        self.callers.iter().any(|caller| caller.since.away > 0.5)
    }
}

/// Whether any calls moved away, and everybody's that did have come back as often. Counts are whole.
fn are_back(moves: impl Iterator<Item = Moves> + Clone) -> bool {
    let mut away = moves.clone().filter(|moves| moves.away > 0.5);
    away.next().is_some() && moves.into_iter().all(|moves| moves.back > moves.away - 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_back_when_everybodys_are_that_had_gone() {
        let moves = |away, back| Moves { away, back };
        let back = |moves: &[Moves]| are_back(moves.iter().copied());
        assert!(!back(&[moves(0.0, 0.0), moves(0.0, 0.0)]), "nobody has left");
        assert!(!back(&[moves(1.0, 0.0), moves(0.0, 0.0)]));
        assert!(back(&[moves(1.0, 1.0), moves(0.0, 0.0)]), "the other never left");
        assert!(!back(&[moves(1.0, 1.0), moves(1.0, 0.0)]), "one is still away");
        assert!(!back(&[moves(2.0, 1.0)]), "left again");
        assert!(back(&[moves(2.0, 2.0), moves(1.0, 1.0)]));
    }
}
