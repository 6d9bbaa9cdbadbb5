//! Cleans up after a drill that could not do it itself: a small process that outlives it.
//!
//! It waits at a pipe from the drill. If the pipe closes without a word, the drill was killed, and
//! its user and resource are taken away. (What it struck the supervisor heals, and its servers die
//! with it.) It is in no group with the drill, so that an interrupt at the terminal leaves it alone.

use std::io::BufRead;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::{DrillError, fixture, scene};
use crate::api_client::{ApiClient, ApiError};

/// The hidden command.
pub const COMMAND: &str = "drill-guard";
/// What a drill says that needs no more guarding.
const DONE: &str = "done";
/// So long cleaning up is tried: within a minute all must be healed.
const LIMIT: Duration = Duration::from_secs(50);
const PAUSE: Duration = Duration::from_secs(1);

/// The guard of a running drill.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// Starts one.
    pub(super) async fn start(program: &Path, data: &Path, drill: &str) -> Result<Self, DrillError> {
        let child = Command::new(program)
            .arg(COMMAND)
            .arg("--data")
            .arg(data)
            .args(["--drill", drill])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(DrillError::Guard)?;
        Ok(Self(child))
    }

    /// Lets it go: the drill has cleaned up.
    pub(super) async fn dismiss(mut self) -> Result<(), DrillError> {
        if let Some(mut pipe) = self.0.stdin.take() {
            pipe.write_all(format!("{DONE}\n").as_bytes()).await.map_err(DrillError::Guard)?;
        }
        self.0.wait().await.map_err(DrillError::Guard)?;
        Ok(())
    }
}

/// Waits for the end of a drill, and cleans up after it if it was not an orderly one.
///
/// # Errors
/// When cleaning up fails until the end.
pub async fn guard(data: &Path, drill: &str) -> Result<(), ApiError> {
    // Nothing else runs in this process, so that it may wait here.
    if is_done(std::io::stdin().lock()) {
        return Ok(());
    }
    let began = Instant::now();
    loop {
        match clean_up(data, drill).await {
            // The installation has ended; the next drill finds what is left.
            Err(ApiError::Running(_)) => return Ok(()),
            Err(error) if began.elapsed() < LIMIT => {
                tracing::warn!(%error, "cannot clean up after a drill yet");
                sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Reads to the end; whether the word was said.
fn is_done(pipe: impl BufRead) -> bool {
    pipe.lines().map_while(Result::ok).any(|line| line == DONE)
}

async fn clean_up(data: &Path, drill: &str) -> Result<(), ApiError> {
    let api = ApiClient::local(data)?;
    fixture::remove(&api).await?;
    scene::note(&api, drill, "ended", json!({ "result": "killed" })).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_closes_without_a_word_is_a_drill_that_was_killed() {
        assert!(!is_done(&b""[..]));
        assert!(!is_done(&b"don"[..]));
        assert!(is_done(&b"done\n"[..]));
    }
}
