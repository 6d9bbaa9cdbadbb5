//! A drill's report on the terminal.

use evergate_cluster::drill::{self, Report, ServiceReport};

use crate::output;

const HEADINGS: [&str; 9] =
    ["service", "struck", "sent", "lost", "median", "slowest", "noticed", "taken over", "failed back"];

pub(super) fn for_people(report: &Report) -> String {
    let table = output::table(&HEADINGS, report.services.iter().map(row));
    let remarks = report.services.iter().flat_map(remarks);
    let verdict = format!("\n\n{}", report.verdict());
    std::iter::once(table).chain(remarks).chain(std::iter::once(verdict)).collect()
}

fn row(service: &ServiceReport) -> Vec<String> {
    let after = |moment: Option<u64>| moment.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    vec![
        service.service.to_string(),
        service.instance.trim_start_matches("http://").to_owned(),
        service.sent.to_string(),
        service.lost.to_string(),
        format!("{} ms", service.median_ms),
        format!("{} ms", service.slowest_ms),
        after(service.detected_ms),
        after(service.taken_over_ms),
        service.failed_back.to_string(),
    ]
}

/// What the table has no column for.
fn remarks(service: &ServiceReport) -> Vec<String> {
    let name = service.service;
    let mut remarks =
        vec![format!("\n\n{name}: {} had answered {} calls", service.instance, service.served_before)];
    if let Some(healed) = &service.healed {
        let why = healed.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        remarks.push(format!("; {} after {:.1} s{why}", healed.how, healed.after_ms as f64 / 1000.0));
    }
    if service.in_flight > 0 {
        let in_flight = drill::requests(service.in_flight);
        remarks.push(format!("\n  {in_flight} on its own connections: nobody else could answer"));
    }
    if let Some(once) = &service.once {
        let kept = if once.is_kept() { "once each" } else { "NOT once each" };
        remarks.push(format!("\n  {once}: {kept}"));
    }
    for (reason, count) in &service.reasons {
        remarks.push(format!("\n  lost: {count} x {reason}"));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use evergate_cluster::drill::{Failback, Healed, Once, Subject, Timeline};

    use super::*;

    #[test]
    fn what_the_table_has_no_column_for_is_told_below_it() {
        let service = ServiceReport {
            service: Subject::Upstream,
            load: "requests",
            instance: "http://127.0.0.1:1".to_owned(),
            served_before: 400,
            sent: 2000,
            lost: 3,
            in_flight: 1,
            reasons: [("answered 502".to_owned(), 3)].into(),
            median_ms: 1,
            p99_ms: 2,
            slowest_ms: 3,
            detected_ms: None,
            taken_over_ms: Some(5),
            healed: Some(Healed { after_ms: 450, how: "restarted", why: Some("it hung".to_owned()) }),
            failed_back: Failback::AfterMs(10_250),
            once: Some(Once { what: "mails taken in", begun: 2, acknowledged: 2, found: 3 }),
            marks: Vec::new(),
            timeline: Timeline::default(),
            faults: Vec::new(),
        };
        let cells = ["upstream", "127.0.0.1:1", "2000", "3", "1 ms", "3 ms", "-", "5 ms", "10.2 s"];
        assert_eq!(row(&service), cells);
        let told = remarks(&service).concat();
        for text in [
            "http://127.0.0.1:1 had answered 400 calls; restarted after 0.5 s (it hung)",
            "1 request was on its own connections",
            "3 found: NOT once each",
            "lost: 3 x answered 502",
        ] {
            assert!(told.contains(text), "{text} is missing in:{told}");
        }
    }
}
