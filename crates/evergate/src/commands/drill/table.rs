//! A drill's report on the terminal.

use evergate_cluster::drill::{Report, ServiceReport};

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
        remarks.push(format!(
            "\n  {} requests were on its own connections: nobody else could answer",
            service.in_flight
        ));
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
