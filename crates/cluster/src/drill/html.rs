//! A drill's report as one page that can be kept or sent: nothing in it comes from elsewhere.

mod chart;

use super::Subject;
use super::report::{Mark, Report, ServiceReport};

const STYLE: &str = include_str!("html/style.css");

/// The report as an HTML page, which is well-formed XML too.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut page = Page::default();
    page.line("<!DOCTYPE html>");
    page.line("<html lang=\"en\"><head><meta charset=\"utf-8\" />");
    page.line("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />");
    page.line("<meta name=\"color-scheme\" content=\"light dark\" />");
    page.line(&format!("<title>Evergate drill: {}</title>", escaped(&report.verdict())));
    page.line(&format!("<style>{STYLE}</style></head><body><main>"));
    summary(&mut page, report);
    for (number, service) in report.services.iter().enumerate() {
        section(&mut page, number, service);
    }
    page.line(&format!(
        "<footer><p>{} · {} · started by {} · how to read it: <em>noticed</em> is when a caller first took the \
         instance to be not up; <em>taken over</em> is when the first request sent after the fault was answered; \
         <em>failed back</em> is when all calls that had moved away were back.</p></footer>",
        escaped(&report.drill),
        report.at,
        escaped(&report.by)
    ));
    page.line("</main></body></html>");
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

fn summary(page: &mut Page, report: &Report) {
    let class = if report.good { "good" } else { "bad" };
    page.line("<header><h1>Evergate drill</h1>");
    page.line(&format!("<p class=\"verdict {class}\">{}</p>", escaped(&report.verdict())));
    page.line(&format!(
        "<p>{} requests a second, each sent once by a client that never repeats one; the instance that served \
         was {}.</p></header>",
        report.rate,
        report.fault.done()
    ));
    let faults: Vec<String> = report.faults().collect();
    if !faults.is_empty() {
        page.line("<h2>What is not as it should be</h2><ul class=\"faults\">");
        faults.iter().for_each(|fault| page.line(&format!("<li>{}</li>", escaped(fault))));
        page.line("</ul>");
    }
    page.line("<h2 id=\"summary\">Summary</h2>");
    page.line(
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"summary\" tabindex=\"0\"><table><thead><tr>",
    );
    for heading in ["service", "struck", "sent", "lost", "slowest", "noticed", "taken over", "failed back"] {
        page.line(&format!("<th scope=\"col\">{heading}</th>"));
    }
    page.line("</tr></thead><tbody>");
    report.services.iter().for_each(|service| page.line(&row(service)));
    page.line("</tbody></table></div>");
}

fn row(service: &ServiceReport) -> String {
    let cells = [
        service.instance.trim_start_matches("http://").to_owned(),
        service.sent.to_string(),
        service.lost.to_string(),
        format!("{} ms", service.slowest_ms),
        after(service.detected_ms),
        after(service.taken_over_ms),
        service.failed_back.to_string(),
    ];
    let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>", service.service)
}

fn after(moment: Option<u64>) -> String {
    moment.map_or_else(|| "–".to_owned(), long)
}

/// Milliseconds while they are few.
fn long(milliseconds: u64) -> String {
    if milliseconds < 10_000 {
        format!("{milliseconds} ms")
    } else {
        format!("{:.1} s", milliseconds as f64 / 1000.0)
    }
}

fn section(page: &mut Page, number: usize, service: &ServiceReport) {
    let class = if service.faults.is_empty() { "good" } else { "bad" };
    page.line(&format!(
        "<section aria-labelledby=\"s{number}\"><h2 id=\"s{number}\">{}</h2>",
        service.service
    ));
    let sentence =
        if service.faults.is_empty() { "as it should be".to_owned() } else { service.faults.join("; ") };
    page.line(&format!("<p class=\"verdict {class}\">{}</p>", escaped(&sentence)));
    page.line(&format!("<p>Load: {}.</p>", escaped(service.load)));
    figures(page, service);
    page.line(&format!(
        "<figure><div class=\"scroll\" role=\"region\" aria-label=\"time line of {}\" tabindex=\"0\">",
        service.service
    ));
    page.line(&chart::chart(number, service));
    page.line(
        "</div><figcaption>Each column is 100 ms of the load, where requests began.</figcaption></figure>",
    );
    page.line("<ol class=\"marks\">");
    service.marks.iter().for_each(|mark| page.line(&mark_line(mark)));
    page.line("</ol>");
    if !service.reasons.is_empty() {
        page.line("<h3>Why requests were lost</h3><ul class=\"faults\">");
        for (reason, count) in &service.reasons {
            page.line(&format!("<li>{count} × {}</li>", escaped(reason)));
        }
        page.line("</ul>");
    }
    page.line("</section>");
}

fn mark_line(mark: &Mark) -> String {
    format!("<li><b>{}</b> after {}: {}</li>", mark.what, long(mark.after_ms), escaped(&mark.detail))
}

fn figures(page: &mut Page, service: &ServiceReport) {
    let mut figures = vec![
        ("struck", service.instance.clone()),
        ("had answered", format!("{} calls", service.served_before)),
        ("sent", service.sent.to_string()),
        ("lost", service.lost.to_string()),
        ("median", format!("{} ms", service.median_ms)),
        ("99th percentile", format!("{} ms", service.p99_ms)),
        ("slowest", format!("{} ms", service.slowest_ms)),
    ];
    if service.service == Subject::Service(evergate_model::Service::AccessPoint) {
        figures.push(("on its own connections", format!("{} in flight", service.in_flight)));
    }
    if let Some(once) = &service.once {
        let text = format!("{} acknowledged, {} found", once.acknowledged, once.found);
        figures.push((once.what, text));
    }
    page.line("<dl>");
    for (name, value) in figures {
        page.line(&format!("<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(&value)));
    }
    page.line("</dl>");
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .map(|character| match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
