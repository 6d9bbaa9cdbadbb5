//! The metrics of an access point; their names are promised to the outside (contract.md).

use metrics::{Counter, counter};

/// Counter of decisions; labels `verdict`, `cached`.
pub(crate) const DECISIONS: &str = "evergate_decisions_total";
/// Counter of permits repeated because no policy instance answered.
pub(crate) const GRACE_ANSWERS: &str = "evergate_grace_answers_total";
/// Gauge of denials that wait to be audited.
pub(crate) const SPOOL_RECORDS: &str = "evergate_spool_records";
/// Counter of denials that were dropped because too many waited.
pub(crate) const SPOOL_DROPPED: &str = "evergate_spool_dropped_total";
/// Gauge of open client connections.
pub(crate) const CONNECTIONS: &str = "evergate_connections";

/// Counter of connections refused for their PROXY header; label `cause`: `absent` (from a balancer that is listed),
/// `malformed`, `too-long`, `slow`, `unlisted` (one from somebody who is no listed balancer), `unnamed` (a request of a
/// balancer's own for something else than readiness).
pub(crate) const PROXY_REFUSED: &str = "evergate_proxy_headers_refused_total";

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request passes.
    Permit,
    /// It wants signing in.
    SignIn,
    /// It does not pass.
    Deny,
    /// Nobody could say.
    Unconfirmed,
}

/// The counters, looked up once.
#[derive(Debug)]
pub(crate) struct Counts {
    repeated: Counter,
    permit: Counter,
    sign_in: Counter,
    deny: Counter,
    unconfirmed: Counter,
    grace: Counter,
}

impl Default for Counts {
    fn default() -> Self {
        let decided = |verdict: &'static str, cached: &'static str| counter!(DECISIONS, "verdict" => verdict, "cached" => cached);
        Self {
            repeated: decided("permit", "true"),
            permit: decided("permit", "false"),
            sign_in: decided("sign-in", "false"),
            deny: decided("deny", "false"),
            unconfirmed: decided("unconfirmed", "false"),
            grace: counter!(GRACE_ANSWERS),
        }
    }
}

impl Counts {
    /// A decision was made, or repeated.
    pub(crate) fn decided(&self, verdict: Verdict, is_repeated: bool) {
        let counter = match verdict {
            Verdict::Permit if is_repeated => &self.repeated,
            Verdict::Permit => &self.permit,
            Verdict::SignIn => &self.sign_in,
            Verdict::Deny => &self.deny,
            Verdict::Unconfirmed => &self.unconfirmed,
        };
        counter.increment(1);
    }

    /// A permit stood in for an answer that could not be had.
    pub(crate) fn grace(&self) {
        self.grace.increment(1);
    }
}
