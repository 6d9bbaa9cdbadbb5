//! The names of this service's metrics.

/// Decisions, by verdict. `cached` is `false` here: permits are remembered by access points, which
/// count those themselves.
pub(crate) const DECISIONS: &str = "evergate_decisions_total";
/// Decisions made from the token alone because the database was away.
pub(crate) const DECISIONS_WITHOUT_DATABASE: &str = "evergate_decisions_without_database_total";
/// The last revocation that this instance has heard of.
pub(crate) const LOG_POSITION: &str = "evergate_revocation_log_position";
