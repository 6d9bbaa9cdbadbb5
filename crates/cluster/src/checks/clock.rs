//! Whether the clocks of the machines agree: codes of soft tokens and the times in tokens depend on them.

use super::Line;

const CHECK: &str = "clock";
/// Milliseconds that are noticed by nobody.
const LITTLE: u64 = 1_000;
/// A third of the time that a code lives, and more than tokens are allowed.
const TOO_MUCH: u64 = 10_000;

/// This machine's clock beside another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Whose clock it is.
    pub with: String,
    /// The other machine, if it is one of network.yml.
    pub peer: Option<String>,
    /// Milliseconds by which this clock is ahead.
    pub ahead: i64,
    /// So many milliseconds the other way, too: what asking took, and what the answer leaves out.
    pub within: u64,
    /// Whether it is known who answered.
    pub is_proven: bool,
}

/// What is to be said of them; `is_alone`: whether there is no other machine.
#[must_use]
pub fn lines(comparisons: &[Comparison], is_alone: bool) -> Vec<Line> {
    if comparisons.is_empty() && is_alone {
        return vec![Line::ok(CHECK, "there is no other machine to compare with")];
    }
    if comparisons.is_empty() {
        let seen = "not compared: no console and no database that answers was found to ask for the time";
        return vec![Line::warn(CHECK, seen, "timedatectl set-ntp true, here and on every other machine")];
    }
    comparisons.iter().map(line).collect()
}

fn line(comparison: &Comparison) -> Line {
    let Comparison { with, ahead, within, .. } = comparison;
    let off = ahead.unsigned_abs().saturating_sub(*within);
    let doubt = if comparison.is_proven { "" } else { " (a hint: its certificate was not checked)" };
    let fix = "timedatectl set-ntp true, here and there";
    let way = if *ahead > 0 { "ahead of" } else { "behind" };
    let apart = || format!("at least {} {way} {with}{doubt}", seconds(off));
    let line = match off {
        ..=LITTLE => {
            let most = ahead.unsigned_abs().saturating_add(*within);
            Line::ok(CHECK, format!("no more than {} from {with}{doubt}", seconds(most)))
        }
        _ if off <= TOO_MUCH => Line::warn(CHECK, apart(), fix),
        _ => Line::fail(CHECK, format!("{}: codes and tokens are refused", apart()), fix),
    };
    comparison.peer.iter().fold(line, |line, peer| line.of(peer))
}

fn seconds(milliseconds: u64) -> String {
    // Rounded up: a bound must hold.
    let tenths = milliseconds.div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn beside(ahead: i64, within: u64, is_proven: bool) -> Comparison {
        let peer = (!is_proven).then(|| "node-b".to_owned());
        let with = if is_proven { "the database's server db1:5432" } else { "the console at 10.0.0.12:8304" };
        Comparison { with: with.to_owned(), peer, ahead, within, is_proven }
    }

    #[test]
    fn clocks_that_differ_are_told_and_so_is_one_that_was_compared_with_none() {
        let all = [
            beside(3, 2, true),
            beside(-1_002, 2, true),
            beside(-1_003, 2, true),
            beside(1_700, 600, false),
            beside(1_700, 800, false),
            beside(10_002, 2, true),
            beside(10_003, 2, true),
            beside(i64::MIN, 2, false),
        ];
        insta::assert_snapshot!(shown(&[lines(&all, false), lines(&[], false), lines(&[], true)].concat()));
    }
}
