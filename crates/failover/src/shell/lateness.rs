//! Whether a timer of ours ran so late that what it says of others is worth nothing: on a busy
//! machine the watcher, too, can be slow.

use std::time::Duration;

use tokio::time::Instant;

/// Design.md section 5.
const LATE: Duration = Duration::from_millis(100);

/// Whether what was to happen at `due` happens, now, too late to blame anybody else.
pub(super) fn is_late_for(due: Instant) -> bool {
    due.elapsed() >= LATE
}
