//! What instances count, read from their `/metrics` (Prometheus text format 0.0.4).

use std::time::Duration;

use bytes::Bytes;
use evergate_model::Service;
use evergate_process::http_client::HttpClient;
use http::Request;

use super::DrillError;
use crate::running::RunningInstance;

/// All series of an instance.
pub(super) struct Metrics(String);

impl Metrics {
    pub(super) async fn read(instance: &RunningInstance) -> Result<Self, DrillError> {
        let failed = |why: String| DrillError::Metrics { instance: instance.name.to_string(), why };
        let request = Request::get(format!("http://{}/metrics", instance.operations)).body(Bytes::new());
        let request = request.map_err(|error| failed(error.to_string()))?;
        let client = HttpClient::plain().within(Duration::from_secs(2));
        let answer = client.send(request).await.map_err(|error| failed(error.to_string()))?;
        Ok(Self(String::from_utf8_lossy(answer.body()).into_owned()))
    }

    /// The sum of all series of that name whose labels contain all of these (`name="value"`).
    pub(super) fn sum(&self, name: &str, labels: &[String]) -> f64 {
        let series = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (inside, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once('}')?,
                None => ("", rest.strip_prefix(' ').map(|_| rest)?),
            };
            let has_all = labels.iter().all(|label| inside.split(',').any(|each| each == label));
            if has_all { value.trim().parse::<f64>().ok() } else { None }
        });
        series.sum()
    }

    /// How many calls of the drill's kind the instance has answered.
    pub(super) fn served(&self, service: Service) -> f64 {
        let call = |call: &str| self.sum("evergate_calls_total", &[label("call", call)]);
        match service {
            Service::AccessPoint => self.sum("evergate_decisions_total", &[]),
            Service::Policy => call("/evergate.Policy/Decide"),
            Service::Distribution => call("/evergate.Distribution/SendMail"),
            Service::Authentication | Service::Administration => call("page"),
        }
    }

    /// Whether this caller takes a member of its pools to be up; `None` if it does not call it.
    pub(super) fn holds_up(&self, member: &str) -> Option<bool> {
        let of = label("instance", member);
        let known = self.0.lines().any(|line| line.starts_with("evergate_link_state{") && line.contains(&of));
        known.then(|| self.sum("evergate_link_state", &[of, label("state", "up")]) > 0.0)
    }

    /// How often this caller's calls moved away from a member, and how often to it.
    pub(super) fn moves(&self, member: &str) -> Moves {
        let moves = |direction: &str| self.sum("evergate_failovers_total", &[label(direction, member)]);
        Moves { away: moves("from"), back: moves("to") }
    }
}

/// How often a caller's calls moved away from a member, and how often (back) to it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moves {
    pub(super) away: f64,
    pub(super) back: f64,
}

fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_their_labels() {
        let metrics = Metrics(
            "# TYPE evergate_calls_total counter\n\
             evergate_calls_total{call=\"page\"} 7\nevergate_calls_total{call=\"/evergate.Policy/Decide\"} 3\n\
             evergate_decisions_total{verdict=\"permit\",cached=\"true\"} 4\n\
             evergate_decisions_total{verdict=\"deny\",cached=\"false\"} 1\n\
             evergate_decisions_total_more 100\nevergate_plain 2\n\
             evergate_link_state{link=\"policy\",instance=\"policy1\",state=\"up\"} 0\n\
             evergate_link_state{link=\"policy\",instance=\"policy1\",state=\"down\"} 1\n\
             evergate_link_state{link=\"policy\",instance=\"policy2\",state=\"up\"} 1\n\
             evergate_failovers_total{link=\"policy\",from=\"policy1\",to=\"policy2\",cause=\"reset\"} 2\n\
             evergate_failovers_total{link=\"policy\",from=\"policy2\",to=\"policy1\",cause=\"failback\"} 1\n"
                .to_owned(),
        );
        assert!((metrics.served(Service::Policy) - 3.0).abs() < 0.1);
        assert!((metrics.served(Service::AccessPoint) - 5.0).abs() < 0.1);
        assert!((metrics.sum("evergate_plain", &[]) - 2.0).abs() < 0.1);
        assert_eq!(metrics.holds_up("policy1"), Some(false));
        assert_eq!(metrics.holds_up("policy2"), Some(true));
        assert_eq!(metrics.holds_up("policy3"), None);
        assert_eq!(metrics.moves("policy1"), Moves { away: 2.0, back: 1.0 });
    }
}
