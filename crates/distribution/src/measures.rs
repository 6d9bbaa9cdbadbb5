//! The names of this service's metrics.

/// Counter: messages taken into the outbox; label `kind`.
pub const ACCEPTED: &str = "evergate_mails_accepted_total";
/// Counter: messages that ended; labels `kind` and `outcome` (`delivered` or `failed`).
pub const FINISHED: &str = "evergate_mails_finished_total";
/// Counter: tries that came to nothing and will be repeated; label `kind`.
pub const POSTPONED: &str = "evergate_mails_postponed_total";
/// Counter: deliveries of a message that had been handed over before; label `certainty`: `certain` where
/// the one before was written down meanwhile, `possible` where whoever leased it before ended, or
/// hung, without writing down what came of it. One message may be counted as both.
pub const SECOND_DELIVERIES: &str = "evergate_mail_second_deliveries_total";
/// Gauge: messages that wait in the outbox.
pub const WAITING: &str = "evergate_outbox_messages";
/// Gauge: how long the oldest of them has waited, in seconds.
pub const OLDEST: &str = "evergate_outbox_oldest_seconds";
/// Counter: soft-token enrolments; label `outcome` (`begun`, `bound`, `wrong-code`, `gone`).
pub const ENROLMENTS: &str = "evergate_enrolments_total";
