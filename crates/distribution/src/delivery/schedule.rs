//! What is done with a message after a try: pure.

use std::time::Duration;

use evergate_model::Timestamp;
use evergate_store::outbox::{Leased, Outcome};

use super::carrier::Carried;
use crate::letter::Kind;
use crate::measures;

/// The pause after the first try; each further one is three times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It has ended.
    Finish(Outcome),
    /// It is tried again.
    Postpone {
        /// When.
        due_at: Timestamp,
        /// Why it did not work this time.
        reason: String,
    },
}

/// What is done after a try, the message having been tried `tries` times before. It is given up
/// when it would not be worth sending any more at the next try.
pub(super) fn after(
    carried: Carried,
    kind: Kind,
    accepted_at: Timestamp,
    tries: u64,
    now: Timestamp,
) -> Next {
    let reason = match carried {
        Carried::Delivered => return Next::Finish(Outcome::Delivered),
        Carried::Refused(reason) => return Next::Finish(Outcome::Failed(reason)),
        Carried::NotNow(reason) => reason,
    };
    let due_at = now.plus(pause(tries));
    if due_at >= accepted_at.plus(kind.lifetime()) {
        Next::Finish(Outcome::Failed(format!("given up: {reason}")))
    } else {
        Next::Postpone { due_at, reason }
    }
}

fn pause(tries: u64) -> Duration {
    let factor = 3_u32.saturating_pow(u32::try_from(tries).unwrap_or(u32::MAX));
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

/// Tells log and metrics.
pub(super) fn record(message: &Leased, next: &Next) {
    let kind = message.kind.clone();
    match next {
        Next::Finish(Outcome::Delivered) => {
            metrics::counter!(measures::FINISHED, "kind" => kind, "outcome" => "delivered").increment(1);
            tracing::debug!(message = %message.id, kind = message.kind, "message delivered");
        }
        Next::Finish(Outcome::Failed(reason)) => {
            metrics::counter!(measures::FINISHED, "kind" => kind, "outcome" => "failed").increment(1);
            tracing::error!(message = %message.id, kind = message.kind, reason, "message given up");
        }
        Next::Postpone { due_at, reason } => {
            metrics::counter!(measures::POSTPONED, "kind" => kind).increment(1);
            tracing::warn!(message = %message.id, kind = message.kind, reason, %due_at, "message not delivered yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn try_at(seconds: u64, tries: u64, kind: Kind) -> Next {
        let now = ACCEPTED.plus(Duration::from_secs(seconds));
        after(Carried::NotNow("down".to_owned()), kind, ACCEPTED, tries, now)
    }

    #[test]
    fn pauses_triple_up_to_a_quarter_of_an_hour() {
        let pauses: Vec<u64> = (0..7).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(pauses, [5, 15, 45, 135, 405, 900, 900]);
        assert_eq!(pause(u64::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_code_is_given_up_when_it_would_come_too_late_and_a_notice_is_not() {
        let due_at = ACCEPTED.plus(Duration::from_secs(5));
        assert_eq!(try_at(0, 0, Kind::SignInCode), Next::Postpone { due_at, reason: "down".to_owned() });
        assert!(matches!(try_at(590, 2, Kind::SignInCode), Next::Finish(Outcome::Failed(_))));
        assert!(matches!(try_at(590, 2, Kind::Notice), Next::Postpone { .. }));
        assert!(matches!(try_at(86_000, 9, Kind::Notice), Next::Finish(Outcome::Failed(_))));
    }

    #[test]
    fn what_is_refused_for_good_is_not_tried_again() {
        let next = after(Carried::Refused("no such box".to_owned()), Kind::Notice, ACCEPTED, 0, ACCEPTED);
        assert_eq!(next, Next::Finish(Outcome::Failed("no such box".to_owned())));
    }
}
