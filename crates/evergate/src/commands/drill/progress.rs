//! What the operator sees while a drill works: lines that stay, and one that moves.

use std::io::{IsTerminal, Write, stderr};

use evergate_cluster::drill::Progress;

/// Back to the line's beginning, and the rest of it cleared (ECMA-48 EL).
const OVER: &str = "\r\x1b[K";

/// Tells on standard error; the moving line only where a person looks.
#[derive(Debug)]
pub(super) struct Teller {
    is_terminal: bool,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { is_terminal: stderr().is_terminal() }
    }

    pub(super) fn tell(&self, progress: Progress<'_>) {
        let text = said(self.is_terminal, progress);
        // Nobody to tell is no reason to stop.
        let _ = stderr().lock().write_all(text.as_bytes());
    }

    /// Clears the moving line.
    pub(super) fn finish(&self) {
        self.tell(Progress::Now(""));
    }
}

fn said(is_terminal: bool, progress: Progress<'_>) -> String {
    match (progress, is_terminal) {
        (Progress::Step(text), true) => format!("{OVER}{text}\n"),
        (Progress::Now(text), true) => format!("{OVER}{text}"),
        (Progress::Step(text), false) => format!("{text}\n"),
        (Progress::Now(_), false) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_lines_only() {
        assert_eq!(said(false, Progress::Step("a")), "a\n");
        assert_eq!(said(false, Progress::Now("b")), "");
        assert_eq!(said(true, Progress::Now("b")), "\r\x1b[Kb");
    }
}
