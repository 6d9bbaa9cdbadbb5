//! A time line as inline SVG: the slowest answer of each 100 ms above (logarithmic), requests sent
//! and lost below, and numbered marks for what happened.

use std::fmt::Write;

use super::escaped;
use crate::drill::report::ServiceReport;
use crate::drill::timeline::Timeline;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
/// The upper lane, times; from here down to there.
const TIMES: (f64, f64) = (44.0, 138.0);
/// The lower lane, counts.
const COUNTS: (f64, f64) = (158.0, 218.0);
/// The slowest time that is drawn, in milliseconds.
const SLOWEST: f64 = 10_000.0;
/// Marks are not drawn closer than this: the next is put lower.
const BADGE: f64 = 16.0;

/// The chart of one round; `number` tells its ids from those of others.
pub(super) fn chart(number: usize, service: &ServiceReport) -> String {
    let line = &service.timeline;
    let plot = Plot::new(line);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t{number} d{number}\">\
         <title id=\"t{number}\">Time line of {}</title><desc id=\"d{number}\">{}</desc>",
        service.service,
        escaped(&described(service))
    );
    plot.axes(&mut svg);
    plot.counts(&mut svg, line);
    plot.times(&mut svg, line);
    plot.marks(&mut svg, service);
    svg.push_str("</svg>");
    svg
}

/// The chart in words, for those who do not see it.
fn described(service: &ServiceReport) -> String {
    let marks: Vec<String> =
        service.marks.iter().map(|mark| format!("{} after {} ms", mark.what, mark.after_ms)).collect();
    format!(
        "{} requests sent, {} lost, slowest answer {} ms; {}.",
        service.sent,
        service.lost,
        service.slowest_ms,
        marks.join(", ")
    )
}

/// Where things are.
struct Plot {
    begins_ms: f64,
    length_ms: f64,
    most: f64,
}

impl Plot {
    fn new(line: &Timeline) -> Self {
        let columns = line.sent.len().max(1) as f64;
        Self {
            begins_ms: line.begins_ms as f64,
            length_ms: columns * line.column_ms.max(1) as f64,
            most: f64::from(line.sent.iter().copied().max().unwrap_or(1).max(1)),
        }
    }

    fn x(&self, at_ms: f64) -> f64 {
        let share = ((at_ms - self.begins_ms) / self.length_ms).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// 1 ms at the bottom, 10 s at the top.
    fn y_of_time(took_ms: f64) -> f64 {
        let share = took_ms.clamp(1.0, SLOWEST).log10() / SLOWEST.log10();
        TIMES.1 - share * (TIMES.1 - TIMES.0)
    }

    fn y_of_count(&self, count: f64) -> f64 {
        COUNTS.1 - (count / self.most) * (COUNTS.1 - COUNTS.0)
    }

    fn axes(&self, svg: &mut String) {
        for (took, label) in
            [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1000.0, "1 s"), (SLOWEST, "10 s")]
        {
            let y = Self::y_of_time(took);
            line(svg, "axis", (LEFT, y), (WIDTH - RIGHT, y));
            label_at(svg, "end", (LEFT - 6.0, y + 4.0), label);
        }
        line(svg, "axis", (LEFT, COUNTS.1), (WIDTH - RIGHT, COUNTS.1));
        label_at(svg, "end", (LEFT - 6.0, COUNTS.0 + 4.0), &format!("{}", self.most));
        label_at(svg, "end", (LEFT - 6.0, COUNTS.1 + 4.0), "0");
        label_at(svg, "legend", (LEFT, COUNTS.0 - 6.0), "sent (bars), lost (red) per 100 ms");
        label_at(svg, "legend", (LEFT, 10.0), "slowest answer per 100 ms");
        let step = self.step_ms();
        let mut at = (self.begins_ms / step).ceil() * step;
        while at <= self.begins_ms + self.length_ms {
            label_at(svg, "middle", (self.x(at), COUNTS.1 + 16.0), &format!("{} s", at / 1000.0));
            at += step;
        }
    }

    /// Between two labels of the axis, so that there are at most 15.
    fn step_ms(&self) -> f64 {
        let steps = [1_000.0, 2_000.0, 5_000.0, 10_000.0, 30_000.0, 60_000.0];
        steps.into_iter().find(|step| self.length_ms / step <= 15.0).unwrap_or(120_000.0)
    }

    /// What was sent as one area with steps; what was lost as bars upon it.
    fn counts(&self, svg: &mut String, timeline: &Timeline) {
        let column = timeline.column_ms as f64;
        let mut path = format!("M{:.1} {:.1}", self.x(self.begins_ms), COUNTS.1);
        for (begins, sent) in timeline.begins().zip(&timeline.sent) {
            let (x, y) = (self.x(begins as f64), self.y_of_count(f64::from(*sent)));
            let end = self.x(begins as f64 + column);
            let _ = write!(path, "L{x:.1} {y:.1}L{end:.1} {y:.1}");
        }
        let _ = write!(path, "L{:.1} {:.1}Z", self.x(self.begins_ms + self.length_ms), COUNTS.1);
        let _ = write!(svg, "<path class=\"sent\" d=\"{path}\" />");
        for (class, counts) in [("held", &timeline.in_flight), ("lost", &timeline.lost)] {
            for (begins, count) in timeline.begins().zip(counts).filter(|(_, count)| **count > 0) {
                let (x, y) = (self.x(begins as f64), self.y_of_count(f64::from(*count)));
                let width = (self.x(begins as f64 + column) - x).max(2.0);
                let height = (COUNTS.1 - y).max(3.0);
                let y = COUNTS.1 - height;
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" />"
                );
            }
        }
    }

    fn times(&self, svg: &mut String, timeline: &Timeline) {
        let half = timeline.column_ms as f64 / 2.0;
        let mut path = String::new();
        for (begins, slowest) in
            timeline.begins().zip(&timeline.slowest_ms).filter(|(_, slowest)| **slowest > 0)
        {
            let step = if path.is_empty() { 'M' } else { 'L' };
            let (x, y) = (self.x(begins as f64 + half), Self::y_of_time(*slowest as f64));
            let _ = write!(path, "{step}{x:.1} {y:.1}");
        }
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"slow\" d=\"{path}\" />");
        }
    }

    fn marks(&self, svg: &mut String, service: &ServiceReport) {
        let mut free = f64::MIN;
        for (number, mark) in (1..).zip(&service.marks) {
            let x = self.x(mark.after_ms as f64);
            line(svg, "mark", (x, 30.0), (x, COUNTS.1));
            // Those that are too close stand side by side; the line shows where each belongs.
            let at = x.max(free).min(WIDTH - RIGHT);
            free = at + BADGE;
            let _ = write!(
                svg,
                "<g><title>{}: {} ms</title><circle class=\"badge\" cx=\"{at:.1}\" cy=\"24\" r=\"7.5\" />\
                 <text class=\"number\" x=\"{at:.1}\" y=\"28\">{number}</text></g>",
                mark.what, mark.after_ms
            );
        }
    }
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = write!(
        svg,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" />",
        from.0, from.1, to.0, to.1
    );
}

fn label_at(svg: &mut String, class: &str, at: (f64, f64), text: &str) {
    let _ =
        write!(svg, "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", at.0, at.1, escaped(text));
}
