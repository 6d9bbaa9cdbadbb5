//! What `evergate up` tells the person who started it: progress on standard error, addresses on
//! standard output.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::up_file::UpFile;

/// Tells how far the start has come.
#[derive(Debug)]
pub(super) struct Announcer {
    bar: ProgressBar,
    total: usize,
    started: Instant,
}

impl Announcer {
    /// Says that the start has begun.
    pub(super) fn start(total: usize) -> Self {
        let bar = ProgressBar::new(total as u64);
        if stderr().is_terminal() {
            bar.set_style(style());
            bar.set_message("setting up");
            bar.enable_steady_tick(Duration::from_millis(100));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            say(&mut stderr(), &format!("starting {total} instances"));
        }
        Self { bar, total, started: Instant::now() }
    }

    /// Says who is still missing.
    pub(super) fn waiting_for(&self, missing: &BTreeSet<&str>) {
        let ready = self.total.saturating_sub(missing.len());
        self.bar.set_position(ready as u64);
        self.bar.set_message(missing.iter().copied().collect::<Vec<_>>().join(" "));
    }

    /// Says where everything is.
    pub(super) fn ready(&self, up_file: &UpFile) {
        self.bar.finish_and_clear();
        let took = self.started.elapsed().as_secs_f32();
        say(&mut stderr(), &format!("{} instances are ready after {took:.1} s", self.total));
        say(&mut stdout(), &up_file.addresses());
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {pos}/{len} ready  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Whoever started us may have gone; that is no reason to stop.
fn say(to: &mut impl Write, text: &str) {
    drop(writeln!(to, "{text}"));
    drop(to.flush());
}
