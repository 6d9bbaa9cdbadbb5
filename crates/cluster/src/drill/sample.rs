//! A report as drills make them, for tests.

use evergate_model::{Service, Timestamp};

use super::report::{Failback, Fault, Healed, Mark, Report, ServiceReport};
use super::timeline::{Fate, Moment};
use super::{Once, Subject, Timeline};

/// A hang of policy and of an access point, in which all went well.
pub(super) fn report() -> Report {
    Report {
        drill: "drill-0123456789ab".to_owned(),
        at: Timestamp::from_seconds(1_790_000_000),
        by: "root@<node>".to_owned(),
        fault: Fault::Hang,
        rate: 200,
        good: true,
        lost: 0,
        services: vec![service(Service::Policy, "policy1"), service(Service::AccessPoint, "access-point2")],
        undrilled: Default::default(),
    }
}

fn service(service: Service, instance: &str) -> ServiceReport {
    let mark = |after_ms, what, detail: &str| Mark { after_ms, what, detail: detail.to_owned() };
    let moments: Vec<Moment> = (-400..3600_i64)
        .map(|turn| {
            let is_slow = (0..30).contains(&turn) && turn % 3 == 0;
            let took = std::time::Duration::from_micros(if is_slow {
                180_000
            } else {
                900 + 37 * (turn.unsigned_abs() % 11)
            });
            let is_held = service == Service::AccessPoint && (1..4).contains(&turn);
            Moment { began_ms: turn * 5, took, fate: if is_held { Fate::InFlight } else { Fate::Answered } }
        })
        .collect();
    ServiceReport {
        service: Subject::Service(service),
        load: Subject::Service(service).load(),
        instance: instance.to_owned(),
        served_before: 398,
        sent: 4000,
        lost: 0,
        in_flight: if service == Service::AccessPoint { 3 } else { 0 },
        reasons: Default::default(),
        median_ms: 2,
        p99_ms: 181,
        slowest_ms: 214,
        detected_ms: Some(152),
        taken_over_ms: Some(161),
        healed: Some(Healed { after_ms: 10_003, how: "continued", why: None }),
        failed_back: Failback::AfterMs(12_480),
        once: Some(Once { what: "mails taken in", begun: 4000, acknowledged: 4000, found: 4000 }),
        marks: vec![
            mark(0, "struck", "stopped for 10 s (SIGSTOP)"),
            mark(152, "noticed", "by access-point1 & others"),
            mark(161, "taken over", "the first request sent after the fault was answered"),
            mark(10_003, "healed", "continued"),
            mark(12_480, "failed back", "all calls go to policy1 again"),
        ],
        timeline: Timeline::of(&moments),
        faults: Vec::new(),
    }
}
