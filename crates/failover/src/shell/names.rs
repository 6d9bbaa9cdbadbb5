//! The metrics of the links: the names are promised to the outside (contract.md).

/// Counter of failovers and failbacks; labels `link`, `from`, `to`, `cause`.
pub(super) const FAILOVERS: &str = "evergate_failovers_total";
/// Gauge, 1 for the state a member is in and 0 for the others; labels `link`, `instance`, `state`.
pub(super) const LINK_STATE: &str = "evergate_link_state";
