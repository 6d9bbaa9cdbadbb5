//! The metrics of the links: the names are promised to the outside (contract.md).

/// Counter of failovers and failbacks; labels `link`, `from`, `to`, `cause`.
pub(super) const FAILOVERS: &str = "evergate_failovers_total";
/// Gauge, 1 for the state a member is in and 0 for the others; labels `link`, `instance`, `state`.
pub(super) const LINK_STATE: &str = "evergate_link_state";
/// Counter of calls asked a second time, of a member that was not under suspicion, while the first
/// member was waited for; label `link`.
pub(super) const HEDGES: &str = "evergate_hedges_total";
/// Counter of calls repeated after they were lost, or whose member came under suspicion; label
/// `link`.
pub(super) const RETRIES: &str = "evergate_retries_total";
/// Counter of changes of state; labels `link`, `instance`, `to`, `cause`.
pub(super) const LINK_CHANGES: &str = "evergate_link_changes_total";
