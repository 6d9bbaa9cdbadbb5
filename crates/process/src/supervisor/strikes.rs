//! The faults that a drill asks for, and when each is healed: pure. The shell is `overseer.rs`.
//!
//! A child that was stopped goes on when the drill says so, when the drill's connection ends, when
//! the drill's own time is over, and after 60 s at the latest, whatever became of the drill.

use std::collections::BTreeMap;
use std::time::Duration;

/// No child is stopped for longer.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// What happened. A drill is known by the number of its connection.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A process was stopped for a drill.
    Stopped { drill: u64, child: &'a str, pid: u32, lasts: Option<Duration> },
    /// Somebody asks that the child go on.
    Heal { child: &'a str },
    /// The drill's connection ended.
    Closed { drill: u64 },
    /// Time passed.
    Time,
    /// The child's process ended; another may be running, and stopped, by now.
    Ended { child: &'a str, pid: u32 },
}

/// A child that is to go on, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Healing {
    pub(super) child: String,
    pub(super) pid: u32,
    pub(super) why: &'static str,
}

/// What is stopped at present. Moments are counted from any one beginning.
#[derive(Debug, Default)]
pub(super) struct Strikes(BTreeMap<String, Strike>);

#[derive(Debug)]
struct Strike {
    drill: u64,
    pid: u32,
    until: Duration,
}

impl Strikes {
    /// Whether a drill has stopped that child.
    pub(super) fn has_stopped(&self, child: &str) -> bool {
        self.0.contains_key(child)
    }

    /// Takes in what happened at `now`.
    pub(super) fn handle(&mut self, event: &Event<'_>, now: Duration) -> Vec<Healing> {
        match *event {
            Event::Stopped { drill, child, pid, lasts } => {
                let until = now + lasts.unwrap_or(LONGEST).min(LONGEST);
                self.0.insert(child.to_owned(), Strike { drill, pid, until });
                Vec::new()
            }
            Event::Heal { child } => self.heal("asked", |name, _| name == child),
            Event::Closed { drill } => self.heal("closed", |_, strike| strike.drill == drill),
            Event::Time => self.heal("time", |_, strike| strike.until <= now),
            Event::Ended { child, pid } => {
                self.0.retain(|name, strike| name != child || strike.pid != pid);
                Vec::new()
            }
        }
    }

    fn heal(&mut self, why: &'static str, which: impl Fn(&str, &Strike) -> bool) -> Vec<Healing> {
        let healed = self.0.extract_if(.., |child, strike| which(child, strike));
        healed.map(|(child, strike)| Healing { child, pid: strike.pid, why }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn stopped(lasts: Option<Duration>) -> Strikes {
        let mut strikes = Strikes::default();
        let event = Event::Stopped { drill: 1, child: "policy1", pid: 7, lasts };
        assert!(strikes.handle(&event, at(0)).is_empty());
        strikes
    }

    fn healed(why: &'static str) -> Vec<Healing> {
        vec![Healing { child: "policy1".to_owned(), pid: 7, why }]
    }

    #[test]
    fn a_drill_that_says_nothing_more_is_healed_after_60_s_whatever_it_wished() {
        for wish in [None, Some(at(3600))] {
            let mut strikes = stopped(wish);
            assert!(strikes.handle(&Event::Time, at(59)).is_empty());
            assert_eq!(strikes.handle(&Event::Time, at(60)), healed("time"));
            assert!(strikes.handle(&Event::Time, at(61)).is_empty(), "once");
        }
        assert_eq!(stopped(Some(at(10))).handle(&Event::Time, at(10)), healed("time"), "or less");
    }

    #[test]
    fn what_a_drill_stopped_goes_on_when_its_connection_ends_and_nothing_else_does() {
        let mut strikes = stopped(None);
        let other = Event::Stopped { drill: 2, child: "policy2", pid: 8, lasts: None };
        strikes.handle(&other, at(0));
        assert_eq!(strikes.handle(&Event::Closed { drill: 1 }, at(1)), healed("closed"));
        assert!(!strikes.has_stopped("policy1") && strikes.has_stopped("policy2"));
    }

    #[test]
    fn a_process_that_ended_is_not_healed_any_more() {
        let mut strikes = stopped(None);
        strikes.handle(&Event::Ended { child: "policy1", pid: 7 }, at(1));
        assert!(strikes.handle(&Event::Heal { child: "policy1" }, at(2)).is_empty());
        assert!(!strikes.has_stopped("policy1"));
    }

    #[test]
    fn a_process_is_healed_also_where_the_end_of_the_one_before_it_is_heard_of_late() {
        let mut strikes = stopped(None);
        strikes.handle(&Event::Ended { child: "policy1", pid: 6 }, at(1));
        assert!(strikes.has_stopped("policy1"));
        assert_eq!(strikes.handle(&Event::Closed { drill: 1 }, at(2)), healed("closed"));
    }

    #[test]
    fn a_child_goes_on_when_asked() {
        assert_eq!(stopped(None).handle(&Event::Heal { child: "policy1" }, at(2)), healed("asked"));
    }
}
