//! A drill's report as one page that can be kept or sent.

use super::report::{Report, ServiceReport};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1a;background:#fff}table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.4rem .6rem;\
border-bottom:1px solid #ccc}th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}th,td{border-color:#444}}";

/// The report as an HTML page without anything from elsewhere.
#[must_use]
pub fn html(report: &Report) -> String {
    let verdict = match report.lost {
        0 => "Nothing was lost.".to_owned(),
        lost => format!("{lost} requests were lost."),
    };
    let rows: String = report.services.iter().map(row).collect();
    let reasons: String = report.services.iter().map(reasons).collect();
    let undrilled = report.undrilled.iter();
    let undrilled: String = undrilled
        .map(|(service, why)| format!("<p>{service} was not drilled: {}</p>", escaped(why)))
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Evergate drill</title><style>{STYLE}</style><h1>Evergate drill</h1>\
         <p><strong>{verdict}</strong> {} requests a second, each sent once; the instance that served was killed \
         (SIGKILL). {}</p><table><thead><tr><th>service<th>killed<th>had served<th>sent<th>lost<th>in flight\
         <th>median<th>slowest<th>noticed<th>taken over<th>failed back</thead><tbody>{rows}</tbody></table>{reasons}{undrilled}",
        report.rate, report.at
    )
}

fn row(service: &ServiceReport) -> String {
    let after = |moment: Option<u64>| moment.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"));
    format!(
        "<tr><td>{}<br><small>{}</small><td>{}<td>{}<td>{}<td>{}<td>{}<td>{} ms<td>{} ms<td>{}<td>{}<td>{}",
        service.service,
        escaped(&service.load),
        service.instance,
        service.served_before,
        service.sent,
        service.lost,
        service.in_flight,
        service.median_ms,
        service.slowest_ms,
        after(service.detected_ms),
        after(service.taken_over_ms),
        service.failed_back,
    )
}

fn reasons(service: &ServiceReport) -> String {
    let line = |(reason, count): (&String, &u64)| {
        format!("<p>{}: {count} × {}</p>", service.service, escaped(reason))
    };
    service.reasons.iter().map(line).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
