//! One measurement with wrk, on the core that the proxies do not have.

use std::fmt;

use anyhow::{Context, Result, ensure};
use evergate_harness::processes;
use tokio::process::Command;

/// Clock ticks a second in `/proc/PID/stat`: 100 on every Linux that Debian builds.
const TICKS: f64 = 100.0;

/// What is asked, and of which process.
pub(crate) struct Wrk {
    pub(crate) port: u16,
    pub(crate) cookie: Option<String>,
    pub(crate) pid: u32,
    pub(crate) seconds: u64,
}

/// What came of it.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Seconds of processor time of the proxy for each request.
    pub(crate) cpu: f64,
}

impl Wrk {
    /// Runs wrk for some seconds; fails if any answer is not a good one.
    pub(crate) async fn measure(&self) -> Result<Measured> {
        let before = processes::ticks(self.pid)?;
        let duration = format!("{}s", self.seconds);
        let mut command = Command::new("taskset");
        command.args(["-c", "1", "wrk", "-t1", "-c64", "-d", &duration]);
        if let Some(cookie) = &self.cookie {
            command.args(["-H", &format!("Cookie: {cookie}")]);
        }
        let output = command.arg(format!("https://localhost:{}/", self.port)).output().await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "wrk failed: {said} {}", String::from_utf8_lossy(&output.stderr));
        ensure!(
            !said.contains("Non-2xx") && !said.contains("Socket errors"),
            "not every answer was good: {said}"
        );
        let ticks = processes::ticks(self.pid)? - before;
        let number = |line: &str| line.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        let rate = said.lines().find(|line| line.starts_with("Requests/sec:")).and_then(number);
        let requests = said.lines().find(|line| line.contains(" requests in ")).and_then(number);
        let requests = requests.context("wrk told no number of requests")?;
        Ok(Measured { rate: rate.context("wrk told no rate")?, cpu: ticks as f64 / TICKS / requests })
    }
}

impl Measured {
    /// The median of each figure.
    pub(crate) fn median(all: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = all.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self { rate: middle(|one| one.rate), cpu: middle(|one| one.cpu) }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s at {:.1} µs", self.rate, self.cpu * 1e6)
    }
}
