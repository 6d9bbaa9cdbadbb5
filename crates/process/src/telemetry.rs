//! Logs and metrics: text on a terminal, JSON lines elsewhere, always on standard error;
//! Prometheus text for whoever asks.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// What is logged where nothing else is said.
pub const DEFAULT_FILTER: &str = "info";

/// Why logs or metrics cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("`{filter}` is not a log filter; write a level such as `debug`, or `evergate_policy=debug,info`")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs were started before.
    #[error("logs are already started")]
    Log(#[from] TryInitError),
    /// Metrics were started before.
    #[error("metrics cannot be started")]
    Metrics(#[from] BuildError),
}

/// The process's metrics.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts recording; once per process. Histograms whose name ends in `_seconds` have buckets
    /// from a tenth of a millisecond to 10 s.
    ///
    /// # Errors
    /// When metrics were started before.
    pub fn start() -> Result<Self, TelemetryError> {
        const SECONDS: [f64; 15] =
            [0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let handle = PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?;
        Ok(Self(handle))
    }

    /// All metrics, as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Gives back the memory of samples already counted; to be called every few seconds.
    pub fn tidy(&self) {
        self.0.run_upkeep();
    }
}

/// Starts logging to standard error; once per process.
///
/// # Errors
/// When the filter is wrong or logging was started before.
pub fn start_logs(filter: &str) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let text = std::io::stderr().is_terminal();
    // A log that cannot be written (the reader is gone) must never end the process.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(parsed);
    if text {
        registry.with(layer.with_target(false)).try_init()?;
    } else {
        registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init()?;
    }
    Ok(())
}

/// An error with all of its causes, for a log line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file was not written")]
    struct NotWritten(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_its_causes() {
        let full = std::io::Error::other("no space left");
        assert_eq!(chain(&full), "no space left");
        assert_eq!(chain(&NotWritten(full)), "the file was not written: no space left");
    }
}
