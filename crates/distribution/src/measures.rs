//! The names of this service's metrics.

/// Counter: messages taken into the outbox; label `kind`.
pub const ACCEPTED: &str = "evergate_mails_accepted_total";
/// Counter: messages that ended; labels `kind` and `outcome` (`delivered` or `failed`).
pub const FINISHED: &str = "evergate_mails_finished_total";
/// Counter: tries that came to nothing and will be repeated; label `kind`.
pub const POSTPONED: &str = "evergate_mails_postponed_total";
/// Gauge: messages that wait in the outbox.
pub const WAITING: &str = "evergate_outbox_messages";
/// Gauge: how long the oldest of them has waited, in seconds.
pub const OLDEST: &str = "evergate_outbox_oldest_seconds";
/// Counter: soft-token enrolments; label `outcome` (`begun`, `bound`, `wrong-code`, `gone`).
pub const ENROLMENTS: &str = "evergate_enrolments_total";
