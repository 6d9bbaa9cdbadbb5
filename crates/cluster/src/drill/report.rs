//! What a drill found.

use std::collections::BTreeMap;

use evergate_model::Timestamp;
use serde::Serialize;

use super::{Once, Subject, Timeline};

/// What is done to the instance that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// SIGKILL: it is gone at once, with every connection.
    Crash,
    /// SIGSTOP for 10 s: it answers nothing, and its connections stay open.
    Hang,
}

impl Fault {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
        }
    }

    /// What was done, in words.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Crash => "killed (SIGKILL)",
            Self::Hang => "stopped for 10 s (SIGSTOP)",
        }
    }
}

/// A drill of one or more subjects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its name in the audit log.
    pub drill: String,
    /// When it began.
    pub at: Timestamp,
    /// Who started it: the system's user and machine.
    pub by: String,
    /// What was done.
    pub fault: Fault,
    /// Requests a second.
    pub rate: u32,
    /// Whether everything was as it should be.
    pub good: bool,
    /// How many requests were lost, all services together.
    pub lost: u64,
    /// Each service, in the order in which it was drilled.
    pub services: Vec<ServiceReport>,
    /// The services that could not be drilled, and why.
    pub undrilled: BTreeMap<Subject, String>,
}

/// What became of one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceReport {
    /// Which.
    pub service: Subject,
    /// What was sent.
    pub load: &'static str,
    /// Who was struck.
    pub instance: String,
    /// How many calls of the load it had answered.
    pub served_before: u64,
    /// How many requests were sent.
    pub sent: u64,
    /// How many were not answered well.
    pub lost: u64,
    /// How many were at the struck access point: no other could answer.
    pub in_flight: u64,
    /// Why requests were lost, and how often.
    pub reasons: BTreeMap<String, u64>,
    /// Half were answered within this.
    pub median_ms: u64,
    /// 99 of 100 were answered within this.
    pub p99_ms: u64,
    /// The slowest answer.
    pub slowest_ms: u64,
    /// When a caller first took the instance to be not up, after the fault.
    pub detected_ms: Option<u64>,
    /// When the first request that was sent after the fault was answered, after the fault.
    pub taken_over_ms: Option<u64>,
    /// How and when it was healed.
    pub healed: Option<Healed>,
    /// When calls went to it again.
    pub failed_back: Failback,
    /// Whether everything that must happen once did.
    pub once: Option<Once>,
    /// Everything that happened, in order.
    pub marks: Vec<Mark>,
    /// What was sent and lost, and how long it took, over time.
    pub timeline: Timeline,
    /// Everything that is not as it should be; nothing: all is well.
    pub faults: Vec<String>,
}

/// How an instance was healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healed {
    /// How many milliseconds after the fault.
    pub after_ms: u64,
    /// How: `continued`, `restarted`, `restarted by the supervisor`.
    pub how: &'static str,
    /// Why the supervisor restarted it.
    pub why: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// How many milliseconds after the fault.
    pub after_ms: u64,
    /// What: `struck`, `noticed`, `killed`, `taken over`, `healed`, `failed back`.
    pub what: &'static str,
    /// Particulars, for people.
    pub detail: String,
}

/// When calls went to the struck instance again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failback {
    /// So many milliseconds after the fault.
    AfterMs(u64),
    /// Not while the drill watched.
    NotYet,
    /// Another is preferred: there is nothing to go back to.
    NotPreferred,
    /// It was not waited for.
    NotAwaited,
}

impl ServiceReport {
    /// Whether another did its work.
    #[must_use]
    pub const fn was_taken_over(&self) -> bool {
        self.taken_over_ms.is_some()
    }

    /// Everything that is not as it should be.
    pub(super) fn judged(&self, has_moved: bool) -> Vec<String> {
        let instance = &self.instance;
        let mut faults = Vec::new();
        if self.lost > 0 {
            faults.push(format!("{} lost", requests(self.lost)));
        }
        if !self.was_taken_over() {
            faults.push(format!("nobody took over from {instance}"));
        } else if !has_moved {
            faults.push(format!("no caller's calls moved away from {instance}"));
        }
        if self.healed.is_none() {
            faults.push(format!("{instance} was not seen to come back"));
        } else if self.failed_back == Failback::NotYet {
            faults.push(format!("calls did not go back to {instance} in time"));
        }
        if let Some(once) = self.once.as_ref().filter(|once| !once.is_kept()) {
            faults.push(format!("not once: {once}"));
        }
        faults
    }
}

impl Report {
    pub(super) fn add(&mut self, service: ServiceReport) {
        self.lost += service.lost;
        self.good &= service.faults.is_empty();
        self.services.push(service);
    }

    pub(super) fn leave_out(&mut self, subject: Subject, why: String) {
        self.good = false;
        self.undrilled.insert(subject, why);
    }

    /// Everything that is not as it should be, each with its subject.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        let found = self.services.iter().flat_map(|service| {
            service.faults.iter().map(move |fault| format!("{}: {fault}", service.service))
        });
        found.chain(self.undrilled.iter().map(|(subject, why)| format!("{subject} was not drilled: {why}")))
    }

    /// The outcome in one sentence.
    #[must_use]
    pub fn verdict(&self) -> String {
        let drilled = self.services.len();
        let subjects = if drilled == 1 { "drill" } else { "drills" };
        match (self.lost, self.good) {
            (0, true) if self.services.iter().any(|service| service.failed_back == Failback::NotAwaited) => {
                format!("Nothing was lost in {drilled} {subjects}; failback was not awaited.")
            }
            (0, true) => format!("Nothing was lost in {drilled} {subjects}, and everything came back."),
            (0, false) => "Nothing was lost, but not everything is as it should be.".to_owned(),
            (lost, _) => format!("{} lost.", requests(lost)),
        }
    }
}

/// So many requests, with their verb.
#[must_use]
pub fn requests(count: u64) -> String {
    if count == 1 { "1 request was".to_owned() } else { format!("{count} requests were") }
}

impl std::fmt::Display for Failback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AfterMs(milliseconds) => write!(f, "{:.1} s", *milliseconds as f64 / 1000.0),
            Self::NotYet => f.write_str("not in time"),
            Self::NotPreferred => f.write_str("not preferred"),
            Self::NotAwaited => f.write_str("not awaited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_drill_is_good_when_nothing_was_lost_and_it_took_over_and_failed_back_once() {
        let good = sample::report();
        assert!(good.good && good.faults().next().is_none());
        let judged = |change: fn(&mut ServiceReport)| {
            let mut service = good.services[0].clone();
            change(&mut service);
            service.judged(true)
        };
        assert_eq!(judged(|_| ()), Vec::<String>::new());
        assert_eq!(judged(|service| service.lost = 1), ["1 request was lost"]);
        assert_eq!(judged(|service| service.taken_over_ms = None), ["nobody took over from policy1"]);
        assert_eq!(
            judged(|service| service.failed_back = Failback::NotYet),
            ["calls did not go back to policy1 in time"]
        );
        assert_eq!(judged(|service| service.healed = None), ["policy1 was not seen to come back"]);
        assert_eq!(judged(|service| service.failed_back = Failback::NotAwaited), Vec::<String>::new());
        let twice = judged(|service| {
            service.once = Some(Once { what: "mails taken in", begun: 1, acknowledged: 1, found: 2 });
        });
        assert_eq!(twice, ["not once: mails taken in: 1 begun, 1 acknowledged, 2 found"]);
        assert_eq!(good.services[0].judged(false), ["no caller's calls moved away from policy1"]);
    }

    #[test]
    fn what_was_not_drilled_is_not_good() {
        let mut report = sample::report();
        report.leave_out(Subject::Upstream, "no server".to_owned());
        assert!(!report.good);
        assert_eq!(report.faults().collect::<Vec<_>>(), ["upstream was not drilled: no server"]);
        assert_eq!(report.verdict(), "Nothing was lost, but not everything is as it should be.");
    }
}
