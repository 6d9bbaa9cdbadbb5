//! Whether a swarm's managers can lose one.

use super::Line;

const CHECK: &str = "quorum";

/// The managers, as one of them sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quorum {
    /// They agree.
    Held {
        /// Those that are reached.
        reached: usize,
        /// What the others call themselves.
        away: Vec<String>,
    },
    /// There is no leader; what the engine says of it.
    Lost(String),
}

/// What is to be said of it.
#[must_use]
pub fn line(quorum: &Quorum) -> Line {
    let (reached, away) = match quorum {
        Quorum::Lost(said) => {
            return lost(&format!("the managers have no majority: {}", said.trim_end_matches('.')));
        }
        Quorum::Held { reached, away } => (*reached, away),
    };
    let total = reached + away.len();
    let seen = format!("{reached} of {total} managers reached");
    if reached * 2 <= total {
        return lost(&format!("{seen}: no majority; {} away", away.join(", ")));
    }
    if !away.is_empty() {
        let fix = format!("start {} again, or take it out: docker node demote ID", away.join(", "));
        return Line::warn(CHECK, format!("{seen}; away: {}", away.join(", ")), fix);
    }
    let three =
        "make three managers: `swarm: manager` at three nodes of network.yml, and docker node promote ID";
    match total {
        1 => {
            let seen = format!("{seen}: with it lost, services go on and nothing can be changed");
            Line::warn(CHECK, seen, three)
        }
        _ if total.is_multiple_of(2) => {
            let seen = format!("{seen}: an even number survives no more losses than one manager less");
            Line::warn(
                CHECK,
                seen,
                "add a manager (docker node promote ID), or take one away (docker node demote ID)",
            )
        }
        _ => Line::ok(CHECK, format!("{seen}; {} may be lost", (total - 1) / 2)),
    }
}

fn lost(seen: &str) -> Line {
    let fix = "start the lost managers again; if they are gone for good, on one that is left: \
               docker swarm init --force-new-cluster";
    Line::fail(CHECK, format!("{seen}; services go on, nothing can be changed"), fix)
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn held(reached: usize, away: &[&str]) -> Line {
        line(&Quorum::Held { reached, away: away.iter().map(|name| (*name).to_owned()).collect() })
    }

    #[test]
    fn what_a_loss_of_managers_would_mean_is_told() {
        let said = "The swarm does not have a leader.";
        let all = [
            held(3, &[]),
            held(5, &[]),
            held(1, &[]),
            held(2, &[]),
            held(4, &[]),
            held(2, &["node-c"]),
            held(1, &["node-b"]),
            held(1, &["node-b", "node-c"]),
            line(&Quorum::Lost(said.to_owned())),
        ];
        insta::assert_snapshot!(shown(&all));
    }
}
