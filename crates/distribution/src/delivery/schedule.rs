//! What is done with a message after a try: pure.

use std::time::Duration;

use evergate_model::Timestamp;
use evergate_store::outbox::{Finished, Leased, Outcome};

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

/// Tells log and metrics what came of a try, and what writing it down found.
pub(super) fn record(message: &Leased, next: &Next, written: Finished) {
    let is_delivered = *next == Next::Finish(Outcome::Delivered);
    if let Some(certainty) = second_delivery(is_delivered, message.interruptions, written) {
        metrics::counter!(measures::SECOND_DELIVERIES, "certainty" => certainty).increment(1);
        tracing::warn!(message = %message.id, certainty, "message delivered a second time");
    }
    match written {
        Finished::Now => tell(message, next),
        Finished::DeliveredBefore => {}
        Finished::NotOurs => {
            tracing::warn!(message = %message.id, "the lease had passed to another instance");
        }
    }
}

/// Whether a server was handed the message before, as far as is known.
fn second_delivery(is_delivered: bool, interruptions: u64, written: Finished) -> Option<&'static str> {
    match written {
        _ if !is_delivered => None,
        Finished::DeliveredBefore => Some("certain"),
        Finished::Now if interruptions > 0 => Some("possible"),
        Finished::Now | Finished::NotOurs => None,
    }
}

fn tell(message: &Leased, next: &Next) {
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
    fn a_second_delivery_is_known_by_what_was_left_and_by_what_is_written() {
        assert_eq!(second_delivery(true, 0, Finished::Now), None);
        assert_eq!(second_delivery(true, 1, Finished::Now), Some("possible"));
        assert_eq!(second_delivery(true, 0, Finished::DeliveredBefore), Some("certain"));
        assert_eq!(second_delivery(false, 1, Finished::Now), None, "nothing was handed over");
        assert_eq!(second_delivery(true, 1, Finished::NotOurs), None, "it was given up meanwhile");
    }

    #[test]
    fn what_is_refused_for_good_is_not_tried_again() {
        let next = after(Carried::Refused("no such box".to_owned()), Kind::Notice, ACCEPTED, 0, ACCEPTED);
        assert_eq!(next, Next::Finish(Outcome::Failed("no such box".to_owned())));
    }
}
